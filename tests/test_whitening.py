"""After training, z of real photos become N(0, I), and no picture changes."""

import torch
from conftest import TINY, make_model

from pix2pix.whitening import whiten


def test_codes_become_standard_and_pictures_stay() -> None:
    model = make_model(TINY)
    generator, encoder = model.generator, model.encoder
    assert encoder is not None
    photos = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)).round() * 2 - 1
    photos *= torch.linspace(0.1, 1, 64)[:, None, None, None]
    sketch = torch.ones(1, 1, 32, 32)
    sketch[..., 8:24] = -1
    roughness = torch.linspace(0, 1, 64)
    with torch.no_grad():
        before, log_variance = encoder(photos)
        drawn, _ = generator(sketch, before, roughness)
        spread = torch.cov(before.T, correction=0) + log_variance.exp().mean(dim=0).diag()
        assert before.mean(dim=0).abs().max() > 0.1 and (spread - torch.eye(4)).abs().max() > 0.1
        whiten(generator, encoder, photos)
        after, log_variance_after = encoder(photos)
        again, _ = generator(sketch, after, roughness)
    assert torch.allclose(again, drawn, atol=1e-3)
    assert after.mean(dim=0).abs().max() < 1e-4
    values, vectors = torch.linalg.eigh(spread)
    inverse = vectors @ values.rsqrt().diag() @ vectors.T
    of_means = torch.cov(after.T, correction=0)
    widths = log_variance.exp().mean(dim=0).diag()
    assert torch.allclose(of_means + inverse @ widths @ inverse, torch.eye(4), atol=1e-4)
    widths_after = log_variance_after.exp().mean(dim=0).diag()  # E's stay along the axes: nearly right
    assert (of_means + widths_after - torch.eye(4)).abs().max() < 0.1

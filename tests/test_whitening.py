"""After training, z of real photos become N(0, I), and no picture changes."""

import torch
from conftest import TINY, make_encoder, make_generator

from pix2pix.whitening import whiten


def test_codes_become_standard_and_pictures_stay() -> None:
    generator, encoder = make_generator(TINY), make_encoder(TINY)
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
        after, _ = encoder(photos)
        again, _ = generator(sketch, after, roughness)
        narrow = encoder.head.bias[4:]
    assert after.mean(dim=0).abs().max() < 1e-4
    # What the mean codes vary less than 1 is the width that E gives each photo.
    root = torch.linalg.cholesky(spread)
    assert torch.allclose(again, drawn, atol=1e-3)
    values = torch.linalg.eigvalsh(torch.cov(after.T, correction=0))
    assert values.max() < 1 + 1e-3
    whole = torch.linalg.slogdet(torch.cov(after.T, correction=0)).logabsdet
    expected = torch.linalg.slogdet(torch.cov(before.T, correction=0)).logabsdet - 2 * root.diag().log().sum()
    assert torch.allclose(whole, expected, atol=1e-3) and narrow.isfinite().all()

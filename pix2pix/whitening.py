"""Makes N(0, I) what z of real photos are: after it, a seed draws the look of some photo there might be.

Training pulls E's codes towards N(0, I) only so far; random z then ask for looks that no photo has. So the
Gaussian of the codes is fitted once training has ended (ex-post density estimation, Ghosh et al. 2020) and
folded into the weights: z enters G, and leaves E, through linear layers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pix2pix.networks import Encoder, Generator, Modulate

SMALLEST_VARIANCE = 1e-4  # numbers of z that vary less stay small


@torch.no_grad()
def whiten(generator: Generator, encoder: Encoder, photos: Tensor) -> None:
    """Change both in place, so that codes of photos like these (N, 3, S, S) have mean 0 and covariance I.

    The pictures stay what they were: G(sketch, E(photo)) is the same before and after.
    """
    mean, log_variance = encoder(photos)
    middle = mean.mean(dim=0)
    covariance = torch.cov(mean.T, correction=0) + log_variance.exp().mean(dim=0).diag()
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp_min(SMALLEST_VARIANCE)
    root = vectors @ values.sqrt().diag() @ vectors.T  # symmetric: the axes turn as little as they can
    inverse = vectors @ values.rsqrt().diag() @ vectors.T
    size = len(middle)
    for module in generator.modules():
        if isinstance(module, Modulate) and module.film is not None:
            of_z = module.film.weight[:, :size].clone()  # z comes first in what G is told
            module.film.bias.add_(of_z @ middle)
            module.film.weight[:, :size] = of_z @ root
    encoder.head.weight[:size] = inverse @ encoder.head.weight[:size]
    encoder.head.bias[:size] = inverse @ (encoder.head.bias[:size] - middle)
    encoder.head.bias[size:] -= 2 * root.diag().log()  # widths stay along the axes: only nearly right

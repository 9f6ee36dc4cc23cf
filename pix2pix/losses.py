"""Loss terms as pure functions of tensors: scalars, and for reconstruction one number a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

MODE_EPSILON = 1e-3  # of a mean L1 of pictures: how alike two answers may be before they count as one


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of D on logits of real and fake patches. Lim & Ye 2017, eq. 3."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """What G lowers against a hinge D: minus the mean logit of its patches. Lim & Ye 2017, eq. 4."""
    return -fake.mean()


def discriminator_bce(real: Tensor, fake: Tensor) -> Tensor:
    """Log loss of D, halved as in Isola et al. 2017, section 3.3, to slow D beside G."""
    return 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())


def generator_bce(fake: Tensor) -> Tensor:
    """Non-saturating G loss, -log D(G). Goodfellow et al. 2014, section 3."""
    return F.softplus(-fake).mean()


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean L1 between D's features of the real and the made photo. Wang et al. 2018 (pix2pixHD), eq. 4."""
    terms = [F.l1_loss(f, r.detach()) for r, f in zip(real, fake, strict=True)]
    return sum(terms[1:], terms[0]) / len(terms)


def mean_of(loss: Callable[..., Tensor], *scales: Sequence[Tensor]) -> Tensor:
    """A loss of logits, averaged over the scales of a discriminator."""
    terms = [loss(*(logits.float() for logits in scale)) for scale in zip(*scales, strict=True)]
    return sum(terms[1:], terms[0]) / len(terms)


def l1(photo: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference (N,), both in [-1, 1]. Isola et al. 2017, eq. 3."""
    return F.l1_loss(photo, target, reduction="none").mean(dim=(1, 2, 3))


def balanced(sketch: Tensor, target: Tensor) -> Tensor:
    """Log loss (N,) of ink against paper, both sides counting alike however little ink there is.

    Sketches (N, 1, H, W) in [-1, 1], paper +1. Xie & Tu 2015 (HED), eq. 2, over a batch.
    """
    ink, true_ink = 0.5 - 0.5 * sketch, 0.5 - 0.5 * target
    share = true_ink.mean()
    weight = torch.lerp(share, 1 - share, true_ink)
    return F.binary_cross_entropy(ink, true_ink, weight, reduction="none").mean(dim=(1, 2, 3))


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """From N(mean, variance) to N(0, I), (N, Z) each: summed over Z. Kingma & Welling 2014, appendix B."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()


def mode_seeking(a: Tensor, b: Tensor, z_a: Tensor, z_b: Tensor) -> Tensor:
    """Distance of z over distance of pictures, both mean L1 a pair. Mao et al. 2019, eq. 5, inverted."""
    pictures = (a - b).abs().mean(dim=(1, 2, 3))
    return ((z_a - z_b).abs().mean(dim=1) / (pictures + MODE_EPSILON)).mean()


def gradient_penalty(real: Tensor, logits: Sequence[Tensor]) -> Tensor:
    """R1: half the squared gradient of D, a picture's mean logit, at real pictures (N, C, H, W).

    They must require gradients. Mescheder et al. 2018, eq. 9.
    """
    seen = torch.stack([x.mean(dim=(1, 2, 3)).sum() for x in logits]).sum()
    (gradient,) = torch.autograd.grad(seen, real, create_graph=True)
    return 0.5 * gradient.square().sum(dim=(1, 2, 3)).mean()


def roughness_error(guessed: Tensor, roughness: Tensor) -> Tensor:
    """Mean squared error of the guessed roughness, both (N,) in [0, 1]."""
    return F.mse_loss(guessed, roughness)


DISCRIMINATOR_LOSSES = {"hinge": discriminator_hinge, "bce": discriminator_bce}
RECONSTRUCTION_LOSSES = {"l1": l1, "balanced": balanced}
GENERATOR_LOSSES = {"hinge": generator_hinge, "bce": generator_bce}

"""Loss terms and measurements as pure functions of tensors: scalars, or one number per picture (N,)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

DRIFT_WEIGHT = 0.01  # of the squared mean of both logits (Karras et al. 2018, appendix A.1)


def discriminator_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    """Returns D's loss (N,): is the photo's patch more real than the generated one of the same sketch?

    Logits are (N, ...). What both have in common cancels out. Jolicoeur-Martineau 2018; Huang et al. 2024,
    eq. 2. The last term keeps logits near 0, so that they can be compared between sketches.
    """
    return _each(F.softplus(fake - real) + DRIFT_WEIGHT * ((real + fake) / 2).square())


def generator_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    """Returns G's loss (N,) against such a D; logits are (N, ...). Huang et al. 2024, eq. 2."""
    return _each(F.softplus(real - fake))


def discriminator_bce(real: Tensor, fake: Tensor) -> Tensor:
    """Returns D's log loss (N,), halved as in Isola et al. 2017, section 3.3, to slow D beside G."""
    return 0.5 * (_each(F.softplus(-real)) + _each(F.softplus(fake)))


def generator_bce(fake: Tensor) -> Tensor:
    """Returns G's non-saturating loss (N,), -log D(G). Goodfellow et al. 2014, section 3."""
    return _each(F.softplus(-fake))


def gradient_penalty(logits: Tensor, x: Tensor) -> Tensor:
    """Returns the mean squared gradient of logits (N, ...) at their input x (N, C, H, W), a scalar.

    R1, Mescheder et al. 2018, eq. 9. `x` must require gradients.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def l1(photo: Tensor, target: Tensor) -> Tensor:
    """Returns the mean absolute difference (N,) of pictures in [-1, 1]. Isola et al. 2017, eq. 3."""
    return _each((photo - target).abs())


def l1_where(picture: Tensor, coloured: Tensor) -> Tensor:
    """Returns the mean absolute difference (N,) of pictures (N, 3, H, W) to colours, under a mask.

    `coloured` (N, 4, H, W) is colour times mask, and mask.
    """
    mask = coloured[:, 3:]
    difference = ((picture - coloured[:, :3]).abs() * mask).sum((1, 2, 3))
    return difference / (3 * mask.sum((1, 2, 3)) + 1)


def alpha_log_loss(logit: Tensor, mask: Tensor) -> Tensor:
    """Returns the log loss (N,) of alpha's logit (N, 1, H, W) against the product's mask in 0..1."""
    return _each(F.binary_cross_entropy_with_logits(logit, mask, reduction="none"))


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Returns the KL divergence from N(mean, variance), (N, Z) each, to N(0, I): a scalar.

    Summed over Z, averaged over N. Kingma & Welling 2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()


def beyond(colour: Tensor, limit: float) -> Tensor:
    """Returns how far values lie outside of [-limit, limit] on average: colours that no pixel has."""
    return F.relu(colour.abs() - limit).mean()


def gradients_at(picture: Tensor, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the norm of each term's gradient at a picture (N, C, H, W), as at_picture_NAME."""
    norms = {}
    for name, term in terms.items():
        (gradient,) = torch.autograd.grad(term, picture, retain_graph=True, allow_unused=True)
        norms[f"at_picture_{name}"] = term.new_zeros(()) if gradient is None else gradient.float().norm()
    return norms


def _each(x: Tensor) -> Tensor:
    """Returns the mean of each picture, (N, ...) -> (N,)."""
    return x.flatten(1).mean(1)


@torch.no_grad()
def discriminator_statistics(
    kind: str, real: Tensor, fake: Tensor, *, paired: bool = False
) -> dict[str, Tensor]:
    """Returns scalars by name, of the logits (N, ...) of one kind of discriminator.

    p_real_KIND, p_fake_KIND   mean probability that it gives to real and to generated patches, 0..1
    accuracy_KIND              share of patches that it classifies correctly; with `paired`, of those where
                               the real one gets the larger logit
    """
    accuracy = (
        (real > fake).float().mean()
        if paired
        else 0.5 * ((real > 0).float().mean() + (fake <= 0).float().mean())
    )
    p_real, p_fake = torch.sigmoid(real).mean(), torch.sigmoid(fake).mean()
    return {f"p_real_{kind}": p_real, f"p_fake_{kind}": p_fake, f"accuracy_{kind}": accuracy}


def means(values: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Returns, by name, the means of several measurements that have the same names."""
    return {name: torch.stack([one[name] for one in values]).mean() for name in values[0]}

"""The discriminators of the picture GAN: on frozen features, on pixels, and on the coarse picture.

Each gets the sketch as well. The discriminator on pixels is `model.patch_discriminator`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from pix2pix.model.config import DiscriminatorConfig
from pix2pix.model.constants import SLOPE
from pix2pix.model.layers import group_deviation
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.training.projected import MIXED

COARSE_PX = 32
GROUP = 2  # pictures over which the coarse discriminator gets the deviation
HALVINGS = (2, 1, 0, 0)  # per stage of features, so that all end at 5 or 10 patches a side
FOLD = 4  # pixels of the sketch's side, folded into channels for the feature discriminators


class FeatureDiscriminator(nn.Module):
    """Classifies patches of one stage of projected features (Sauer et al. 2021), given the sketch."""

    def __init__(self, c_in: int, halvings: int, width: int) -> None:
        """`halvings` is the number of strided convolutions, which come first."""
        super().__init__()
        self.sketch = spectral_norm(nn.Conv2d(FOLD**2, FOLD**2, 3, padding=1))
        layers: list[nn.Module] = []
        channels = c_in + FOLD**2
        for _ in range(halvings):
            layers += [spectral_norm(nn.Conv2d(channels, width, 4, 2, 1)), nn.LeakyReLU(SLOPE)]
            channels = width
        layers += [spectral_norm(nn.Conv2d(channels, width, 3, 1, 1)), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers)
        self.logit = spectral_norm(nn.Conv2d(width, 1, 3, 1, 1))

    def forward(self, features: Tensor, folded: Tensor) -> Tensor:
        """Features (N, C, h, w) and the folded ink (N, 16, S/4, S/4) -> logits (N, 1, h', w')."""
        side = features.shape[-1]
        if side <= folded.shape[-1]:
            ink = F.adaptive_avg_pool2d(folded, side)
        else:
            ink = F.interpolate(folded, size=(side, side), mode="nearest")
        logits: Tensor = self.logit(self.layers(torch.cat([features, self.sketch(ink)], 1)))
        return logits


class CoarseDiscriminator(nn.Module):
    """Classifies the whole picture at 32 px, given its ink; it has no normalisation, so colours reach it.

    It also gets the deviation within groups of two pictures, so that it can reject a generator that draws
    one colour. It needs a gradient penalty.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        """`widths` are channels at 16, 8 and 4 px."""
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise((1 + 3, *widths)))
        self.last = nn.Conv2d(widths[-1] + 1, widths[-1], 3, 1, 1)
        self.logit = nn.Conv2d(widths[-1], 1, 4, 1, 0)
        for conv in (*self.down, self.last, self.logit):
            nn.init.kaiming_normal_(conv.weight, SLOPE)
            nn.init.zeros_(conv.bias)

    @staticmethod
    def shrink(photo: Tensor, ink: Tensor) -> Tensor:
        """Returns its input (N, 4, 32, 32) for photos (N, 3, S, S) and ink (N, 1, S, S)."""
        return F.adaptive_avg_pool2d(torch.cat([photo.float(), ink], 1), COARSE_PX)

    def forward(self, small: Tensor) -> Tensor:
        """(N, 4, 32, 32) of `shrink` -> logits (N, 1, 1, 1)."""
        x = small
        for conv in self.down:
            x = F.leaky_relu(conv(x), SLOPE)
        x = torch.cat([x, group_deviation(x, GROUP)], 1)
        logits: Tensor = self.logit(F.leaky_relu(self.last(x), SLOPE))
        return logits

    def penalty(self, photo: Tensor, ink: Tensor) -> Tensor:
        """Returns the mean squared gradient at real pictures, a scalar (R1, Mescheder et al. 2018, eq. 9)."""
        small = self.shrink(photo, ink).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self(small).mean((1, 2, 3)).sum(), small, create_graph=True)
        return gradient.square().sum((1, 2, 3)).mean()


class PictureDiscriminators(nn.Module):
    """All discriminators of one kind of pictures: whole ones at half size, or windows at full size."""

    def __init__(self, config: DiscriminatorConfig, *, coarse: bool) -> None:
        """Windows have no coarse discriminator, as they show no whole product."""
        super().__init__()
        self.features = nn.ModuleList(
            FeatureDiscriminator(MIXED, halvings, config.features_width) for halvings in HALVINGS
        )
        self.pixels = PatchDiscriminator(config)
        self.coarse = CoarseDiscriminator(config.coarse_widths) if coarse else None

    def forward(self, photo: Tensor, ink: Tensor, projected: list[Tensor]) -> dict[str, list[Tensor]]:
        """Returns logits by kind: "features" of every stage, "pixels", and "coarse".

        Photo (N, 3, S, S) in [-1, 1], ink (N, 1, S, S) in 0..1, features of `Projection`.
        """
        folded = F.pixel_unshuffle(ink, FOLD)
        stages = zip(self.features, projected, strict=True)
        logits = {
            "features": [discriminator(x, folded) for discriminator, x in stages],
            "pixels": [self.pixels(1 - 2 * ink, photo)],
        }
        if self.coarse is not None:
            logits["coarse"] = [self.coarse(self.coarse.shrink(photo, ink))]
        return {kind: [x.float() for x in of_kind] for kind, of_kind in logits.items()}

    @torch.no_grad()
    def update_spectral_norms(self) -> None:
        """Makes one power iteration of each spectral norm (Miyato et al. 2018, algorithm 1).

        Nothing else does, as the networks are in evaluation mode: the number of forward passes in a step has
        no effect on the norms.
        """
        for module in self.modules():
            if is_parametrized(module, "weight"):
                module.train()
                module.weight  # noqa: B018 - reading it makes the iteration
                module.eval()

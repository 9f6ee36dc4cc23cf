"""The discriminators of the picture GAN: on pixels, on the coarse picture, and of the outline.

Each gets the sketch as well. The discriminator on pixels is `model.patch_discriminator`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.config import DiscriminatorConfig
from pix2pix.model.constants import SLOPE
from pix2pix.model.layers import group_deviation
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.training.steps.losses import gradient_penalty

COARSE_PX = 32
GROUP = 2  # pictures over which the coarse discriminator gets the deviation


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
        """Returns the mean squared gradient at real pictures, a scalar: R1."""
        small = self.shrink(photo, ink).detach().requires_grad_()
        return gradient_penalty(self(small), small)


class PictureDiscriminators(nn.Module):
    """All discriminators of pictures."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        """Draws weights from torch's global generator."""
        super().__init__()
        self.pixels = PatchDiscriminator(config)
        self.coarse = CoarseDiscriminator(config.coarse_widths)
        self.outline = PatchDiscriminator(config)

    def forward(self, photo: Tensor, alpha: Tensor, ink: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Returns logits by kind, "pixels", "coarse" and "outline", and the features of the one on pixels.

        Photo (N, 3, S, S) in [-1, 1], alpha and ink (N, 1, S, S) in 0..1.
        """
        sketch = 1 - 2 * ink
        features = self.pixels.features(sketch, photo)
        coarse = self.coarse(self.coarse.shrink(photo, ink))
        outline = self.outline(sketch, (1 - 2 * alpha).expand_as(photo))
        return {
            "pixels": features[-1].float(),
            "coarse": coarse.float(),
            "outline": outline.float(),
        }, features

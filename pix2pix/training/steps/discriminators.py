"""The discriminators of the picture GAN: on pixels at two scales, on the coarse picture, and of the outline.

Each gets the sketch as well. Those on pixels, at two scales (Wang et al. 2018), and of the outline are
`model.patch_discriminator`. Folded pictures show them all pixels for the price of half the side.
"""

from __future__ import annotations

from dataclasses import replace
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

    def __init__(self, config: DiscriminatorConfig, side_px: int) -> None:
        """Draws weights from torch's global generator. `side_px` is the side of the pictures, when folded.

        Where half of it is less than a patch, there is none at half the side.
        """
        super().__init__()
        self.pixels = PatchDiscriminator(config)
        self.pixels_half = PatchDiscriminator(config) if config.sees(side_px // 2) else None
        self.coarse = CoarseDiscriminator(config.coarse_widths)
        self.outline = PatchDiscriminator(replace(config, instance_norm=True))

    def forward(self, photo: Tensor, alpha: Tensor, ink: Tensor) -> dict[str, Tensor]:
        """Returns logits by kind: "pixels", "pixels_half" (at half the side), "coarse" and "outline".

        Photo (N, 3, S, S) in [-1, 1], alpha and ink (N, 1, S, S) in 0..1.
        """
        coarse = self.coarse(self.coarse.shrink(photo, ink))
        outline = self.outline(1 - 2 * ink, (1 - 2 * alpha).expand_as(photo))
        logits = {**self._on_pixels(photo, ink), "coarse": coarse, "outline": outline}
        return {kind: x.float() for kind, x in logits.items()}

    def _on_pixels(self, photo: Tensor, ink: Tensor) -> dict[str, Tensor]:
        sketch = 1 - 2 * ink
        logits = {"pixels": self.pixels(sketch, photo)}
        if self.pixels_half is not None:
            logits["pixels_half"] = self.pixels_half(F.avg_pool2d(sketch, 2), F.avg_pool2d(photo, 2))
        return logits

    def penalties(self, photo: Tensor, ink: Tensor) -> tuple[Tensor, Tensor]:
        """Returns R1 at real pictures of the coarse discriminator, and of those on pixels: scalars.

        Logits of patches count as their sum over the root of their number.
        """
        x = photo.detach().float().requires_grad_()
        on_pixels = [
            gradient_penalty(logits * logits[0].numel() ** -0.5, x)
            for logits in self._on_pixels(x, ink).values()
        ]
        return self.coarse.penalty(photo, ink), torch.stack(on_pixels).sum()

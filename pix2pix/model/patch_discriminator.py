"""PatchGAN (Isola et al. 2017): the discriminators on pixels and of the outline.

Bundles include the one on pixels, for the realism map. With instance norm, a picture and the same picture
with half of its contrast are alike to it; so those of two-stage models have none.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.config import DiscriminatorConfig
from pix2pix.model.constants import DEVIATION, GAIN, SLOPE
from pix2pix.model.layers import InstanceNorm


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017): is each patch of a photo likely for the sketch?"""

    def __init__(self, config: DiscriminatorConfig) -> None:
        """Weights are normal, of deviation `DEVIATION`."""
        super().__init__()
        self.fold = config.fold
        channels = ((1 + 3) * config.fold**2, *config.widths, 1)
        convs = [
            nn.Conv2d(a, b, 4, stride, padding=1)
            for (a, b), stride in zip(pairwise(channels), config.strides, strict=True)
        ]
        for conv in convs:
            nn.init.normal_(conv.weight, 0.0, DEVIATION)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        self.convs = nn.ModuleList(convs)
        self.norms = nn.ModuleList(
            InstanceNorm(conv.out_channels)
            if config.instance_norm
            else Scale(conv.out_channels, GAIN / (DEVIATION * conv.weight[0].numel() ** 0.5))
            for conv in convs[1:-1]
        )

    def forward(self, sketch: Tensor, photo: Tensor) -> Tensor:
        """(N, 1, S, S) and (N, 3, S, S), both in [-1, 1] -> logits of patches (N, 1, H, W)."""
        x = F.pixel_unshuffle(torch.cat([sketch, photo], dim=1), self.fold)
        for i, conv in enumerate(self.convs[:-1]):
            x = conv(x)
            x = F.leaky_relu(self.norms[i - 1](x) if i else x, SLOPE)
        logits: Tensor = self.convs[-1](x)
        return logits

    def probabilities(self, sketch: Tensor, photo: Tensor, size_px: int) -> Tensor:
        """Returns the probability that each patch is real, (N, 1, H, W) in 0..1.

        Pictures are shrunk until their side is `size_px` when folded. Probabilities are not calibrated: a
        relativistic loss compares logits of pairs, and only keeps their mean near 0.
        """
        sketch, photo = (F.adaptive_avg_pool2d(x, size_px * self.fold) for x in (sketch, photo))
        return torch.sigmoid(self(sketch, photo).float())


class Scale(nn.Module):
    """A learned scale and shift for each channel: in the place of `InstanceNorm`, where contrast counts."""

    def __init__(self, channels: int, scale: float) -> None:
        """The shift is 0 at first."""
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        weight, bias = (p[:, None, None].to(x.dtype) for p in (self.weight, self.bias))
        return torch.addcmul(bias, x, weight)

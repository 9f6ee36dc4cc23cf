"""In the place of EfficientNet-Lite0: for tests of all else about training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.training.projected import STAGES

SIDES = (16, 8, 4, 2)


class SmallBackbone(nn.Module):
    """Maps of the shapes that `pix2pix.training.projected.Backbone` has, in no time."""

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(0)
        kernels = [torch.randn(channels, 3, 1, 1, generator=random) for channels, _ in STAGES]
        self.kernels = nn.ParameterList(kernels).requires_grad_(False)

    def forward(self, photo: Tensor) -> list[Tensor]:
        small = [F.adaptive_avg_pool2d(photo, side) for side in SIDES]
        return [F.conv2d(x, kernel.to(x.dtype)) for x, kernel in zip(small, self.kernels, strict=True)]

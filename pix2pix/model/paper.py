"""The generator of Isola et al. 2017: a U-Net from a sketch to a photo, with instance norm and no noise."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.config import ModelConfig
from pix2pix.model.constants import DEVIATION, SLOPE
from pix2pix.model.layers import InstanceNorm

DROPOUT_STAGES = 3  # of the decoder, from the innermost (Isola et al. 2017, section 6.1)


class PaperGenerator(nn.Module):
    """(N, 1, S, S) in [-1, 1], paper +1 -> (N, 3, S, S) in [-1, 1]."""

    def __init__(self, config: ModelConfig) -> None:
        """Weights are normal, of deviation `DEVIATION`."""
        super().__init__()
        widths, self.dropout = config.widths, config.dropout
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise((1, *widths)))
        self.down_norms = nn.ModuleList(
            InstanceNorm(c) for c in widths[1:-1]
        )  # neither the first nor the last
        outputs = (*widths[-2::-1], 3)
        inputs = (widths[-1], *(2 * c for c in widths[-2::-1]))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in zip(inputs, outputs, strict=True)
        )
        self.up_norms = nn.ModuleList(InstanceNorm(c) for c in outputs[:-1])
        for conv in (*self.downs, *self.ups):
            nn.init.normal_(conv.weight, 0.0, DEVIATION)
            nn.init.zeros_(conv.bias)

    def forward(self, sketch: Tensor) -> Tensor:
        """See the class."""
        levels: list[Tensor] = []
        x = sketch
        for i, conv in enumerate(self.downs):
            x = conv(F.leaky_relu(x, SLOPE) if i else x)
            if 0 < i < len(self.downs) - 1:
                x = self.down_norms[i - 1](x)
            levels.append(x)
        levels.pop()
        for i, (conv, norm) in enumerate(zip(self.ups, self.up_norms, strict=False)):
            x = norm(conv(F.relu(x)))
            x = F.dropout(x, self.dropout if i < DROPOUT_STAGES else 0.0, self.training)
            x = torch.cat([x, F.leaky_relu(levels.pop(), SLOPE)], dim=1)
        return torch.tanh(self.ups[-1](F.relu(x)).float())

"""The picture GAN's generator: draws a product from a sketch and a layout of its colours.

A U-Net (Ronneberger et al. 2015; Isola et al. 2017) over the sketch. The layout enters its second half: at
every side as channels, and as the mean and deviation of the colours, which scale and shift normalised
features (FiLM, Perez et al. 2018). So answers to one sketch share the first half.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.config import ModelConfig
from pix2pix.model.constants import DEVIATION, SLOPE
from pix2pix.model.layers import STATISTICS, Doubling, InstanceNorm, per_answer, resized, statistics


class PictureGenerator(nn.Module):
    """Ink and layout -> colour in [-1, 1] and the logit of alpha."""

    def __init__(self, config: ModelConfig) -> None:
        """`config.widths` are channels at 1/2, 1/4, ... of the picture's side."""
        super().__init__()
        widths = config.widths
        first, *_ = widths
        inner = range(1, len(widths) - 2)
        self.stem = nn.Conv2d(4, first, 3, padding=1)  # the sketch folded 2x2; linear, for the last skip
        self.down = nn.ModuleList(Down(a, b, norm=i in inner) for i, (a, b) in enumerate(pairwise(widths)))
        self.up = nn.ModuleList(Up(a, b) for a, b in pairwise(widths[::-1]))
        self.head = Joint(first, 1, 4)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, 0.0, DEVIATION)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, ink: Tensor, layout: Tensor, sketch_of: Tensor | None = None) -> Tensor:
        """Ink (M, 1, S, S) in 0..1, paper 0, and layout (N, 4, 64, 64) -> (N, 4, S, S).

        `sketch_of` (N,) is the index of each answer's sketch; without it M is N.
        """
        sketch, style = 1 - 2 * ink, statistics(layout)
        levels = [self.stem(F.pixel_unshuffle(sketch, 2))]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = per_answer(levels.pop(), sketch_of)
        for up in self.up:
            x = up(x, levels.pop(), layout, style, sketch_of)
        rgba = self.head(x, sketch, layout, sketch_of).float()
        return torch.cat([torch.tanh(rgba)[:, :3], rgba[:, 3:]], 1)


class Down(nn.Module):
    """Halves the side: a strided convolution, a norm, a leaky rectifier."""

    def __init__(self, c_in: int, c_out: int, *, norm: bool) -> None:
        """`norm` is False for the outermost and the innermost stage, as in the paper."""
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 4, 2, 1)
        self.norm = InstanceNorm(c_out) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H/2, W/2)."""
        return F.leaky_relu(self.norm(self.conv(x)), SLOPE)


class Up(nn.Module):
    """Doubles the side, adds the skip connection and the layout, and normalises.

    The norm's scale and shift are computed from the layout's statistics (FiLM).
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        """The skip connection has `c_out` channels."""
        super().__init__()
        self.join = Joint(c_in, c_out, c_out)
        self.norm = InstanceNorm(c_out)
        self.film = nn.Linear(STATISTICS, 2 * c_out)

    def forward(
        self, x: Tensor, skip: Tensor, layout: Tensor, style: Tensor, sketch_of: Tensor | None
    ) -> Tensor:
        """As `Joint.forward`, with the layout's statistics (N, 7)."""
        scale, shift = self.film(style)[..., None, None].chunk(2, 1)
        joined = self.join(x, skip, layout, sketch_of)
        return F.relu(self.norm(joined, 1 + scale, shift))


class Joint(nn.Module):
    """The sum of three 3x3 convolutions: of x, doubled, of the skip connection and of the layout.

    It equals one convolution of all three, but the part of the skip connection is computed once a sketch.
    """

    def __init__(self, c_in: int, c_skip: int, c_out: int) -> None:
        """Channels of x, of the skip connection and of the output."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(c_out, c_in, 3, 3))
        self.skip = nn.Conv2d(c_skip, c_out, 3, padding=1)
        self.layout = nn.Conv2d(4, c_out, 3, padding=1, bias=False)
        self.doubling = Doubling(c_out)

    def forward(self, x: Tensor, skip: Tensor, layout: Tensor, sketch_of: Tensor | None) -> Tensor:
        """(N, C, H, W), (M, K, 2H, 2W) and layout (N, 4, 64, 64) -> (N, C', 2H, 2W)."""
        of_skip = per_answer(self.skip(skip), sketch_of)
        of_layout = self.layout(resized(layout, skip.shape[-1]).to(x.dtype))
        joined: Tensor = self.doubling.convolve(x, self.weight) + of_skip + of_layout
        return joined

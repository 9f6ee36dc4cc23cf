"""The layout GAN: draws the colours of a product, as cells, for a sketch.

The noise z enters here, as a sketch does not determine colours. The colours of some cells may be known: from
a user's colour strokes. As in BicycleGAN (Zhu et al. 2017), an encoder computes z from the cells of a photo.
`layouts` makes a layout of the cells.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.constants import CELL_PX, CELLS, SLOPE
from pix2pix.model.layers import (
    STATISTICS,
    Conv,
    Linear,
    ModulatedConv,
    activate,
    group_deviation,
    per_answer,
    statistics,
)

GROUP = 4  # members; the discriminator gets their standard deviation


class LayoutGenerator(nn.Module):
    """A U-Net with modulated convolutions over the cells."""

    def __init__(self, latent_size: int, style_size: int = 64, *, widths: tuple[int, ...]) -> None:
        """`widths` are channels at 16, 8 and 4 cells."""
        super().__init__()
        first = widths[0]
        self.mapping = nn.ModuleList([Linear(latent_size, style_size), Linear(style_size, style_size)])
        self.known_style = Linear(STATISTICS, style_size)
        self.stem = Conv(CELL_PX**2, first)
        self.enter = Conv(first + 4, first)
        self.down = nn.ModuleList(Conv(a, b, 4, 2) for a, b in pairwise(widths))
        self.middle = ModulatedConv(widths[-1], widths[-1], style_size)
        inner = widths[-2::-1]
        self.up = nn.ModuleList(
            ModulatedConv(a, b, style_size, double=True) for a, b in pairwise(widths[::-1])
        )
        self.conv = nn.ModuleList(ModulatedConv(c, c, style_size) for c in inner)
        self.skip = nn.ModuleList(Conv(c, c, 1) for c in inner)
        self.last = ModulatedConv(first, first, style_size)
        self.out = Conv(first, 4, 1, keeps_length=True)

    def forward(self, ink: Tensor, known: Tensor, z: Tensor, sketch_of: Tensor | None = None) -> Tensor:
        """Ink (M, 1, 64, 64) in 0..1, known cells (M, 4, 16, 16), z (N, Z) -> (N, 4, 16, 16).

        Three channels of colour, then the logit of the mask. `sketch_of` (N,) is the index of each answer's
        sketch; without it M is N.
        """
        x = activate(self.stem(F.pixel_unshuffle(ink, CELL_PX)))
        levels = [activate(self.enter(torch.cat([x, known.to(x.dtype)], 1)))]
        for down in self.down:
            levels.append(activate(down(levels[-1])))
        style = self.mapping[0](z) + per_answer(self.known_style(statistics(known)), sketch_of)
        style = F.leaky_relu(self.mapping[1](F.leaky_relu(style, SLOPE)), SLOPE)
        x = self.middle(per_answer(levels.pop(), sketch_of), style)
        for up, conv, skip in zip(self.up, self.conv, self.skip, strict=True):
            x = conv(up(x, style, per_answer(skip(levels.pop()), sketch_of)), style)
        drawn: Tensor = self.out(self.last(x, style))
        return drawn


class LayoutEncoder(nn.Module):
    """Cells (N, 4, 16, 16) -> mean and log variance of their z, (N, Z) each."""

    def __init__(self, latent_size: int, first: int = 64) -> None:
        """`first` channels at 16 cells, half as many more at 8, twice as many at 4."""
        super().__init__()
        widths = (first, 3 * first // 2, 2 * first)
        pairs = pairwise(widths)
        self.down = nn.ModuleList([Conv(4, widths[0]), *(Conv(a, b, 4, 2) for a, b in pairs)])
        self.head = nn.Linear(widths[-1] * (CELLS // 4) ** 2, 2 * latent_size)

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        x = cells
        for conv in self.down:
            x = activate(conv(x))
        mean, log_variance = self.head(x.flatten(1)).float().chunk(2, 1)
        return mean, log_variance.clamp(-8, 4)


class LayoutDiscriminator(nn.Module):
    """Cells (N, 4, 16, 16) and their ink (N, 1, 64, 64) -> logits (N,). No norm, which would hide colours.

    It also gets the standard deviation of every four members of a batch, and the mean and deviation of the
    colours of each: so a generator of one colour, or of products of one colour, is found out.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        """`widths` are channels at 16, 8 and 4 cells."""
        super().__init__()
        first, *_, last = widths
        pairs = pairwise(widths)
        self.down = nn.ModuleList(
            [nn.Conv2d(4 + CELL_PX**2, first, 3, 1, 1), *(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairs)]
        )
        self.last = nn.Conv2d(last + 1 + STATISTICS, last, CELLS // 4)
        self.logit = nn.Linear(last, 1)
        for conv in (*self.down, self.last):
            nn.init.kaiming_normal_(conv.weight, SLOPE)
            nn.init.zeros_(conv.bias)

    def forward(self, cells: Tensor, ink: Tensor) -> Tensor:
        """See the class."""
        x = torch.cat([cells, F.pixel_unshuffle(ink, CELL_PX)], 1)
        for conv in self.down:
            x = F.leaky_relu(conv(x), SLOPE)
        of_cells = statistics(cells).to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        x = torch.cat([x, group_deviation(x, GROUP), of_cells], 1)
        logits: Tensor = self.logit(F.leaky_relu(self.last(x), SLOPE).flatten(1))
        return logits[:, 0]

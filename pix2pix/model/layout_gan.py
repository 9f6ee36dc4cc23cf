"""The layout GAN: where the product has which colour.

A *layout* has 16 x 16 cells: the mean colour of the product in and around each, in [-1, 1], times its mask,
and the mask, 1 for a cell with product: (N, 4, 16, 16). Its colours are smooth, so that no single cell
becomes a patch, and then *even*: about one colour for each part, without the shades of a photo, which the
picture GAN draws. The noise z enters here, as a sketch does not determine colours. The colours of some cells
may be known: from a user's colour strokes. As in BicycleGAN (Zhu et al. 2017), an encoder computes z from a
layout, and so from a photo.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.constants import (
    CELL_PX,
    CELLS,
    COVERED_FROM,
    EVEN_STEPS,
    EVEN_WIDTH,
    INK_STOPS,
    KNOWN_FROM,
    NOWHERE,
    PRODUCT_FROM,
    SLOPE,
    SMALLEST_SHARE,
    SPREAD_PX,
    SPREAD_STEPS,
)
from pix2pix.model.layers import (
    Conv,
    Linear,
    ModulatedConv,
    activate,
    group_deviation,
    per_answer,
    statistics,
)

GROUP = 4  # layouts; the discriminator gets their standard deviation


class LayoutGenerator(nn.Module):
    """A U-Net with modulated convolutions over the cells."""

    def __init__(
        self, latent_size: int, style_size: int = 64, widths: tuple[int, ...] = (64, 128, 192)
    ) -> None:
        """`widths` are channels at 16, 8 and 4 cells."""
        super().__init__()
        first = widths[0]
        self.mapping = nn.ModuleList([Linear(latent_size, style_size), Linear(style_size, style_size)])
        self.known_style = Linear(7, style_size)
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
        self.out = Conv(first, 4, 1, output=True)

    def forward(self, ink: Tensor, known: Tensor, z: Tensor, sketch_of: Tensor | None = None) -> Tensor:
        """Ink (M, 1, 64, 64) in 0..1, known cells (M, 4, 16, 16), z (N, Z) -> (N, 4, 16, 16).

        Three channels of colour, then the logit of the mask. `sketch_of` (N,) is the index of each answer's
        sketch; without it M is N.
        """
        return self.decode(*self.encode(ink, known), z, sketch_of)

    def encode(self, ink: Tensor, known: Tensor) -> tuple[list[Tensor], Tensor]:
        """Returns what the sketch alone gives: features at 16, 8 and 4 cells, and a part of the style."""
        x = activate(self.stem(F.pixel_unshuffle(ink, CELL_PX)))
        levels = [activate(self.enter(torch.cat([x, known.to(x.dtype)], 1)))]
        for down in self.down:
            levels.append(activate(down(levels[-1])))
        return levels, self.known_style(statistics(known))

    def decode(
        self, levels: list[Tensor], known_style: Tensor, z: Tensor, sketch_of: Tensor | None = None
    ) -> Tensor:
        """Returns the drawn layouts of `forward`, from the results of `encode`."""
        style = self.mapping[0](z) + per_answer(known_style, sketch_of)
        style = F.leaky_relu(self.mapping[1](F.leaky_relu(style, SLOPE)), SLOPE)
        *finer, coarsest = levels
        x = self.middle(per_answer(coarsest, sketch_of), style)
        for up, conv, skip, level in zip(self.up, self.conv, self.skip, reversed(finer), strict=True):
            x = conv(up(x, style, per_answer(skip(level), sketch_of)), style)
        drawn: Tensor = self.out(self.last(x, style))
        return drawn


class LayoutEncoder(nn.Module):
    """A layout (N, 4, 16, 16) -> mean and log variance of its z, (N, Z) each."""

    def __init__(self, latent_size: int, first: int = 64) -> None:
        """`first` channels at 16 cells, half as many more at 8, twice as many at 4."""
        super().__init__()
        widths = (first, 3 * first // 2, 2 * first)
        pairs = pairwise(widths)
        self.down = nn.ModuleList([Conv(4, widths[0]), *(Conv(a, b, 4, 2) for a, b in pairs)])
        self.head = nn.Linear(widths[-1] * (CELLS // 4) ** 2, 2 * latent_size)

    def forward(self, layout: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        x = layout
        for conv in self.down:
            x = activate(conv(x))
        mean, log_variance = self.head(x.flatten(1)).float().chunk(2, 1)
        return mean, log_variance.clamp(-8, 4)


class LayoutDiscriminator(nn.Module):
    """A layout (N, 4, 16, 16) and its ink (N, 1, 64, 64) -> logits (N,). No norm, which would hide colours.

    It also gets the standard deviation of every four layouts, which exposes a generator of one colour.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        """`widths` are channels at 16, 8 and 4 cells."""
        super().__init__()
        first, *_, last = widths
        pairs = pairwise(widths)
        self.down = nn.ModuleList(
            [nn.Conv2d(4 + CELL_PX**2, first, 3, 1, 1), *(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairs)]
        )
        self.last = nn.Conv2d(last + 1, last, CELLS // 4)
        self.logit = nn.Linear(last, 1)
        for conv in (*self.down, self.last):
            nn.init.kaiming_normal_(conv.weight, SLOPE)
            nn.init.zeros_(conv.bias)

    def forward(self, layout: Tensor, ink: Tensor) -> Tensor:
        """See the class."""
        x = torch.cat([layout, F.pixel_unshuffle(ink, CELL_PX)], 1)
        for conv in self.down:
            x = F.leaky_relu(conv(x), SLOPE)
        x = torch.cat([x, group_deviation(x, GROUP)], 1)
        logits: Tensor = self.logit(F.leaky_relu(self.last(x), SLOPE).flatten(1))
        return logits[:, 0]


def layout_of(photo: Tensor, mask: Tensor) -> Tensor:
    """Returns the layout (N, 4, 16, 16) of photos (N, 3, S, S) in [-1, 1], masks (N, 1, S, S) in 0..1."""
    return smoothed(_cells_of(torch.cat([photo * mask, mask], 1), CELLS, PRODUCT_FROM))


def moved_layout_of(photo: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
    """The same, slightly shifted, rotated and scaled: similar to a generated layout.

    `noise` (N, 5) is standard normal: for the angle, both scales and both shifts.
    """
    cells = _cells_of(torch.cat([photo * mask, mask], 1), 2 * CELLS, PRODUCT_FROM)
    angle, scale, shift = 0.06 * noise[:, 0], 1 + 0.06 * noise[:, 1:3], 0.05 * noise[:, 3:5]
    turn = torch.stack(
        [
            torch.stack([angle.cos() * scale[:, 0], -angle.sin(), shift[:, 0]], 1),
            torch.stack([angle.sin(), angle.cos() * scale[:, 1], shift[:, 1]], 1),
        ],
        1,
    )
    grid = F.affine_grid(turn, list(cells.shape), align_corners=False)
    near = F.grid_sample(cells, grid, align_corners=False)
    return smoothed(_cells_of(near, CELLS, PRODUCT_FROM))


def smoothed(layout: Tensor) -> Tensor:
    """Gives each product cell of a layout (N, 4, 16, 16) the mean colour of the product in 3x3 cells."""
    near, mask = F.avg_pool2d(layout, 3, 1, padding=1), layout[:, 3:]
    return torch.cat([near[:, :3] / near[:, 3:].clamp(min=SMALLEST_SHARE) * mask, mask], 1)


def evened(layout: Tensor) -> Tensor:
    """Moves the colours of product cells of a layout (N, 4, 16, 16) to the closest frequent colours.

    Mean shift (Comaniciu & Meer 2002) with a normal kernel, in the space of colours alone. The new colour
    of a cell is the mean of all, weighted by exp(-distance^2 / (2 width^2)): a softmax, as in attention.
    """
    cells = layout.flatten(2).transpose(1, 2)  # (N, 256, 4)
    colour, mask = cells[..., :3], cells[..., 3:]
    for _ in range(EVEN_STEPS):
        own = -0.5 * colour.square().sum(-1, keepdim=True) / EVEN_WIDTH**2 + NOWHERE * (1 - mask)
        near = colour @ colour.transpose(1, 2) / EVEN_WIDTH**2 + own.transpose(1, 2)  # (N, 256, 256)
        colour = near.softmax(-1) @ colour * mask
    return torch.cat([colour, mask], -1).transpose(1, 2).reshape(layout.shape)


def known_cells(strokes: Tensor, ink: Tensor) -> Tensor:
    """Returns the cells (N, 4, 16, 16) of which colour strokes give the colour.

    Strokes (N, 4, H, H) are colour times mask and mask, ink (N, 1, S, S) is 0..1. Each stroke spreads to the
    lines around it, over at most a quarter of the side; where two meet, each keeps its half.
    """
    free = (F.adaptive_avg_pool2d(ink, SPREAD_PX) <= INK_STOPS).float()
    spread = spread_out(_cells_of(strokes, SPREAD_PX, KNOWN_FROM), SPREAD_STEPS, free)
    return _cells_of(spread, CELLS, COVERED_FROM)


def complete(colour: Tensor, mask: Tensor, known: Tensor) -> Tensor:
    """Returns the layout (N, 4, 16, 16) of drawn colours, the logits of its mask, and known cells.

    Shapes are (N, 3, 16, 16), (N, 1, 16, 16) and (N, 4, 16, 16). Known cells keep their colour.
    """
    product = (mask > 0).float()
    layout = evened(smoothed(torch.cat([colour * product, product], 1)))
    colour = torch.where(known[:, 3:] > 0, known[:, :3], layout[:, :3])
    return torch.cat([colour * product, product], 1)


def _cells_of(coloured: Tensor, cells: int, least: float) -> Tensor:
    """Colour times mask, and mask (N, 4, H, H) -> mean colour and 1 in each cell (N, 4, cells, cells).

    A cell is empty if the mean of its mask is at most `least`.
    """
    means = F.avg_pool2d(coloured, coloured.shape[-1] // cells)
    colour, share = means[:, :3], means[:, 3:]
    product = (share > least).float()
    return torch.cat([colour / share.clamp(min=SMALLEST_SHARE) * product, product], 1)


def spread_out(layout: Tensor, times: int = 6, free: Tensor | None = None) -> Tensor:
    """Extends the colours of a layout (N, 4, H, H) into its empty cells, one cell further each time.

    With `free` (N, 1, H, H) in {0, 1}, only into those.
    """
    for _ in range(times):
        near = F.avg_pool2d(F.pad(layout, [1, 1, 1, 1]), 3, 1)
        colour = near[:, :3] / near[:, 3:].clamp(min=SMALLEST_SHARE)
        grown = torch.cat([colour, torch.ones_like(near[:, 3:])], 1) * (near[:, 3:] > 0)
        layout = torch.where(layout[:, 3:] > 0, layout, grown if free is None else grown * free)
    return layout

"""Layouts: which colour lies where.

A *layout* has one colour for each *region* of a sketch, an area between its lines: (N, 4, 64, 64), the colour
in [-1, 1] times the mask, and the mask, 1 where there is product. So colours end at lines, and parts are
even; the picture GAN draws their shades. Networks that need less see its *cells*: (N, 4, 16, 16), the mean
colour of the product in each.

Functions that inference needs have a twin of the same name in `onnx_layouts`: change both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix.model.constants import (
    CELLS,
    COVERED_FROM,
    EVEN_STEPS,
    EVEN_WIDTH,
    INK_STOPS,
    KNOWN_FROM,
    LAYOUT_PX,
    LINE_PX,
    LINE_STOPS,
    LITTLE_WEIGHT,
    MOSTLY,
    NO_WEIGHT,
    PART_FROM,
    PRODUCT_FROM,
    RARE_SHARE,
    REGION_STEPS,
    RIM_WEIGHT,
    SMALLEST_SHARE,
    SPREAD_PX,
    SPREAD_STEPS,
    STROKED_FROM,
)


def regions_of(ink: Tensor) -> Tensor:
    """Returns the region (M, 64 * 64) of each pixel of ink (M, 1, S, S) in 0..1: its number, 0 for lines."""
    return connected((F.adaptive_avg_pool2d(ink.float(), LAYOUT_PX) <= LINE_STOPS).float())


def connected(free: Tensor) -> Tensor:
    """Returns the component (M, 64 * 64) of each pixel of (M, 1, 64, 64) in {0, 1}: its number, 0 for zeros.

    Pixels are connected by their sides. Components by hooking and pointer jumping (Shiloach & Vishkin 1982):
    a number, that of a pixel, takes the largest number beside any pixel that has it.
    """
    numbers = torch.arange(1.0, LAYOUT_PX**2 + 1, device=free.device).reshape(1, 1, LAYOUT_PX, LAYOUT_PX)
    follows = F.pad((numbers * free).flatten(1), (1, 0))  # the number that follows each; 0 follows 0
    for _ in range(REGION_STEPS):
        region = follows[:, 1:].reshape(free.shape)
        beside = F.max_pool2d(region, (1, 3), 1, (0, 1)), F.max_pool2d(region, (3, 1), 1, (1, 0))
        largest = torch.maximum(*beside) * free
        follows = follows.scatter_reduce(1, follows[:, 1:].long(), largest.flatten(1), "amax")
        follows = follows.gather(1, follows.long())
    return follows[:, 1:].long()


def with_gaps_closed(regions: Tensor) -> Tensor:
    """Divides regions (M, 64 * 64) that reach the border, where they are narrow.

    Outlines that people draw have gaps. The new regions are those of lines that are a pixel broader on each
    side, and the pixels around them (trapped-ball segmentation, Zhang et al. 2009).
    """
    free = inside(regions)
    apart = connected(-F.max_pool2d(-free, 3, 1, 1)).reshape(free.shape)
    grown = (F.max_pool2d(apart.float(), 3, 1, 1) * free).flatten(1).long()
    is_open = summed(at_border(free), regions).flatten(1) > 0
    return torch.where(is_open & (grown > 0), grown, regions)


def filled(coloured: Tensor, regions: Tensor) -> Tensor:
    """Returns a layout (N, 4, 64, 64): the product of each region (N, 64 * 64) in its mean colour.

    `coloured` (N, 4, 64, 64) is colour times mask, and mask. Pixels within two of a line hardly count, where
    there are others: cells cross lines. Lines get the colours beside them, and so does the product's rim in
    regions that are mostly ground, where its colour is mixed with that of the ground. The inside of a broad
    line keeps its own.
    """
    product = (coloured[:, 3:] > MOSTLY).float()
    free = inside(regions)
    far = -F.max_pool2d(-free, 5, 1, 2)
    weight = RIM_WEIGHT + (1 - RIM_WEIGHT) * far
    sums = summed(torch.cat([coloured * weight, product, torch.ones_like(product)], 1), regions)
    colour = mean_colour(sums)
    known = product * free * (sums[:, 4:5] > PART_FROM * sums[:, 5:])
    layout = spread_out(torch.cat([colour * known, known], 1), LINE_PX, product)
    rest = torch.where(free > 0, colour, mean_colour(coloured))
    return torch.where(layout[:, 3:] > 0, layout, torch.cat([rest * product, product], 1))


def evened(cells: Tensor) -> Tensor:
    """Moves the colours of product cells (N, 4, 16, 16) to the closest frequent colours.

    Mean shift (Comaniciu & Meer 2002) with a normal kernel, in the space of colours alone: the new colour
    of a cell is the mean of all, weighted by exp(-distance^2 / (2 width^2)), which is a softmax. In the last
    update, colours of few cells have no weight, if there are others: a small part in a colour of its own
    looks like a stain.
    """
    flat = cells.flatten(2).transpose(1, 2)  # (N, 256, 4)
    colour, mask = flat[..., :3], flat[..., 3:]
    of_ground = NO_WEIGHT * (1 - mask.transpose(1, 2))  # (N, 1, 256)
    for _ in range(EVEN_STEPS):
        colour = _weighted_mean(colour, _log_kernel(colour) + of_ground) * mask
    log_weights = _log_kernel(colour) + of_ground
    share = log_weights.exp().sum(-1) / mask.sum((1, 2))[:, None].clamp(min=1)  # (N, 256)
    of_rare = LITTLE_WEIGHT * (share <= RARE_SHARE).float()[:, None]
    colour = _weighted_mean(colour, log_weights + of_rare) * mask
    return torch.cat([colour, mask], -1).transpose(1, 2).reshape(cells.shape)


def _log_kernel(colour: Tensor) -> Tensor:
    """Colours (N, K, 3) -> the logarithm of the kernel between any two of them (N, K, K)."""
    return -0.5 * (colour[:, :, None] - colour[:, None]).square().sum(-1) / EVEN_WIDTH**2


def _weighted_mean(colour: Tensor, log_weights: Tensor) -> Tensor:
    """Colours (N, K, 3) -> K means of them (N, K, 3), by the softmax of `log_weights` (N, K, K)."""
    # Not `@`: autocast would compute it in bfloat16, which is too coarse for colours.
    return (log_weights.softmax(-1)[..., None] * colour[:, None]).sum(2)


def summed(x: Tensor, regions: Tensor) -> Tensor:
    """Returns the sum of x (N, C, 64, 64) over the region (N, 64 * 64) of each pixel: (N, C, 64, 64)."""
    index = regions[:, None].expand(-1, x.shape[1], -1)
    sums = x.new_zeros(*x.shape[:2], LAYOUT_PX**2 + 1).scatter_add(2, index, x.flatten(2))
    return sums.gather(2, index).reshape(x.shape)


def inside(regions: Tensor) -> Tensor:
    """Returns 1 for pixels of regions (N, 64 * 64), and 0 for lines: (N, 1, 64, 64)."""
    return (regions > 0).float().reshape(-1, 1, LAYOUT_PX, LAYOUT_PX)


def at_border(free: Tensor) -> Tensor:
    """Returns what of (M, 1, 64, 64) lies at the border, 0 elsewhere."""
    return free * F.pad(torch.zeros_like(free[..., 1:-1, 1:-1]), [1, 1, 1, 1], value=1.0)


def layout_of(coloured: Tensor, regions: Tensor) -> Tensor:
    """Returns the layout (N, 4, 64, 64) of photos, in the regions (N, 64 * 64) of their sketches.

    `coloured` (N, 4, S, S) is the photo, in [-1, 1], times the product's mask, in 0..1, and the mask. The
    layout's mask is as coarse as a drawn one: whole cells. What lies where in them, the ink shows.
    """
    small = F.adaptive_avg_pool2d(coloured.float(), LAYOUT_PX)
    return spread_out(filled(small, regions), LAYOUT_PX // CELLS) * enlarged(cells_of(small)[:, 3:])


def redrawn_layout(coloured: Tensor, regions: Tensor) -> Tensor:
    """Returns the layout (N, 4, 64, 64) that `complete` makes of a photo's own cells.

    Arguments are those of `layout_of`.
    """
    cells = cells_of(F.adaptive_avg_pool2d(coloured.float(), LAYOUT_PX))
    unknown = cells.new_zeros(len(cells), 4, SPREAD_PX, SPREAD_PX)
    return complete(cells[:, :3], cells[:, 3:] - 0.5, unknown, regions)


def coloured_by(photo: Tensor, mask: Tensor) -> Tensor:
    """Photos (N, 3, S, S) in [-1, 1] and masks (N, 1, S, S) in 0..1 -> colour times mask, and mask."""
    return torch.cat([photo * mask, mask], 1)


def cells_of(coloured: Tensor, cells: int = CELLS, least: float = PRODUCT_FROM) -> Tensor:
    """Colour times mask, and mask (N, 4, H, H) -> mean colour and 1 in each cell (N, 4, cells, cells).

    A cell is empty if the mean of its mask is at most `least`.
    """
    means = F.avg_pool2d(coloured, coloured.shape[-1] // cells)
    product = (means[:, 3:] > least).float()
    return torch.cat([mean_colour(means) * product, product], 1)


def mean_colour(coloured: Tensor) -> Tensor:
    """Sums or means of colour times mask, and of the mask (N, 4 or more, H, H) -> colour (N, 3, H, H)."""
    return coloured[:, :3] / coloured[:, 3:4].clamp(min=SMALLEST_SHARE)


def enlarged(cells: Tensor) -> Tensor:
    """Cells (N, C, H, H) -> (N, C, 64, 64)."""
    return F.interpolate(cells, size=LAYOUT_PX, mode="nearest")


def known_colours(strokes: Tensor, ink: Tensor) -> Tensor:
    """Returns where colour strokes give the colour: (N, 4, 32, 32), colour times mask, and mask.

    Strokes (N, 4, H, H) are colour times mask, and mask; ink (N, 1, S, S) is 0..1. Each stroke spreads to the
    lines around it, over at most a quarter of the side; where two meet, each keeps its half.
    """
    free = (F.adaptive_avg_pool2d(ink, SPREAD_PX) <= INK_STOPS).float()
    return spread_out(cells_of(strokes, SPREAD_PX, KNOWN_FROM), SPREAD_STEPS, free)


def known_cells(known: Tensor) -> Tensor:
    """Known colours (N, 4, 32, 32) -> the cells (N, 4, 16, 16) that they cover."""
    return cells_of(known, CELLS, COVERED_FROM)


def complete(colour: Tensor, mask: Tensor, known: Tensor, regions: Tensor) -> Tensor:
    """Returns the layout (N, 4, 64, 64) of drawn cells, and known colours.

    Colour (N, 3, 16, 16) and the logit of the mask (N, 1, 16, 16) are drawn; known colours are
    (N, 4, 32, 32), regions (N, 64 * 64). Colours that are nearly alike become one. A known colour fills its
    region, if it covers enough of it; where a region has two, both keep their places.
    """
    product = enlarged((mask > 0).float())
    layout = filled(torch.cat([enlarged(colour) * product, product], 1), regions)
    even = enlarged(evened(cells_of(layout))[:, :3])
    known = enlarged(known)
    sums = summed(torch.cat([known, torch.ones_like(known[:, 3:])], 1), regions)
    is_stroked = (sums[:, 3:4] > STROKED_FROM * sums[:, 4:]) & (inside(regions) > 0)
    colour = torch.where(is_stroked, mean_colour(sums), even) * product
    layout = filled(torch.cat([colour, product], 1), regions)
    colour = torch.where(known[:, 3:] > 0, known[:, :3], layout[:, :3])
    return torch.cat([colour * product, product], 1)


def spread_out(layout: Tensor, times: int, free: Tensor | None = None) -> Tensor:
    """Extends the colours of a layout (N, 4, H, H) into its empty cells, one cell further each time.

    With `free` (N, 1, H, H) in {0, 1}, only into those.
    """
    for _ in range(times):
        near = F.avg_pool2d(F.pad(layout, [1, 1, 1, 1]), 3, 1)
        grown = torch.cat([mean_colour(near), torch.ones_like(near[:, 3:])], 1) * (near[:, 3:] > 0)
        layout = torch.where(layout[:, 3:] > 0, layout, grown if free is None else grown * free)
    return layout

"""Composition: the picture of an answer, from what the picture GAN draws and the layout.

Alpha is decided, whole in closed regions and smooth at outlines; chroma and light of the colours are limited
by the layout. Only answers are composed like this: in training, each of these steps would hide from the
generator what it should learn.

`onnx_composition` has twins of the same names: change both.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix.model.constants import (
    ALPHA_GAIN,
    CHROMA_MARGIN,
    GLINT_KEPT,
    GLINT_MARGIN,
    LAYOUT_PX,
    LITTLE_PRODUCT,
    NEARBY,
    OPENING_REACH,
    OUTLINE_BLUR,
    OUTLINE_GAIN,
    RIM_GAIN,
    WHOLE_FROM,
)
from pix2pix.model.layers import resized
from pix2pix.model.layouts import at_border, inside, summed
from pix2pix.model.lighting import luma_of


def compose(rgba: Tensor, layout: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the picture on white (N, 3, S, S), and its alpha (N, 1, S, S) in 0..1.

    RGBA (N, 4, S, S) is that of `PictureGenerator` for the layout (N, 4, 64, 64); regions (N, 64 * 64) are
    those of the sketch, without gaps.
    """
    alpha = with_smooth_outline(*with_whole_regions(decided(rgba[:, 3:]), regions))
    colour = without_glints(layout, with_chroma_of(layout, rgba[:, :3]))
    return on_white(colour, alpha), alpha


def decided(logit: Tensor) -> Tensor:
    """The logit of alpha (N, 1, H, W) -> alpha: at the rim, within a pixel, as soft as in photos, else clear.

    As trained, half of what is in doubt would shine through.
    """
    clear, soft = torch.sigmoid(ALPHA_GAIN * logit), torch.sigmoid(RIM_GAIN * logit)
    least, most = -F.max_pool2d(-clear, 3, 1, 1), F.max_pool2d(clear, 3, 1, 1)
    return torch.minimum(torch.maximum(soft, least), most)


def with_whole_regions(alpha: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Makes alpha (N, 1, S, S) 1 in regions that are mostly product, and 0 in those mostly of ground.

    Also returns 1 in and around openings, else 0: (N, 1, S, S). Regions are (N, 64 * 64). Without it, parts
    have holes, and there is haze in openings and below heels. Regions that reach the border are never made
    product, and made ground only if they hold little of the whole product: an outline may have a large gap.
    Pixels beside lines keep their alpha, as lines do not follow their pixels.
    """
    free = inside(regions)
    away = -F.max_pool2d(-free, 3, 1, 1)
    small = F.adaptive_avg_pool2d(alpha, LAYOUT_PX) * away
    sums = summed(torch.cat([small, away, at_border(free)], 1), regions)
    product, count, reach = sums[:, :1], sums[:, 1:2], sums[:, 2:]
    closed, little = reach == 0, product < LITTLE_PRODUCT * small.sum((2, 3), keepdim=True)
    is_product = away * (closed & (product > WHOLE_FROM * count))
    is_ground = away * ((closed | little) & (product < (1 - WHOLE_FROM) * count))
    openings = F.max_pool2d(is_ground * closed, 2 * OPENING_REACH + 1, 1, OPENING_REACH)
    at_64px = is_product, is_product + is_ground, openings
    is_product, is_decided, openings = (resized(x, alpha.shape[-1]) for x in at_64px)
    return alpha * (1 - is_decided) + is_product, openings


def with_smooth_outline(alpha: Tensor, openings: Tensor) -> Tensor:
    """Blurs alpha (N, 1, S, S), and makes it as steep again as before.

    Without it, outlines have steps, whiskers where strokes of the sketch cross them, and haze. What is
    narrower than the blur goes; but around openings (N, 1, S, S), which handles enclose, alpha gets no less.
    """
    kernel = blur_kernel(alpha.shape[-1], alpha)
    reach = len(kernel) // 2
    padded = F.pad(alpha, [reach] * 4, mode="replicate")
    blurred = F.conv2d(F.conv2d(padded, kernel[None, None, :, None]), kernel[None, None, None])
    smooth = ((blurred - 0.5) * OUTLINE_GAIN + 0.5).clamp(0, 1)
    return torch.maximum(smooth, alpha * openings)


def blur_kernel(side: int, like: Tensor) -> Tensor:
    """Returns a normal kernel (K,) whose deviation is a share of the side of a picture."""
    deviation = OUTLINE_BLUR * side
    reach = math.ceil(3 * deviation)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=like.device) / deviation).square())
    return (kernel / kernel.sum()).to(like.dtype)


def with_chroma_of(layout: Tensor, colour: Tensor) -> Tensor:
    """Limits the chroma of colours (N, 3, S, S) to a little more than that of a layout (N, 4, 64, 64) nearby.

    Chroma is a colour minus its luma. It may lie between 0 and any within 2 pixels of the layout. Without
    the limit there are stains in colours that the product does not have, above all where lines are dense.
    """
    given, own = chroma_of(layout[:, :3]), chroma_of(colour)
    most, least = largest_nearby(given).clamp(min=0), -largest_nearby(-given).clamp(min=0)
    most, least = (resized(x, colour.shape[-1]) for x in (most + CHROMA_MARGIN, least - CHROMA_MARGIN))
    limited = chroma_of(torch.minimum(torch.maximum(own, least), most))
    return (colour - own + limited).clamp(-1, 1)


def without_glints(layout: Tensor, colour: Tensor) -> Tensor:
    """Darkens what is much lighter than a layout (N, 4, 64, 64) nearby, of colours (N, 3, S, S).

    Without it, sketch lines that lie close together become white specks.
    """
    product = layout[:, 3:]
    most = largest_nearby(luma_of(layout[:, :3]) - (1 - product)) + GLINT_MARGIN
    most = torch.where(largest_nearby(product) > 0, most, 1.0)  # far from all product there is no limit
    most = resized(most, colour.shape[-1])
    return (colour - (1 - GLINT_KEPT) * F.relu(luma_of(colour) - most)).clamp(-1, 1)


def largest_nearby(x: Tensor) -> Tensor:
    """The largest value of a layout (N, C, 64, 64) within `NEARBY` pixels of each, (N, C, 64, 64)."""
    return F.max_pool2d(x, 2 * NEARBY + 1, 1, NEARBY)


def chroma_of(colour: Tensor) -> Tensor:
    """Colours (N, 3, H, W) -> minus their luma, (N, 3, H, W)."""
    return colour - luma_of(colour)


def on_white(colour: Tensor, alpha: Tensor) -> Tensor:
    """Colour (N, 3, H, W) in [-1, 1] and alpha (N, 1, H, W) in 0..1 -> the picture on white (N, 3, H, W)."""
    return alpha * colour + (1 - alpha)

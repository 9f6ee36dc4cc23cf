"""The picture GAN's generator: draws a product from a sketch and a layout of its colours.

A U-Net (Ronneberger et al. 2015; Isola et al. 2017) over the sketch. The layout enters its second half: at
every side as channels, and as the mean and deviation of the colours, which scale and shift normalised
features (FiLM, Perez et al. 2018). So answers to one sketch share the first half.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.config import ModelConfig
from pix2pix.model.constants import (
    ALPHA_GAIN,
    CHROMA_MARGIN,
    DEVIATION,
    GLINT_KEPT,
    GLINT_MARGIN,
    LAYOUT_PX,
    LITTLE_PRODUCT,
    NEARBY,
    OPENING_REACH,
    OUTLINE_BLUR,
    OUTLINE_GAIN,
    RIM_GAIN,
    SLOPE,
    WHOLE_FROM,
)
from pix2pix.model.layers import STATISTICS, Doubling, InstanceNorm, per_answer, statistics
from pix2pix.model.layouts import at_border, inside, summed
from pix2pix.model.lighting import luma_of


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


def resized(x: Tensor, side: int) -> Tensor:
    """A layout or picture (N, C, H, H) -> (N, C, side, side): averaged, as it is, or bilinearly enlarged."""
    if side < x.shape[-1]:
        return F.adaptive_avg_pool2d(x, side)
    return x if side == x.shape[-1] else F.interpolate(x, size=side, mode="bilinear")


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


def on_white(colour: Tensor, alpha: Tensor) -> Tensor:
    """Colour (N, 3, H, W) in [-1, 1] and alpha (N, 1, H, W) in 0..1 -> the picture on white (N, 3, H, W)."""
    return alpha * colour + (1 - alpha)

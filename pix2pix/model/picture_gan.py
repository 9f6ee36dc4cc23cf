"""The picture GAN's generator: draws a product from a sketch and a layout of its colours.

A U-Net with modulated convolutions. It draws colour and alpha at half of the picture's side, as a sum of
pictures of all sizes (Karras et al. 2020, section 4.1). A last stage adds the details of the full side.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.config import ModelConfig
from pix2pix.model.constants import (
    CELLS,
    CHROMA_SHARE,
    DARKEST,
    LIGHTEST,
    LUMA,
    SLOPE,
    SMALLEST_SHARE,
)
from pix2pix.model.layers import (
    STATISTICS,
    Conv,
    Linear,
    ModulatedConv,
    activate,
    doubled,
    per_answer,
    statistics,
)
from pix2pix.model.layouts import cells_of


class PictureGenerator(nn.Module):
    """Ink and layout -> colour in about [-1, 1] and the logit of alpha."""

    def __init__(self, config: ModelConfig) -> None:
        """`config.widths` are channels at 1/2, 1/4, ... of the picture's side."""
        super().__init__()
        widths, style = config.widths, config.style_size
        first, *inner = widths
        self.regions_px = config.size_px // 2 >> config.depth_of_regions
        until_cells = config.depth_of_cells
        self.mapping = Linear(style, style)
        self.layout_style = Linear(STATISTICS, style)
        self.stem = Conv(4, first, keeps_length=True)  # ink folded 2x2
        self.down = nn.ModuleList(Conv(a, b, 4, 2) for a, b in pairwise(widths))
        self.refine = nn.ModuleList(Conv(c, c) for c in inner[:until_cells])
        self.refine_gain = nn.ParameterList(nn.Parameter(torch.zeros(c)) for c in inner[:until_cells])
        at_cells = widths[until_cells]
        self.cells, self.cells_gain = Conv(4, at_cells), nn.Parameter(torch.zeros(at_cells))
        self.middle = ModulatedConv(widths[-1], widths[-1], style)
        self.up = nn.ModuleList(ModulatedConv(a, b, style, double=True) for a, b in pairwise(widths[::-1]))
        outer = widths[-2::-1]
        self.conv = nn.ModuleList(ModulatedConv(c, c, style) for c in outer)
        self.skip = nn.ModuleList(Conv(c, c, 1) for c in outer)
        self.to_rgba = nn.ModuleList(Conv(c, 4, 1, keeps_length=True) for c in outer)
        at_regions = widths[config.depth_of_regions]
        self.regions, self.regions_gain = Conv(4, at_regions), nn.Parameter(torch.zeros(at_regions))
        self.detail = Detail(first, config.detail_width, style)

    def forward(self, ink: Tensor, layout: Tensor, sketch_of: Tensor | None = None) -> Tensor:
        """Ink (M, 1, S, S) in 0..1, paper 0, and layout (N, 4, 64, 64) -> (N, 4, S, S).

        `sketch_of` (N,) is the index of each answer's sketch; without it M is N.
        """
        rgba, x, style = self.draw(ink, layout, sketch_of)
        whole: Tensor = self.detail(rgba, x, style, per_answer(ink, sketch_of))
        return whole

    def draw(
        self, ink: Tensor, layout: Tensor, sketch_of: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns (N, 4, S/2, S/2) at half of the side, and features and style for the last stage."""
        style = F.leaky_relu(self.layout_style(statistics(layout)), SLOPE)
        style = F.leaky_relu(self.mapping(style), SLOPE)
        levels = [activate(self.stem(F.pixel_unshuffle(ink, 2)))]
        for i, down in enumerate(self.down):
            x = activate(down(levels[-1]))
            if i < len(self.refine):
                x = added(x, self.refine[i](x), self.refine_gain[i])
            if x.shape[-1] == CELLS:
                x = added(per_answer(x, sketch_of), self.cells(cells_of(layout).to(x.dtype)), self.cells_gain)
            levels.append(x)
        x, rgba = self.middle(levels.pop(), style), None
        for up, conv, skip, to_rgba in zip(self.up, self.conv, self.skip, self.to_rgba, strict=True):
            beside = skip(levels.pop())
            of_answer = beside if beside.shape[-1] <= CELLS else per_answer(beside, sketch_of)
            x = up(x, style, of_answer)
            if x.shape[-1] == self.regions_px:
                regions = F.adaptive_avg_pool2d(layout, self.regions_px).to(x.dtype)
                x = added(x, self.regions(regions), self.regions_gain)
            x = conv(x, style)
            rgba = to_rgba(x).float() + (0 if rgba is None else doubled(rgba))
        assert rgba is not None
        return rgba, x, style


class Detail(nn.Module):
    """The last stage: doubles the side, with the ink at full size. Initially it adds nothing."""

    def __init__(self, c_in: int, width: int, style: int) -> None:
        """`width` is the number of channels at the full side."""
        super().__init__()
        self.ink = Conv(1, width)
        self.up = ModulatedConv(c_in, width, style, double=True)
        self.conv = ModulatedConv(width, width, style)
        self.to_rgba = Conv(width, 4, 1, keeps_length=True)
        nn.init.zeros_(self.to_rgba.weight)

    def forward(self, rgba: Tensor, x: Tensor, style: Tensor, ink: Tensor) -> Tensor:
        """RGBA (N, 4, S/2, S/2), features (N, C, S/2, S/2), style, ink (N, 1, S, S) -> (N, 4, S, S)."""
        x = self.conv(self.up(x, style, activate(self.ink(ink))), style)
        finer: Tensor = self.to_rgba(x).float()
        return doubled(rgba) + finer


def added(x: Tensor, more: Tensor, gain: Tensor) -> Tensor:
    """Returns x plus the activation of `more` (N, C, H, W) times a gain (C,)."""
    return torch.addcmul(x, activate(more), gain[:, None, None].to(x.dtype))


def recoloured(rgba: Tensor, layout: Tensor) -> Tensor:
    """Returns RGBA (N, 4, S, S) with the luma of `rgba`, and most of the chroma of its layout (N, 4, 64, 64).

    So a product has even colours, and no coloured speckle. Chroma falls towards black and white, as in shades
    and highlights.
    """
    own = ((rgba[:, :3] + 1) / 2).clamp(0, 1)
    near = F.interpolate(layout.float(), own.shape[-1], mode="bilinear")
    mean = statistics(layout)[:, :3, None, None]  # where no product is near
    colour = (near[:, :3] + SMALLEST_SHARE * mean) / (near[:, 3:] + SMALLEST_SHARE)
    given = (colour + 1) / 2
    luma, given_luma = _luma(own), _luma(given)
    limited = given_luma.clamp(DARKEST, LIGHTEST)
    shade = torch.minimum(luma / limited, (1 - luma) / (1 - limited)).clamp(0, 1)
    chroma = CHROMA_SHARE * shade * (given - given_luma) + (1 - CHROMA_SHARE) * (own - luma)
    return torch.cat([2 * (luma + chroma).clamp(0, 1) - 1, rgba[:, 3:]], 1)


def _luma(colour: Tensor) -> Tensor:
    """Colour (N, 3, H, W) in 0..1 -> (N, 1, H, W)."""
    weights = torch.tensor(LUMA, device=colour.device)[:, None, None]
    return (colour * weights).sum(1, keepdim=True)


def compose(rgba: Tensor, gain: float = 1.0) -> tuple[Tensor, Tensor]:
    """Colour and the logit of alpha (N, 4, H, W) -> the picture on white (N, 3, H, W), alpha in 0..1.

    `gain` above 1 makes edges sharper.
    """
    alpha = torch.sigmoid(gain * rgba[:, 3:])
    return alpha * rgba[:, :3] + (1 - alpha), alpha

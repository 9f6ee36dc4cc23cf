"""Light: shades across a whole product, which a layout of even colours does not have.

Photos of one product differ in where the light comes from. The sketch does not show it, so without it the
picture GAN draws the mean of all: flat surfaces. In training each photo's own light is added to its layout;
all answers have the light `constants.ANSWER_LIGHT`, from above left with darker rims, which gives them volume.

`lit_as_answer` has a twin of the same name in `onnx_layouts`: change both.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix.model.constants import (
    ANSWER_LIGHT,
    LAYOUT_PX,
    LIGHTEST,
    LUMA,
    RIM_REACH,
    SMALLEST_VARIANCE,
)
from pix2pix.model.layouts import inside

CLEAR_FROM = 0.9  # alpha, of pixels that tell about the light
LEAST_VARIANCE = 1e-2  # of a pattern, below which its share is drawn to 0 (ridge regression)
MOST_LIGHT = 0.5  # of one pattern, in [-1, 1]


def lit(layout: Tensor, light: Tensor, lightest: float = math.inf) -> Tensor:
    """Adds light (N, 3), shares of the `patterns`, to the colours of a layout (N, 4, 64, 64).

    Colours are darkened where they would be lighter than `lightest`, a luma in [-1, 1], in the best light.
    """
    product = layout[:, 3:]
    added = (patterns(product) * light[:, :, None, None]).sum(1, keepdim=True)
    too_light = F.relu(luma_of(layout[:, :3]) + added.amax((2, 3), keepdim=True) - lightest)
    return torch.cat([(layout[:, :3] + added - too_light).clamp(-1, 1) * product, product], 1)


def lit_as_answer(layout: Tensor) -> Tensor:
    """Adds the light of answers to a layout (N, 4, 64, 64).

    Pale products are darkened, or they would be as white as the ground, without shades.
    """
    return lit(layout, layout.new_tensor(ANSWER_LIGHT).expand(len(layout), -1), LIGHTEST)


def patterns(product: Tensor) -> Tensor:
    """Returns three patterns (N, 3, 64, 64) for products (N, 1, 64, 64) in {0, 1}, each with mean 0 there.

    The first grows downwards and the second to the right, both with deviation 1. The third is 1 more at the
    product's rim than far from it, falling as a parabola: a straight fall would end in a visible edge.
    """
    across = torch.linspace(-1, 1, LAYOUT_PX, device=product.device).expand(1, 1, LAYOUT_PX, LAYOUT_PX)
    reach, window = RIM_REACH, 2 * RIM_REACH + 1
    rows = F.avg_pool2d(product, (1, window), 1, (0, reach))
    near = F.avg_pool2d(rows, (window, 1), 1, (reach, 0))  # the share of product in a square around
    down, right, rim = (
        _centred(x, product) for x in (across.mT, across, (2 - 2 * near).clamp(0, 1).square())
    )
    down, right = (x * torch.rsqrt(_mean(x.square(), product) + SMALLEST_VARIANCE) for x in (down, right))
    return torch.cat([down, right, rim], 1)


@torch.no_grad()
def light_of(coloured: Tensor, layout: Tensor, regions: Tensor) -> Tensor:
    """Returns the light (N, 3) of photos, which brings their layouts closest to them in luma.

    Colour times mask, and mask (N, 4, 64, 64); layouts without light (N, 4, 64, 64); regions (N, 64 * 64).
    """
    clear = (coloured[:, 3:] > CLEAR_FROM).float() * layout[:, 3:] * inside(regions)
    rest = luma_of(coloured[:, :3] - layout[:, :3])
    x, y = _centred(patterns(layout[:, 3:]), clear), _centred(rest, clear)
    covariance = _mean(x[:, :, None] * x[:, None], clear[:, None])[..., 0, 0]
    ridge = LEAST_VARIANCE * torch.eye(3, device=x.device)
    light: Tensor = torch.linalg.solve(covariance + ridge, _mean(x * y, clear)[..., 0])[..., 0]
    return light.clamp(-MOST_LIGHT, MOST_LIGHT)


def luma_of(colour: Tensor) -> Tensor:
    """Colours (N, 3, H, W) -> their luma (N, 1, H, W)."""
    return (colour * colour.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum((-2, -1), keepdim=True) / mask.sum((-2, -1), keepdim=True).clamp(min=1)


def _centred(x: Tensor, mask: Tensor) -> Tensor:
    return (x - _mean(x, mask)) * mask

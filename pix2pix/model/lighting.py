"""Light: shades across a whole product, which a layout of even colours does not have.

Photos differ in where the light comes from, and sketches do not show it. If layouts do not show it either,
the picture GAN draws the mean of all lights: flat surfaces. In training, each layout has the light of its
photo. All answers have the light `constants.ANSWER_LIGHT`: from above left, with darker rims. It gives them
volume.

`lit_as_answer` has a twin of the same name in `onnx_layouts`: change both.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix.model.constants import (
    ANSWER_LIGHT,
    LAYOUT_PX,
    LIGHTEST,
    LUMA,
    RIM_REACH,
    SHOULDER,
    SMALLEST_VARIANCE,
)
from pix2pix.model.layouts import inside, mean_colour, summed

CLEAR_FROM = 0.9  # alpha, of pixels that tell about the light
RIDGE = 1e-3  # variance of a pattern within regions below which its share is drawn to 0
MOST_LIGHT = 0.5  # of one pattern, in [-1, 1]


def lit(layout: Tensor, shades: Tensor) -> Tensor:
    """Adds shades (N, 1, 64, 64) to the colours of a layout (N, 4, 64, 64), within its mask."""
    product = layout[:, 3:]
    return torch.cat([(layout[:, :3] + shades).clamp(-1, 1) * product, product], 1)


def lit_as_answer(layout: Tensor) -> Tensor:
    """Adds the light of answers to a layout (N, 4, 64, 64).

    Pale colours are darkened along a curve, so that they keep their shades and differ from the ground: a luma
    above `SHOULDER` comes closer and closer to `LIGHTEST`.
    """
    light = layout.new_tensor(ANSWER_LIGHT).expand(len(layout), -1)
    bright = lit(layout, shades_of(layout[:, 3:], light))
    above, most = F.relu(luma_of(bright[:, :3]) - SHOULDER), LIGHTEST - SHOULDER
    return lit(bright, most * torch.tanh(above / most) - above)


def shades_of(product: Tensor, light: Tensor) -> Tensor:
    """Returns the shades (N, 1, 64, 64), in luma, that light (N, 3) gives to products (N, 1, 64, 64).

    Its numbers are shares of the `patterns`.
    """
    return (patterns(product) * light[:, :, None, None]).sum(1, keepdim=True)


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
def light_of(coloured: Tensor, product: Tensor, regions: Tensor) -> Tensor:
    """Returns the light (N, 3) of photos, by ridge regression of luma within regions (N, 64 * 64).

    Colour times mask, and mask (N, 4, 64, 64); products (N, 1, 64, 64) in {0, 1}. Between regions, light
    cannot be told from colour.
    """
    clear = (coloured[:, 3:] > CLEAR_FROM).float() * product * inside(regions)
    luma = luma_of(mean_colour(coloured))
    given = torch.cat([torch.cat([patterns(product), luma], 1) * clear, clear], 1)
    sums = summed(given, regions)
    centred = (given[:, :4] - clear * sums[:, :4] / sums[:, 4:].clamp(min=1)) * clear
    x, y, count = centred[:, :3], centred[:, 3:], clear.sum((1, 2, 3)).clamp(min=1)
    covariance = (x[:, :, None] * x[:, None]).sum((3, 4)) / count[:, None, None]
    both = (x * y).sum((2, 3)) / count[:, None]
    light: Tensor = torch.linalg.solve(covariance + RIDGE * torch.eye(3, device=x.device), both)
    return light.clamp(-MOST_LIGHT, MOST_LIGHT)


def luma_of(colour: Tensor) -> Tensor:
    """Colours (N, 3, H, W) -> their luma (N, 1, H, W)."""
    return (colour * colour.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def _mean(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum((-2, -1), keepdim=True) / mask.sum((-2, -1), keepdim=True).clamp(min=1)


def _centred(x: Tensor, mask: Tensor) -> Tensor:
    return (x - _mean(x, mask)) * mask

"""Composites pictures with transparency over paper, and computes straight alpha for photos on white."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pix2pix.images.framing import UInt8

LOOKED_AT_PX = 512  # the longer side of the copy in which the paper is chosen
LIGHT = 200  # least level of all channels of white and cream
THICK = 0.035  # share of the longer side; a filling is somewhere wider than this, strokes are not
LEAST_LINES = 0.0005  # share of the opaque pixels that lines on a filling cover
SOLID = 250  # alpha; the soft edges of white strokes may be dark below it
SEE_THROUGH, NEARLY_ALL = 0.05, 0.97  # shares of pixels: transparent ones; white ones, of the opaque
CLEAR = 8  # alpha of the ground
RIM_PX = 3  # of pictures of 256 px: reach of the rim from the ground
BESIDE_PX = 4  # and of the product from the rim
WHITE = np.full(3, 255, np.uint8)


def over_paper(rgba: UInt8) -> UInt8:
    """Composites a drawing (H, W, 4) over paper: (H, W, 3) uint8.

    The paper has the colour of a light filling with lines on it. Without one it is white; or black, if nearly
    all opaque pixels are white: those are strokes.
    """
    step = max(1, max(rgba.shape[:2]) // LOOKED_AT_PX)
    small = rgba[::step, ::step]
    if (filling := _filling(small)) is not None:
        return over(rgba, filling)
    opaque = small[small[:, :, 3] > 127]
    if opaque.size == 0:
        opaque = small[small[:, :, 3] > 0]
    see_through = float(np.mean(small[:, :, 3] < 128)) > SEE_THROUGH
    white = opaque.size > 0 and float(np.mean(opaque[:, :3].min(axis=1) > LIGHT)) > NEARLY_ALL
    return over(rgba, np.full(3, 0 if see_through and white else 255, np.uint8))


def over(rgba: UInt8, paper: UInt8) -> UInt8:
    """Composites (H, W, 4) over a colour (3,): (H, W, 3) uint8."""
    if rgba[:, :, 3].min() == 255:
        return np.ascontiguousarray(rgba[:, :, :3])
    alpha = rgba[:, :, 3:].astype(np.uint16)
    mixed = rgba[:, :, :3] * alpha + paper.astype(np.uint16) * (255 - alpha) + 127
    return (mixed // 255).astype(np.uint8)


def cut_out(photo: UInt8, alpha: UInt8) -> UInt8:
    """Photos on white (..., 3) with their alpha (...) -> straight RGBA (..., 4), the same on white.

    Where a photo is darker than black with its alpha would be, alpha is raised until the colour is black.
    """
    below_white = 255 - photo
    alpha = np.maximum(alpha, below_white.max(axis=-1))
    divisor = np.maximum(alpha, 1).astype(np.uint16)[..., None]
    colours = 255 - (np.uint16(255) * below_white + (divisor - 1) // 2) // divisor
    return np.concatenate([colours.astype(np.uint8), alpha[..., None]], axis=-1)


def without_fringe(photo: UInt8, alpha: UInt8) -> UInt8:
    """Returns alpha (S, S) of a photo on white (S, S, 3), lower at a rim that would be light on dark grounds.

    There a network's colour ends before its alpha does. Where alpha fades to the ground, colours get no
    lighter than the product beside them.
    """
    outside = (alpha < CLEAR).view(np.uint8)
    rim = (cv2.dilate(outside, np.ones((2 * RIM_PX + 1, 2 * RIM_PX + 1), np.uint8)) > 0) & (alpha < SOLID)
    product = np.where(alpha[..., None] >= SOLID, photo, np.uint8(0))
    reach = np.ones((2 * BESIDE_PX + 1, 2 * BESIDE_PX + 1), np.uint8)
    lightest = cv2.dilate(product, reach)  # of each channel
    below_white = np.maximum(255 - lightest, 1).astype(np.float32)
    most = (np.float32(255) * (255 - photo) / below_white).min(axis=-1)  # then the colour is the lightest
    limited = rim & (lightest.max(axis=-1) > 0)
    return np.where(limited, np.minimum(alpha, most), alpha).round().astype(np.uint8)


def _filling(rgba: UInt8) -> UInt8 | None:
    """Returns the colour (3,) of a light area that is too wide for a stroke and has lines on it, or None."""
    alpha, is_light = rgba[:, :, 3], rgba[:, :, :3].min(axis=2) > LIGHT
    light = is_light & (alpha > 127)
    side = max(3, round(THICK * max(rgba.shape[:2])))
    wide = cv2.erode(light.view(np.uint8), np.ones((side, side), np.uint8), borderValue=(0.0,))
    lines = np.count_nonzero(~is_light & (alpha >= SOLID))
    if not wide.any() or lines < LEAST_LINES * np.count_nonzero(alpha > 127):
        return None
    return np.asarray(np.median(rgba[light][:, :3], axis=0), np.uint8)

"""Separates the colour strokes of a drawing from its ink: saturated strokes are colours, others are ink.

Colours are measured against the paper, so they do not depend on its tint or on the light. The share of
chroma in a pixel's distance from the paper is that of the stroke, however little of the pixel it covers.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pix2pix.images.framing import UInt8, small_copy
from pix2pix.images.ink import Float32, light_of_paper, strokes_alone
from pix2pix.images.ruled_paper import without_rules

FAINTEST, FAINTEST_CHROMA = 0.15, 0.12  # distance from the paper, and chroma, of a colour stroke; 1 is full
LEAST_SHARE = 0.3  # of chroma in the distance from the paper: of grey ink 0, of pure colours 1
DARKEST = 0.3  # largest channel; darker pixels are ink
SOLID = 0.7  # share of the distance from the paper of the stroke around it, where a pixel is all stroke
OVER, OVER_RANGE = 0.42, 0.4  # how much darker than its colour stroke ink on it begins to be, and is full
HALO_PX = 3  # around colour strokes, where JPEG has false colours
LOOK_PX = 256  # longest side of the copy in which colours are looked for
THIN_PX = 3  # narrower strokes are no hints: scanners see colours along black lines


def split_colours(pixels: UInt8) -> tuple[UInt8, UInt8] | None:
    """Separates a drawing (H, W, 3) uint8 into one without colour strokes, and the strokes.

    Returns the drawing with paper in their place (H, W, 3), and the strokes (H, W, 4) RGBA, alpha 255 or 0;
    None if there are none.
    """
    light = light_of_paper(pixels)
    if is_dark := float(np.mean(light)) < 128:  # chalk: strokes are lighter than the paper
        pixels = 255 - pixels
        light = light_of_paper(pixels)
    tint = np.minimum(pixels / light, 1.0).astype(np.float32)
    largest = tint.max(axis=2)
    strength, _ = without_rules(1 - tint.min(axis=2))
    chroma = largest + strength - 1
    is_colour = (
        (strength > FAINTEST)
        & (chroma > FAINTEST_CHROMA)
        & (chroma > LEAST_SHARE * strength)
        & (largest > DARKEST)
    )
    if not is_colour.any():
        return None
    reach = max(HALO_PX, max(strength.shape) // 150)
    is_solid = is_colour & (strength >= SOLID * _mean(strength, is_colour, reach))
    over = (1 - largest / np.maximum(_mean(largest, is_solid, reach), 1e-3) - OVER) / OVER_RANGE
    ink = np.clip(over, 0, 1)
    near = cv2.dilate(is_colour.view(np.uint8), np.ones((2 * HALO_PX + 1, 2 * HALO_PX + 1), np.uint8)) > 0
    alone = pixels.copy()
    alone[near] = (np.broadcast_to(light, tint.shape)[near] * (1 - ink[near, None])).round()
    hints = np.zeros((*strength.shape, 4), np.uint8)
    is_hint = _without_thin(is_solid) & (ink == 0)
    hints[is_hint, :3] = (255 * tint[is_hint]).round()
    hints[is_hint, 3] = 255
    if is_dark:
        alone, hints[is_hint, :3] = 255 - alone, 255 - hints[is_hint, :3]
    return alone, hints


def has_colours(pixels: UInt8) -> bool:
    """Returns whether a drawing (H, W, 3) uint8 has coloured strokes and ink; looks at a small copy."""
    small = small_copy(pixels, LOOK_PX)
    if np.ptp(small, axis=2).max() < 255 * FAINTEST_CHROMA:
        return False
    if (separated := split_colours(small)) is None:
        return False
    ink, colours = separated
    return bool(colours.any() and strokes_alone(ink).min() < 255)


def _mean(values: Float32, where: npt.NDArray[np.bool_], reach: int) -> Float32:
    """Returns the mean (H, W) of the values around each pixel, of those pixels that are `where`; else 0."""
    size = (2 * reach + 1, 2 * reach + 1)
    share = cv2.boxFilter(where.astype(np.float32), -1, size)
    total = cv2.boxFilter(np.where(where, values, np.float32(0)), -1, size)
    return np.asarray(np.where(share > 1e-6, total / np.maximum(share, 1e-6), 0), np.float32)


def _without_thin(where: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Returns the connected parts that are somewhere as wide as `THIN_PX`."""
    parts = where.view(np.uint8)
    wide = cv2.erode(parts, np.ones((THIN_PX, THIN_PX), np.uint8)) > 0
    count, labels = cv2.connectedComponents(parts, connectivity=8)
    is_kept = np.zeros(count, np.bool_)
    is_kept[labels[wide]] = True
    return np.asarray(is_kept[labels] & where, np.bool_)

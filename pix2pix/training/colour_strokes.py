"""Colour strokes as a user would dab them, drawn from photos for training."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pix2pix.images.framing import UInt8

NONE_SHARE, FEW_SHARE = 0.45, 0.3  # of pairs: without strokes, with 1 to 3; the rest has 4 to 11
SMALLEST_PRODUCT_PX, SMALLEST_STROKE_PX = 50, 4
# Lengths in pixels of pictures of 128 px.
STEP, WIDTH = (3.0, 14.0), (2, 9)
NOISE = 0.03


def draw_colour_strokes(photo: UInt8, mask: UInt8, rng: np.random.Generator) -> NDArray[np.float32]:
    """Strokes (H, H, 4) float32 for a photo (H, H, 3) and its mask (H, H), both uint8.

    They are colour in [-1, 1] times mask, and mask. Each stroke is a random walk inside the product, in the
    median colour that the photo has under it, with a little noise.
    """
    side = len(mask)
    strokes = np.zeros((side, side, 4), np.float32)
    rows, columns = np.nonzero(mask > 127)
    chance = rng.random()
    if chance < NONE_SHARE or len(rows) < SMALLEST_PRODUCT_PX:
        return strokes
    few = chance < NONE_SHARE + FEW_SHARE
    for _ in range(rng.integers(1, 4) if few else rng.integers(4, 12)):
        at = rng.integers(len(rows))
        stroke = _walk((columns[at], rows[at]), side, rng) & (mask > 127)
        if stroke.sum() >= SMALLEST_STROKE_PX:
            colour = np.median(photo[stroke], axis=0) / 127.5 - 1 + NOISE * rng.normal(size=3)
            strokes[stroke] = [*colour, 1]
    return strokes


def _walk(start: tuple[int, int], side: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which pixels (side, side) a random walk from a point x, y covers."""
    scale = side / 128
    angle = rng.random() * 2 * np.pi
    path: list[NDArray[np.float64]] = [np.array(start, np.float64)]
    for _ in range(rng.integers(1, 6)):
        angle += 0.6 * rng.normal()
        step = np.array([np.cos(angle), np.sin(angle)])
        path.append(path[-1] + scale * rng.uniform(*STEP) * step)
    covered = np.zeros((side, side), np.uint8)
    width = max(1, round(scale * rng.integers(*WIDTH)))
    cv2.polylines(covered, [np.array(path, np.int32)], False, (1,), width)
    return covered > 0

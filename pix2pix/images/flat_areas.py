"""Recognises pictures of areas of one colour each (label maps, flat-coloured clip art), and outlines them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pix2pix.images.framing import UInt8, resized, small_copy

Float32 = npt.NDArray[np.float32]
Colours = npt.NDArray[np.int16]  # (N, 1) or (N, 3)

LOOKED_AT_PX = 256  # the longer side of the copy in which areas are searched
OUTLINED_PX = 1024  # the same of the copy that is outlined
THICK = 0.035  # share of the shorter side; what is narrower is a stroke
PLAIN = 20  # most levels between neighbours inside of an area
LIKE = 24  # most levels off the colour of an area
EXACT, EXACT_SHARE = 8, 0.7  # levels off it, of most of its pixels: shaded and photographed areas have more
SMALLEST = 0.01  # area, as a share of the picture
LEAST_FILLED = 0.03  # share of the picture that is neither paper nor black
BLACK = 200  # levels off the paper in all channels: such areas are ink
LINE = 0.02  # share of the longer side: the widest dark line on an area
CLEAR = 48  # levels between two areas whose border is full ink
NARROW_RANGE = 64  # levels of a label map of numbers


def outlined_areas(pixels: UInt8, paper: Float32) -> UInt8 | None:
    """Returns the outlines of areas, as `outlines`; None for a picture of lines, or a photo.

    `pixels` are (H, W) or (H, W, 3), `paper` () or (3,) is the colour of their paper.
    """
    low, high = int(pixels.min()), int(pixels.max())
    if 0 < high - low < NARROW_RANGE:
        stretch = np.float32(255 / (high - low))
        pixels, paper = ((pixels - np.uint8(low)) * stretch).astype(np.uint8), (paper - low) * stretch
    colours = _areas(pixels, paper)
    if len(colours) < 2:
        return None
    distances = np.abs(colours[:, None] - colours).max(axis=2)
    nearest = float(distances[distances > 0].min())
    return outlines(pixels if np.mean(paper) >= 128 else 255 - pixels, min(CLEAR, 0.6 * nearest))


def outlines(pixels: UInt8, clear: float = CLEAR) -> UInt8:
    """Returns the borders of areas and the dark lines on them (H, W) uint8, paper 255, ink 0.

    Colours that differ by `clear` levels or more have a border of full ink.
    """
    small = small_copy(pixels, OUTLINED_PX)
    side = 2 * round(LINE * max(small.shape[:2]) / 2) + 1
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    smooth = cv2.medianBlur(closed, 5)  # without the ringing of JPEG
    borders = cv2.morphologyEx(smooth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    contrast = np.maximum(_largest(borders) / clear, _largest(closed - small) / CLEAR)
    ink = np.clip(1.5 * contrast - 0.5, 0, 1)
    return resized(np.round(255 * (1 - ink)).astype(np.uint8), pixels.shape[1::-1])


def _areas(pixels: UInt8, paper: Float32) -> Colours:
    """Returns the colours of areas; none for a picture of another kind."""
    none = np.empty((0, 3), np.int16)
    small = small_copy(pixels, LOOKED_AT_PX, cv2.INTER_NEAREST)  # keeps the noise of a camera
    steps = cv2.morphologyEx(small, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    plain = (_largest(steps) <= PLAIN).view(np.uint8)
    side = max(3, round(THICK * min(small.shape[:2])))
    thick = small[cv2.erode(plain, np.ones((side, side), np.uint8)) > 0]
    level = np.atleast_1d(paper).astype(np.int16)
    left = thick.reshape(-1, len(level)).astype(np.int16)
    if np.count_nonzero(_off(left, level) > LIKE) < LEAST_FILLED * plain.size:
        return none
    places = np.array([1, 16, 256])[: len(level)]
    colours: list[Colours] = []
    exact, filled = 0, 0
    while len(left) >= SMALLEST * plain.size:
        bins = (left >> 4) @ places
        near = _off(left, np.median(left[bins == np.bincount(bins).argmax()], axis=0)) <= LIKE
        colour = np.median(left[near], axis=0).astype(np.int16)
        if np.count_nonzero(near) < SMALLEST * plain.size:
            break
        colours.append(colour)
        exact += int(np.count_nonzero(_off(left, colour) <= EXACT))
        off = np.abs(colour - level)
        filled += int(np.count_nonzero(near)) * bool(off.max() > LIKE and off.min() < BLACK)
        left = left[~near]
    is_flat = exact >= EXACT_SHARE * len(thick) and filled >= LEAST_FILLED * plain.size
    return np.array(colours) if is_flat else none


def _largest(values: npt.NDArray[Any]) -> UInt8:
    """Returns the largest of the channels, (H, W)."""
    return np.asarray(values if values.ndim == 2 else values.max(axis=2), np.uint8)


def _off(colours: Colours, colour: npt.NDArray[np.int16]) -> Colours:
    """Returns the distance (N,) in levels from a colour, the largest of the channels."""
    return np.asarray(np.abs(colours - colour).max(axis=1), np.int16)

"""Product masks: which pixels of a pair show the product, and which the ground.

mask = product_mask(sketch, photo)               # (H, W) uint8, product 255, ground 0

Ground (the background) is what can be reached from the border without crossing a line of the sketch or a
pixel off the ground's colour: lines enclose light products on a white ground. Three rules refine that. An
enclosed region, such as the opening under a handle, is ground if it is as white as the ground. A gap in an
outline counts as closed. Smooth grey next to the ground is a shadow. Lengths are pixels of pairs of 256 px.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pix2pix.images.framing import UInt8, resized
from pix2pix.images.io import Source, open_image
from pix2pix.images.subject import CLEARLY, plain_ground

Labels = npt.NDArray[np.int32]

GAP_PX = 15  # narrower gaps in an outline count as closed
OFF, OFF_PER_NOISE = 6, 2  # a pixel above OFF + OFF_PER_NOISE * noise levels is off the ground
WHITE, WHITE_PER_NOISE = 4.0, 0.8  # the same limit for the mean of an enclosed region of ground
NOISE_QUANTILE, MOST_NOISE = 0.9, 4  # of the JPEG noise of the ground, in levels
NEAR_PX = 3
OPEN_SHARE = 0.3  # a region with at least this share of its rim near the ground is ground
SMALLEST_OPENING = 0.0025  # of the picture; most smaller white regions are prints, laces and soles
SMALLEST_NEAR_GROUND, STRAP_PX = 0.0003, 14  # but not those that only a strap of this width encloses
SOLID_SHARE = 0.75  # of an opening's rim that is product; white leather has only a line around it
SHADOW_DARKEST, SHADOW_CHROMA = 120, 16  # limits: levels off the ground, and between the channels
SHADOW_STEEPEST = 5  # limit: levels a pixel
SMALLEST_PART = 0.03  # of the largest part; smaller ones are dust, or edges of a cut-out
SURE_SHARE = 0.03  # least share of lines and pixels clearly off the ground in a part of the product


def product_mask(sketch: UInt8, photo: UInt8) -> UInt8:
    """Returns the mask (H, W) uint8 for a sketch (H, W) uint8, paper 255, and its photo (H, W, 3) uint8.

    Product is 255, ground 0. A photo without a plain ground is treated as one on white.
    """
    off, chroma = _off_ground(photo)
    lines = _dilated((sketch < 128).view(np.uint8), 3)
    clear = (off > CLEARLY).view(np.uint8)
    noise = _noise(off[_reached(1 - (clear | lines), GAP_PX) > 0])
    solid = (cv2.medianBlur(off, 5) > OFF + OFF_PER_NOISE * noise).view(np.uint8) | clear
    solid &= 1 - _shadows(off, chroma, solid, lines)
    free = 1 - (solid | lines)
    ground = _reached(free, GAP_PX)
    rest = free & ~ground
    mask = 1 - (ground | _ground_regions(rest, ground, solid, off, WHITE + WHITE_PER_NOISE * noise))
    mask = _eroded(mask, 3) | (mask & solid)  # lines were dilated above
    return _without_specks(mask, clear | lines) * np.uint8(255)


def stored_or_found(source: Source | None, sketch: UInt8, photo: UInt8) -> UInt8:
    """Returns a stored mask at the size of the sketch (H, W), or computes it if `source` is None.

    Raises ImageError for a mask that cannot be read.
    """
    if source is None:
        return product_mask(sketch, photo)
    stored = np.asarray(open_image(source).convert("L"), np.uint8)
    return (resized(stored, sketch.shape[::-1]) > 127) * np.uint8(255)


def _off_ground(photo: UInt8) -> tuple[UInt8, UInt8]:
    """Returns levels (H, W) off the ground's colour, of the furthest channel, and between the channels."""
    colour = plain_ground(photo)
    level = [255, 255, 255] if colour is None else colour
    first, second, third = cv2.split(cv2.absdiff(photo, np.array([*level, 0], np.float64)))
    furthest = cv2.max(cv2.max(first, second), third)
    chroma = cv2.subtract(furthest, cv2.min(cv2.min(first, second), third))
    return np.asarray(furthest, np.uint8), np.asarray(chroma, np.uint8)


def _noise(off: UInt8) -> int:
    counts = np.bincount(off, minlength=256).cumsum()
    return min(MOST_NOISE, int(np.searchsorted(counts, NOISE_QUANTILE * counts[-1])))


def _reached(free: UInt8, width_px: int) -> UInt8:
    """Returns the free pixels (H, W) of {0, 1} that a square of this width reaches from outside."""
    pad = width_px + 1
    padded = np.pad(free, pad, constant_values=1)
    centres = _eroded(padded, width_px)
    cv2.floodFill(centres, None, (0, 0), (2.0,))
    swept = _dilated((centres == 2).view(np.uint8), width_px) & padded
    return swept[pad:-pad, pad:-pad]


def _shadows(off: UInt8, chroma: UInt8, solid: UInt8, lines: UInt8) -> UInt8:
    """Returns smooth grey (H, W) of {0, 1} between lines that has much of its rim on the ground."""
    smooth = cv2.GaussianBlur(off, (5, 5), 0)
    across, down = (cv2.Scharr(smooth, cv2.CV_16S, *order) for order in ((1, 0), (0, 1)))
    steep = cv2.add(cv2.convertScaleAbs(across, alpha=1 / 32), cv2.convertScaleAbs(down, alpha=1 / 32))
    grey = (steep < SHADOW_STEEPEST) & (chroma <= SHADOW_CHROMA) & (off < SHADOW_DARKEST)
    regions = _opened(grey.view(np.uint8) & solid & ~_dilated(lines, 3))
    labels = _labels(regions)
    ground = _reached(1 - (solid | lines), 3)
    return _chosen(labels, _rim_shares(regions, labels, ground) >= OPEN_SHARE)


def _ground_regions(rest: UInt8, ground: UInt8, solid: UInt8, off: UInt8, white: float) -> UInt8:
    """Returns the regions of `rest` that are ground: next to it, or white openings inside the product."""
    labels = _labels(rest)
    inside = _means(off, labels, _eroded(rest, 5))  # without the halos of edges, if anything is left
    is_white = np.where(np.isnan(inside), _means(off, labels, rest), inside) <= white
    areas = np.bincount(labels.ravel()) / labels.size
    near = np.bincount(labels[_dilated(ground, 2 * STRAP_PX + 1) > 0], minlength=len(areas)) > 0
    is_large = areas >= np.where(near, SMALLEST_NEAR_GROUND, SMALLEST_OPENING)
    is_opening = is_white & is_large & (_rim_shares(rest, labels, solid) >= SOLID_SHARE)
    return _chosen(labels, is_opening | (_rim_shares(rest, labels, ground) >= OPEN_SHARE))


def _without_specks(mask: UInt8, sure: UInt8) -> UInt8:
    labels = _labels(mask, connectivity=8)
    areas = np.bincount(labels.ravel())
    sure_areas = np.bincount(labels[sure > 0], minlength=len(areas))
    large = areas >= SMALLEST_PART * areas[1:].max(initial=1)
    return _chosen(labels, large & (sure_areas >= SURE_SHARE * areas))


def _rim_shares(regions: UInt8, labels: Labels, near: UInt8) -> npt.NDArray[np.float64]:
    """Returns for each label the share of its region's rim that has a pixel of `near` within NEAR_PX."""
    rim = regions & ~_eroded(regions, 3)
    count = int(labels.max()) + 1
    there = rim & _dilated(near, 2 * NEAR_PX + 1)
    whole, part = (np.bincount(labels[at > 0], minlength=count) for at in (rim, there))
    return np.asarray(part / np.maximum(whole, 1))


def _means(values: UInt8, labels: Labels, where: UInt8) -> npt.NDArray[np.float64]:
    """Returns for each label the mean of its values inside `where`; NaN if there are none."""
    chosen, count = labels[where > 0], int(labels.max()) + 1
    sums = np.bincount(chosen, values[where > 0], minlength=count)
    counts = np.bincount(chosen, minlength=count)
    return np.asarray(np.divide(sums, counts, out=np.full(count, np.nan), where=counts > 0))


def _labels(regions: UInt8, connectivity: int = 4) -> Labels:
    """Numbers the connected regions from 1; 0 outside."""
    return np.asarray(cv2.connectedComponents(regions, connectivity=connectivity)[1], np.int32)


def _chosen(labels: Labels, which: npt.NDArray[np.bool_]) -> UInt8:
    """Returns the pixels, {0, 1}, that have one of the chosen labels; label 0 never counts."""
    which[0] = False
    return which[labels].view(np.uint8)


def _dilated(mask: UInt8, side_px: int) -> UInt8:
    return np.asarray(cv2.dilate(mask, np.ones((side_px, side_px), np.uint8)), np.uint8)


def _eroded(mask: UInt8, side_px: int) -> UInt8:
    """Does not erode at the picture's edge."""
    return np.asarray(cv2.erode(mask, np.ones((side_px, side_px), np.uint8)), np.uint8)


def _opened(mask: UInt8) -> UInt8:
    return _dilated(_eroded(mask, 3), 3)

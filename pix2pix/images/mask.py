"""Product masks: which pixels of a pair show the product, and which the ground.

mask = product_mask(sketch, photo)               # (H, W) uint8, product 255, ground 0

Ground is what the border reaches without crossing a line of the sketch or a pixel off the ground's colour.
Lines close light products on a white ground. Three rules amend that: an enclosed region, such as the opening
under a handle, is ground if it is as white as the ground; nothing enters through a gap in an outline; smooth
grey that borders on the ground is a shadow. Lengths are in pixels of pairs of 256 px.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pix2pix.images.framing import UInt8, resized
from pix2pix.images.io import Source, open_image
from pix2pix.images.subject import CLEARLY, plain_ground

Labels = npt.NDArray[np.int32]

GAP_PX = 15  # a narrower gap in an outline is none
OFF, OFF_PER_NOISE = 6, 2  # a pixel is off the ground from OFF + OFF_PER_NOISE * noise levels on
WHITE, WHITE_PER_NOISE = 2.0, 0.8  # the mean of an enclosed region of ground is at most so far off
NOISE_QUANTILE, MOST_NOISE = 0.9, 4  # how far off JPEG puts pixels of the ground itself, in levels
NEAR_PX = 3
OPEN_SHARE = 0.3  # of a region's rim near the ground: from here on the region is ground
SMALLEST_OPENING = 0.0025  # of the picture: smaller white regions are more often prints, laces and soles
SOLID_SHARE = 0.75  # of an opening's rim; between white leather and the ground there is only a line
SHADOW_DARKEST, SHADOW_CHROMA = 120, 16  # levels off the ground, and between the channels
SHADOW_STEEPEST = 5  # levels a pixel
SMALLEST_PART = 0.03  # of the largest: less is dust, or the edge of a cut-out
SURE_SHARE = 0.03  # of a part of the product: so much of it is lines or clearly off the ground


def product_mask(sketch: UInt8, photo: UInt8) -> UInt8:
    """The mask (H, W) uint8 of a sketch (H, W) uint8, paper 255, and its photo (H, W, 3) uint8.

    Product is 255, ground 0. A photo without a plain ground of any colour is taken for one on white.
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
    mask = _eroded(mask, 3) | (mask & solid)  # lines were drawn wider than they are
    return _without_specks(mask, clear | lines) * np.uint8(255)


def stored_or_found(source: Source | None, sketch: UInt8, photo: UInt8) -> UInt8:
    """A stored mask at the size of the sketch (H, W); where there is none, what `product_mask` finds.

    Raises ImageError for a mask that cannot be read.
    """
    if source is None:
        return product_mask(sketch, photo)
    stored = np.asarray(open_image(source).convert("L"), np.uint8)
    return (resized(stored, sketch.shape[::-1]) > 127) * np.uint8(255)


def _off_ground(photo: UInt8) -> tuple[UInt8, UInt8]:
    """Levels (H, W) off the ground's colour, of the channel furthest off, and between the channels."""
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
    """The free pixels (H, W) of {0, 1} that a square of this width reaches from outside of the picture."""
    pad = width_px + 1
    padded = np.pad(free, pad, constant_values=1)
    centres = _eroded(padded, width_px)
    cv2.floodFill(centres, None, (0, 0), (2.0,))
    swept = _dilated((centres == 2).view(np.uint8), width_px) & padded
    return swept[pad:-pad, pad:-pad]


def _shadows(off: UInt8, chroma: UInt8, solid: UInt8, lines: UInt8) -> UInt8:
    """Smooth grey (H, W) of {0, 1} between lines that has much of its rim on the ground."""
    smooth = cv2.GaussianBlur(off, (5, 5), 0)
    across, down = (cv2.Scharr(smooth, cv2.CV_16S, *order) for order in ((1, 0), (0, 1)))
    steep = cv2.add(cv2.convertScaleAbs(across, alpha=1 / 32), cv2.convertScaleAbs(down, alpha=1 / 32))
    grey = (steep < SHADOW_STEEPEST) & (chroma <= SHADOW_CHROMA) & (off < SHADOW_DARKEST)
    regions = _opened(grey.view(np.uint8) & solid & ~_dilated(lines, 3))
    labels = _labels(regions)
    ground = _reached(1 - (solid | lines), 3)
    return _chosen(labels, _rim_shares(regions, labels, ground) >= OPEN_SHARE)


def _ground_regions(rest: UInt8, ground: UInt8, solid: UInt8, off: UInt8, white: float) -> UInt8:
    """The regions of `rest` that are open to the ground, or large and as white with a rim of the product."""
    labels = _labels(rest)
    inside = _means(off, labels, _eroded(rest, 5))  # without the halos of edges, where there is more
    is_white = np.where(np.isnan(inside), _means(off, labels, rest), inside) <= white
    is_large = np.bincount(labels.ravel()) >= SMALLEST_OPENING * labels.size
    is_opening = is_white & is_large & (_rim_shares(rest, labels, solid) >= SOLID_SHARE)
    return _chosen(labels, is_opening | (_rim_shares(rest, labels, ground) >= OPEN_SHARE))


def _without_specks(mask: UInt8, sure: UInt8) -> UInt8:
    labels = _labels(mask, connectivity=8)
    areas = np.bincount(labels.ravel())
    sure_areas = np.bincount(labels[sure > 0], minlength=len(areas))
    large = areas >= SMALLEST_PART * areas[1:].max(initial=1)
    return _chosen(labels, large & (sure_areas >= SURE_SHARE * areas))


def _rim_shares(regions: UInt8, labels: Labels, near: UInt8) -> npt.NDArray[np.float64]:
    """For each label, the share of its region's rim that has a pixel of `near` within NEAR_PX."""
    rim = regions & ~_eroded(regions, 3)
    count = int(labels.max()) + 1
    there = rim & _dilated(near, 2 * NEAR_PX + 1)
    whole, part = (np.bincount(labels[at > 0], minlength=count) for at in (rim, there))
    return np.asarray(part / np.maximum(whole, 1))


def _means(values: UInt8, labels: Labels, where: UInt8) -> npt.NDArray[np.float64]:
    """For each label, the mean of its values inside of `where`; NaN where there are none."""
    chosen, count = labels[where > 0], int(labels.max()) + 1
    sums = np.bincount(chosen, values[where > 0], minlength=count)
    counts = np.bincount(chosen, minlength=count)
    return np.asarray(np.divide(sums, counts, out=np.full(count, np.nan), where=counts > 0))


def _labels(regions: UInt8, connectivity: int = 4) -> Labels:
    """Each connected region numbered from 1; 0 outside."""
    return np.asarray(cv2.connectedComponents(regions, connectivity=connectivity)[1], np.int32)


def _chosen(labels: Labels, which: npt.NDArray[np.bool_]) -> UInt8:
    """Which pixels, {0, 1}, have one of the labels chosen; 0 is never one."""
    which[0] = False
    return which[labels].view(np.uint8)


def _dilated(mask: UInt8, side_px: int) -> UInt8:
    return np.asarray(cv2.dilate(mask, np.ones((side_px, side_px), np.uint8)), np.uint8)


def _eroded(mask: UInt8, side_px: int) -> UInt8:
    """The picture's edge takes nothing away."""
    return np.asarray(cv2.erode(mask, np.ones((side_px, side_px), np.uint8)), np.uint8)


def _opened(mask: UInt8) -> UInt8:
    return _dilated(_eroded(mask, 3), 3)

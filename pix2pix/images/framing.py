"""Fits a sketch of any size to the model's square, and puts the photo back at the sketch's place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from pix2pix.errors import ImageError
from pix2pix.images.transparency import WHITE, cut_out, over

UInt8 = npt.NDArray[np.uint8]

INK_BELOW = 240  # a pixel darker than this is content
FILLS_FRAME = 0.75  # share of the padded square's side; longer content stays where it is
MARGIN = 0.04  # share of the square, on each side of content with a frame of its own: as in training pairs
MAX_ENLARGEMENT = 4  # so that a dot does not become a blot
LEAST_COVERED = 64  # alpha; what colour strokes cover less of is without colour


@dataclass(frozen=True)
class Placement:
    """Position of the model's square on a page of `height` x `width` pixels.

    `top` and `left` are the square's corner in page pixels, negative where the square extends past the edge;
    `side_px` is its side.
    """

    height: int
    width: int
    top: int
    left: int
    side_px: int

    def scaled(self, longer_px: int | None) -> Placement:
        """Returns the same square on a page whose longer side has `longer_px`; at least a pixel is on it.

        None leaves the page as it is.
        """
        if longer_px is None:
            return self
        scale = longer_px / max(self.height, self.width)
        height, width = max(1, round(self.height * scale)), max(1, round(self.width * scale))
        side = max(1, round(self.side_px * scale))
        top = min(max(round(self.top * scale), 1 - side), height - 1)
        left = min(max(round(self.left * scale), 1 - side), width - 1)
        return Placement(height, width, top, left, side)


def fit_sketch(sketch: UInt8, size_px: int) -> tuple[UInt8, Placement]:
    """Fits a sketch (H, W) uint8, paper 255, to (size_px, size_px); returns it and its placement.

    A page whose content fills it is padded to a square with paper; a small drawing on a large page gets a
    square of its own with a margin. Thin lines are darkened when they shrink and thinned when they grow.
    A page that is `size_px` square and filled is returned unchanged.
    """
    placement = _frame(sketch, size_px)
    return place_sketch(sketch, placement, size_px), placement


def padded_square(height: int, width: int) -> Placement:
    """Returns the centred square around the whole page."""
    side = max(height, width)
    return Placement(height, width, (height - side) // 2, (width - side) // 2, side)


def place_sketch(sketch: UInt8, placement: Placement, size_px: int) -> UInt8:
    """Returns the part of a sketch (H, W) inside the square, (size_px, size_px) uint8, padded with paper."""
    page, square = _overlap(placement, size_px)
    fitted = np.full((size_px, size_px), 255, np.uint8)
    size = fitted[square].shape[1::-1]
    if placement.side_px > size_px:
        fitted[square] = _shrink(sketch[page], size, placement.side_px / size_px)
    elif placement.side_px < size_px:
        fitted[square] = _enlarge(sketch[page], size, size_px / placement.side_px)
    else:
        fitted[square] = sketch[page]
    return fitted


def place_photo(photo: UInt8, placement: Placement, size_px: int, surround: UInt8 | int = 255) -> UInt8:
    """Returns the part of a photo (H, W, 3) inside the square, (size_px, size_px, 3) uint8.

    Pads with `surround`, a level or a colour (3,).
    """
    page, square = _overlap(placement, size_px)
    fitted = np.full((size_px, size_px, 3), surround, np.uint8)
    fitted[square] = resized(photo[page], fitted[square].shape[1::-1])
    return fitted


def fit_hints(rgba: UInt8, placement: Placement, size_px: int) -> UInt8:
    """Fits colour strokes (H, W, 4) straight RGBA to the square of their sketch, at half of `size_px`.

    Returns (size_px / 2, size_px / 2, 4) uint8, as in training: alpha is 255 where strokes cover a quarter of
    a pixel or more, with the mean of their colours; all other pixels are 0. Raises ImageError if the page is
    not as large as the sketch.
    """
    height, width = rgba.shape[:2]
    if (height, width) != (placement.height, placement.width):
        raise ImageError(
            f"The hints have {width} x {height} pixels, the sketch has {placement.width} x "
            f"{placement.height}: both must have the same size."
        )
    page, square = _overlap(placement, size_px // 2)
    fitted = np.zeros((size_px // 2, size_px // 2, 4), np.uint8)
    size = fitted[square].shape[1::-1]
    fitted[square] = np.asarray(
        Image.fromarray(rgba[page]).resize(size, Image.Resampling.BOX)
    )  # premultiplies
    is_covered = fitted[..., 3] >= LEAST_COVERED
    fitted[~is_covered] = 0
    fitted[is_covered, 3] = 255
    return fitted


def stacked_hints(strokes: Sequence[UInt8 | None]) -> UInt8 | None:
    """Returns the fitted colour strokes of M sketches (M, S/2, S/2, 4), transparent for those without.

    None if no sketch has any.
    """
    first = next((one for one in strokes if one is not None), None)
    if first is None:
        return None
    return np.stack([np.zeros_like(first) if one is None else one for one in strokes])


def restore_photo(photo: UInt8, placement: Placement) -> UInt8:
    """Puts a photo (S, S, 3) or (S, S, 4) uint8 back on its page: (height, width, 3 or 4) uint8.

    Outside the square the page is white; that of a photo with alpha is transparent.
    """
    page, square = _overlap(placement, photo.shape[0])
    surround = 255 if photo.shape[2] == 3 else 0
    restored = np.full((placement.height, placement.width, photo.shape[2]), surround, np.uint8)
    restored[page] = resized(photo[square], restored[page].shape[1::-1])
    return restored


def resized(photo: UInt8, size: tuple[int, int]) -> UInt8:
    """Resizes (H, W, ...) uint8 to (width, height): averages to shrink, bicubic to enlarge.

    A photo with straight alpha (H, W, 4) looks on white as it would without alpha.
    """
    if photo.shape[1::-1] == size:
        return photo
    if photo.ndim == 3 and photo.shape[2] == 4:
        return cut_out(resized(over(photo, WHITE), size), resized(photo[..., 3], size))
    shrinks = photo.shape[0] * photo.shape[1] > size[0] * size[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(photo, size, interpolation=how), np.uint8)


def small_copy(pixels: UInt8, longest_px: int, interpolation: int = cv2.INTER_AREA) -> UInt8:
    """Returns a copy of (H, W, ...) uint8 whose longer side has at most `longest_px`."""
    scale = min(1.0, longest_px / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=interpolation), np.uint8)


def _frame(sketch: UInt8, size_px: int) -> Placement:
    """Chooses the square: around the page, or around the content if that is small."""
    height, width = sketch.shape
    padded = padded_square(height, width)
    side = padded.side_px
    inked = sketch < INK_BELOW
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    if rows.size == 0:
        return padded
    longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    if longest >= FILLS_FRAME * side:
        return padded
    tight = max(round(longest / (1 - 2 * MARGIN)), min(side, -(-size_px // MAX_ENLARGEMENT)))
    top = (int(rows[0]) + int(rows[-1]) + 1 - tight) // 2
    left = (int(columns[0]) + int(columns[-1]) + 1 - tight) // 2
    return Placement(height, width, top, left, tight)


def _overlap(placement: Placement, size_px: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Returns the part of the page inside the square, as slices of rows and columns: of page and square.

    The square itself is never built at page size: a long thin page would need the square of its length.
    """
    rows = _overlap_1d(placement.top, placement.side_px, placement.height, size_px)
    columns = _overlap_1d(placement.left, placement.side_px, placement.width, size_px)
    return (rows[0], columns[0]), (rows[1], columns[1])


def _overlap_1d(start: int, side: int, length: int, size_px: int) -> tuple[slice, slice]:
    first, last = max(start, 0), min(start + side, length)
    scale = size_px / side
    low = min(round((first - start) * scale), size_px - 1)
    high = max(round((last - start) * scale), low + 1)
    return slice(first, last), slice(low, high)


def _shrink(sketch: UInt8, size: tuple[int, int], factor: float) -> UInt8:
    """Averages areas, then darkens until the crests of the thinner lines are full ink.

    A 1 px line on a 3000 px page averages to a twelfth of its strength at 256 px. The gain comes from the
    lower quartile of the crests (local maxima of ink), so a drawing with bold lines only is not darkened.
    """
    ink = 255.0 - np.asarray(cv2.resize(sketch, size, interpolation=cv2.INTER_AREA), np.float32)
    crests = ink[(ink >= cv2.dilate(ink, np.ones((3, 3), np.uint8))) & (ink > 4)]
    gain = float(np.clip(255.0 / np.quantile(crests, 0.25), 1.0, factor)) if crests.size else 1.0
    return np.asarray(np.round(255.0 - np.minimum(ink * gain, 255.0)), np.uint8)


def _enlarge(sketch: UInt8, size: tuple[int, int], factor: float) -> UInt8:
    """Interpolates, sharpens edges, and thins lines: a 1 px line becomes less than `factor` px wide.

    Bilinear ink is 0.5 where two pixels of a diagonal meet: the ramp ends there, so diagonals stay unbroken.
    """
    ink = 1.0 - np.asarray(cv2.resize(sketch, size, interpolation=cv2.INTER_LINEAR), np.float32) / 255.0
    ink = np.clip((ink - 0.3) / 0.2, 0.0, 1.0)
    side = int(0.35 * factor) + 1
    thin = cv2.erode(ink, np.ones((side, side), np.uint8))
    return np.asarray(np.round(255.0 * (1.0 - thin)), np.uint8)

"""Finds the subject of a product photo, and puts it on a white square.

photo = read_photo("boot.jpg")                   # (H, W, 3) uint8
square = squared(photo, "pad", 256)              # (256, 256, 3) uint8, white around the boot
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from pix2pix.errors import NoSubject
from pix2pix.images.framing import Placement, UInt8, place_photo, resized, small_copy

Fit = Literal["stretch", "pad"]

FITS: tuple[Fit, ...] = ("pad", "stretch")
MARGIN = 0.06  # each side, of the square
LIGHT = 200  # least level of all channels where a border counts as white in some light
LIGHT_SHARE = 0.4  # least light share of the border in photos with a background: subjects touch the edge
PLAIN, PLAIN_SHARE = 16, 0.8  # a plain ground: levels off its colour, least share of the border
CLEARLY, BARELY = 32, 10  # levels off the background: subject, and subject if it touches that
SPECK = 0.0005  # share of the picture's area; smaller parts are dust
LOOKED_AT_PX = 256  # the longer side at which the subject is found
MIN_SUBJECT_PX = 16  # the longer side
MAX_ASPECT = 16  # longer to shorter side; a thinner strip is a line at 256 px


@dataclass(frozen=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right` of a photo, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left


def background(photo: UInt8) -> UInt8 | None:
    """Returns the colour (3,) of a light, nearly uniform background of (H, W, 3) uint8; None without one."""
    border = np.concatenate([photo[0], photo[-1], photo[:, 0], photo[:, -1]])
    light = border[border.min(axis=1) >= LIGHT]
    if len(light) < LIGHT_SHARE * len(border):
        return None
    colour = np.median(light, axis=0)
    near = np.abs(light - colour).max(axis=1) <= CLEARLY
    return colour.astype(np.uint8) if near.mean() >= 0.5 else None


def plain_ground(photo: UInt8) -> UInt8 | None:
    """Returns the colour (3,) of nearly all of the border of (H, W, 3) uint8, of any lightness; or None."""
    border = np.concatenate([photo[0], photo[-1], photo[:, 0], photo[:, -1]])
    colour = np.median(border, axis=0)
    near = np.abs(border - colour).max(axis=1) <= PLAIN
    return colour.astype(np.uint8) if near.mean() >= PLAIN_SHARE else None


def subject_box(photo: UInt8) -> Box | None:
    """Returns the box around what differs from a light or plain background in (H, W, 3) uint8.

    The whole frame if there is no such background; None for a photo of one colour.
    """
    height, width = photo.shape[:2]
    small = small_copy(photo, LOOKED_AT_PX)
    if np.ptp(small, axis=(0, 1)).max() <= BARELY:
        return None
    colour = background(small)
    if colour is None:
        colour = plain_ground(photo)
    if colour is None:
        return Box(0, 0, height, width)
    mask = _off_background(small, colour)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    down, across = height / small.shape[0], width / small.shape[1]
    return Box(
        int(rows[0] * down),
        int(columns[0] * across),
        min(height, int(np.ceil((rows[-1] + 1) * down))),
        min(width, int(np.ceil((columns[-1] + 1) * across))),
    )


def _off_background(photo: UInt8, colour: UInt8) -> npt.NDArray[np.bool_]:
    """Returns (H, W) bool: what is clearly off the background, and what is barely off and touches it."""
    off = np.abs(photo.astype(np.int16) - colour.astype(np.int16)).max(axis=2)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((off > BARELY).astype(np.uint8))
    clear = np.bincount(labels[off > CLEARLY], minlength=count)
    kept = (stats[:, cv2.CC_STAT_AREA] >= max(2.0, SPECK * off.size)) & (clear > 0)
    kept[0] = False
    return np.asarray(kept[labels])


def squared(photo: UInt8, fit: Fit, size_px: int) -> UInt8:
    """Fits (H, W, 3) uint8 to (size_px, size_px, 3).

    `pad` crops to the subject and keeps its proportions. A light background becomes white like the margin; a
    plain one of another colour stays, and the margin takes its colour; a photo with neither is kept whole,
    and its rim is replicated to fill the square. So no false edges appear. `stretch` resizes the whole photo
    to the square, as the official shoe pairs were made.

    Raises NoSubject for a photo without a subject, or with too small or thin a one.
    """
    box = subject_box(photo)
    if box is None:
        raise NoSubject("no subject found: the picture has only one colour")
    longer, shorter = max(box.height, box.width), min(box.height, box.width)
    if longer < MIN_SUBJECT_PX or longer > MAX_ASPECT * shorter:
        raise NoSubject(
            f"its subject is {box.width}x{box.height} px; the longer side must be {MIN_SUBJECT_PX} px or "
            f"more, and at most {MAX_ASPECT} times the shorter one"
        )
    if fit == "stretch":
        return resized(photo, (size_px, size_px))
    if (white := background(photo)) is not None:
        return place_photo(levelled(photo, white), _square_round(box, photo.shape), size_px)
    if (ground := plain_ground(photo)) is not None:
        return place_photo(photo, _square_round(box, photo.shape), size_px, ground)
    return _padded_with_rim(photo, size_px)


def _padded_with_rim(photo: UInt8, size_px: int) -> UInt8:
    scale = size_px / max(photo.shape[:2])
    height, width = (max(1, round(side * scale)) for side in photo.shape[:2])
    top, left = (size_px - height) // 2, (size_px - width) // 2
    sides = (top, size_px - height - top, left, size_px - width - left)
    return np.asarray(
        cv2.copyMakeBorder(resized(photo, (width, height)), *sides, cv2.BORDER_REPLICATE), np.uint8
    )


def _square_round(box: Box, shape: tuple[int, ...]) -> Placement:
    side = round(max(box.height, box.width) / (1 - 2 * MARGIN))
    top, left = (box.top + box.bottom - side) // 2, (box.left + box.right - side) // 2
    return Placement(shape[0], shape[1], top, left, side)


def levelled(photo: UInt8, white: UInt8) -> UInt8:
    """Scales each channel so that `white` (3,) becomes 255, as a white balance does."""
    levels = np.arange(256)[:, None] * (255 / white.astype(np.float64))
    table = np.minimum(np.round(levels), 255).astype(np.uint8)
    return np.asarray(cv2.LUT(photo, table[None]), np.uint8)

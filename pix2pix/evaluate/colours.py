"""Colours of a product: CIELAB statistics (D65) of the pixels that are not white, and stains."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pix2pix.evaluate.estimates import Float64
from pix2pix.images.framing import UInt8, resized

Float32 = NDArray[np.float32]

SIDE_PX = 128  # at which colours are measured
WHITE = 241  # a pixel with no channel below this is ground
GREY_BELOW = 12.0  # chroma of the mean colour; below it a product is grey
STAIN_PX, STAIN_FROM = 11, 10.0  # side of a pixel's surroundings, distance in a*, b*: at 256 px
RIM_PX = 3  # of a product, where its colour is mixed with the ground's
FAMILIES = ("pink", "red", "yellow", "green", "teal", "sky", "blue", "violet")  # at 0, 45, 90 ... degrees


class Colours(NamedTuple):
    """Colours of one product, in units of CIELAB.

    mean              mean L* (0..100), a*, b*: (3,)
    chroma            mean over pixels of the chroma, the root of a*^2 + b*^2
    spread            root of var a* + var b*: 0 for a product of one colour
    lightness_spread  standard deviation of L*
    """

    mean: Float64
    chroma: float
    spread: float
    lightness_spread: float

    @property
    def family(self) -> int:
        """Index into `FAMILIES` of the hue of the mean colour; len(FAMILIES) for a grey product.

        A family is a sector of 45 degrees. Brown is red, tan is yellow, denim is blue; a pure sRGB blue is
        violet.
        """
        a, b = self.mean[1:]
        if np.hypot(a, b) < GREY_BELOW:
            return len(FAMILIES)
        return round(float(np.degrees(np.arctan2(b, a))) / 45) % len(FAMILIES)


def colours(photo: UInt8) -> Colours:
    """Returns the colours of the pixels that are not white in a photo (H, W, 3) uint8, at 128 px.

    A blank photo has the colour of paper and no spread, and counts as grey.
    """
    small = resized(photo, (SIDE_PX, SIDE_PX))
    product = small[small.min(axis=2) < WHITE]  # (N, 3)
    if len(product) == 0:
        return Colours(np.array([100.0, 0.0, 0.0]), 0.0, 0.0, 0.0)
    lab = to_lab(product[None])[0].astype(np.float64)
    lightness, a, b = lab.T
    return Colours(
        mean=lab.mean(axis=0),
        chroma=float(np.hypot(a, b).mean()),
        spread=float(np.sqrt(a.var() + b.var())),
        lightness_spread=float(lightness.std()),
    )


def stains(photo: UInt8) -> float | None:
    """Returns the percentage of a product in another hue or chroma than its surroundings; None if blank.

    These are pixels of a photo (256, 256, 3) uint8 that differ from the median of the 11 x 11 around by more
    than 10 in a*, b*: coloured fringes along lines, glints and specks.
    """
    inside = inside_of_product(photo)
    if not inside.any():
        return None
    _, *chroma = cv2.split(to_lab(photo))
    levels = [(channel + 128).round().astype(np.uint8) for channel in chroma]
    apart = [cv2.absdiff(level, cv2.medianBlur(level, STAIN_PX)) for level in levels]
    return 100 * float((np.hypot(*np.array(apart, np.float64))[inside] > STAIN_FROM).mean())


def inside_of_product(photo: UInt8) -> NDArray[np.bool_]:
    """Returns which pixels of a photo (H, W, 3) uint8 are more than 3 px from any white one, (H, W)."""
    product = (photo.min(axis=2) < WHITE).view(np.uint8)
    return cv2.erode(product, np.ones((2 * RIM_PX + 1, 2 * RIM_PX + 1), np.uint8)) > 0


def to_lab(pixels: UInt8) -> Float32:
    """RGB (H, W, 3) uint8 -> CIELAB (H, W, 3): L* 0 to 100, a* and b* within -127 to 127."""
    return np.asarray(cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)

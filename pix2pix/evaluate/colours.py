"""Colours of a product: CIELAB statistics (D65) of the pixels that are not white."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from pix2pix.evaluate.estimates import Float64
from pix2pix.images.framing import UInt8, resized

SIDE_PX = 128  # at which colours are measured
WHITE = 241  # a pixel with no channel below this is ground
GREY_BELOW = 12.0  # chroma of the mean colour; below it a product is grey
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
    lab = cv2.cvtColor(product[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0].astype(np.float64)
    lightness, a, b = lab.T
    return Colours(
        mean=lab.mean(axis=0),
        chroma=float(np.hypot(a, b).mean()),
        spread=float(np.sqrt(a.var() + b.var())),
        lightness_spread=float(lightness.std()),
    )

"""Colours of the realism map: red looks generated to the discriminator, blue looks real."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

MADE, REAL = (0.86, 0.2, 0.15), (0.15, 0.4, 0.9)  # red, blue; shares of 255
OPACITY = 0.6  # at probabilities 0 and 1
LOST = 1  # patches that the last two convolutions of a PatchGAN cut off on each side


def tint(probabilities: NDArray[np.float32], size_px: int) -> NDArray[np.uint8]:
    """Probabilities (N, h, w) of being real -> RGBA (N, size_px, size_px, 4) uint8, to lay over photos.

    Opacity grows from 0 at a probability of 0.5 to 0.6 at 0 and 1.
    """
    colours = np.array([MADE, REAL], np.float32)
    overlays = np.empty((len(probabilities), size_px, size_px, 4), np.uint8)
    for overlay, patches in zip(overlays, probabilities, strict=True):
        real = cv2.resize(np.pad(patches, LOST, mode="edge"), (size_px, size_px))
        opacity = OPACITY * np.abs(2 * real - 1)
        rgba = np.concatenate([colours[(real >= 0.5).astype(int)], opacity[..., None]], axis=-1)
        overlay[:] = np.round(255 * rgba)
    return overlays

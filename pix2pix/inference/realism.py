"""How real the discriminator takes a photo for, patch by patch, in colours: red for made, blue for real."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

MADE, REAL = (0.86, 0.2, 0.15), (0.15, 0.4, 0.9)  # red, blue
OPACITY = 0.6  # where the discriminator is sure
LOST = 1  # patches on each side, to the two last convolutions of a PatchGAN


def tint(probabilities: NDArray[np.float32], size_px: int) -> NDArray[np.uint8]:
    """Probabilities (N, h, w) of being real -> what to lay over photos: RGBA (N, size_px, size_px, 4) uint8.

    Opacity grows from 0, where the discriminator cannot say, to 0.6, where it is sure.
    """
    colours = np.array([MADE, REAL], np.float32)
    overlays = np.empty((len(probabilities), size_px, size_px, 4), np.uint8)
    for overlay, patches in zip(overlays, probabilities, strict=True):
        real = cv2.resize(np.pad(patches, LOST, mode="edge"), (size_px, size_px))
        opacity = OPACITY * np.abs(2 * real - 1)
        rgba = np.concatenate([colours[(real >= 0.5).astype(int)], opacity[..., None]], axis=-1)
        overlay[:] = np.round(255 * rgba)
    return overlays

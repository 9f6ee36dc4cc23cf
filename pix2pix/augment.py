"""What training does to a pair first: one geometry for both sides, then the sketch's lines."""

from __future__ import annotations

import albumentations as A
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

GEOMETRY_SHARE = 0.6  # the rest keeps the exact frame of the pairs
LINE_SHARE = 0.6  # the rest keeps the edge map's own thin lines


class PairAugment:
    """(H, W) sketch and (H, W, 3) photo -> the same, moved together, at `size_px`; a function of the seed."""

    def __init__(self, *, flip: bool, shift_scale: bool, line_width: bool) -> None:
        """Each family of changes is switched by its TrainConfig field."""
        moves: list[A.BasicTransform] = []
        if flip:
            moves.append(A.HorizontalFlip(p=0.5))
        if shift_scale:
            # Down to 0.65 of the height: UT-Zappos pairs are 4:3 photos stretched square, drawings are not.
            moves.append(
                A.Affine(
                    scale={"x": (0.75, 1.05), "y": (0.65, 1.02)},
                    translate_percent={"x": (-0.08, 0.08), "y": (-0.12, 0.12)},
                    rotate=(-6, 6),
                    shear={"x": (-6, 6), "y": (0, 0)},
                    fill=255,
                    p=GEOMETRY_SHARE,
                )
            )
        self.geometry = A.Compose(moves, additional_targets={"photo": "image"})
        # Eroding the white paper thickens the ink.
        self.lines = A.Compose(
            [A.Morphological(scale=(2, 4), operation="erosion", p=LINE_SHARE if line_width else 0.0)]
        )

    def __call__(self, sketch: Image, photo: Image, size_px: int, seed: int) -> tuple[Image, Image]:
        """One draw. The same seed gives the same draw."""
        self.geometry.set_random_seed(seed)
        moved = self.geometry(image=sketch, photo=photo)
        self.lines.set_random_seed(seed)
        drawn = self.lines(image=moved["image"])["image"]
        return resize(drawn, size_px), resize(moved["photo"], size_px)


def resize(image: Image, size_px: int) -> Image:
    """To size_px x size_px: averaging when it shrinks, bicubic when it grows."""
    if image.shape[:2] == (size_px, size_px):
        return image
    shrinks = image.shape[0] > size_px
    return np.asarray(
        cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC),
        np.uint8,
    )

"""What training does to a pair first: one geometry for both sides, then the sketch's lines."""

from __future__ import annotations

import albumentations as A
import cv2
import numpy as np

from pix2pix.framing import UInt8, resized

LONGEST_DROPPED = 0.35  # of the picture's side: strokes up to this long may be left out
DROP_SHARE = 0.5  # the rest keeps every stroke
GEOMETRY_SHARE = 0.6  # the rest keeps the exact frame of the pairs
LINE_SHARE = 0.6  # the rest keeps the edge map's own thin lines


class DropStrokes(A.ImageOnlyTransform):  # type: ignore[misc]
    """Leave out strokes shorter than a random length: people draw an outline and a few lines, not every edge.

    A stroke is a connected patch of ink; its length is the longer side of its box.
    """

    def get_params(self) -> dict[str, float]:
        """The length below which strokes go, as a share of the picture's side."""
        return {"shortest": self.py_random.uniform(0, LONGEST_DROPPED)}

    def apply(self, img: UInt8, shortest: float, **params: object) -> UInt8:
        """(H, W) uint8, paper 255 -> the same without its short strokes."""
        _, labels, stats, _ = cv2.connectedComponentsWithStats((img < 255).astype(np.uint8), connectivity=8)
        extent = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
        dropped = extent < shortest * max(img.shape)
        dropped[0] = False  # label 0 is the paper
        if len(extent) > 1:
            dropped[1 + extent[1:].argmax()] = False  # the longest always stays
        return np.where(dropped[labels], np.uint8(255), img)


class PairAugment:
    """(H, W) sketch and (H, W, 3) photo -> the same, moved together, at `size_px`; a function of the seed."""

    def __init__(self, *, flip: bool, shift_scale: bool, drop_strokes: bool, line_width: bool) -> None:
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
        drawn: list[A.BasicTransform] = []
        if drop_strokes:
            drawn.append(DropStrokes(p=DROP_SHARE))
        if line_width:  # eroding the white paper thickens the ink
            drawn.append(A.Morphological(scale=(2, 4), operation="erosion", p=LINE_SHARE))
        self.lines = A.Compose(drawn)

    def __call__(self, sketch: UInt8, photo: UInt8, size_px: int, seed: int) -> tuple[UInt8, UInt8]:
        """One draw. The same seed gives the same draw."""
        self.geometry.set_random_seed(seed)
        moved = self.geometry(image=sketch, photo=photo)
        self.lines.set_random_seed(seed)
        drawn = self.lines(image=moved["image"])["image"]
        size = (size_px, size_px)
        return resized(drawn, size), resized(moved["photo"], size)

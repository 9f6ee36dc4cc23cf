"""Augmentation of pairs: redrawn lines, and one geometry for sketch, photo and mask."""

from __future__ import annotations

from typing import NamedTuple

import albumentations as A
import cv2
import numpy as np
from skimage.morphology import skeletonize

from pix2pix.images.framing import UInt8, resized
from pix2pix.images.matte import estimate_foreground
from pix2pix.training.data.strokes import redraw, trace

EDGE_MAP_SHARE = 0.3  # of sketches: not redrawn, roughness 0
GEOMETRY_SHARE = 0.6  # of pairs; the others keep the frame they have
EQUAL_HASTE_SHARE = 0.5  # of redrawn sketches: haste equals roughness; in the others it is independent
LINE_SHARE = 0.6  # of edge maps that get thicker lines
SINGLE_SHARE = 0.4  # of redrawn sketches whose thin parts become single lines
RIM_PX = 3  # around the product, where its edges may be drawn
THIN, LONG = 0.07, 0.15  # of the side: the most that a thin part is wide, and the least that it is long


class HandDrawn(A.ImageOnlyTransform):  # type: ignore[misc]
    """Redraws an edge map (H, W) uint8, paper 255, as a hand would; see `pix2pix.training.data.strokes`.

    The applied parameters hold the roughness, uniform in `roughness` (0 to 1), and the haste: half of the
    time the same number, else uniform in 0 to 1.
    """

    def __init__(self, roughness: tuple[float, float] = (0.0, 1.0), p: float = 1.0) -> None:
        """`p` is the probability of redrawing."""
        super().__init__(p=p)
        self.roughness = roughness

    def get_params(self) -> dict[str, float | int]:
        """Returns a random roughness, haste and seed."""
        roughness = self.py_random.uniform(*self.roughness)
        equal = self.py_random.random() < EQUAL_HASTE_SHARE
        return {
            "roughness": roughness,
            "haste": roughness if equal else self.py_random.random(),
            "seed": self.py_random.randrange(2**32),
        }

    def apply(self, img: UInt8, roughness: float, haste: float, seed: int, **params: object) -> UInt8:
        """Returns the same subject, redrawn: (H, W) uint8, paper 255."""
        return redraw(trace(img), roughness, np.random.default_rng(seed), haste=haste)


def with_single_lines(sketch: UInt8, mask: UInt8) -> UInt8:
    """Draws thin parts of a product, such as handles, as one line along their middle, as people do.

    Sketch (H, W) uint8, paper 255; mask (H, W) uint8, product 255. Edge maps have both edges of such parts.
    """
    side = max(3, round(THIN * max(mask.shape)))
    product = (mask > 127).astype(np.uint8)
    disc, near = (cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (d, d)) for d in (side, side + 2 * RIM_PX))
    rim = np.ones((2 * RIM_PX + 1, 2 * RIM_PX + 1), np.uint8)
    body = cv2.dilate(cv2.morphologyEx(product, cv2.MORPH_OPEN, disc), rim)
    middle = skeletonize((product > 0) & (body == 0)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(middle, connectivity=8)
    is_long = stats[:, cv2.CC_STAT_AREA] >= LONG * max(mask.shape)
    is_long[0] = False
    kept = is_long[labels]
    if not kept.any():
        return sketch
    single = sketch.copy()
    single[(cv2.dilate(kept.astype(np.uint8), near) > 0) & (body == 0)] = 255
    single[kept] = 0
    return single


class Augmented(NamedTuple):
    """An augmented pair of side S."""

    sketch: UInt8  # (S, S), paper 255
    photo: UInt8  # (S, S, 3)
    foreground: UInt8  # (S, S, 3): the product's colour
    alpha: UInt8  # (S, S), product 255, ground 0
    roughness: float  # 0 to 1: how far the strokes were moved from the photo's edges


class PairAugment:
    """Augments a sketch (H, W), photo (H, W, 3) and mask (H, W) together; a function of the seed."""

    def __init__(self, *, flip: bool, shift_scale: bool, strokes: bool, line_width: bool) -> None:
        """Each argument is a field of TrainConfig."""
        self.redraws = strokes
        self.redraw = A.Compose([HandDrawn()], save_applied_params=True)
        # Eroding the white paper thickens the ink.
        thicker = [A.Morphological(scale=(2, 4), operation="erosion", p=LINE_SHARE)] if line_width else []
        self.line_width = A.Compose(thicker)
        geometry: list[A.BasicTransform] = []
        if flip:
            geometry.append(A.HorizontalFlip(p=0.5))
        if shift_scale:
            # Down to 0.65 of the height: UT-Zappos pairs are 4:3 photos stretched square, drawings are not.
            geometry.append(
                A.Affine(
                    scale={"x": (0.75, 1.05), "y": (0.65, 1.02)},
                    translate_percent={"x": (-0.08, 0.08), "y": (-0.12, 0.12)},
                    rotate=(-6, 6),
                    shear={"x": (-6, 6), "y": (0, 0)},
                    fill=255,
                    p=GEOMETRY_SHARE,
                )
            )
        self.geometry = A.Compose(geometry, additional_targets={"photo": "image", "ground": "image"})

    def __call__(self, sketch: UInt8, photo: UInt8, mask: UInt8, size_px: int, seed: int) -> Augmented:
        """Returns an augmented pair of side `size_px`."""
        transforms = (self.redraw, self.line_width, self.geometry)
        # With one seed for all, their random numbers would be equal.
        *seeds, of_choices = np.random.SeedSequence(seed).generate_state(len(transforms) + 1).tolist()
        for transform, transform_seed in zip(transforms, seeds, strict=True):
            transform.set_random_seed(transform_seed)
        size = (size_px, size_px)
        if max(sketch.shape) > size_px:  # tracing is slow on large pages
            sketch, photo, mask = (resized(picture, size) for picture in (sketch, photo, mask))
        kept, double = np.random.default_rng(of_choices).random(2)
        roughness = 0.0
        if self.redraws and kept >= EDGE_MAP_SHARE:
            drawn = self.redraw(image=with_single_lines(sketch, mask) if double < SINGLE_SHARE else sketch)
            sketch, roughness = drawn["image"], dict(drawn["applied_transforms"])["HandDrawn"]["roughness"]
        else:
            sketch = self.line_width(image=sketch)["image"]
        moved = self.geometry(image=sketch, photo=photo, ground=255 - mask)  # the fill, 255, is ground
        sketch, photo, ground = (resized(moved[name], size) for name in ("image", "photo", "ground"))
        return Augmented(sketch, photo, *estimate_foreground(photo, 255 - ground), roughness)

"""Augmentation of pairs: redrawn lines, one geometry for sketch, photo and mask, and colour strokes."""

from __future__ import annotations

from typing import NamedTuple

import albumentations as A
import cv2
import numpy as np
from numpy.typing import NDArray

from pix2pix.images.framing import UInt8, resized
from pix2pix.training.strokes import redraw, trace

EDGE_MAP_SHARE = 0.3  # of sketches: not redrawn, roughness 0
GEOMETRY_SHARE = 0.6  # of pairs; the others keep the frame they have
EQUAL_HASTE_SHARE = 0.5  # of redrawn sketches: haste equals roughness; in the others it is independent
LINE_SHARE = 0.6  # of edge maps that get thicker lines
# Colour strokes.
NONE_SHARE, FEW_SHARE = 0.45, 0.3  # of pairs: without strokes, with 1 to 3; the rest has 4 to 11
SMALLEST_PRODUCT_PX, SMALLEST_STROKE_PX = 50, 4
STEP, WIDTH = (3.0, 14.0), (2, 9)  # of a stroke's random walk, in pixels of pictures of 128 px
NOISE = 0.03


class HandDrawn(A.ImageOnlyTransform):  # type: ignore[misc]
    """Redraws an edge map (H, W) uint8, paper 255, as a hand would; see `pix2pix.training.strokes`.

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


class Augmented(NamedTuple):
    """An augmented pair of side S."""

    sketch: UInt8  # (S, S), paper 255
    photo: UInt8  # (S, S, 3)
    mask: UInt8  # (S, S), product 255, ground 0
    roughness: float  # 0 to 1: how far the strokes were moved from the photo's edges


class PairAugment:
    """Augments a sketch (H, W), photo (H, W, 3) and mask (H, W) together; a function of the seed."""

    def __init__(self, *, flip: bool, shift_scale: bool, strokes: bool, line_width: bool) -> None:
        """Each argument is a field of TrainConfig."""
        redrawn = [HandDrawn(p=1 - EDGE_MAP_SHARE)] if strokes else []
        self.redraw = A.Compose(redrawn, save_applied_params=True)
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
        seeds = np.random.SeedSequence(seed).generate_state(len(transforms))
        for transform, transform_seed in zip(transforms, seeds.tolist(), strict=True):
            transform.set_random_seed(transform_seed)
        size = (size_px, size_px)
        if max(sketch.shape) > size_px:  # tracing is slow on large pages
            sketch, photo, mask = (resized(picture, size) for picture in (sketch, photo, mask))
        redrawn = self.redraw(image=sketch)
        sketch = redrawn["image"]
        applied = dict(redrawn["applied_transforms"]).get("HandDrawn")
        if applied is None:
            sketch = self.line_width(image=sketch)["image"]
        moved = self.geometry(image=sketch, photo=photo, ground=255 - mask)  # the fill, 255, is ground
        sketch, photo, ground = (resized(moved[name], size) for name in ("image", "photo", "ground"))
        return Augmented(sketch, photo, 255 - ground, applied["roughness"] if applied else 0.0)


def draw_colour_strokes(photo: UInt8, mask: UInt8, rng: np.random.Generator) -> NDArray[np.float32]:
    """Returns colour strokes (H, H, 4) float32 for a photo (H, H, 3) and its mask (H, H), both uint8.

    Channels are colour in [-1, 1] times mask, and mask. Each stroke is a random walk inside the product, in
    the median colour of the photo under it, with a little noise.
    """
    side = len(mask)
    strokes = np.zeros((side, side, 4), np.float32)
    rows, columns = np.nonzero(mask > 127)
    chance = rng.random()
    if chance < NONE_SHARE or len(rows) < SMALLEST_PRODUCT_PX:
        return strokes
    few = chance < NONE_SHARE + FEW_SHARE
    for _ in range(rng.integers(1, 4) if few else rng.integers(4, 12)):
        start = rng.integers(len(rows))
        stroke = _random_walk((columns[start], rows[start]), side, rng) & (mask > 127)
        if stroke.sum() >= SMALLEST_STROKE_PX:
            colour = np.median(photo[stroke], axis=0) / 127.5 - 1 + NOISE * rng.normal(size=3)
            strokes[stroke] = [*colour, 1]
    return strokes


def _random_walk(start: tuple[int, int], side: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Returns which pixels (side, side) a random walk from a point x, y covers."""
    scale = side / 128
    angle = rng.random() * 2 * np.pi
    path: list[NDArray[np.float64]] = [np.array(start, np.float64)]
    for _ in range(rng.integers(1, 6)):
        angle += 0.6 * rng.normal()
        step = np.array([np.cos(angle), np.sin(angle)])
        path.append(path[-1] + scale * rng.uniform(*STEP) * step)
    covered = np.zeros((side, side), np.uint8)
    width = max(1, round(scale * rng.integers(*WIDTH)))
    cv2.polylines(covered, [np.array(path, np.int32)], False, (1,), width)
    return covered > 0

"""What training does to a pair first: the lines as a hand would draw them, one geometry for both sides."""

from __future__ import annotations

from typing import NamedTuple

import albumentations as A
import numpy as np

from pix2pix.images.framing import UInt8, resized
from pix2pix.training.strokes import redraw, trace

EDGE_MAP_SHARE = 0.3  # of the sketches: the edge map itself, roughness 0
GEOMETRY_SHARE = 0.6  # the rest keeps the exact frame of the pairs
AS_HASTY_SHARE = 0.5  # of the hands: as hasty as they are rough; the others have a haste of their own
LINE_SHARE = 0.6  # of the edge maps; the rest keeps its own thin lines


class HandDrawn(A.ImageOnlyTransform):  # type: ignore[misc]
    """An edge map (H, W) uint8, paper 255, drawn again by a hand; see `pix2pix.training.strokes`.

    The roughness of each draw, uniform in `roughness` (0 to 1), stands in the applied parameters. So does its
    haste: half of the time the same, else uniform in 0 to 1.
    """

    def __init__(self, roughness: tuple[float, float] = (0.0, 1.0), p: float = 1.0) -> None:
        """`p` is the probability of drawing at all."""
        super().__init__(p=p)
        self.roughness = roughness

    def get_params(self) -> dict[str, float | int]:
        """How rough, and which of all the hands that rough."""
        roughness = self.py_random.uniform(*self.roughness)
        alike = self.py_random.random() < AS_HASTY_SHARE
        return {
            "roughness": roughness,
            "haste": roughness if alike else self.py_random.random(),
            "hand": self.py_random.randrange(2**32),
        }

    def apply(self, img: UInt8, roughness: float, haste: float, hand: int, **params: object) -> UInt8:
        """(H, W) uint8, paper 255 -> the same subject, drawn."""
        return redraw(trace(img), roughness, np.random.default_rng(hand), haste=haste)


class Augmented(NamedTuple):
    """A pair as training draws it, each picture of side S."""

    sketch: UInt8  # (S, S), paper 255
    photo: UInt8  # (S, S, 3)
    mask: UInt8  # (S, S), product 255, ground 0
    roughness: float  # 0 to 1: how far the strokes were moved from the photo's edges


class PairAugment:
    """(H, W) sketch, (H, W, 3) photo and (H, W) mask -> the same, moved together; a function of the seed."""

    def __init__(self, *, flip: bool, shift_scale: bool, strokes: bool, line_width: bool) -> None:
        """Each family of changes is switched by its TrainConfig field."""
        by_hand = [HandDrawn(p=1 - EDGE_MAP_SHARE)] if strokes else []
        self.by_hand = A.Compose(by_hand, save_applied_params=True)
        # Eroding the white paper thickens the ink.
        thicker = [A.Morphological(scale=(2, 4), operation="erosion", p=LINE_SHARE)] if line_width else []
        self.line_width = A.Compose(thicker)
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
        self.geometry = A.Compose(moves, additional_targets={"photo": "image", "ground": "image"})

    def __call__(self, sketch: UInt8, photo: UInt8, mask: UInt8, size_px: int, seed: int) -> Augmented:
        """One draw at `size_px`. The same seed gives the same draw."""
        transforms = (self.by_hand, self.line_width, self.geometry)
        seeds = np.random.SeedSequence(seed).generate_state(len(transforms))  # one seed would tie their draws
        for transform, own in zip(transforms, seeds.tolist(), strict=True):
            transform.set_random_seed(own)
        size = (size_px, size_px)
        if max(sketch.shape) > size_px:  # tracing is slow on large pages
            sketch, photo, mask = (resized(picture, size) for picture in (sketch, photo, mask))
        drawn = self.by_hand(image=sketch)
        sketch = drawn["image"]
        applied = dict(drawn["applied_transforms"]).get("HandDrawn")
        if applied is None:
            sketch = self.line_width(image=sketch)["image"]
        moved = self.geometry(image=sketch, photo=photo, ground=255 - mask)  # what comes in is ground
        sketch, photo, ground = (resized(moved[name], size) for name in ("image", "photo", "ground"))
        return Augmented(sketch, photo, 255 - ground, applied["roughness"] if applied else 0.0)

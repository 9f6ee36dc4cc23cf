"""Product photos given as sketches are told from drawings: shaded, coloured and photographed ones, too."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawings import (
    OUTLINE,
    SOLE,
    clip_art,
    filled,
    label_map,
    on_paper,
    printed,
    product_photo,
    shoe,
    soft_shadow,
)
from products import recompressed

from pix2pix.images.io import inspect_sketch, read_sketch
from pix2pix.images.photograph import is_photograph

SIDE = 512
INK = shoe(SIDE, SIDE, 4)


def inside() -> np.ndarray:
    """What the outline of the shoe encloses, (SIDE, SIDE) bool."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.array(OUTLINE)], (1.0,))
    cv2.rectangle(mask, SOLE[:2], SOLE[2:], (1.0,), cv2.FILLED)
    return mask > 0


def product(darkest: float, lightest: float, texture: float = 0.0, ground: float = 255) -> np.ndarray:
    """A shoe of leather with seams, lit from above, on a ground with a soft shadow, (SIDE, SIDE, 3) uint8."""
    mask = inside()
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    down, across = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    light = 0.5 + 0.3 * np.sin(9 * across + 4 * down) - 0.5 * (down - 0.45) + 0.35 * np.exp(-depth / 9)
    grain = np.random.default_rng(0).normal(0, 1, (SIDE, SIDE))
    light = light + texture * cv2.GaussianBlur(grain, (0, 0), 4) * 8
    for start, end in (((90, 300), (250, 240)), ((250, 240), (420, 280))):
        cv2.line(light, start, end, (0.0,), 3)
    levels = np.where(mask, darkest + (lightest - darkest) * np.clip(light, 0, 1), ground - soft_shadow(mask))
    photo = cv2.GaussianBlur(levels, (0, 0), 1.2)[..., None] + np.array([0, -2, -4]) * mask[..., None]
    return np.clip(photo, 0, 255).astype(np.uint8)


def scene() -> np.ndarray:
    """A picture full of colours, without a ground."""
    few = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    return np.asarray(cv2.resize(few, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC))


PHOTOS = {
    "black": product(4, 110),
    "dark, textured": product(10, 120, texture=0.15),
    "grey": product(60, 200),
    "light grey": product(110, 235),
    "grey, textured": product(50, 190, texture=0.2),
    "on a light grey ground": product(10, 150, ground=235),
    "as JPEG": recompressed(product(4, 130), 70),
    "coloured": product_photo(SIDE, SIDE),
    "a scene": scene(),
    "one channel": product(30, 180)[..., 0],
    "small": cv2.resize(product(20, 160), (136, 102), interpolation=cv2.INTER_AREA),
}


@pytest.mark.parametrize("kind", PHOTOS)
def test_a_photo_is_recognised(kind: str) -> None:
    """Dark and grey ones were not: only colourful photos were."""
    assert is_photograph(PHOTOS[kind])
    assert [notice.name for notice in inspect_sketch(PHOTOS[kind])[1]] == ["photograph"]


def page(ink: np.ndarray, shade: np.ndarray | float = 0.0, paper: float = 250) -> np.ndarray:
    """Strokes and shading (H, W) in [0, 1] on paper, (H, W) uint8."""
    return np.round(paper * (1 - np.maximum(0.85 * ink, shade))).astype(np.uint8)


def shading() -> np.ndarray:
    """Smudged pencil from light to dark in the whole of the shoe, (SIDE, SIDE)."""
    down, across = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    tone = 0.35 + 0.25 * np.sin(11 * across) * np.cos(9 * down)
    tooth = np.random.default_rng(0).normal(0, 0.05, (SIDE, SIDE))
    return np.where(inside(), np.clip(cv2.GaussianBlur(tone, (0, 0), 3) + tooth, 0, 0.7), 0)


def hatching() -> np.ndarray:
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    return np.where(inside() & ((down + 2 * across) % 11 < 4), 0.3 + 0.4 * across / SIDE, 0)


def by_phone(drawn: np.ndarray) -> np.ndarray:
    """A phone's picture of a page (H, W) or (H, W, 3): uneven light, soft shadow, noise, (H, W, 3) uint8."""
    down, across = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    light = 0.95 - 0.3 * across - 0.25 / (1 + np.exp((np.hypot(across - 1, down) - 0.5) / 0.03))
    noise = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE, 3))
    lit = np.atleast_3d(drawn) * light[..., None] * [1, 0.97, 0.9] + noise
    return np.clip(lit, 0, 255).astype(np.uint8)


DRAWINGS = {
    "lines": page(INK),
    "bold lines": page(shoe(SIDE, SIDE, 14)),
    "hatched": page(INK, hatching()),
    "shaded": page(INK, shading()),
    "shaded, on grey paper": page(INK, shading(), 215),
    "pencil on grey paper": page(0.5 * INK, 0.0, 190),
    "by phone": by_phone(page(INK)),
    "shaded, by phone": by_phone(page(INK, shading())),
    "coloured, by phone": by_phone(np.asarray(clip_art((20, 20, 20)))),
    "ruled": on_paper(INK, printed("ruled", SIDE, SIDE, 24, 1), is_photo=True),
    "black silhouette": recompressed(np.repeat(page(inside().astype(float))[..., None], 3, axis=2), 70),
    "flat clip art": np.asarray(clip_art((0, 0, 0))),
    "flat clip art without outlines": np.asarray(clip_art(None)),
    "label map": np.asarray(label_map()),
    "white filling": np.asarray(filled(SIDE, 3).convert("RGB")),
    "white on black": 255 - page(INK),
}


@pytest.mark.parametrize("kind", DRAWINGS)
def test_a_drawing_is_no_photo(kind: str) -> None:
    assert not is_photograph(DRAWINGS[kind])
    assert "photograph" not in [notice.name for notice in inspect_sketch(DRAWINGS[kind])[1]]


def test_the_notice_alone_changes_with_what_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = PHOTOS["grey"]
    sketch = read_sketch(photo)
    monkeypatch.setattr("pix2pix.images.ink.is_photograph", lambda _: False)
    assert (read_sketch(photo) == sketch).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 3), (3000, 7)])
def test_pictures_of_any_size_are_looked_at(size: tuple[int, int]) -> None:
    for seed in range(3):
        levels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
        assert not is_photograph(levels)
    assert not is_photograph(np.full(size, 255, np.uint8))

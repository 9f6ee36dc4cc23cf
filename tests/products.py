"""Made-up product photos: each seed another subject, on white."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image


def product(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    """A coloured outline with patches of its own on it, (height, width, 3) uint8; margins of an eighth."""
    rng = np.random.default_rng(seed)
    photo = np.full((height, width, 3), 255, np.uint8)
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    radius = rng.uniform(0.5, 1.0, 12)
    radius[::3] = 1.0  # reaches its box on every side
    outline = np.stack(
        [width * (0.5 + 0.375 * radius * np.cos(angles)), height * (0.5 + 0.375 * radius * np.sin(angles))]
    )
    cv2.fillPoly(photo, [outline.T.round().astype(np.int32)], colour(rng))
    inside = photo.min(axis=2) < 255
    for _ in range(5):
        x, y, r = rng.uniform((0.25, 0.25, 0.05), (0.75, 0.75, 0.15))
        patch = photo.copy()
        cv2.circle(patch, (int(x * width), int(y * height)), int(r * width), colour(rng), -1)
        photo[inside] = patch[inside]
    return photo


def colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(level) for level in rng.integers(0, 190, 3))


def recompressed(photo: np.ndarray, quality: int = 40) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))

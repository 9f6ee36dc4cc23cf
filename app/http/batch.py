"""A batch of photos for one translator. A failed batch is retried in halves."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pix2pix.images.transparency import WHITE, over

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """N photos of M sketches, for one translator."""

    translator: Translator
    sketches: np.ndarray  # (M, S, S) uint8
    z: np.ndarray  # (N, Z) float32
    sketch_of: np.ndarray  # (N,): index of each photo's sketch
    realism: bool
    strokes: np.ndarray | None = None  # (M, S/2, S/2, 4) uint8, of each sketch
    transparent: bool = False

    def translate(self, at: np.ndarray, most: int) -> list[tuple[Any, Any] | Exception]:
        """Returns photo (S, S, 3 or 4) and overlay (S, S, 4) or None of the indices `at` (K,), or exceptions.

        At most `most` photos are computed together. A batch that fails is split, so that an invalid input
        fails alone, and a batch too large for the memory of the device fits.
        """
        if len(at) <= most:
            try:
                return self._translate_together(at)
            except Exception as error:
                if len(at) == 1:
                    return [error]
                logger.warning("a batch of %d photos failed, retrying in halves: %r", len(at), error)
        half = len(at) // 2
        return self.translate(at[:half], most) + self.translate(at[half:], most)

    def _translate_together(self, at: np.ndarray) -> list[tuple[Any, Any] | Exception]:
        needed, sketch_of = np.unique(self.sketch_of[at], return_inverse=True)
        sketches = self.sketches[needed]
        strokes = None if self.strokes is None else self.strokes[needed]
        photos = self.translator.translate_batch(
            sketches, self.z[at], sketch_of, strokes, transparent=self.transparent
        )
        overlays: Any = [None] * len(at)
        if self.realism:
            opaque = np.stack([over(photo, WHITE) for photo in photos]) if self.transparent else photos
            overlays = self.translator.realism(sketches, opaque, sketch_of)
        return list(zip(photos, overlays, strict=True))

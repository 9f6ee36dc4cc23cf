"""Chooses the seeds that the canvas starts with: their photos differ clearly in colour.

Directions do not suffice: in dark photos, saturation and warmth change nothing that anybody sees. So photos
of a plain box are made once a model, and compared.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import cv2
import numpy as np

from app.http.batcher import Batcher, Client
from pix2pix.model import latents

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

FIRST_SEED = 0
CANDIDATES = 24  # photos, made in batches of BATCH, so that users' photos do not wait for all of them
BATCH = 4
BOX = slice(0.15, 0.85), slice(0.28, 0.72)  # across and down, shares of the side


class FirstSeeds:
    """The seeds from 0 on whose photos differ most. May be shared between threads."""

    def __init__(self, batcher: Batcher) -> None:
        """Networks run in `batcher`."""
        self._batcher = batcher
        self._colours: WeakKeyDictionary[Translator, np.ndarray] = WeakKeyDictionary()

    def of(self, translator: Translator, count: int, client: Client) -> list[int]:
        """Returns `count` seeds, 1 to 16, the first of them 0."""
        colours = self._colours.get(translator)
        if colours is None:
            colours = self._colours[translator] = self._find_colours(translator, client)
        return latents.spread(colours, count)

    def _find_colours(self, translator: Translator, client: Client) -> np.ndarray:
        """Returns the mean colours (N, 3), CIELAB, of the photos of a box."""
        side = translator.size_px
        columns, rows = (slice(round(side * part.start), round(side * part.stop)) for part in BOX)
        box = np.full((1, side, side), 255, np.uint8)
        cv2.rectangle(box[0], (columns.start, rows.start), (columns.stop, rows.stop), 0, max(1, side // 128))
        z = np.stack([translator.latent(FIRST_SEED + i) for i in range(CANDIDATES)])
        photos = [
            self._batcher.run(partial(translator.translate_batch, box, part), client)
            for part in np.split(z, CANDIDATES // BATCH)
        ]
        inside = np.concatenate(photos)[:, rows, columns].astype(np.float32) / 255
        return np.stack([cv2.cvtColor(photo, cv2.COLOR_RGB2LAB).mean((0, 1)) for photo in inside])

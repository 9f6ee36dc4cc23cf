"""A model's answers to one sketch: each is made once, and looked at once by each judge that is asked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pix2pix.errors import UsageError
from pix2pix.evaluate.colours import Colours, colours
from pix2pix.evaluate.estimates import Float64
from pix2pix.evaluate.judges import (
    Description,
    Judges,
    describe,
    inception_features,
    perceptual_code,
    pooled_features,
)
from pix2pix.evaluate.surfaces import Lines, Surface, ground_not_white, plain_surface
from pix2pix.images.framing import UInt8, fit_sketch, resized, restore_photo
from pix2pix.images.io import read_photo, read_sketch

if TYPE_CHECKING:
    from torch import Tensor

    from pix2pix.inference.translator import Translator

SEEN_PX = 256  # the side at which every photo is looked at


class Photo:
    """A photo (256, 256, 3) uint8, and what the judges say of it. Raises UsageError as `Judges`."""

    def __init__(self, pixels: UInt8, judges: Judges, lines: Lines | None = None) -> None:
        """`lines` are those that the photo follows, where there are any. Nobody looks before being asked."""
        self.pixels, self.judges, self._lines = pixels, judges, lines

    @classmethod
    def read(cls, path: Path, judges: Judges, traced: Path | None = None) -> Photo:
        """A photo file, and the sketch that was traced from it. Raises ImageError."""
        lines = None if traced is None else _lines(read_sketch(traced))
        return cls(resized(read_photo(path), (SEEN_PX, SEEN_PX)), judges, lines)

    @property
    def lines(self) -> Lines:
        """The lines that the photo follows. Raises UsageError where there are none."""
        if self._lines is None:
            raise UsageError("these sketches were not traced from the photos")
        return self._lines

    @cached_property
    def colours(self) -> Colours:
        """The colours of the product."""
        return colours(self.pixels)

    @cached_property
    def surface(self) -> Surface | None:
        """Its plain surface, None where it has none. Raises UsageError as `lines`."""
        return plain_surface(self.pixels, self.lines)

    @cached_property
    def ground_not_white(self) -> float | None:
        """Percent of the ground that is not white, None where there is no ground. Raises as `lines`."""
        return ground_not_white(self.pixels, self.lines)

    @cached_property
    def texture(self) -> Float64:
        """Features of VGG16 (512,)."""
        return pooled_features(self.pixels, self.judges.textures)

    @cached_property
    def description(self) -> Description:
        """What is in it."""
        return describe(self.pixels, self.judges.objects)

    @cached_property
    def inception(self) -> Float64:
        """Features (2048,)."""
        return inception_features(self.pixels, self.judges.inception)

    @cached_property
    def code(self) -> Tensor:
        """Where it lies in the space of LPIPS, (D,)."""
        return perceptual_code(self.pixels, self.judges.perceptual)

    def distance_to(self, other: Photo) -> float:
        """LPIPS-alex."""
        return float((self.code - other.code).square().sum())


class Answers:
    """What a model makes of the sketch with number `index`: the page that `pix2pix convert` writes."""

    def __init__(
        self, model: Translator, judges: Judges, sketch: Path, photo: Path | None, index: int
    ) -> None:
        """`photo` is the real one, where there is one. Raises ImageError."""
        self.model, self.judges, self.index, self._photo = model, judges, index, photo
        page = read_sketch(sketch)
        self._lines = _lines(page)
        self._fitted, self._placement = fit_sketch(page, model.size_px)
        self._by_seed: dict[int, Photo] = {}

    def of_seeds(self, seeds: Sequence[int]) -> list[Photo]:
        """The answers with these seeds."""
        if missing := [seed for seed in seeds if seed not in self._by_seed]:
            made = self.of_latents(np.stack([self.model.latent(seed) for seed in missing]))
            self._by_seed.update(zip(missing, made, strict=True))
        return [self._by_seed[seed] for seed in seeds]

    def of_latents(self, z: NDArray[np.float32]) -> list[Photo]:
        """The answers with latents (N, Z), which are not kept."""
        photos = self.model.translate_batch(self._fitted[None], z)
        pages = (restore_photo(photo, self._placement) for photo in photos)
        return [Photo(resized(page, (SEEN_PX, SEEN_PX)), self.judges, self._lines) for page in pages]

    @property
    def real_file(self) -> Path:
        """Where the real photo lies. Raises UsageError if there is none."""
        if self._photo is None:
            raise UsageError("these sketches have no real photos (--photos names those of drawings)")
        return self._photo

    @cached_property
    def real(self) -> Photo:
        """The real photo. Raises UsageError if there is none."""
        return Photo.read(self.real_file, self.judges)

    def rebuilt(self) -> Photo:
        """The answer with the z that the encoder reads off the real photo. Raises UsageError without one."""
        return self.of_latents(self.model.encode(self.real_file)[None])[0]


def _lines(page: UInt8) -> Lines:
    return Lines(resized(page, (SEEN_PX, SEEN_PX)))

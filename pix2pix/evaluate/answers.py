"""The answers of a model to one sketch: each is generated once, and each of its features computed once."""

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
from pix2pix.evaluate.features import (
    Classification,
    FeatureNetworks,
    classify,
    inception_features,
    perceptual_code,
    pooled_features,
)
from pix2pix.evaluate.surfaces import (
    NOT_TRACED,
    Lines,
    Surface,
    ground_not_white,
    openings_not_white,
    plain_surface,
    thin_lightness,
)
from pix2pix.images.framing import UInt8, fit_sketch, resized, restore_photo
from pix2pix.images.io import read_photo, read_sketch

if TYPE_CHECKING:
    from torch import Tensor

    from pix2pix.inference.translator import Translator

SIDE_PX = 256  # of every photo that is measured
SEEDS_PER_SKETCH = 8


class Photo:
    """A photo (256, 256, 3) uint8 and its features. Raises UsageError as `FeatureNetworks`."""

    def __init__(self, pixels: UInt8, networks: FeatureNetworks, lines: Lines | None = None) -> None:
        """`lines` are those of the sketch that the photo follows, if there is one."""
        self.pixels, self.networks, self._lines = pixels, networks, lines

    @classmethod
    def read(cls, path: Path, networks: FeatureNetworks, traced: Path | None = None) -> Photo:
        """Reads a photo, and the sketch that was traced from it. Raises ImageError."""
        pixels = resized(read_photo(path), (SIDE_PX, SIDE_PX))
        return cls(pixels, networks, None if traced is None else _lines(read_sketch(traced), pixels))

    @property
    def lines(self) -> Lines:
        """The lines that the photo follows. Raises UsageError if there are none."""
        if self._lines is None:
            raise UsageError(NOT_TRACED)
        return self._lines

    @cached_property
    def colours(self) -> Colours:
        """The colours of the product."""
        return colours(self.pixels)

    @cached_property
    def surface(self) -> Surface | None:
        """Its plain surface, None if it has none. Raises UsageError as `lines`."""
        return plain_surface(self.pixels, self.lines)

    @cached_property
    def ground_not_white(self) -> float | None:
        """Percent of the ground that is not white, None without ground. Raises UsageError as `lines`."""
        return ground_not_white(self.pixels, self.lines)

    @cached_property
    def thin_lightness(self) -> float | None:
        """L* of thin parts minus that of the body, None without. Raises UsageError as `Lines.parts`."""
        return thin_lightness(self.pixels, self.lines)

    @cached_property
    def openings_not_white(self) -> float | None:
        """Percent of the openings that is not white, None without. Raises as `thin_lightness`."""
        return openings_not_white(self.pixels, self.lines)

    @cached_property
    def vgg_features(self) -> Float64:
        """Features of VGG16, (512,)."""
        return pooled_features(self.pixels, self.networks.vgg)

    @cached_property
    def classification(self) -> Classification:
        """Features and class of EfficientNet-Lite2."""
        return classify(self.pixels, self.networks.efficientnet)

    @cached_property
    def inception_features(self) -> Float64:
        """Features of Inception, (2048,)."""
        return inception_features(self.pixels, self.networks.inception)

    @cached_property
    def perceptual_code(self) -> Tensor:
        """Its point in the space of LPIPS-alex, (D,)."""
        return perceptual_code(self.pixels, self.networks.lpips_alex)

    def distance_to(self, other: Photo) -> float:
        """Returns the LPIPS distance (AlexNet), 0 for equal photos."""
        return float((self.perceptual_code - other.perceptual_code).square().sum())


class Answers:
    """The answers of a model to the sketch with number `index`, on the page that `pix2pix convert` writes."""

    def __init__(
        self,
        model: Translator,
        networks: FeatureNetworks,
        sketch: Path,
        photo: Path | None,
        index: int,
        *,
        traced: bool = False,
    ) -> None:
        """`photo` is the real one, if there is one; the sketch may be traced from it. Raises ImageError."""
        self.model, self.networks, self.index, self._photo = model, networks, index, photo
        page = read_sketch(sketch)
        self._lines = _lines(page, self.real.pixels if photo and traced else None)
        self._fitted, self._placement = fit_sketch(page, model.size_px)
        self._by_seed: dict[int, Photo] = {}

    @property
    def own_seeds(self) -> range:
        """Eight seeds that no other sketch uses, so that figures do not depend on eight latents."""
        first = 1 + SEEDS_PER_SKETCH * self.index
        return range(first, first + SEEDS_PER_SKETCH)

    def of_seeds(self, seeds: Sequence[int]) -> list[Photo]:
        """Returns the answers with these seeds; each is generated once."""
        if missing := [seed for seed in seeds if seed not in self._by_seed]:
            photos = self.of_latents(np.stack([self.model.latent(seed) for seed in missing]))
            self._by_seed.update(zip(missing, photos, strict=True))
        return [self._by_seed[seed] for seed in seeds]

    def of_latents(self, z: NDArray[np.float32]) -> list[Photo]:
        """Returns the answers with latents (N, Z)."""
        photos = self.model.translate_batch(self._fitted[None], z)
        pages = (restore_photo(photo, self._placement) for photo in photos)
        return [Photo(resized(page, (SIDE_PX, SIDE_PX)), self.networks, self._lines) for page in pages]

    @property
    def real_file(self) -> Path:
        """Path of the real photo. Raises UsageError if there is none."""
        if self._photo is None:
            raise UsageError("these sketches have no real photos (for drawings, give --photos)")
        return self._photo

    @cached_property
    def real(self) -> Photo:
        """The real photo. Raises UsageError if there is none."""
        return Photo.read(self.real_file, self.networks)

    def rebuilt(self) -> Photo:
        """Returns the answer with the z that the encoder computes from the real photo.

        Raises UsageError without a real photo or an encoder.
        """
        return self.of_latents(self.model.encode(self.real_file)[None])[0]


def _lines(page: UInt8, photo: UInt8 | None) -> Lines:
    return Lines(resized(page, (SIDE_PX, SIDE_PX)), photo)

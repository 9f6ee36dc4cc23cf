"""The Python interface to inference: translates sketches and latents into photos.

    shoes = pix2pix.load("shoes")
    shoes.translate("drawing.png", seed=7).save("shoe.png")

The same sketch, z and bundle give the same photo, in every run and order; in a batch of another size, to
within one of 255 levels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pix2pix.errors import CorruptBundle, NoSubject, UsageError, about
from pix2pix.images.framing import UInt8
from pix2pix.images.io import fit_hints, fit_sketch, read_hints, read_photo, read_sketch
from pix2pix.images.mask import product_mask
from pix2pix.images.matte import estimate_foreground
from pix2pix.images.subject import squared
from pix2pix.images.transparency import cut_out, without_fringe
from pix2pix.inference.engines import Engine, Float32, Int64, make_engine
from pix2pix.inference.enlarge import MAX_SIZE_PX, photo_of_size
from pix2pix.inference.realism import tint
from pix2pix.model import latents
from pix2pix.model.bundle import Header, digest_of, find_bundle

# Photos. On a CPU larger batches are hardly faster per photo, and every request waits for its whole batch.
MAX_BATCH = {"cpu": 8, "cuda": 64}


def load(
    name_or_path: str | Path, models: Path | None = None, device: str = "auto", engine: str = "auto"
) -> Translator:
    """Loads a bundle by name or path.

    `device` is "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N"; `engine` is "auto", "onnxruntime"
    or "torch": see `pix2pix.inference.engines`.
    Raises BundleNotFound, CorruptBundle (also if the file is replaced while it is read), or UsageError for a
    device or an engine that is not available.
    """
    path = find_bundle(name_or_path, models)
    digest = digest_of(path)
    loaded, header = make_engine(path, device, engine)
    if digest_of(path) != digest:
        raise CorruptBundle(f"{path} was replaced while it was read: try again")
    return Translator(path.stem, loaded, header, digest=digest, path=path)


def max_batch(translator: Translator) -> int:
    """Returns how many photos the translator's device computes in one batch."""
    return MAX_BATCH[translator.device.partition(":")[0]]


class Translator:
    """A loaded bundle. May be shared between threads."""

    def __init__(
        self, name: str, engine: Engine, header: Header, digest: str = "", path: Path | None = None
    ) -> None:
        """Use `load`. `digest` is the SHA-256 of the bundle's file, `path` the file."""
        self.name, self.header, self.digest, self.path = name, header, digest, path
        self.title = header.title
        self.size_px = header.model.size_px
        self.latent_size = header.model.latent_size
        self.takes_strokes = self.encodes = header.model.architecture == "two-stage"
        self.judges = header.discriminator is not None
        self.directions, self.palette = header.directions, header.palette
        self.device, self.engine = engine.device, engine.name
        self._engine = engine

    def latent(self, seed: int) -> latents.Latent:
        """Returns the z of a seed, (Z,) float32."""
        return latents.draw(seed, self.latent_size)

    def encode(self, photo: Any) -> latents.Latent:
        """Returns the z (Z,) of a photo, anything that `read_photo` takes: answers with it look similar.

        The subject is found and squared first, as for training, so its margin does not matter. Raises
        ImageError for a picture that cannot be used, UsageError if `encodes` is False.
        """
        if not self.encodes:
            raise UsageError(f"{self.name} has no encoder for photos")
        try:
            subject = self.subject(read_photo(photo))
        except NoSubject as error:
            raise NoSubject(f"{photo if isinstance(photo, str | Path) else 'the photo'}: {error}") from error
        return self.encode_subject(subject)

    def subject(self, photo: UInt8) -> UInt8:
        """Returns the subject of a photo (H, W, 3) on a square (S, S, 3). Raises NoSubject."""
        return squared(photo, "pad", self.size_px)

    def encode_subject(self, subject: UInt8) -> latents.Latent:
        """Returns the z (Z,) of a `subject`: the part of `encode` that needs the network."""
        blank = np.full(subject.shape[:2], 255, np.uint8)
        return self._engine.encode(*estimate_foreground(subject, product_mask(blank, subject)))

    def translate(
        self,
        sketch: Any,
        *,
        seed: int = 0,
        z: latents.Latent | None = None,
        hints: Any = None,
        transparent: bool = False,
        size_px: int | None = None,
    ) -> Image.Image:
        """Translates a sketch, anything `read_sketch` takes, into an RGB photo of its size.

        `z` (Z,) takes the place of the seed. `hints`, anything `read_hints` takes, of the sketch's size, are
        colours to use where they are opaque. A photo that is `transparent` is RGBA, without the ground. Its
        longer side has `size_px`, if that is given; a network enlarges what is larger than the model's square
        (`enlarge.photo_of_size`). Raises ImageError for a picture that cannot be used, UsageError for a z of
        the wrong shape, for a size out of range, and for hints if `takes_strokes` is False.
        """
        chosen = self.latent(seed) if z is None else np.asarray(z, np.float32)
        return self.translate_many(
            sketch, chosen[None], hints=hints, transparent=transparent, size_px=size_px
        )[0]

    def translate_many(
        self,
        sketch: Any,
        z: Float32,
        *,
        hints: Any = None,
        transparent: bool = False,
        size_px: int | None = None,
    ) -> list[Image.Image]:
        """Translates one sketch with each z (N, Z), otherwise as `translate`."""
        if size_px is not None and not 1 <= size_px <= MAX_SIZE_PX:
            raise UsageError(f"size_px {size_px} is not in 1..{MAX_SIZE_PX}")
        fitted, placement = fit_sketch(read_sketch(sketch), self.size_px)
        strokes = None
        if hints is not None:
            with about("hints"):
                strokes = fit_hints(read_hints(hints), placement, self.size_px)[None]
        photos: list[Image.Image] = []
        most = max_batch(self)
        for start in range(0, len(z), most):
            some = z[start : start + most]
            batch = self.translate_batch(fitted[None], some, strokes=strokes, transparent=transparent)
            photos += [Image.fromarray(photo_of_size(photo, placement, size_px)) for photo in batch]
        return photos

    def translate_batch(
        self,
        sketches: UInt8,
        z: Float32,
        sketch_of: Int64 | None = None,
        strokes: UInt8 | None = None,
        *,
        transparent: bool = False,
    ) -> UInt8:
        """(M, S, S) uint8 sketches, paper 255, and (N, Z) latents -> (N, S, S, 3) uint8 photos on white.

        Photo i is of sketch `sketch_of[i]`; without `sketch_of` (N,) there are N sketches, one a latent, or
        one for all latents. What does not depend on z is computed once a sketch. `strokes` (M, S/2, S/2, 4)
        uint8 RGBA are colours to use where they are drawn. With `transparent`, photos are (N, S, S, 4),
        straight RGBA. Raises UsageError for other shapes, for a z that is not finite, and for strokes if
        `takes_strokes` is False.
        """
        count = len(z)
        index = self._index(sketches, sketch_of, count)
        if z.ndim != 2 or z.shape[1] != self.latent_size:
            raise UsageError(f"z {z.shape} does not fit: expected (N, {self.latent_size})")
        if not np.isfinite(z).all():
            raise UsageError(f"z {z} holds numbers that are not finite")
        strokes = self._strokes(strokes, len(sketches))
        if count == 0:
            return np.empty((0, self.size_px, self.size_px, 4 if transparent else 3), np.uint8)
        photos, alpha = self._engine.translate(sketches, z.astype(np.float32), index, strokes)
        if not transparent:
            return photos
        alpha = np.stack([without_fringe(*one) for one in zip(photos, alpha, strict=True)])
        return cut_out(photos, alpha)

    def realism(
        self,
        sketches: UInt8,
        photos: UInt8,
        sketch_of: Int64 | None = None,
    ) -> UInt8:
        """Returns realism maps (N, S, S, 4) uint8 RGBA to lay over photos (N, S, S, 3).

        Red looks generated to the discriminator, blue real (`realism.tint`). `sketches` and `sketch_of` are
        those of the photos, as in `translate_batch`. Raises UsageError for other shapes, and if `judges` is
        False.
        """
        if not self.judges:
            raise UsageError(f"{self.name} has no discriminator, which a realism map needs")
        side, count = self.size_px, len(photos)
        index = self._index(sketches, sketch_of, count)
        if photos.shape[1:] != (side, side, 3):
            raise UsageError(f"photos {photos.shape} do not fit: expected (N, {side}, {side}, 3)")
        if count == 0:
            return np.empty((0, side, side, 4), np.uint8)
        return tint(self._engine.realism(sketches, photos, index), side)

    def _strokes(self, strokes: UInt8 | None, count: int) -> UInt8:
        """Returns the strokes of `count` sketches, by default transparent. Raises UsageError."""
        shape = (count, self.size_px // 2, self.size_px // 2, 4)
        if strokes is None:
            return np.zeros(shape, np.uint8)
        if not self.takes_strokes:
            raise UsageError(f"{self.name} does not support colour strokes")
        if strokes.shape != shape:
            raise UsageError(f"strokes {strokes.shape} do not fit {count} sketches: expected {shape}")
        return strokes

    def _index(self, sketches: UInt8, sketch_of: Int64 | None, count: int) -> Int64:
        """Returns the index of each answer's sketch, (N,). Raises UsageError for shapes that do not fit."""
        side = self.size_px
        if sketches.shape[1:] != (side, side):
            raise UsageError(
                f"sketches {sketches.shape} do not fit this bundle: expected (N, {side}, {side})"
            )
        if sketch_of is None:
            if len(sketches) not in (1, count):
                raise UsageError(
                    f"{len(sketches)} sketches do not fit {count} answers: expected 1 or {count}"
                )
            return np.arange(count) if len(sketches) == count else np.zeros(count, np.int64)
        if sketch_of.shape != (count,) or not ((sketch_of >= 0) & (sketch_of < len(sketches))).all():
            raise UsageError(f"sketch_of {sketch_of} is not {count} indices of {len(sketches)} sketches")
        return sketch_of.astype(np.int64)

"""The only door to inference: sketches and latents in, photos out.

    shoes = pix2pix.load("shoes")
    shoes.translate("drawing.png", seed=7).save("shoe.png")

Same sketch + same z + same bundle = same photo: on every run, in any order; in a batch of another size to
within one of 255 levels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pix2pix.errors import CorruptBundle, NoSubject, UsageError
from pix2pix.images.io import fit_sketch, read_photo, read_sketch, restore_photo
from pix2pix.images.mask import product_mask
from pix2pix.images.subject import squared
from pix2pix.inference.engines import Engine, make_engine
from pix2pix.inference.realism import tint
from pix2pix.model import latents
from pix2pix.model.bundle import Header, digest_of, find_bundle

BATCH_SIZE = 8


def load(
    name_or_path: str | Path, models: Path | None = None, device: str = "auto", engine: str = "auto"
) -> Translator:
    """A Translator for a bundle's name or path.

    `device` is "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N"; `engine` is "auto", "onnxruntime"
    or "torch": see `pix2pix.inference.engines`.
    Raises BundleNotFound, CorruptBundle (also for a file that is replaced meanwhile), or UsageError for a
    device or an engine that is not there.
    """
    path = find_bundle(name_or_path, models)
    digest = digest_of(path)
    made = make_engine(path, device, engine)
    if digest_of(path) != digest:
        raise CorruptBundle(f"{path} was replaced while it was read: try again")
    return Translator(path.stem, *made, digest=digest, path=path)


class Translator:
    """A bundle, ready to translate. May be shared between threads."""

    def __init__(
        self, name: str, engine: Engine, header: Header, digest: str = "", path: Path | None = None
    ) -> None:
        """Use `load`. `digest` tells the bundle from any other, `path` is its file."""
        self.name, self.header, self.digest, self.path = name, header, digest, path
        self.title = header.title
        self.size_px = header.model.size_px
        self.latent_size = header.model.latent_size
        self.takes_strokes = self.encodes = header.model.architecture == "two-stage"
        self.judges = header.discriminator is not None
        self.directions = header.directions
        self.device, self.engine = engine.device, engine.name
        self._engine = engine

    def latent(self, seed: int) -> latents.Latent:
        """The z that `seed` stands for, (Z,) float32."""
        return latents.draw(seed, self.latent_size)

    def encode(self, photo: Any) -> latents.Latent:
        """The z (Z,) of a photo, anything that `read_photo` takes: what to give for another one like it.

        The subject is found and squared first, as for training: its margin does not matter. Raises ImageError
        for a picture that cannot be used, UsageError where `encodes` is False.
        """
        if not self.encodes:
            raise UsageError(f"{self.name} has no encoder: it cannot read a z off a photo")
        try:
            subject = self.subject(read_photo(photo))
        except NoSubject as error:
            raise NoSubject(f"{photo if isinstance(photo, str | Path) else 'the photo'}: {error}") from error
        return self.encode_subject(subject)

    def subject(self, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What a photo (H, W, 3) shows, found and squared (S, S, 3). Raises NoSubject."""
        return squared(photo, "pad", self.size_px)

    def encode_subject(self, subject: NDArray[np.uint8]) -> latents.Latent:
        """The z (Z,) of a `subject`: all of `encode` that needs the network."""
        blank = np.full(subject.shape[:2], 255, np.uint8)
        return self._engine.encode(subject, product_mask(blank, subject))

    def translate(
        self,
        sketch: Any,
        *,
        seed: int = 0,
        z: latents.Latent | None = None,
    ) -> Image.Image:
        """Anything `read_sketch` takes -> an RGB photo of the sketch's size, the subject in its place.

        Raises ImageError for a picture that cannot be used, UsageError for a z of the wrong shape.
        """
        chosen = self.latent(seed) if z is None else np.asarray(z, np.float32)
        return self.answers(sketch, chosen[None])[0]

    def answers(self, sketch: Any, z: NDArray[np.float32]) -> list[Image.Image]:
        """One photo of the sketch for each of z (N, Z), otherwise as `translate`."""
        fitted, placement = fit_sketch(read_sketch(sketch), self.size_px)
        photos: list[Image.Image] = []
        for start in range(0, len(z), BATCH_SIZE):
            made = self.translate_batch(fitted[None], z[start : start + BATCH_SIZE])
            photos += [Image.fromarray(restore_photo(photo, placement)) for photo in made]
        return photos

    def translate_batch(
        self,
        sketches: NDArray[np.uint8],
        z: NDArray[np.float32],
        rows: NDArray[np.int64] | None = None,
        strokes: NDArray[np.uint8] | None = None,
        *,
        transparent: bool = False,
    ) -> NDArray[np.uint8]:
        """(M, S, S) uint8 sketches, paper 255, and (N, Z) latents -> (N, S, S, 3) uint8 photos on white.

        With `rows` (N,), photo i is of sketch rows[i]. Without it, there are N sketches, one a latent, or one
        sketch for all latents. What does not depend on z is computed once a sketch. `strokes`
        (M, S/2, S/2, 4) uint8, RGBA, are colours to be used where they are. With `transparent`, photos are
        (N, S, S, 4), straight RGBA. Raises UsageError for other shapes, for a z that is not finite, and for
        strokes where `takes_strokes` is False.
        """
        count = len(z)
        self._check(sketches, count, rows)
        if z.ndim != 2 or z.shape[1] != self.latent_size:
            raise UsageError(f"z {z.shape} does not fit: expected (N, {self.latent_size})")
        if not np.isfinite(z).all():
            raise UsageError(f"z {z} holds numbers that are not finite")
        strokes = self._strokes(strokes, len(sketches))
        if count == 0:
            return np.empty((0, self.size_px, self.size_px, 4 if transparent else 3), np.uint8)
        of_each = _whose(sketches, rows, count)
        photos, alpha = self._engine.answer(sketches, z.astype(np.float32), of_each, strokes)
        return _cut_out(photos, alpha) if transparent else photos

    def realism(
        self,
        sketches: NDArray[np.uint8],
        photos: NDArray[np.uint8],
        rows: NDArray[np.int64] | None = None,
    ) -> NDArray[np.uint8]:
        """How real the discriminator takes photos (N, S, S, 3) for: RGBA (N, S, S, 4) to lay over them.

        Red where it takes them for made, blue where for real, clear where it cannot say. Sketches and rows
        are those that the photos were made from, as in `translate_batch`. Raises UsageError for other shapes,
        and for any photo where `judges` is False.
        """
        if not self.judges:
            raise UsageError(f"{self.name} has no discriminator: it cannot judge a photo")
        side, count = self.size_px, len(photos)
        self._check(sketches, count, rows)
        if photos.shape[1:] != (side, side, 3):
            raise UsageError(f"photos {photos.shape} do not fit: expected (N, {side}, {side}, 3)")
        if count == 0:
            return np.empty((0, side, side, 4), np.uint8)
        return tint(self._engine.realism(sketches, photos, _whose(sketches, rows, count)), side)

    def _strokes(self, strokes: NDArray[np.uint8] | None, count: int) -> NDArray[np.uint8]:
        """The strokes of `count` sketches, transparent where there are none. Raises UsageError as above."""
        shape = (count, self.size_px // 2, self.size_px // 2, 4)
        if strokes is None:
            return np.zeros(shape, np.uint8)
        if not self.takes_strokes:
            raise UsageError(f"{self.name} takes no colour strokes")
        if strokes.shape != shape:
            raise UsageError(f"strokes {strokes.shape} do not fit {count} sketches: expected {shape}")
        return strokes

    def _check(self, sketches: NDArray[np.uint8], count: int, rows: NDArray[np.int64] | None) -> None:
        """Raise UsageError where `count` answers cannot be made from sketches and rows."""
        side = self.size_px
        if sketches.shape[1:] != (side, side):
            raise UsageError(
                f"sketches {sketches.shape} do not fit this bundle: expected (N, {side}, {side})"
            )
        if rows is None and len(sketches) not in (1, count):
            raise UsageError(f"{len(sketches)} sketches do not fit {count} answers: expected 1 or {count}")
        if rows is not None and (rows.shape != (count,) or not ((rows >= 0) & (rows < len(sketches))).all()):
            raise UsageError(f"rows {rows} do not say which of {len(sketches)} sketches {count} answers have")


def _whose(sketches: NDArray[np.uint8], rows: NDArray[np.int64] | None, count: int) -> NDArray[np.int64]:
    """Of which sketch each answer is."""
    if rows is not None:
        return rows.astype(np.int64)
    return np.arange(count) if len(sketches) == count else np.zeros(count, np.int64)


def _cut_out(photos: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Photos on white (N, S, S, 3) with alpha (N, S, S) -> straight RGBA (N, S, S, 4), the same on white.

    Where a photo is darker than black under its alpha would be, alpha is raised until it is black.
    """
    below_white = 255 - photos.astype(np.float32)
    alpha = np.maximum(alpha, 255 - photos.min(axis=-1))
    colours = 255 - below_white * 255 / np.maximum(alpha, 1)[..., None]
    return np.concatenate([np.round(colours).astype(np.uint8), alpha[..., None]], axis=-1)

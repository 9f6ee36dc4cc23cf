"""The only door to inference: sketches and latents in, photos out.

    shoes = pix2pix.load("shoes")
    shoes.translate("drawing.png", seed=7).save("shoe.png")

Same sketch + same z + same looseness + same bundle = same photo: on every run, in any order; in a batch of
another size to within one of 255 levels.

Looseness says how literally the lines are taken: 0 as they are, 1 as a rough hand's that wants mending. Where
nobody says, it is guessed from the sketch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pix2pix import latents
from pix2pix.bundle import Header, digest_of, find_bundle, read_header
from pix2pix.engines import Engine, make_engine
from pix2pix.errors import BundleError, CorruptBundle, NoSubject, UsageError
from pix2pix.images import fit_sketch, read_photo, read_sketch, restore_photo
from pix2pix.photos import squared

BATCH_SIZE = 8


def load(
    name_or_path: str | Path, models: Path | None = None, device: str = "auto", engine: str = "auto"
) -> Translator:
    """A Translator for a bundle's name or path.

    `device` is "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N"; `engine` is "auto", "onnxruntime",
    "torch", "compiled" or "fastest": see `pix2pix.engines`.
    Raises BundleNotFound, CorruptBundle (also for a file that is replaced meanwhile), BundleError for one
    that draws sketches, or UsageError for a device or an engine that is not there.
    """
    path = find_bundle(name_or_path, models)
    if read_header(path).model.draws != "photo":
        raise BundleError(f"{path} draws sketches from photos, not photos from sketches")
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
        self.takes_loose = header.model.roughness
        self.encodes = bool(header.model.encoder_widths)
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
        return self._engine.encode(subject)

    def translate(
        self,
        sketch: Any,
        *,
        seed: int = 0,
        z: latents.Latent | None = None,
        loose: float | None = None,
    ) -> Image.Image:
        """Anything `read_sketch` takes -> an RGB photo of the sketch's size, the subject in its place.

        `loose` in [0, 1] is guessed if not given. Raises ImageError for a picture that cannot be used,
        UsageError for a z of the wrong shape or a looseness out of range.
        """
        chosen = self.latent(seed) if z is None else np.asarray(z, np.float32)
        return self.answers(sketch, chosen[None], loose=loose)[0]

    def answers(
        self, sketch: Any, z: NDArray[np.float32], *, loose: float | None = None
    ) -> list[Image.Image]:
        """One photo of the sketch for each of z (N, Z), otherwise as `translate`."""
        fitted, placement = fit_sketch(read_sketch(sketch), self.size_px)
        photos: list[Image.Image] = []
        for start in range(0, len(z), BATCH_SIZE):
            some = z[start : start + BATCH_SIZE]
            told = None if loose is None else np.full(len(some), loose, np.float32)
            made = self.translate_batch(fitted[None], some, told)
            photos += [Image.fromarray(restore_photo(photo, placement)) for photo in made]
        return photos

    def translate_batch(
        self, sketches: NDArray[np.uint8], z: NDArray[np.float32], loose: NDArray[np.float32] | None = None
    ) -> NDArray[np.uint8]:
        """(N, S, S) uint8 sketches, paper 255, (N, Z) latents, (N,) looseness -> (N, S, S, 3) uint8 photos.

        One sketch (1, S, S) may have N latents, which is quicker than N sketches. Raises UsageError for other
        shapes, for a looseness out of [0, 1], and for any where `takes_loose` is False.
        """
        if loose is not None and np.isnan(loose).any():
            raise _unfit(loose, len(z))
        return self.answer_batch(sketches, z, loose)[0]

    def answer_batch(
        self,
        sketches: NDArray[np.uint8],
        z: NDArray[np.float32],
        loose: NDArray[np.float32] | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32] | None]:
        """As `translate_batch`, with the looseness (N,) that each photo was made with.

        Where `loose` is NaN it is guessed. With `rows` (N,) there may be any number M of sketches: answer i
        is to sketch rows[i], and what does not depend on z is computed once a sketch. The looseness is None
        where `takes_loose` is False.
        """
        self._check(sketches, len(z), loose, rows)
        if z.ndim != 2 or z.shape[1] != self.latent_size:
            raise UsageError(f"z {z.shape} does not fit: expected (N, {self.latent_size})")
        if len(z) == 0:
            return np.empty((0, self.size_px, self.size_px, 3), np.uint8), loose
        if not np.isfinite(z).all():
            raise UsageError(f"z {z} holds numbers that are not finite")
        told = self._told(loose, len(z))
        return self._engine.answer(sketches, z.astype(np.float32), told, _whose(sketches, rows, len(z)))

    def realism(
        self,
        sketches: NDArray[np.uint8],
        photos: NDArray[np.uint8],
        loose: NDArray[np.float32] | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> NDArray[np.uint8]:
        """How real the discriminator takes photos (N, S, S, 3) for: RGBA (N, S, S, 4) to lay over them.

        Red where it takes them for made, blue where for real, clear where it cannot say. Sketches, looseness
        and rows are those that the photos were made from, as in `answer_batch`. Raises UsageError for other
        shapes, for a looseness that cannot be, and for any photo where `judges` is False.
        """
        if not self.judges:
            raise UsageError(f"{self.name} has no discriminator: it cannot judge a photo")
        side, count = self.size_px, len(photos)
        self._check(sketches, count, loose, rows)
        if photos.shape[1:] != (side, side, 3):
            raise UsageError(f"photos {photos.shape} do not fit: expected (N, {side}, {side}, 3)")
        if count == 0:
            return np.empty((0, side, side, 4), np.uint8)
        return self._engine.realism(sketches, photos, self._told(loose, count), _whose(sketches, rows, count))

    def _check(
        self,
        sketches: NDArray[np.uint8],
        count: int,
        loose: NDArray[np.float32] | None,
        rows: NDArray[np.int64] | None,
    ) -> None:
        """Raise UsageError where `count` answers cannot be made from sketches, looseness and rows."""
        side = self.size_px
        if sketches.shape[1:] != (side, side):
            raise UsageError(
                f"sketches {sketches.shape} do not fit this bundle: expected (N, {side}, {side})"
            )
        if rows is None and len(sketches) not in (1, count):
            raise UsageError(f"{len(sketches)} sketches do not fit {count} answers: expected 1 or {count}")
        if rows is not None and (rows.shape != (count,) or not ((rows >= 0) & (rows < len(sketches))).all()):
            raise UsageError(f"rows {rows} do not say which of {len(sketches)} sketches {count} answers have")
        if loose is None:
            return
        if not self.takes_loose:
            raise UsageError(f"{self.name} knows no looseness")
        if loose.shape != (count,) or ((loose < 0) | (loose > 1)).any():  # NaN is neither
            raise _unfit(loose, count)

    def _told(self, loose: NDArray[np.float32] | None, count: int) -> NDArray[np.float32] | None:
        """The looseness (N,) as an engine takes it."""
        if not self.takes_loose:
            return None
        return np.full(count, np.nan, np.float32) if loose is None else loose.astype(np.float32)


def _whose(sketches: NDArray[np.uint8], rows: NDArray[np.int64] | None, count: int) -> NDArray[np.int64]:
    """Of which sketch each answer is."""
    if rows is not None:
        return rows.astype(np.int64)
    return np.arange(count) if len(sketches) == count else np.zeros(count, np.int64)


def _unfit(loose: NDArray[np.float32], count: int) -> UsageError:
    return UsageError(f"looseness {loose} does not fit: expected {count} numbers in [0, 1]")

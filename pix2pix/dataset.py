"""A pairs folder as batches of tensors, in an order that is a function of the seed alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pix2pix.augment import PairAugment
from pix2pix.errors import ImageError, PairsError
from pix2pix.files import PHOTO_SUFFIXES
from pix2pix.framing import UInt8, resized
from pix2pix.images import read_photo, read_sketch
from pix2pix.pixels import from_pixels


@dataclass(frozen=True)
class Pair:
    """One sketch and its photo, by file."""

    name: str
    sketch: Path
    photo: Path


def list_pairs(pairs: Path, split: str) -> list[Pair]:
    """The pairs of one split, sorted by name.

    Raises PairsError, naming what was expected, if there is none or if a sketch has no photo.
    """
    folder = pairs / split
    sketches = sorted(path for path in (folder / "sketches").rglob("*.png") if path.is_file())
    if not sketches:
        raise PairsError(
            f"no pairs in {folder}: expected {split}/sketches/NAME.png with {split}/photos/NAME.jpg "
            "(or .png, .webp); `pix2pix prepare` makes such a folder"
        )
    found, orphans = [], []
    for sketch in sketches:
        stem = sketch.relative_to(folder / "sketches").with_suffix("")
        photos = [p for s in PHOTO_SUFFIXES if (p := folder / "photos" / f"{stem}{s}").is_file()]
        if len(photos) == 1:
            found.append(Pair(stem.as_posix(), sketch, photos[0]))
        else:
            orphans.append(f"{stem.as_posix()} ({len(photos)} photos)")
    if orphans:
        shown = ", ".join(orphans[:5]) + (" …" if len(orphans) > 5 else "")
        raise PairsError(f"{len(orphans)} sketches in {folder} do not have exactly one photo: {shown}")
    return found


def data_hash(pairs: list[Pair]) -> str:
    """Names and sizes of the files, hashed: tells a changed pairs folder from the one a run began with."""
    digest = hashlib.sha256()
    for pair in pairs:
        told = f"{pair.name}\0{pair.sketch.stat().st_size}\0{pair.photo.stat().st_size}\n"
        digest.update(told.encode("utf-8", "surrogateescape"))  # file names need not be Unicode
    return digest.hexdigest()[:16]


def load_pair(pair: Pair, size_px: int | None = None) -> tuple[UInt8, UInt8]:
    """(H, W) uint8 sketch, paper 255, and (H, W, 3) uint8 photo, both at `size_px` if given.

    Raises PairsError, naming the files, if they cannot be read or differ in size.
    """
    try:
        sketch, photo = read_sketch(pair.sketch), read_photo(pair.photo)
    except ImageError as error:
        raise PairsError(f"pair {pair.name}: {error} ({pair.sketch}, {pair.photo})") from error
    if sketch.shape != photo.shape[:2]:
        raise PairsError(f"{pair.sketch} is {sketch.shape[::-1]} pixels, {pair.photo} {photo.shape[1::-1]}")
    if size_px is None:
        return sketch, photo
    return resized(sketch, (size_px, size_px)), resized(photo, (size_px, size_px))


def to_tensors(sketches: list[UInt8], photos: list[UInt8]) -> tuple[Tensor, Tensor]:
    """Lists of (S, S) and (S, S, 3) uint8 -> (N, 1, S, S) and (N, 3, S, S) float32 in [-1, 1]."""
    sketch = torch.from_numpy(np.stack(sketches)[:, None])
    photo = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)  # NHWC storage: channels_last as it comes
    return from_pixels(sketch), from_pixels(photo)


class PairBatches:
    """Endless augmented batches. Batch `i` is a function of (pairs, seed, i): resuming needs no state."""

    def __init__(self, pairs: list[Pair], augment: PairAugment, *, batch_size: int, seed: int) -> None:
        """`seed` drives order and augmentation; each epoch sees every pair once."""
        self.pairs, self.augment = pairs, augment
        self.batch_size, self.seed = batch_size, seed

    def batch(self, index: int, size_px: int) -> tuple[Tensor, Tensor, Tensor]:
        """Batch `index`: (N, 1, S, S) and (N, 3, S, S) in [-1, 1], and the sketches' roughness (N,)."""
        drawn = [self._draw(index * self.batch_size + i, size_px) for i in range(self.batch_size)]
        sketches, photos, roughness = zip(*drawn, strict=True)
        return *to_tensors(list(sketches), list(photos)), torch.tensor(roughness)

    def _draw(self, position: int, size_px: int) -> tuple[UInt8, UInt8, float]:
        epoch, place = divmod(position, len(self.pairs))
        sketch, photo = load_pair(self.pairs[_order(self.seed, epoch, len(self.pairs))[place]])
        draw_seed = int(np.random.default_rng([self.seed, 1, position]).integers(2**31))
        return self.augment(sketch, photo, size_px, draw_seed)


@lru_cache(maxsize=2)  # a batch may reach into the next epoch
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The pairs' order in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)

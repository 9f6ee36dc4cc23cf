"""Reads a pairs folder: its list, its hash, and its pairs as arrays and tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pix2pix.errors import ImageError, PairsError
from pix2pix.images.framing import UInt8, resized
from pix2pix.images.io import read_photo, read_prepared_sketch
from pix2pix.images.listing import PHOTO_SUFFIXES, list_pictures
from pix2pix.images.mask import stored_or_found
from pix2pix.images.tensors import from_pixels


@dataclass(frozen=True)
class Pair:
    """One sketch and its photo, by file."""

    name: str
    sketch: Path
    photo: Path
    mask: Path | None = None  # None in folders of earlier versions


def list_pairs(pairs: Path, split: str) -> list[Pair]:
    """Lists the pairs of one split, sorted by name.

    Raises PairsError, naming what was expected, if there is none or if a sketch has no photo; UsageError for
    a folder that cannot be read.
    """
    folder = pairs / split
    listed = list_pictures(folder / "sketches") if (folder / "sketches").is_dir() else ([], [])
    files = (path for some in listed for path in some)
    sketches = sorted(path for path in files if path.suffix == ".png" and path.is_file())
    if not sketches:
        raise PairsError(
            f"no pairs in {folder}: expected {split}/sketches/NAME.png with {split}/photos/NAME.jpg "
            "(or .png, .webp); `pix2pix prepare` makes such a folder"
        )
    found, orphans = [], []
    for sketch in sketches:
        stem = sketch.relative_to(folder / "sketches").with_suffix("")
        mask = folder / "masks" / f"{stem}.png"
        photos = [p for s in PHOTO_SUFFIXES if (p := folder / "photos" / f"{stem}{s}").is_file()]
        if len(photos) == 1:
            found.append(Pair(stem.as_posix(), sketch, photos[0], mask if mask.is_file() else None))
        else:
            orphans.append(f"{stem.as_posix()} ({len(photos)} photos)")
    if orphans:
        shown = ", ".join(orphans[:5]) + (" …" if len(orphans) > 5 else "")
        raise PairsError(f"{len(orphans)} sketches in {folder} do not have exactly one photo: {shown}")
    return found


def data_hash(pairs: list[Pair]) -> str:
    """Returns a hash of the names and sizes of sketches and photos.

    It does not cover masks, or changes that keep the size.
    """
    digest = hashlib.sha256()
    for pair in pairs:
        line = f"{pair.name}\0{pair.sketch.stat().st_size}\0{pair.photo.stat().st_size}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))  # file names may be invalid UTF-8
    return digest.hexdigest()[:16]


def evenly(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """Returns at most so many of the pairs, evenly spaced."""
    count = min(most, len(pairs))
    return [pairs[i * len(pairs) // count] for i in range(count)]


def load_pair(pair: Pair, size_px: int | None = None) -> tuple[UInt8, UInt8]:
    """Returns sketch (H, W) uint8, paper 255, and photo (H, W, 3) uint8, both at `size_px` if given.

    Raises PairsError, naming the files, if they cannot be read or differ in size.
    """
    try:
        sketch, photo = read_prepared_sketch(pair.sketch), read_photo(pair.photo)
    except ImageError as error:
        raise PairsError(f"pair {pair.name}: {error} ({pair.sketch}, {pair.photo})") from error
    if sketch.shape != photo.shape[:2]:
        raise PairsError(f"{pair.sketch} is {sketch.shape[::-1]} pixels, {pair.photo} {photo.shape[1::-1]}")
    if size_px is None:
        return sketch, photo
    return resized(sketch, (size_px, size_px)), resized(photo, (size_px, size_px))


def load_mask(pair: Pair, sketch: UInt8, photo: UInt8) -> UInt8:
    """Returns the pair's mask (H, W) uint8, product 255, ground 0, for a sketch and photo of `load_pair`.

    Computes it with `product_mask` if there is no file. Raises PairsError, naming the file, if it cannot be
    read.
    """
    try:
        return stored_or_found(pair.mask, sketch, photo)
    except ImageError as error:
        raise PairsError(f"pair {pair.name}: {error} ({pair.mask})") from error


def load_tensors(pairs: Sequence[Pair], size_px: int) -> tuple[Tensor, Tensor]:
    """Returns sketches (N, 1, S, S) and photos (N, 3, S, S), both in [-1, 1]. Raises as `load_pair`."""
    sketches, photos = zip(*(load_pair(pair, size_px) for pair in pairs), strict=True)
    return to_tensors(sketches, photos)


def to_tensors(sketches: Sequence[UInt8], photos: Sequence[UInt8]) -> tuple[Tensor, Tensor]:
    """Sequences of (S, S) and (S, S, 3) uint8 -> (N, 1, S, S) and (N, 3, S, S) float32 in [-1, 1]."""
    return from_pixels(torch.from_numpy(np.stack(sketches)[:, None])), photos_to_tensor(photos)


def photos_to_tensor(photos: Sequence[UInt8]) -> Tensor:
    """Sequence of (S, S, 3) uint8 -> (N, 3, S, S) float32 in [-1, 1]."""
    photo = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)  # NHWC storage is channels_last
    return from_pixels(photo)

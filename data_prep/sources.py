"""The sources of pairs: a photo, a side-by-side image, or the files of sketch and photo.

Reads the last two; `data_prep.find_sources` finds them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.orientation import exchanges_sides, exif_orientation
from pix2pix.errors import PairsError
from pix2pix.images.framing import UInt8, padded_square, place_photo, place_sketch
from pix2pix.images.io import read_photo, read_sketch
from pix2pix.images.sketch_or_photo import in_lines, small
from pix2pix.images.subject import background, levelled

Kind = Literal["photos", "ab", "ba", "folders", "names"]

KINDS: tuple[Kind, ...] = ("photos", "ab", "ba", "folders", "names")
ASPECT_TOLERANCE = 0.01


@dataclass(frozen=True)
class SourcePair:
    """The source of one pair: a photo, a side-by-side image, or the files of sketch and photo."""

    name: str
    split: str | None
    files: tuple[Path, ...]
    sketch_on: Literal["left", "right"] | None = None

    @property
    def source(self) -> str:
        """Absolute paths of the files, as in the manifest."""
        return " + ".join(path.resolve().as_posix() for path in self.files)

    def sha256(self) -> str:
        """Returns the SHA-256 of the files' content, in hex. Raises OSError for one that cannot be read."""
        digest = hashlib.sha256()
        for path in self.files:
            digest.update(path.read_bytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Fault:
    """A file that gives no pair, and the reason; `harmless` if no pair was to be expected."""

    file: Path
    reason: str
    harmless: bool = False


def read_source(pair: SourcePair, size_px: int) -> tuple[UInt8, UInt8]:
    """Returns sketch (size_px, size_px) and photo (size_px, size_px, 3), uint8, of a source that has both.

    Both are padded to a square and resized in the same way; a light background of the photo becomes white.

    Raises ImageError for a file that cannot be read, PairsError for a blank sketch or sizes that differ.
    """
    sketch, photo = _halves(pair) if pair.sketch_on else _both(pair)
    if sketch.min() == 255:
        raise PairsError("its sketch is blank")
    if (white := background(photo)) is not None:
        photo = levelled(photo, white)
    square = padded_square(*photo.shape[:2])
    return place_sketch(sketch, padded_square(*sketch.shape), size_px), place_photo(photo, square, size_px)


def _halves(pair: SourcePair) -> tuple[UInt8, UInt8]:
    image = read_photo(pair.files[0])
    height, width = image.shape[:2]
    half = width // 2  # of an odd width, the column in the middle belongs to neither
    if not half:
        raise PairsError("it is 1 pixel wide; a side-by-side image has two halves")
    left, right = image[:, :half], image[:, -half:]
    sketch, photo = (left, right) if pair.sketch_on == "left" else (right, left)
    if width <= height and not in_lines(small(sketch))[0]:
        raise PairsError(f"it is {width}x{height}, and its {pair.sketch_on} half is not a line drawing")
    return read_sketch(sketch), photo


def _both(pair: SourcePair) -> tuple[UInt8, UInt8]:
    sketch, photo = read_sketch(pair.files[0]), read_photo(pair.files[1])
    if _differ(sketch.shape, photo.shape):
        (height, width), (photo_height, photo_width) = sketch.shape, photo.shape[:2]
        cause = _turned(pair.files) if not _differ(sketch.shape[::-1], photo.shape) else ""
        raise PairsError(f"the sketch is {width}x{height}, the photo {photo_width}x{photo_height}{cause}")
    return sketch, photo


def _differ(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes (height, width, ...) are not of one aspect."""
    return abs(one[1] * other[0] / (one[0] * other[1]) - 1) > ASPECT_TOLERANCE


def _turned(files: tuple[Path, ...]) -> str:
    """The cause, if an EXIF orientation turns one of two files by a right angle, and not the other."""
    turned = [path for path in files if exchanges_sides(exif_orientation(path))]
    if len(turned) != 1:
        return ""
    return (
        f": {turned[0].name} is rotated by its EXIF orientation, but the other file is not; rotate the other "
        "as well"
    )

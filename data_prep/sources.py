"""Finds the sources of pairs: photos, side-by-side images, or two folders of pictures.

`photos`     any picture below SRC; the sketch is drawn from it. SRC/**/NAME.jpg, or SRC/{train,val,test}/**
`ab`, `ba`   one image for each pair, twice as wide as high; the sketch is the left (ab) or right (ba) half.
             SRC/**/NAME.jpg, or SRC/{train,val,test}/**/NAME.jpg
`folders`    two pictures for each pair, with the same relative path except for the suffix:
             SRC/{sketches,photos}/**, SRC/{train,val,test}/{sketches,photos}/**,
             SRC/{sketches,photos}/{train,val,test}/**, or SRC/{trainA,trainB,testA,testB,valA,valB}/**.
             The sketches' folder may also be called sketch, edges or A, the photos' photo, images or B.

Splits of the source are kept; `test` counts as val. Where a source has both val and test, the pairs of the
latter are named test/NAME.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image

from pix2pix.errors import PairsError, UsageError
from pix2pix.images.decode import FORMATS
from pix2pix.images.framing import UInt8, padded_square, place_photo, place_sketch
from pix2pix.images.io import read_photo, read_sketch
from pix2pix.images.listing import list_pictures, why_not_a_picture
from pix2pix.images.subject import background, levelled

Kind = Literal["photos", "ab", "ba", "folders"]

KINDS: tuple[Kind, ...] = ("photos", "ab", "ba", "folders")
SPLITS = {"train": "train", "val": "val", "test": "val"}
SKETCHES = ("sketches", "sketch", "edges", "a")
PHOTOS = ("photos", "photo", "images", "b")
ASPECT_TOLERANCE = 0.01
SAMPLED = 8  # pictures, to recognise side-by-side images


@dataclass(frozen=True)
class SourcePair:
    """The source of one pair: a photo, a side-by-side image, or the files of sketch and photo."""

    name: str
    split: str | None
    files: tuple[Path, ...]
    sketch_on: Literal["left", "right"] | None = None


@dataclass(frozen=True)
class Fault:
    """A file that gives no pair, and the reason; `harmless` if no pair was to be expected."""

    file: Path
    reason: str
    harmless: bool = False


def find_sources(src: Path, kind: Kind, prefix: str = "") -> list[SourcePair | Fault]:
    """Returns a pair or a fault for every file below `src`. `prefix` goes before the names.

    Raises UsageError if the folder does not exist, PairsError if its layout is not one of the above.
    """
    found = list(_refuse_same_names(_two_folders(src) if kind == "folders" else _single_files(src, kind)))
    if not prefix:
        return found
    return [
        replace(item, name=f"{prefix}/{item.name}") if isinstance(item, SourcePair) else item
        for item in found
    ]


def refuse_pairs_as_photos(src: Path) -> None:
    """Raises UsageError if a source of default kind (photos) looks like pairs; reads a few headers only."""
    with suppress(PairsError):
        next(_folder_roots(src))
        raise UsageError(
            f"{src} has two folders to pair: give --from folders, or --from photos if they are not pairs"
        )
    pictures, _ = list_pictures(src)
    sizes = {_aspect(path) for path in pictures[:: max(1, len(pictures) // SAMPLED)][:SAMPLED]}
    if sizes == {2.0}:
        raise UsageError(
            f"the pictures of {src} are twice as wide as high, like side-by-side pairs: give --from ab "
            "(sketch left) or --from ba, or --from photos if they are not pairs"
        )


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
    if width != 2 * height:
        raise PairsError(f"it is {width}x{height}; a side-by-side image is twice as wide as high")
    left, right = image[:, :height], image[:, height:]
    sketch, photo = (left, right) if pair.sketch_on == "left" else (right, left)
    return read_sketch(sketch), photo


def _both(pair: SourcePair) -> tuple[UInt8, UInt8]:
    sketch, photo = read_sketch(pair.files[0]), read_photo(pair.files[1])
    (height, width), (photo_height, photo_width) = sketch.shape, photo.shape[:2]
    if abs(width * photo_height / (height * photo_width) - 1) > ASPECT_TOLERANCE:
        raise PairsError(f"the sketch is {width}x{height}, the photo {photo_width}x{photo_height}")
    return sketch, photo


def _single_files(src: Path, kind: Kind) -> Iterator[SourcePair | Fault]:
    pictures, others = list_pictures(src)
    yield from (Fault(path, why_not_a_picture(path), harmless=True) for path in others)
    splits = [name for name in SPLITS if (src / name).is_dir()]
    if not pictures:
        expected = "photos" if kind == "photos" else "side-by-side images"
        raise PairsError(
            f"{src} has no pictures; --from {kind} takes {expected}, with or without train/ and val/"
        )
    for path in pictures:
        relative = path.relative_to(src)
        if splits and relative.parts[0] not in splits:
            yield Fault(path, f"outside of {', '.join(splits)}, the splits of this source")
            continue
        split = relative.parts[0] if splits else None
        name = _stem(relative.relative_to(split) if split else relative)
        pair = SourcePair(_named(name, split, splits), SPLITS[split] if split else None, (path,))
        yield pair if kind == "photos" else replace(pair, sketch_on="left" if kind == "ab" else "right")


def _two_folders(src: Path) -> Iterator[SourcePair | Fault]:
    pictures, others = list_pictures(src)
    yield from (Fault(path, why_not_a_picture(path), harmless=True) for path in others)
    roots = list(_folder_roots(src))
    splits = [split for split, _, _ in roots if split]
    paired: set[Path] = set()
    for split, sketch_root, photo_root in roots:
        sketches = {
            path: _stem(path.relative_to(sketch_root)) for path in pictures if sketch_root in path.parents
        }
        photos = {
            path: _stem(path.relative_to(photo_root)) for path in pictures if photo_root in path.parents
        }
        paired |= sketches.keys() | photos.keys()
        yield from _matched(sketches, photos, split, splits)
    yield from (
        Fault(path, "outside of the folders of sketches and photos")
        for path in pictures
        if path not in paired
    )


def _matched(
    sketches: dict[Path, str], photos: dict[Path, str], split: str | None, splits: list[str]
) -> Iterator[SourcePair | Fault]:
    partners: dict[str, list[Path]] = {}
    for path, name in photos.items():
        partners.setdefault(name, []).append(path)
    for path, name in sketches.items():
        found = partners.get(name, [])
        if len(found) == 1:
            yield SourcePair(_named(name, split, splits), SPLITS[split] if split else None, (path, found[0]))
        elif found:
            yield Fault(path, f"several photos of this name: {', '.join(other.name for other in found)}")
        else:
            yield Fault(path, "no photo of this name")
    names = set(sketches.values())
    yield from (Fault(path, "no sketch of this name") for path, name in photos.items() if name not in names)


def _folder_roots(src: Path) -> Iterator[tuple[str | None, Path, Path]]:
    """Yields split, folder of sketches and folder of photos for the layouts in the module's docstring."""
    found = False
    for split in SPLITS:
        inside = _two_named(src / split, SKETCHES, PHOTOS)
        beside = _two_named(src, (f"{split}a",), (f"{split}b",))
        for roots in (inside, beside):
            if roots:
                found = True
                yield split, *roots
    whole = _two_named(src, SKETCHES, PHOTOS)
    if whole:
        below = [split for split in SPLITS if (whole[0] / split).is_dir() and (whole[1] / split).is_dir()]
        yield from ((split, whole[0] / split, whole[1] / split) for split in below)
        if not below:
            yield None, *whole
    elif not found:
        raise PairsError(
            f"{src} has no two folders to pair; expected sketches/ and photos/ (or A/ and B/), "
            "directly or inside train/ and val/, or trainA/ and trainB/"
        )


def _two_named(parent: Path, first: tuple[str, ...], second: tuple[str, ...]) -> tuple[Path, Path] | None:
    folders = (
        {path.name.lower(): path for path in parent.iterdir() if path.is_dir()} if parent.is_dir() else {}
    )
    one = next((folders[name] for name in first if name in folders), None)
    two = next((folders[name] for name in second if name in folders), None)
    return (one, two) if one and two else None


def _aspect(path: Path) -> float | None:
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.width / image.height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _stem(relative: Path) -> str:
    return relative.with_suffix("").as_posix()


def _named(name: str, split: str | None, splits: list[str]) -> str:
    return f"test/{name}" if split == "test" and "val" in splits else name


def _refuse_same_names(found: Iterable[SourcePair | Fault]) -> Iterator[SourcePair | Fault]:
    """Names must differ in more than case, as some file systems ignore case."""
    taken: dict[tuple[str | None, str], SourcePair] = {}
    for item in found:
        if isinstance(item, SourcePair):
            first = taken.setdefault((item.split, item.name.casefold()), item)
            if first is not item:
                difference = "the suffix" if first.name == item.name else "upper and lower case"
                yield Fault(item.files[0], f"{first.files[0].name} has the same name except for {difference}")
                continue
        yield item

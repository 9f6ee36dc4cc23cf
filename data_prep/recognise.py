"""Recognises what a folder of pictures holds: photos, side-by-side images, or sketches and photos.

    recognised = recognise(Path("edges2shoes"))
    print(recognised.kind, recognised.seen)     # ab  side-by-side images, the sketch on the left

Names of folders and files are tried first, then up to SAMPLED pictures are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data_prep.layouts import Sides, pairs_in, sides_by_folder, sides_by_name, some_of
from data_prep.sources import Kind
from pix2pix.errors import PairsError
from pix2pix.images.framing import UInt8
from pix2pix.images.listing import list_pictures
from pix2pix.images.looks import MOSTLY, NEARLY, share_of_drawings, small, which_are_sketches


@dataclass(frozen=True)
class Recognised:
    """What a folder holds: a kind of `prepare`, and what was seen, in words."""

    kind: Kind
    seen: str


PHOTOS = Recognised("photos", "photos")
LEFT = Recognised("ab", "side-by-side images, the sketch on the left")
RIGHT = Recognised("ba", "side-by-side images, the sketch on the right")


def recognise(src: Path) -> Recognised:
    """Returns what `src` holds.

    Raises PairsError, with what was seen and the kinds that fit, if that is not clear, and UsageError if the
    folder does not exist.
    """
    pictures, _ = list_pictures(src)
    if not pictures:
        raise PairsError(
            f"{src} has no pictures; --from photos takes photos, the other values of --from pairs in one of "
            "the layouts of docs/recipes"
        )
    return _folders(src, pictures) or _names(src, pictures) or _one_file_each(src, pictures)


def _folders(src: Path, pictures: list[Path]) -> Recognised | None:
    sides = sides_by_folder(src, pictures)
    if not sides:
        return None
    sketches, photos = sides.called
    seen = f"folders of sketches ({sketches}) and of photos ({photos})"
    if 2 * pairs_in(sides) < min(len(sides.sketches), len(sides.photos)):
        raise PairsError(
            f"{src} has {seen}, but most names in one are not in the other: --from folders takes the pairs "
            "there are, --from photos takes all pictures for photos"
        )
    _refuse_unclear(src, sides, "folders")
    return Recognised("folders", seen)


def _names(src: Path, pictures: list[Path]) -> Recognised | None:
    sides = sides_by_name(src, pictures)
    if not sides or 2 * pairs_in(sides) < MOSTLY * len(pictures):
        return None
    _refuse_unclear(src, sides, "names")
    sketch, photo = (f"NAME_{word}" if word else "NAME" for word in sides.called)
    return Recognised("names", f"sketches named {sketch} and photos named {photo}")


def _refuse_unclear(src: Path, sides: Sides, kind: Kind) -> None:
    if not sides.shown:
        raise PairsError(
            f"{src} has pictures of equal names called A and B, and it does not show which are the sketches: "
            f"--from {kind} takes A, --from photos takes all for photos"
        )


def _one_file_each(src: Path, pictures: list[Path]) -> Recognised:
    """Side-by-side images or photos, by the looks of some of the pictures and of their halves."""
    twice_as_wide = True
    wholes: list[UInt8] = []
    lefts: list[UInt8] = []
    rights: list[UInt8] = []
    for picture in some_of(pictures):
        height, width = picture.shape[:2]
        twice_as_wide &= abs(width - 2 * height) <= NEARLY * height
        half = max(1, width // 2)
        for lot, part in ((wholes, picture), (lefts, picture[:, :half]), (rights, picture[:, -half:])):
            lot.append(small(part))
    if not wholes:
        return PHOTOS  # each is then left out with the reason
    drawn = sorted(map(share_of_drawings, (lefts, rights)))
    side = which_are_sketches(lefts, rights)
    if side is not None and (twice_as_wide or (drawn[1] >= MOSTLY and drawn[0] <= 1 - MOSTLY)):
        return (LEFT, RIGHT)[side]
    if twice_as_wide:
        raise PairsError(
            f"the pictures of {src} are twice as wide as high, like side-by-side pairs, and it does not show "
            "which half is the sketch: give --from ab (left) or --from ba (right), or --from photos if they "
            "are not pairs"
        )
    if share_of_drawings(wholes) >= 0.5:
        raise PairsError(
            f"the pictures of {src} are line drawings, at least in part, and there are no photos of the same "
            "names: docs/recipes has the layouts that --from folders and --from names take; --from photos "
            "takes all for photos"
        )
    return PHOTOS

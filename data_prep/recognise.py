"""Detects the layout of a folder of pictures: photos, side-by-side images, or sketches and photos.

    recognised = recognise(Path("edges2shoes"), Path("pairs"))
    print(recognised.kind, recognised.seen)     # ab  side-by-side images, the sketch on the left

Names of folders and files are tried first, then up to SAMPLED pictures are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.find_sources import SAMPLED, Sides, pairs_in, sides_by_folder, sides_by_name, some_of
from data_prep.sources import Kind
from pix2pix.errors import PairsError
from pix2pix.images.framing import UInt8
from pix2pix.images.listing import list_pictures
from pix2pix.images.photograph import is_photograph
from pix2pix.images.sketch_or_photo import MOSTLY, NEARLY, share_of_drawings, small, which_are_sketches


@dataclass(frozen=True)
class Recognised:
    """The layout of a folder: a kind of `prepare`, and its description for users."""

    kind: Kind
    seen: str
    warning: str = ""


PHOTOS = Recognised("photos", "photos")
LEFT = Recognised("ab", "side-by-side images, the sketch on the left")
RIGHT = Recognised("ba", "side-by-side images, the sketch on the right")
STRIPS = {  # of how many squares, along which axis
    "pairs side by side": (2, 1),
    "pairs one above the other": (2, 0),
    "rows of three pictures": (3, 1),
}
FEW_PHOTOS = 0.25  # of pictures: most photos of products are recognised, and hardly any drawings


def recognise(src: Path, pairs: Path) -> Recognised:
    """Returns the layout of `src`. Ignores pictures in `pairs`, to which links in `src` may point.

    Raises PairsError, with the kinds that fit, if the layout is not clear, and UsageError if the folder does
    not exist.
    """
    pictures, inside = list_pictures(src)[0], pairs.resolve()
    if not src.resolve().is_relative_to(inside):  # which `prepare` refuses
        pictures = [path for path in pictures if not path.resolve().is_relative_to(inside)]
    if not pictures:
        raise PairsError(
            f"{src} has no pictures; it must hold photos (--from photos), or pairs in one of the "
            "layouts of docs/recipes"
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
            f"{src} has {seen}, but most names are in one folder only: --from folders uses the pairs that "
            "exist, --from photos treats all pictures as photos"
        )
    _refuse_unclear(src, sides, "folders")
    return Recognised("folders", seen, _warning(sides))


def _names(src: Path, pictures: list[Path]) -> Recognised | None:
    sides = sides_by_name(src, pictures)
    if not sides or 2 * pairs_in(sides) < MOSTLY * len(pictures):
        return None
    _refuse_unclear(src, sides, "names")
    sketch, photo = (f"NAME_{word}" if word else "NAME" for word in sides.called)
    return Recognised("names", f"sketches named {sketch} and photos named {photo}", _warning(sides))


def _refuse_unclear(src: Path, sides: Sides, kind: Kind) -> None:
    if not sides.shown:
        raise PairsError(
            f"{src} has pictures of equal names called A and B, and it is not clear which are the sketches: "
            f"--from {kind} uses A as the sketches, --from photos treats all pictures as photos"
        )


def _one_file_each(src: Path, pictures: list[Path]) -> Recognised:
    """Detects side-by-side images or photos from some of the pictures and their halves."""
    _refuse_twins(src, pictures)
    twice_as_wide = True
    strips: dict[str, list[bool]] = {called: [] for called in STRIPS}
    wholes: list[UInt8] = []
    lefts: list[UInt8] = []
    rights: list[UInt8] = []
    for picture in some_of(pictures):
        height, width = picture.shape[:2]
        twice_as_wide &= abs(width - 2 * height) <= NEARLY * height
        half = max(1, width // 2)
        for parts, part in ((wholes, picture), (lefts, picture[:, :half]), (rights, picture[:, -half:])):
            parts.append(small(part))
        for called, (count, axis) in STRIPS.items():
            if abs(picture.shape[axis] - count * picture.shape[1 - axis]) <= NEARLY * picture.shape[1 - axis]:
                strips[called].append(_is_strip(np.array_split(picture, count, axis)))
    if not wholes:
        return PHOTOS  # each is then left out with the reason
    drawn = sorted(map(share_of_drawings, (lefts, rights)))
    side = which_are_sketches(lefts, rights)
    if side is not None and (twice_as_wide or (drawn[1] >= MOSTLY and drawn[0] <= 1 - MOSTLY)):
        return (LEFT, RIGHT)[side]
    if twice_as_wide:
        raise PairsError(
            f"the pictures of {src} are twice as wide as high, like side-by-side pairs, but it is not clear "
            "which half is the sketch: use --from ab (left) or --from ba (right), or --from photos if they "
            "are not pairs"
        )
    if share_of_drawings(wholes) >= 0.5:
        raise PairsError(
            f"some pictures of {src} are line drawings, and there are no photos of the same names: "
            "docs/recipes describes the layouts of --from folders and --from names; --from photos treats all "
            "pictures as photos"
        )
    _refuse_others(src, wholes, strips)
    return PHOTOS


def _refuse_others(src: Path, wholes: list[UInt8], strips: dict[str, list[bool]]) -> None:
    """Raises PairsError if there are drawings, or strips of which some squares are drawings, among photos."""
    others = {called: sum(found) for called, found in strips.items() if 2 * sum(found) > len(found)}
    others["line drawings"] = round(share_of_drawings(wholes) * len(wholes))
    total = len(wholes)
    if seen := [f"{called} ({count} of {total} checked)" for called, count in others.items() if count]:
        raise PairsError(
            f"{src} has {' and '.join(seen)}, which are not photos: a folder must have one layout of "
            "docs/recipes. Move them to another folder, or cut them into NAME_sketch and NAME_photo; --from "
            "photos treats all pictures as photos"
        )


def _is_strip(parts: list[UInt8]) -> bool:
    """Returns whether some of the parts are drawings, and some are not."""
    return bool(parts) and 0 < share_of_drawings([small(part) for part in parts]) < 1


def _refuse_twins(src: Path, pictures: list[Path]) -> None:
    """Raises PairsError if names differ only in their suffix, and of two such files one is a drawing."""
    by_stem: dict[Path, list[Path]] = {}
    for path in pictures:
        by_stem.setdefault(path.with_suffix(""), []).append(path)
    for twins in [paths for paths in by_stem.values() if len(paths) > 1][:SAMPLED]:
        if _is_strip(list(some_of(twins))):
            raise PairsError(
                f"{src} has drawings and photos whose names differ only in their suffix, such as "
                f"{' and '.join(path.name for path in twins)}: name the drawings NAME_sketch (--from names), "
                "or move them to folders named drawings and photos (--from folders); --from photos treats "
                "all pictures as photos"
            )


def _warning(sides: Sides) -> str:
    """Returns a warning if the sketches of a layout look like photos, else ""."""
    sketches = [is_photograph(picture) for picture in some_of(list(sides.sketches))]
    if not sketches or float(np.mean(sketches)) < FEW_PHOTOS:
        return ""
    return (
        f"the pictures in {sides.called[0]} look like photos but are used as sketches: if they are photos, "
        "use --from photos"
    )

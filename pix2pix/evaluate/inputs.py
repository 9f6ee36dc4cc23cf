"""Lists the sketches to measure on: the edge maps of a pairs folder, and drawings by people."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pix2pix.errors import ImageError, UsageError
from pix2pix.images.io import open_image
from pix2pix.images.listing import list_pictures
from pix2pix.pairs import Pair


@dataclass(frozen=True)
class Input:
    """Sketches of one kind, each with its real photo or None.

    If `traced`, the lines of a sketch lie on those of its photo.
    """

    name: str
    pairs: tuple[tuple[Path, Path | None], ...]
    traced: bool = False


def edges(val: Sequence[Pair]) -> Input:
    """Returns the pairs of the val part of a pairs folder."""
    return Input("edges", tuple((pair.sketch, pair.photo) for pair in val), traced=True)


def drawings(sketches: Path, photos: Path | None = None, part: tuple[int, int] = (1, 1)) -> Input:
    """Returns the drawings in `sketches`: NAME.png, or NAME-1.png, NAME-2.png and so on, of one subject NAME.

    `photos` has NAME.jpg or the like. `part` (k, n) takes every n-th NAME from the k-th on, with all its
    drawings: the n parts have no NAME in common. Raises UsageError if there is no drawing, or if drawings
    have no photo, with some of their names.
    """
    names = {path: _name(path, sketches) for path in list_pictures(sketches)[0]}
    found = {} if photos is None else {_name(path, photos): path for path in list_pictures(photos)[0]}
    names = {path: name if name in found else _subject(name) for path, name in names.items()}
    if photos is not None and (missing := [path.name for path, name in names.items() if name not in found]):
        raise UsageError(f"{len(missing)} drawings have no photo in {photos}: {', '.join(missing[:5])}")
    k, n = part
    taken = set(sorted(set(names.values()))[k - 1 :: n])
    chosen = tuple((path, found.get(name)) for path, name in names.items() if name in taken)
    if not chosen:
        raise UsageError(f"there are no drawings in part {k}/{n} of {sketches}")
    return Input("drawings", chosen)


def leave_out_unreadable(inputs: Sequence[Input]) -> tuple[list[Input], dict[Path, str]]:
    """Returns the inputs without pairs of which a file cannot be read, and the reasons by file."""
    unreadable = {}
    for path in dict.fromkeys(path for given in inputs for pair in given.pairs for path in pair if path):
        try:
            open_image(path)
        except ImageError as error:
            unreadable[path] = str(error)
    kept = [tuple(pair for pair in given.pairs if unreadable.keys().isdisjoint(pair)) for given in inputs]
    return [replace(given, pairs=pairs) for given, pairs in zip(inputs, kept, strict=True)], unreadable


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _subject(name: str) -> str:
    """Returns the NAME of a drawing: "042-3" is the third of "042"."""
    return re.sub(r"-\d+$", "", name)

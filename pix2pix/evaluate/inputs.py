"""What is measured on: the edge maps of a pairs folder, and drawings by people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pix2pix.dataset import list_pairs
from pix2pix.errors import UsageError
from pix2pix.files import list_pictures


@dataclass(frozen=True)
class Input:
    """Sketches of one kind, and the real photo of each, where there are any."""

    name: str
    sketches: tuple[Path, ...]
    photos: tuple[Path, ...] | None = None


def edges(pairs: Path) -> Input:
    """The val part of a pairs folder. Raises PairsError."""
    val = list_pairs(pairs, "val")
    return Input("edges", tuple(pair.sketch for pair in val), tuple(pair.photo for pair in val))


def drawings(sketches: Path, photos: Path | None = None, part: tuple[int, int] = (1, 1)) -> Input:
    """Drawings by people below `sketches`: NAME.png, or NAME-1.png, NAME-2.png and so on of one thing NAME.

    `photos` holds NAME.jpg or the like. `part` (k, n) takes every n-th NAME from the k-th on, with all its
    drawings: the n parts have no NAME in common. Raises UsageError if there is no drawing, or, naming some,
    if drawings have no photo.
    """
    files = list_pictures(sketches)[0]
    names = {path: path.relative_to(sketches).with_suffix("").as_posix() for path in files}
    if photos is not None:
        found = {
            path.relative_to(photos).with_suffix("").as_posix(): path for path in list_pictures(photos)[0]
        }
        names = {path: name if name in found else _thing(name) for path, name in names.items()}
        if missing := [path.name for path, name in names.items() if name not in found]:
            raise UsageError(f"{len(missing)} drawings have no photo in {photos}: {', '.join(missing[:5])}")
    else:
        names = {path: _thing(name) for path, name in names.items()}
    k, n = part
    taken = set(sorted(set(names.values()))[k - 1 :: n])
    chosen = tuple(path for path in files if names[path] in taken)
    if not chosen:
        raise UsageError(f"there are no drawings in part {k}/{n} of {sketches}")
    owners = None if photos is None else tuple(found[names[path]] for path in chosen)
    return Input("drawings", chosen, owners)


def _thing(name: str) -> str:
    """What a drawing is of: "042-3" is the third of "042"."""
    return re.sub(r"-\d+$", "", name)

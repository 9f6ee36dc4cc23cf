"""Lists the pictures below a folder, and why other files are not pictures."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from pix2pix.errors import UsageError
from pix2pix.images.decode import SUFFIXES
from pix2pix.storage import files_below, is_local, real

PHOTO_SUFFIXES = (".jpg", ".png", ".webp")  # of the photos in a pairs folder
DANGLING = "a link to a missing file"


def list_pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """Returns (pictures, other files) below `folder`, by suffix, sorted; hidden ones are "other".

    Links to folders are followed. Each folder is read once, under its own name where it has one below
    `folder`; a link to it is "other", and so is a link to a folder that holds `folder`. Raises UsageError for
    a folder that is missing or cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.")
    pictures: list[Path] = []
    others: list[Path] = []
    for path in _walk(folder) if is_local(folder) else files_below(folder):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        special = path.exists() and not path.is_file()  # reading a pipe would block
        known = path.suffix.lower() in SUFFIXES and not hidden and not special
        (pictures if known else others).append(path)
    return sorted(pictures), sorted(others)


def _walk(folder: Path) -> Iterator[Path]:
    """Yields every file, and every link that is not followed. Links come after all folders found so far."""
    root, read = real(folder), set[Path]()
    links = deque([folder])
    while links:
        top = links.popleft()
        if top != folder and root.is_relative_to(real(top)):
            yield top
            continue
        for parent, folders, names in os.walk(top, onerror=_refuse):
            here = Path(parent)
            if real(here) in read:
                folders.clear()
                yield here
                continue
            read.add(real(here))
            folders.sort()
            links += (here / name for name in folders if (here / name).is_symlink())
            yield from (here / name for name in names)


def why_not_a_picture(path: Path) -> str:
    """Returns the reason for one of the other files of `list_pictures`."""
    if path.is_dir():
        return f"a link to {real(path)}, which has been read or is a parent folder"
    if is_dangling(path):
        return DANGLING
    if path.suffix.lower() in SUFFIXES:
        return "hidden" if path.is_file() else "not a regular file"
    return f"not a picture (suffix {path.suffix!r})" if path.suffix else "not a picture (no suffix)"


def is_dangling(path: Path) -> bool:
    """Returns whether a path is a link to something that does not exist."""
    return is_local(path) and path.is_symlink() and not path.exists()


def _refuse(error: OSError) -> None:
    raise UsageError(f"{error.filename} cannot be read: {error.strerror}.") from error

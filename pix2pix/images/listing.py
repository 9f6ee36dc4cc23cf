"""Lists the pictures below a folder, and why other files are not pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pix2pix.errors import UsageError
from pix2pix.images.decode import SUFFIXES
from pix2pix.storage import files_below, is_local

PHOTO_SUFFIXES = (".jpg", ".png", ".webp")  # of the photos in a pairs folder


def list_pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """Returns (pictures, other files) below `folder`, by suffix, sorted; hidden ones are "other".

    Does not follow links to folders. Raises UsageError for a folder that is missing or cannot be read.
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
    for parent, _, names in os.walk(folder, onerror=_refuse):
        yield from (Path(parent) / name for name in names)


def why_not_a_picture(path: Path) -> str:
    """Returns the reason for one of the other files of `list_pictures`."""
    if path.suffix.lower() in SUFFIXES:
        return "hidden" if path.is_file() else "not a regular file"
    if path.suffix.lower() in (".heic", ".heif"):
        return "an HEIC photo, which cannot be read here: export it as JPEG"
    return f"not a picture by its suffix {path.suffix!r}" if path.suffix else "not a picture: no suffix"


def _refuse(error: OSError) -> None:
    raise UsageError(f"{error.filename} cannot be read: {error.strerror}.") from error

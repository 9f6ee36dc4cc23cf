"""Listing the pictures below a folder, with everything else named rather than skipped."""

from __future__ import annotations

import os
from pathlib import Path

from pix2pix.decode import SUFFIXES
from pix2pix.errors import UsageError


def list_pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """(pictures, other files) below `folder`, by suffix, sorted; hidden files and folders are "other".

    Links to folders are not followed. Raises UsageError for a folder that is missing or cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.")
    pictures: list[Path] = []
    others: list[Path] = []
    for parent, _, names in os.walk(folder, onerror=_refuse):
        for path in (Path(parent) / name for name in names):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            known = path.suffix.lower() in SUFFIXES and not hidden
            (pictures if known else others).append(path)
    return sorted(pictures), sorted(others)


def why_not_a_picture(path: Path) -> str:
    """The reason to give for one of the other files of `list_pictures`."""
    if path.suffix.lower() in SUFFIXES:
        return "hidden"
    return f"not a picture by its suffix {path.suffix!r}" if path.suffix else "not a picture: no suffix"


def _refuse(error: OSError) -> None:
    raise UsageError(f"{error.filename} cannot be read: {error.strerror}.") from error

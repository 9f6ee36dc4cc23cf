"""Finds the sketches of a conversion, and their names below its destination."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pix2pix.convert.pipeline import Converted
from pix2pix.images.listing import list_pictures, why_not_a_picture
from pix2pix.storage import RealNames, is_local, real

Found = Converted | tuple[Path, PurePosixPath]  # a result, or a sketch and its name below the destination


def find_sketches(source: Path | list[Path], destination: Path, by_name: bool) -> Iterator[Found]:
    """Yields the sketches of a folder, a file, or a list of files, and results for what is none.

    Names are as in `Conversion`. Raises UsageError for a folder that is missing or cannot be read.
    """
    inside = _Inside(destination)
    if isinstance(source, list):
        return _arguments(source, inside) if by_name else _listed(source, inside)
    if source.is_file():
        return iter([(source, PurePosixPath(source.name))])
    return _below(source, PurePosixPath(), inside)


class _Inside:
    """Whether a path leads to a folder or below it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._name = folder, str(real(folder)).rstrip(os.sep) + os.sep
        self._real_name = RealNames()

    def __call__(self, path: Path) -> bool:
        is_there = is_local(path) == is_local(self.folder)
        return is_there and f"{self._real_name(path)}{os.sep}".startswith(self._name)


def _below(folder: Path, name: PurePosixPath, inside: _Inside) -> Iterator[Found]:
    """The files below a folder, which has this name below the destination. Links may lead to photos there."""
    pictures, others = list_pictures(folder)
    yield from (Converted(path, "ignored", error=why_not_a_picture(path)) for path in others)
    lies_there = inside(folder)
    for path in pictures:
        if not lies_there and inside(path):
            yield _photo(path)
        else:
            yield path, name / path.relative_to(folder).as_posix()


def _arguments(paths: list[Path], inside: _Inside) -> Iterator[Found]:
    """Files and folders by the last part of their paths, as `cp` names them."""
    for path in dict.fromkeys(paths):
        if not path.is_dir():
            yield path, PurePosixPath(path.name)
        elif real(path) == real(inside.folder):  # `convert * photos`
            yield _photo(path)
        else:
            named = real(path) if path.name in ("", "..") else path
            yield from _below(path, PurePosixPath(named.name), inside)


def _listed(paths: list[Path], inside: _Inside) -> Iterator[Found]:
    """Files of a list; relative paths keep their folders. `find` lists the photos, too."""
    for path in dict.fromkeys(paths):
        alone = not is_local(path) or path.is_absolute() or ".." in path.parts
        if inside(path):
            yield _photo(path)
        elif not path.name:  # "." and "/"
            yield Converted(path, "failed", error="is a folder")
        else:
            yield path, PurePosixPath(path.name if alone else path.as_posix())


def _photo(path: Path) -> Converted:
    return Converted(path, "ignored", error="is in the destination")

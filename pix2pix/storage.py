"""Where files lie: on this machine, or at any address that fsspec knows (s3://, gs://, memory://).

    source = place("s3://drawings/today")           what a Path can do, it can do

Addresses come as `upath.UPath`, typed as Path here: the two have the methods that are used in common.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pix2pix.errors import UsageError

VERSIONS = (
    "ETag",
    "etag",
    "md5Hash",
    "LastModified",
    "updated",
    "mtime",
    "created",
)  # by store, the surest first


def place(text: str) -> Path:
    """The path, or the address where there is a scheme.

    Raises UsageError where what such an address needs is not installed, or nobody knows its scheme.
    """
    if "://" not in text:
        return Path(text)
    if text.startswith("file://"):
        return Path(url2pathname(urlsplit(text).path))
    try:
        from upath import UPath

        there = cast(Path, UPath(text))
        there.exists()
    except ImportError as error:
        extra = "addresses need pip install -e '.[remote]'"
        raise UsageError(f"{text} cannot be reached: {error}; {extra}") from error
    except ValueError as error:
        raise UsageError(f"{text} cannot be reached: {error}") from error
    return there


def is_local(path: Path) -> bool:
    """Whether it lies on this machine."""
    return isinstance(path, Path)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder at an address."""
    return (path for path in folder.rglob("*") if path != folder and path.is_file())


def real(path: Path) -> Path:
    """The same without links and "..". A link that leads to itself stays."""
    return Path(os.path.realpath(path)) if is_local(path) else path.resolve()


class RealNames:
    """`real` of very many files, as text: that of each folder is asked for once."""

    def __init__(self) -> None:
        """For as long as no link is changed."""
        self._folders: dict[str, str] = {}

    def __call__(self, path: Path) -> str:
        """What two paths of one file have in common."""
        if not is_local(path):
            return str(real(path))
        folder, name = os.path.split(path)
        if name in ("", "..") or os.path.islink(path):  # noqa: PTH114 - Path's may raise
            return str(real(path))
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return f"{self._folders[folder].rstrip(os.sep)}{os.sep}{name}"


def version_of(path: Path) -> tuple[int, str]:
    """Size, and what changes whenever the content does, as far as its store tells; OSError if it is gone."""
    told = path.stat()
    if is_local(path):
        return told.st_size, str(told.st_mtime_ns)
    info = getattr(told, "info", {})
    return told.st_size, str(next((info[key] for key in VERSIONS if info.get(key)), ""))

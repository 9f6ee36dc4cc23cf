"""Paths on this machine, and addresses of stores that fsspec supports (s3://, gs://, memory://).

    source = place("s3://drawings/today")

An address is a `upath.UPath`, typed as Path: both have the methods that are used here.
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
)  # by store, the most reliable first


def place(text: str) -> Path:
    """Returns the path, or the address if the text has a scheme.

    Raises UsageError if the package of such a store is not installed, or the scheme is unknown.
    """
    if "://" not in text:
        return Path(text)
    if text.startswith("file://"):
        return Path(url2pathname(urlsplit(text).path))
    try:
        from upath import UPath

        address = cast(Path, UPath(text))
        address.exists()
    except ImportError as error:
        extra = "addresses need pip install -e '.[remote]'"
        raise UsageError(f"{text} cannot be reached: {error}; {extra}") from error
    except ValueError as error:
        raise UsageError(f"{text} cannot be reached: {error}") from error
    return address


def is_local(path: Path) -> bool:
    """Whether the file is on this machine."""
    return isinstance(path, Path)


def files_below(folder: Path) -> Iterator[Path]:
    """Yields every file below a folder at an address."""
    return (path for path in folder.rglob("*") if path != folder and path.is_file())


def real(path: Path) -> Path:
    """Returns the path without links and "..". A link to itself stays."""
    return Path(os.path.realpath(path)) if is_local(path) else path.resolve()


class RealNames:
    """`real` of many files, as text. Resolves each folder once."""

    def __init__(self) -> None:
        """Valid as long as links do not change."""
        self._folders: dict[str, str] = {}

    def __call__(self, path: Path) -> str:
        """Returns the same text for all paths of one file."""
        if not is_local(path):
            return str(real(path))
        folder, name = os.path.split(path)
        if name in ("", "..") or os.path.islink(path):  # noqa: PTH114 - Path's may raise
            return str(real(path))
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return f"{self._folders[folder].rstrip(os.sep)}{os.sep}{name}"


def version_of(path: Path) -> tuple[int, str]:
    """Returns a file's size and its version: its time, or an ETag or hash; "" if the store has none of them.

    Raises OSError if the file is missing.
    """
    stat = path.stat()
    if is_local(path):
        return stat.st_size, str(stat.st_mtime_ns)
    info = getattr(stat, "info", {})
    return stat.st_size, str(next((info[key] for key in VERSIONS if info.get(key)), ""))

"""Files: listing the pictures below a folder, with everything else named; writing whole or not at all."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pix2pix.decode import SUFFIXES
from pix2pix.errors import FolderInUse, UsageError
from pix2pix.places import files_below, is_local

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PART = re.compile(r"\.[0-9a-f]{32}\.part")  # a file while it is written
PHOTO_SUFFIXES = (".jpg", ".png", ".webp")  # of the photos in a pairs folder


def printable(name: str) -> str:
    """A file's name on one line: line ends, control characters and bytes that are no UTF-8 as escapes."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name
    )


def write_atomically(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write through a hidden temporary file in the same folder, so that nobody ever sees half of it.

    A process killed in the middle leaves that file, `.….part`: see `sweep`.

    `durable` waits until the disk has it: the old file or the new one outlives a power cut.
    """
    if is_local(path):
        write_together({path: data}, durable=durable)
    else:
        path.write_bytes(data)  # a store shows an object once it is whole


def write_together(contents: dict[Path, bytes], *, durable: bool = False) -> None:
    """As `write_atomically`, for files that belong together: none is replaced before all are on the disk."""
    temporary = {path: path.with_name(f".{uuid.uuid4().hex}.part") for path in contents}
    try:
        for path, data in contents.items():
            try:
                with temporary[path].open("wb") as file:
                    file.write(data)
                    if durable:
                        file.flush()
                        os.fsync(file.fileno())
            except OSError as error:
                error.filename = str(path)  # of a full disk Python says none; of the rest, the temporary one
                raise
        for path, written in temporary.items():
            written.replace(path)
    except BaseException:
        for written in temporary.values():
            written.unlink(missing_ok=True)
        raise


def sweep(folder: Path, *below: Path) -> None:
    """Delete what killed writers left in a folder that this process holds, and in some that nobody holds."""
    _sweep(folder)
    for other in below:
        if other != folder and other.is_dir():
            with suppress(FolderInUse), _locked(other, shared=False):
                _sweep(other)


def _sweep(folder: Path) -> None:
    for left in folder.glob(".*.part"):
        if PART.fullmatch(left.name):
            left.unlink(missing_ok=True)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep out other processes that ask for the same folder, or for one inside: they get FolderInUse.

    The operating system lets go of it when the process ends, however it ends. Systems without such locks
    keep nobody out.
    """
    for outer in folder.absolute().parents:
        with suppress(PermissionError), _locked(outer, shared=True):
            pass
    with _locked(folder, shared=False):
        yield


@contextmanager
def _locked(folder: Path, *, shared: bool) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            raise FolderInUse(f"another run writes to {folder} at this moment: wait until it ends") from error
        yield
    finally:
        os.close(descriptor)


def list_pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """(pictures, other files) below `folder`, by suffix, sorted; hidden files and folders are "other".

    Links to folders are not followed. Raises UsageError for a folder that is missing or cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.")
    pictures: list[Path] = []
    others: list[Path] = []
    for path in _walk(folder) if is_local(folder) else files_below(folder):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        special = path.exists() and not path.is_file()  # reading a pipe would wait for ever
        known = path.suffix.lower() in SUFFIXES and not hidden and not special
        (pictures if known else others).append(path)
    return sorted(pictures), sorted(others)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder, onerror=_refuse):
        yield from (Path(parent) / name for name in names)


def why_not_a_picture(path: Path) -> str:
    """The reason to give for one of the other files of `list_pictures`."""
    if path.suffix.lower() in SUFFIXES:
        return "hidden" if path.is_file() else "not a regular file"
    if path.suffix.lower() in (".heic", ".heif"):
        return "an HEIC photo, which cannot be read here: export it as JPEG"
    return f"not a picture by its suffix {path.suffix!r}" if path.suffix else "not a picture: no suffix"


def _refuse(error: OSError) -> None:
    raise UsageError(f"{error.filename} cannot be read: {error.strerror}.") from error

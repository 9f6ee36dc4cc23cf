"""Atomic writes, and locks on folders."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pix2pix.errors import FolderInUse
from pix2pix.storage import is_local

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PART = re.compile(r"\.[0-9a-f]{32}\.part")  # name of a temporary file


def printable(name: str) -> str:
    """Returns a file's name on one line: escapes line ends, control characters and invalid UTF-8."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name
    )


def write_atomically(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Writes a file atomically: to a temporary file in the same folder, which is then renamed.

    A process that is killed meanwhile leaves the temporary file, `.….part`: see `sweep`. With `durable`, the
    file is on the disk when this returns, so that a power cut loses neither the old nor the new one.
    """
    if is_local(path):
        write_together({path: data}, durable=durable)
    else:
        path.write_bytes(data)  # stores write objects atomically


def write_together(contents: dict[Path, bytes], *, durable: bool = False) -> None:
    """Writes several files as `write_atomically`, and renames them when all are written."""
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
                error.filename = str(path)  # Python gives the temporary name, or none if the disk is full
                raise
        for path, part in temporary.items():
            part.replace(path)
    except BaseException:
        for part in temporary.values():
            part.unlink(missing_ok=True)
        raise


def sweep(folder: Path, *below: Path) -> None:
    """Deletes temporary files of killed processes from a folder that this process has locked.

    Does the same in folders `below` it, except those that another process has locked.
    """
    _delete_parts(folder)
    for other in below:
        if other != folder and other.is_dir():
            with suppress(FolderInUse), _locked(other, shared=False):
                _delete_parts(other)


def _delete_parts(folder: Path) -> None:
    for part in folder.glob(".*.part"):
        if PART.fullmatch(part.name):
            part.unlink(missing_ok=True)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Locks a folder: other processes that lock it, or a folder inside it, get FolderInUse.

    The operating system releases the lock when the process ends. On Windows, and on file systems without
    locks, there are no locks.
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
        except BlockingIOError as error:
            raise FolderInUse(f"another process writes to {folder}: wait until it ends") from error
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(descriptor)

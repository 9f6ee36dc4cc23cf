"""Files: written whole or not at all, by one process at a time."""

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

PART = re.compile(r"\.[0-9a-f]{32}\.part")  # a file while it is written


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

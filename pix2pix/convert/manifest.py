"""What a conversion has done: the manifest beside the photos, and a note inside each photo.

`manifest.jsonl` has a line of JSON for each sketch.
A line is written once its photos are, so that a job that was killed goes on where it was: see `convert`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self

from pix2pix.images.io import read_note
from pix2pix.storage import is_local, version_of

NAME, NAMES = "manifest.jsonl", "manifest*.jsonl"
LINES = 200  # of a file at an address


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells a file from a changed one: quickly by size and version, surely by its content."""

    size: int
    version: str  # see `places.version_of`; "" where the store tells none
    sha256: str = ""

    @classmethod
    def of(cls, path: Path) -> Self:
        """Without the content."""
        return cls(*version_of(path))

    def looks_like(self, other: Stamp) -> bool:
        """Whether size and version are the same."""
        return bool(self.version) and (self.size, self.version) == (other.size, other.version)


@dataclass(frozen=True)
class Entry:
    """One sketch: what was made of it, from what, how; `error` says why nothing was."""

    source: str
    stamp: Stamp
    settings: dict[str, Any]
    outputs: tuple[str, ...] = ()
    z: tuple[tuple[float, ...], ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    error: str | None = None


def first_photo(source: str, outputs: Sequence[str]) -> str:
    """A sketch's first photo, below the destination: it tells where two jobs would write the same."""
    return str(PurePosixPath(source).with_name(outputs[0]))


class Ledger:
    """What was made at one destination before, with the same settings. As a context manager it takes more."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        """Reads what is there; what cannot be read, such as the torn last line of a killed job, is not."""
        self.folder = folder
        # By first photo: of what it was made last; None where that was with other settings.
        self.made: dict[str, Stamp | None] = {}
        self._file: BinaryIO | None = None
        self._waiting: list[bytes] = []
        self._torn = False
        for path in sorted(folder.glob(NAMES)):
            line = b"\n"
            with path.open("rb") as file:
                for line in file:
                    self._read(line, settings)
            self._torn = not line.endswith(b"\n")

    def _read(self, line: bytes, settings: dict[str, Any]) -> None:
        try:
            row = json.loads(line)
            if row.get("forget"):
                self.made.clear()
                return
            stamp, same = Stamp(**row["stamp"]), row["settings"] == settings
            if row["error"] is None:  # else the photos are those of before
                self.made[first_photo(row["source"], row["outputs"])] = stamp if same else None
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
            return

    def __enter__(self) -> Self:
        """Open for appending."""
        if is_local(self.folder):
            self._file = (self.folder / NAME).open("ab", buffering=0)  # each line is one write
            if self._torn:
                self._file.write(b"\n")
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        if self._file is not None:
            self._file.close()
        elif self._waiting:
            self._store()

    def forget(self) -> None:
        """Photos are about to be replaced: from here on each is known by a later line, or by itself."""
        self.made.clear()
        self._append({"forget": True})

    def add(self, entry: Entry) -> None:
        """Append a line; at an address, where nothing can be appended, some hundred lines are a file."""
        self._append(asdict(entry))

    def _append(self, row: dict[str, Any]) -> None:
        line = json.dumps(row).encode() + b"\n"
        if self._file is not None:
            self._file.write(line)
            return
        self._waiting.append(line)
        if len(self._waiting) >= LINES:
            self._store()

    def _store(self) -> None:
        path = self.folder / f"manifest-{time.time_ns()}.jsonl"
        path.write_bytes(b"".join(self._waiting))
        self._waiting.clear()


@dataclass(frozen=True)
class Origin:
    """A sketch, and all else that the photo depends on."""

    sketch: str  # the SHA-256 of its file
    made_with: dict[str, Any]  # bundle, z, size: as JSON has them

    def to_text(self) -> str:
        """For the photo."""
        return json.dumps({"pix2pix": asdict(self)})

    @classmethod
    def of(cls, photo: Path) -> Self | None:
        """What a photo says of itself."""
        try:
            said = json.loads(read_note(photo))["pix2pix"]
            return cls(str(said["sketch"]), dict(said["made_with"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

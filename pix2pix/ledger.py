"""What a conversion has done: a line of JSON for each sketch, in `manifest.jsonl` beside the photos.

A line is written once its photos are, so that a job that was killed goes on where it was: see `convert`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

NAME = "manifest.jsonl"


@dataclass(frozen=True)
class Stamp:
    """What tells a file from a changed one: quickly by size and time, surely by its content."""

    size: int
    mtime_ns: int
    sha256: str = ""

    @classmethod
    def of(cls, path: Path) -> Self:
        """Without the content."""
        told = path.stat()
        return cls(told.st_size, told.st_mtime_ns)

    def looks_like(self, other: Stamp) -> bool:
        """Whether size and time are the same."""
        return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)


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


class Ledger:
    """The entries of one destination, the newest of each source. As a context manager it can be added to."""

    def __init__(self, folder: Path) -> None:
        """Reads what is there; what cannot be read, such as the torn last line of a killed job, is not."""
        self.path = folder / NAME
        self.entries: dict[str, Entry] = {}
        self._file: BinaryIO | None = None
        text = self.path.read_bytes() if self.path.exists() else b""
        self._torn = bool(text) and not text.endswith(b"\n")
        for line in text.splitlines():
            try:
                row = json.loads(line)
                entry = Entry(**{**row, "stamp": Stamp(**row["stamp"]), "outputs": tuple(row["outputs"])})
            except (ValueError, TypeError, KeyError):
                continue
            self.entries[entry.source] = entry

    def __enter__(self) -> Self:
        """Open for appending."""
        self._file = self.path.open("ab", buffering=0)  # each line is one write
        if self._torn:
            self._file.write(b"\n")
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        assert self._file is not None
        self._file.close()

    def add(self, entry: Entry) -> None:
        """Append a line."""
        assert self._file is not None
        self._file.write(
            json.dumps(asdict(entry), ensure_ascii=False).encode(errors="surrogateescape") + b"\n"
        )
        self.entries[entry.source] = entry

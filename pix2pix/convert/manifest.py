"""Records of a conversion: a note inside each photo, and `manifest.jsonl` in the folder of the photos.

The note decides: it has the hash of the sketch and the settings of the photo. The manifest has one line of
JSON for each sketch, written after its photos. It is a log, and a cache of the notes: a file with the size
and time in the manifest is not opened again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self

from pix2pix.images.io import Notice, read_note
from pix2pix.storage import is_local, place, real, version_of

NAME, NAMES = "manifest.jsonl", "manifest*.jsonl"
SWITCHES = ("transparent", "colours")  # settings that are stored only where they are on
LINES_PER_FILE = 200  # at an address, where nothing can be appended


@dataclass(frozen=True)
class Note:
    """What a photo was made of; stored inside the photo."""

    sketch: str  # SHA-256 of the sketch's file, followed by the file of its hints
    made_with: dict[str, Any]  # bundle, size, z, and which of `SWITCHES` were on, as in JSON

    @classmethod
    def of(cls, sketch: str, settings: dict[str, Any], z: list[float]) -> Self:
        """The note of a photo by these settings (see `Line`), with this z."""
        on = {switch: True for switch in SWITCHES if settings.get(switch)}
        return cls(sketch, {"bundle": settings["bundle"], "size": settings["size"], "z": z, **on})

    @classmethod
    def read(cls, photo: Path) -> Self | None:
        """The note of a photo; None for a photo without one, and for a file that cannot be read."""
        try:
            fields = json.loads(read_note(photo))["pix2pix"]
            return cls(str(fields["sketch"]), dict(fields["made_with"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def to_text(self) -> str:
        """The text to store in the photo."""
        return json.dumps({"pix2pix": asdict(self)})


@dataclass(frozen=True, slots=True)
class Stamp:
    """One version of a file: its size and time, and the hash of a sketch; of a sketch and its hints."""

    size: int
    version: str  # see `storage.version_of`; "" where the store has none
    sha256: str = ""

    @classmethod
    def of(cls, path: Path) -> Self:
        """Without the hash. Raises OSError."""
        return cls(*version_of(path))

    def with_hints(self, hints: Stamp) -> Self:
        """The stamp of a sketch together with that of its hints."""
        version = f"{self.version} {hints.version}" if self.version and hints.version else ""
        return replace(self, size=self.size + hints.size, version=version)

    def matches(self, other: Stamp) -> bool:
        """Whether size and version are the same; then the content is assumed to be the same."""
        return bool(self.version) and (self.size, self.version) == (other.size, other.version)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the manifest: one sketch and its photos, or the reason in `error`."""

    source: str  # path below the source; its photos have the same folder and stem below the destination
    stamp: Stamp
    settings: dict[str, Any]  # bundle, seed, z, variants, size, and which of `SWITCHES` were on
    outputs: tuple[str, ...] = ()  # names of the photos
    photos: tuple[Stamp, ...] = ()  # one an output
    z: tuple[list[float], ...] = ()  # one an output
    timings_ms: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    notices: tuple[Notice, ...] = ()  # about how the sketch was read
    folder: str = ""  # of the sketch: absolute path or address; "" in manifests of earlier versions

    def other_sketch(self, sketch: Path) -> Path | None:
        """The sketch that its photos were made from, if it still exists and is another file than `sketch`.

        Raises UsageError for an address that cannot be reached here.
        """
        made_of = place(self.folder) / PurePosixPath(self.source).name if self.folder else sketch
        return made_of if made_of.exists() and real(made_of) != real(sketch) else None

    def note(self, photo: str, stamp: Stamp) -> Note | None:
        """The note of one of its photos; None if the photo has changed since."""
        for name, then, z in zip(self.outputs, self.photos, self.z, strict=True):
            if name == photo and stamp.matches(then):
                return Note.of(self.stamp.sha256, self.settings, z)
        return None

    def adds_to(self, other: Line | None) -> bool:
        """Whether it has photos that the other line lacks, in this version or of this sketch."""
        versions = (self.stamp, self.outputs, self.photos)
        return bool(self.outputs) and (not other or versions != (other.stamp, other.outputs, other.photos))


class Manifest:
    """The manifest of one destination. Lines can be added inside of its context."""

    def __init__(self, folder: Path) -> None:
        """Reads all lines. Ignores damaged ones, such as the last line of a killed job."""
        self.folder = folder
        self._lines: dict[str, Line] = {}  # the last one of each photo, by its path below the destination
        self._file: BinaryIO | None = None
        self._waiting: list[bytes] = []
        self._is_torn = False
        for path in sorted(folder.glob(NAMES)):
            text, line = b"\n", None
            with path.open("rb") as file:
                for text in file:
                    line = self._read(text, line) or line
            self._is_torn = not text.endswith(b"\n")

    def _read(self, text: bytes, last: Line | None) -> Line | None:
        """Reads one line. Shares values with the last one, which saves memory for a million lines."""
        try:
            row = json.loads(text)
            settings, z = row["settings"], tuple(row["z"])
            if last and (settings, z) == (last.settings, last.z):
                settings, z = last.settings, last.z
            folder = str(row.get("folder", ""))
            if last and folder == last.folder:
                folder = last.folder
            photos = tuple(Stamp(**stamp) for stamp in row["photos"])
            outputs, stamp = tuple(row["outputs"]), Stamp(**row["stamp"])
            line = Line(row["source"], stamp, settings, outputs, photos, z, folder=folder)
            if len(line.outputs) == len(photos) == len(z) and settings.keys() >= {"bundle", "size"}:
                self._lines |= {_below(line.source, output): line for output in line.outputs}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return line

    def line(self, source: str, outputs: Iterable[str]) -> Line | None:
        """The last line that has one of these photos of a sketch."""
        photos = (_below(source, output) for output in outputs)
        return next((self._lines[photo] for photo in photos if photo in self._lines), None)

    def __enter__(self) -> Self:
        """Opens the file for appending."""
        if is_local(self.folder):
            self._file = (self.folder / NAME).open("ab", buffering=0)  # each line is one write
            if self._is_torn:
                self._file.write(b"\n")
        return self

    def __exit__(self, *_: object) -> None:
        """Closes it."""
        if self._file is not None:
            self._file.close()
        elif self._waiting:
            self._store()

    def add(self, line: Line) -> None:
        """Appends a line; at an address, `LINES_PER_FILE` lines at a time become a file."""
        text = json.dumps(asdict(line)).encode() + b"\n"
        if self._file is not None:
            self._file.write(text)
            return
        self._waiting.append(text)
        if len(self._waiting) >= LINES_PER_FILE:
            self._store()

    def _store(self) -> None:
        path = self.folder / f"manifest-{time.time_ns()}.jsonl"
        path.write_bytes(b"".join(self._waiting))
        self._waiting.clear()


def _below(source: str, output: str) -> str:
    """The path below the destination of a sketch's photo."""
    return str(PurePosixPath(source).with_name(output))

"""The list of the pairs in a pairs folder: `manifest.jsonl`, one line a pair.

While pairs are written their lines are appended, so that a killed run loses none; at the end the file is
written anew, sorted, one line a pair. Where a name stands twice, the later line counts.
"""

from __future__ import annotations

import dataclasses
import json
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.near_duplicates import WORDS, Gallery, Hashes
from pix2pix.errors import PairsError
from pix2pix.files import only_writer, write_atomically

LIKENESS = re.compile(rf"([0-9a-f]{{{16 * WORDS}}})?")


@dataclass(frozen=True)
class Record:
    """A line of the manifest. Hashes are SHA-256 in hex; `made` says where the sketch came from.

    `likeness` is the photo's perceptual hash in hex, `mask_sha256` the hash of its mask; they are empty in
    manifests of versions that had none.
    """

    name: str
    split: str
    source: str
    source_sha256: str
    sketch_sha256: str
    photo_sha256: str
    size_px: int
    made: str
    likeness: str = ""
    mask_sha256: str = ""


Records = dict[tuple[str, str], Record]  # by (split, name)


def read_manifest(pairs: Path) -> Records:
    """The records of a pairs folder, none if it is new. Raises PairsError for a line that is not a record.

    A last line without its end is what a killed run left, and is passed over.
    """
    path = pairs / "manifest.jsonl"
    if not path.is_file():
        return {}
    records: Records = {}
    *lines, _torn = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            record = _record(line)
        except (ValueError, TypeError, RecursionError) as error:
            raise PairsError(f"{path}, line {number}, is not a pair's record: {error}") from error
        records[record.split, record.name] = record
    return records


class Manifest:
    """What a pairs folder holds: asked by name, by content and by looks, and added to. A context manager."""

    def __init__(self, pairs: Path) -> None:
        """Reads the manifest. Raises PairsError for a broken one."""
        self._path = pairs / "manifest.jsonl"
        self._changed = False
        self._read()

    def _read(self) -> None:
        self._records = read_manifest(self._path.parent)
        self._keys: dict[tuple[str, str], tuple[str, str]] = {}  # without case: as some file systems see it
        self._contents: dict[str, Record] = {}  # by source_sha256
        self._looks = Gallery()
        self._shown: list[Record] = []  # in the gallery's order
        for record in self._records.values():
            self._index(record)

    def __enter__(self) -> Manifest:
        """Begin to append.

        Raises OSError where the folder cannot be written to, FolderInUse where another run writes to it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._held = ExitStack()
        self._held.enter_context(only_writer(self._path.parent))
        self._read()  # what another run may have added since
        if self._path.is_file() and not self._path.read_bytes().endswith(b"\n"):
            self._write()  # without the torn last line
        self._file = self._path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        """Sort the file; where that fails, on a full disk, the appended one says the same."""
        with suppress(OSError):
            self._file.close()
            if self._changed:
                self._write()
        self._held.close()

    def named(self, split: str, name: str) -> Record | None:
        """The pair of that name in upper or lower case, if there is one."""
        key = self._keys.get((split, name.casefold()))
        return self._records.get(key) if key else None

    def of_content(self, source_sha256: str) -> Record | None:
        """The pair made of the same bytes, if there is one."""
        record = self._contents.get(source_sha256)
        return record if record and self._stands(record) else None

    def like(self, likeness: Hashes) -> list[Record]:
        """The pairs whose photos are near-duplicates of the one with this hash (K,)."""
        found = (self._shown[index] for index in self._looks.like(likeness))
        return [record for record in found if self._stands(record)]

    def add(self, record: Record) -> None:
        """Put a pair in, in the place of one of its name. Raises OSError if it cannot be written down."""
        self._changed = True
        self._file.write(_line(record))
        self._file.flush()
        self._records[record.split, record.name] = record
        self._index(record)

    def drop(self, split: str, name: str) -> None:
        """Take a pair out, if it is in."""
        self._changed |= self._records.pop((split, name), None) is not None

    def _stands(self, record: Record) -> bool:
        return self._records.get((record.split, record.name)) is record

    def _index(self, record: Record) -> None:
        self._keys[record.split, record.name.casefold()] = (record.split, record.name)
        self._contents[record.source_sha256] = record
        if len(record.likeness) == 16 * WORDS:
            self._looks.add(from_hex(record.likeness))
            self._shown.append(record)

    def _write(self) -> None:
        lines = [_line(self._records[key]) for key in sorted(self._records)]
        write_atomically(self._path, b"".join(lines))


def to_hex(likeness: Hashes) -> str:
    """A perceptual hash (K,) as a record keeps it."""
    return "".join(f"{word:016x}" for word in likeness.tolist())


def from_hex(text: str) -> Hashes:
    """The perceptual hash (K,) of a record."""
    return np.array([int(text[i : i + 16], 16) for i in range(0, len(text), 16)], np.uint64)


def _record(line: bytes) -> Record:
    """Raises ValueError, TypeError or RecursionError for a line that is not one of `_line`.

    Names may hold undecodable bytes as lone surrogates, which pydantic would refuse.
    """
    record = Record(**json.loads(line))
    texts = [value for name, value in vars(record).items() if name != "size_px"]
    if not all(isinstance(text, str) for text in texts) or type(record.size_px) is not int:
        raise TypeError("a field of the wrong type")
    if record.split not in ("train", "val") or not LIKENESS.fullmatch(record.likeness):
        raise ValueError("a split or a likeness that is none")
    return record


def _line(record: Record) -> bytes:
    return json.dumps(dataclasses.asdict(record), ensure_ascii=True).encode() + b"\n"

"""The manifest of a pairs folder: `manifest.jsonl`, one line for each pair.

Lines are appended while pairs are written, so that a killed run loses none; at the end the file is rewritten,
sorted, with one line for each pair. If a name occurs twice, the later line counts.
"""

from __future__ import annotations

import dataclasses
import json
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_prep.near_duplicates import WORDS, Hashes, HashIndex
from pix2pix.errors import PairsError
from pix2pix.files import only_writer, write_atomically

LIKENESS = re.compile(rf"([0-9a-f]{{{16 * WORDS}}})?")


@dataclass(frozen=True)
class Record:
    """A line of the manifest. Hashes are SHA-256 in hex; `made` describes how the sketch was made.

    `likeness` is the perceptual hash of the photo in hex, `mask_sha256` the hash of the mask; both are empty
    in manifests of earlier versions.
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
    """Returns the records of a pairs folder, none if it is new. Raises PairsError for an invalid line.

    A last line without a line end, left by a killed run, is ignored.
    """
    path = pairs / "manifest.jsonl"
    if not path.is_file():
        return {}
    records: Records = {}
    *lines, _incomplete = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            record = _record(line)
        except (ValueError, TypeError, RecursionError) as error:
            raise PairsError(f"{path}, line {number}, is not the record of a pair: {error}") from error
        records[record.split, record.name] = record
    return records


class Manifest:
    """The records of a pairs folder, by name, content or near-duplicate. A context manager for writing."""

    def __init__(self, pairs: Path) -> None:
        """Reads the manifest. Raises PairsError if it is invalid."""
        self._path = pairs / "manifest.jsonl"
        self._changed = False
        self._read()

    def _read(self) -> None:
        self._records = read_manifest(self._path.parent)
        # In lower case, as some file systems ignore case: (split, name) -> its key in _records
        self._keys: dict[tuple[str, str], tuple[str, str]] = {}
        self._contents: dict[str, Record] = {}  # by source_sha256
        self._sources: dict[str, list[Record]] = {}
        self._hashes = HashIndex()
        self._hashed: list[Record] = []  # in the order of `_hashes`
        for record in self._records.values():
            self._index(record)

    def __enter__(self) -> Manifest:
        """Opens the manifest for writing.

        Raises OSError if the folder cannot be written to, FolderInUse if another run writes to it.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = ExitStack()
        self._lock.enter_context(only_writer(self._path.parent))
        self._read()  # another run may have added records
        if self._path.is_file() and not self._path.read_bytes().endswith(b"\n"):
            self._write()  # without the incomplete last line
        self._file = self._path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        """Sorts the file. If that fails, on a full disk, the unsorted file has the same content."""
        with suppress(OSError):
            self._file.close()
            if self._changed:
                self._write()
        self._lock.close()

    def named(self, split: str, name: str) -> Record | None:
        """Returns the pair of that name, ignoring case, or None."""
        key = self._keys.get((split, name.casefold()))
        return self._records.get(key) if key else None

    def of_content(self, source_sha256: str) -> Record | None:
        """Returns the pair made from the same bytes, or None."""
        record = self._contents.get(source_sha256)
        return record if record and self._is_current(record) else None

    def of_source(self, source: str) -> list[Record]:
        """Returns the pairs made from these files; several if prefixes differ."""
        return [record for record in self._sources.get(source, []) if self._is_current(record)]

    def like(self, likeness: Hashes) -> list[Record]:
        """Returns the pairs whose photos are near-duplicates of a photo with this hash (K,)."""
        found = (self._hashed[index] for index in self._hashes.like(likeness))
        return [record for record in found if self._is_current(record)]

    def add(self, record: Record) -> None:
        """Adds a pair; replaces one of the same name. Raises OSError if the file cannot be written."""
        self._changed = True
        self._file.write(_line(record))
        self._file.flush()
        self._records[record.split, record.name] = record
        self._index(record)

    def drop(self, split: str, name: str) -> None:
        """Removes a pair, if present."""
        self._changed |= self._records.pop((split, name), None) is not None

    def _is_current(self, record: Record) -> bool:
        return self._records.get((record.split, record.name)) is record

    def _index(self, record: Record) -> None:
        self._keys[record.split, record.name.casefold()] = (record.split, record.name)
        self._contents[record.source_sha256] = record
        self._sources.setdefault(record.source, []).append(record)
        if len(record.likeness) == 16 * WORDS:
            self._hashes.add(from_hex(record.likeness))
            self._hashed.append(record)

    def _write(self) -> None:
        lines = [_line(self._records[key]) for key in sorted(self._records)]
        write_atomically(self._path, b"".join(lines))


def to_hex(likeness: Hashes) -> str:
    """Returns a perceptual hash (K,) as text for a record."""
    return "".join(f"{word:016x}" for word in likeness.tolist())


def from_hex(text: str) -> Hashes:
    """Returns the perceptual hash (K,) from the text of a record."""
    return np.array([int(text[i : i + 16], 16) for i in range(0, len(text), 16)], np.uint64)


def _record(line: bytes) -> Record:
    """Raises ValueError, TypeError or RecursionError for an invalid line.

    Not pydantic: names may contain undecodable bytes as lone surrogates, which it refuses.
    """
    record = Record(**json.loads(line))
    texts = [value for name, value in vars(record).items() if name != "size_px"]
    if not all(isinstance(text, str) for text in texts) or type(record.size_px) is not int:
        raise TypeError("a field has the wrong type")
    if record.split not in ("train", "val") or not LIKENESS.fullmatch(record.likeness):
        raise ValueError("split or likeness is not valid")
    return record


def _line(record: Record) -> bytes:
    return json.dumps(dataclasses.asdict(record), ensure_ascii=True).encode() + b"\n"

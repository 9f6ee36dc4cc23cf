"""Writing a pairs folder: every file of the source goes in, or is named with the reason why not.

    PAIRS/{train,val}/sketches/NAME.png     grey, paper 255
    PAIRS/{train,val}/photos/NAME.jpg       quality 95 without chroma subsampling: a quarter of a PNG
    PAIRS/manifest.jsonl                    one line a pair: Record

Running again does only what is missing or changed. A pair never moves between train and val: the split comes
from the content's hash, whatever else is in the folder, and a pair in the manifest stays where it is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from data_prep.sources import KINDS, Fault, Kind, SourcePair, find_sources, read_source
from pix2pix.errors import ImageError, PairsError, UsageError
from pix2pix.files import write_atomically
from pix2pix.images import save_image

Status = Literal["written", "unchanged", "left out", "ignored"]


@dataclass(frozen=True)
class Prepared:
    """What became of one source: a pair (`name`, `split`) or a reason; `ignored` is what nobody misses.

    `files` is how many files of the source it accounts for.
    """

    source: str
    status: Status
    name: str | None = None
    split: str | None = None
    reason: str | None = None
    files: int = 1


@dataclass(frozen=True)
class Record:
    """A line of the manifest. Hashes are SHA-256 in hex; `made` says where the sketch came from."""

    name: str
    split: str
    source: str
    source_sha256: str
    sketch_sha256: str
    photo_sha256: str
    size_px: int
    made: str


Manifest = dict[tuple[str, str], Record]  # by (split, name)


def prepare(
    src: Path, pairs: Path, *, kind: Kind, val_fraction: float = 0.1, size_px: int = 256
) -> Iterator[Prepared]:
    """Import the pairs of `src` into `pairs`; one result a source, as it comes.

    `val_fraction` in [0, 1) splits sources that are not already split. Stopped half-way, what is written is
    whole and in the manifest.

    Raises UsageError for arguments out of range, PairsError for an unknown layout or a broken manifest.
    """
    if kind not in KINDS:
        raise UsageError(f"source kind {kind!r} is not one of: {', '.join(KINDS)}")
    if not 0 <= val_fraction < 1:
        raise UsageError(f"val fraction {val_fraction} is not in [0, 1)")
    if not 16 <= size_px <= 4096:
        raise UsageError(f"size {size_px} px is not in 16..4096")
    if pairs.resolve().is_relative_to(src.resolve()):
        raise UsageError(
            f"{pairs} lies inside of {src}: its pictures would be taken for sources the next time"
        )
    found = find_sources(src, kind)
    manifest = read_manifest(pairs)
    import_pair = partial(
        _import_pair,
        src=src,
        pairs=pairs,
        manifest=manifest,
        val_fraction=val_fraction,
        size_px=size_px,
        kind=kind,
    )
    return _import(found, src, pairs, manifest, import_pair)


def read_manifest(pairs: Path) -> Manifest:
    """The records of a pairs folder, none if it is new. Raises PairsError for a line that is not a record."""
    path = pairs / "manifest.jsonl"
    if not path.is_file():
        return {}
    manifest: Manifest = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = Record(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise PairsError(f"{path}, line {number}, is not a pair's record: {error}") from error
        manifest[record.split, record.name] = record
    return manifest


def _import(
    found: list[SourcePair | Fault],
    src: Path,
    pairs: Path,
    manifest: Manifest,
    import_pair: Callable[[SourcePair], Prepared],
) -> Iterator[Prepared]:
    pairs.mkdir(parents=True, exist_ok=True)
    try:
        for item in found:
            if isinstance(item, Fault):
                status: Status = "ignored" if item.harmless else "left out"
                yield Prepared(str(item.file.relative_to(src)), status, reason=item.reason)
            else:
                yield import_pair(item)
    finally:
        _write_manifest(pairs, manifest)


def _import_pair(
    item: SourcePair,
    *,
    src: Path,
    pairs: Path,
    manifest: Manifest,
    val_fraction: float,
    size_px: int,
    kind: Kind,
) -> Prepared:
    shown = " + ".join(path.relative_to(src).as_posix() for path in item.files)
    source = f"{src.resolve().name}/{shown}"
    try:
        digest = _file_hash(*item.files)
        split = item.split or _standing_split(item.name, source, manifest) or _split_of(digest, val_fraction)
        before = manifest.get((split, item.name))
        if before and before.source != source:
            raise PairsError(f"{pairs.name} already has a pair {item.name!r}, from {before.source}")
        paths = _paths(pairs, split, item.name)
        if before and _still_stands(before, (digest, size_px, kind), *paths):
            return Prepared(shown, "unchanged", item.name, split, files=len(item.files))
        sketch, photo = read_source(item, size_px)
        for path, picture in zip(paths, (sketch, photo), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            save_image(path, picture)
    except (ImageError, PairsError) as error:
        return Prepared(shown, "left out", item.name, reason=str(error), files=len(item.files))
    except OSError as error:
        return Prepared(
            shown, "left out", item.name, reason=f"{error.filename}: {error.strerror}", files=len(item.files)
        )
    sketch_hash, photo_hash = (_file_hash(path) for path in paths)
    record = Record(item.name, split, source, digest, sketch_hash, photo_hash, size_px, kind)
    manifest[split, item.name] = record
    return Prepared(shown, "written", item.name, split, files=len(item.files))


def _paths(pairs: Path, split: str, name: str) -> tuple[Path, Path]:
    sketch, photo = pairs / split / "sketches" / f"{name}.png", pairs / split / "photos" / f"{name}.jpg"
    for suffix in (".png", ".webp"):
        if (other := photo.with_name(photo.name[:-4] + suffix)).exists():
            raise PairsError(
                f"{pairs.name} already has another photo of that name, {other.relative_to(pairs)}"
            )
    return sketch, photo


def _standing_split(name: str, source: str, manifest: Manifest) -> str | None:
    """The split this very source already went to, if it did."""
    standing = (manifest.get((split, name)) for split in ("train", "val"))
    return next((record.split for record in standing if record and record.source == source), None)


def _split_of(digest: str, val_fraction: float) -> str:
    return "val" if int(digest[:8], 16) < val_fraction * 2**32 else "train"


def _still_stands(record: Record, made_of: tuple[str, int, str], sketch: Path, photo: Path) -> bool:
    """Whether the pair was made of the same bytes in the same way, and its files are as they were written."""
    if (record.source_sha256, record.size_px, record.made) != made_of:
        return False
    there = sketch.is_file() and photo.is_file()
    return there and (_file_hash(sketch), _file_hash(photo)) == (record.sketch_sha256, record.photo_sha256)


def _file_hash(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _write_manifest(pairs: Path, manifest: Manifest) -> None:
    lines = [json.dumps(dataclasses.asdict(manifest[key]), ensure_ascii=True) for key in sorted(manifest)]
    write_atomically(pairs / "manifest.jsonl", "".join(f"{line}\n" for line in lines).encode())

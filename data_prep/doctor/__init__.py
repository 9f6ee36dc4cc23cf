"""Auditing a pairs folder before training time is spent on it.

    found = survey(Path("pairs/shoes"))                         # which files pair up
    measured = list(examine(found, workers=2))                  # looks at every picture, once
    report = diagnose(found, measured)
    print(report.verdict)                                       # ready | usable, with warnings | not ready

`data_prep.doctor.report` makes text, JSON and a page of it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_prep.doctor.checks import Case, Finding, faults_of_pairs, finding
from data_prep.doctor.compare import faults_among_pairs
from data_prep.doctor.measure import Measured, PairFiles, measure
from data_prep.manifest import Records, read_manifest
from data_prep.pair_worker import makers
from pix2pix.errors import PairsError
from pix2pix.images.listing import PHOTO_SUFFIXES, list_pictures

Verdict = Literal["ready", "usable, with warnings", "not ready"]

SPLITS = ("train", "val")
OTHERS = 64  # pairs whose photos each sketch is held against
CHUNK = 32  # pairs that a worker takes at a time
AHEAD = 4  # chunks under way for each worker
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Survey:
    """The files of a pairs folder: what pairs up, what does not, and the manifest's records if it has one."""

    folder: Path
    pairs: tuple[PairFiles, ...]
    records: Records | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """The outcome of an audit: gravest findings first."""

    folder: Path
    measured: tuple[Measured, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """As the gravest finding has it; notes do not count."""
        severities = {found.severity for found in self.findings}
        if "error" in severities:
            return "not ready"
        return "usable, with warnings" if "warning" in severities else "ready"

    @property
    def counts(self) -> dict[str, int]:
        """Pairs by split."""
        splits = Counter(one.pair.key.split("/")[0] for one in self.measured)
        return {split: splits[split] for split in SPLITS}

    @property
    def sizes(self) -> dict[str, int]:
        """Pairs by their photo's size, such as 256x256, commonest first."""
        sizes = Counter(one.looks.photo_px for one in self.measured if one.looks)
        return {f"{width}x{height}": count for (width, height), count in sizes.most_common()}


def survey(folder: Path) -> Survey:
    """Pair the files of a pairs folder as training does; what training refuses or passes over is a finding.

    Raises UsageError for a folder that is missing or cannot be listed, PairsError for no pairs folder.
    """
    sketches: dict[str, Path] = {}
    photos: dict[str, list[Path]] = {}
    masks: dict[str, Path] = {}
    outside: list[str] = []
    for path in _files(folder):
        split, _, rest = path.relative_to(folder).with_suffix("").as_posix().partition("/")
        kind, _, name = rest.partition("/")
        key = f"{split}/{name}"
        if split in SPLITS and kind == "sketches" and path.suffix == ".png":
            sketches[key] = path
        elif split in SPLITS and kind == "photos" and path.suffix in PHOTO_SUFFIXES:
            photos.setdefault(key, []).append(path)
        elif split in SPLITS and kind == "masks" and path.suffix == ".png":
            masks[key] = path
        elif path != folder / "manifest.jsonl":
            outside.append(path.relative_to(folder).as_posix())
    if not sketches and not photos:
        raise PairsError(
            f"{folder} is no pairs folder: expected train/sketches/NAME.png with train/photos/NAME.jpg (or "
            ".png, .webp), and the same in val/; `pix2pix prepare` makes such a folder"
        )
    pairs = [
        PairFiles(key, path, photos[key][0], masks.get(key))
        for key, path in sketches.items()
        if len(photos.get(key, [])) == 1
    ]
    outside += [path.relative_to(folder).as_posix() for key, path in masks.items() if key not in sketches]
    records, broken = _read_manifest(folder)
    findings = [*_unpaired(sketches, photos), *_outside(outside), *broken]
    return Survey(folder, tuple(pairs), records, tuple(findings))


def examine(found: Survey, *, workers: int = 1) -> Iterator[Measured]:
    """Measure each pair, in order, as it comes.

    `workers` processes give what one gives; more than one need a main module that can be imported. Raises
    PairsError where the system ended one of them.
    """
    others = found.pairs[:: max(1, len(found.pairs) // OTHERS)][:OTHERS]
    chunks = [found.pairs[start : start + CHUNK] for start in range(0, len(found.pairs), CHUNK)]
    pending: deque[Future[list[Measured]]] = deque()
    with makers(workers) as executor:
        try:
            for chunk in chunks:
                pending.append(executor.submit(measure, chunk, others))
                if workers == 1 or len(pending) > AHEAD * workers:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        except BrokenProcessPool as error:
            raise PairsError(
                "a process that reads pictures was killed, for want of memory perhaps: free some, or look "
                "for huge pictures"
            ) from error


def diagnose(found: Survey, measured: list[Measured]) -> Report:
    """Turn what was measured into findings, gravest first."""
    among = faults_among_pairs(measured, found.records)
    findings = [*found.findings, *faults_of_pairs(measured), *among]
    findings.sort(key=lambda one: SEVERITIES.index(one.severity))
    return Report(found.folder, tuple(measured), tuple(findings))


def _files(folder: Path) -> list[Path]:
    """Every file of a pairs folder, sorted; the folders of its splits may be links."""
    inside = (folder / split / kind for split in SPLITS for kind in ("sketches", "photos", "masks"))
    roots = [folder, *(root for root in inside if root.is_dir())]
    return sorted({path for root in roots for paths in list_pictures(root) for path in paths})


def _unpaired(sketches: dict[str, Path], photos: dict[str, list[Path]]) -> Iterator[Finding]:
    yield from finding(
        "orphan-sketch",
        "error",
        (Case((key,), "no photo of its name") for key in sketches if key not in photos),
        "Sketches without a photo: {n}. Training refuses the folder: add the photos (.jpg, .png or .webp), "
        "or delete the sketches.",
    )
    yield from finding(
        "several-photos",
        "error",
        (
            Case((key,), ", ".join(path.name for path in photos[key]))
            for key in sketches
            if len(photos.get(key, [])) > 1
        ),
        "Sketches with several photos: {n}. Training refuses the folder: keep one photo of each name.",
    )
    yield from finding(
        "orphan-photo",
        "warning",
        (Case((key,), "no sketch of its name") for key in photos if key not in sketches),
        "Photos without a sketch: {n}. Training passes over them: add sketches/NAME.png, or delete them.",
    )


def _outside(files: list[str]) -> Iterator[Finding]:
    yield from finding(
        "outside",
        "note",
        (Case((), name) for name in files),
        "Files that are no part of a pair: {n}. Training reads only {{train,val}}/sketches/NAME.png, "
        "{{train,val}}/photos/NAME.{{jpg,png,webp}} and {{train,val}}/masks/NAME.png, in small letters.",
    )


def _read_manifest(folder: Path) -> tuple[Records | None, Iterator[Finding]]:
    """The manifest's records, None without a whole one, and what is to be said of that."""
    path = folder / "manifest.jsonl"
    if not path.is_file():
        told = "There is no manifest.jsonl: where the pairs come from is not recorded. Training does without."
        return None, iter([Finding("no-manifest", "note", told)])
    try:
        return read_manifest(folder), iter([])
    except (PairsError, OSError) as error:
        told = "The manifest cannot be read, nor the files held against it: restore it, or delete it."
        return None, iter([Finding("broken-manifest", "warning", told, (Case((), str(error)),))])

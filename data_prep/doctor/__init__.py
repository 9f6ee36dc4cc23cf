"""Audits a pairs folder before training.

    found = survey(Path("pairs/shoes"))                         # which files pair up
    measured = list(examine(found, workers=2))                  # reads every picture once
    report = diagnose(found, measured)
    print(report.verdict)                                       # ready | usable, with warnings | not ready

`data_prep.doctor.report` formats it as text, JSON and HTML.
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
OTHERS = 64  # pairs whose photos each sketch is compared with
CHUNK = 32  # pairs of one job
AHEAD = 4  # jobs for each worker
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Survey:
    """The files of a pairs folder: pairs, findings on the other files, and the records of the manifest."""

    folder: Path
    pairs: tuple[PairFiles, ...]
    records: Records | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """The result of an audit; errors come first, then warnings, then notes."""

    folder: Path
    measured: tuple[Measured, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict for the most severe finding; notes do not count."""
        severities = {found.severity for found in self.findings}
        if "error" in severities:
            return "not ready"
        return "usable, with warnings" if "warning" in severities else "ready"

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of pairs by split."""
        splits = Counter(one.pair.key.split("/")[0] for one in self.measured)
        return {split: splits[split] for split in SPLITS}

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers of pairs by the size of the photo, such as 256x256, most common first."""
        sizes = Counter(one.looks.photo_px for one in self.measured if one.looks)
        return {f"{width}x{height}": count for (width, height), count in sizes.most_common()}


def survey(folder: Path) -> Survey:
    """Pairs the files of a folder as training does; a file that training refuses or ignores is a finding.

    Raises UsageError if the folder is missing or cannot be listed, PairsError if it is not a pairs folder.
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
            f"{folder} is not a pairs folder: expected train/sketches/NAME.png with train/photos/NAME.jpg "
            "(or .png, .webp), and the same in val/; `pix2pix prepare` makes such a folder"
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
    """Yields the measurements of each pair, in order.

    They do not depend on the number of `workers`; several processes need a main module that can be imported.
    Raises PairsError if a worker was killed.
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
                "a worker process was killed, perhaps for lack of memory: free some, or look for huge "
                "pictures"
            ) from error


def diagnose(found: Survey, measured: list[Measured]) -> Report:
    """Returns the report of a survey and its measurements."""
    among = faults_among_pairs(measured, found.records)
    findings = [*found.findings, *faults_of_pairs(measured), *among]
    findings.sort(key=lambda one: SEVERITIES.index(one.severity))
    return Report(found.folder, tuple(measured), tuple(findings))


def _files(folder: Path) -> list[Path]:
    """All files of a pairs folder, sorted; its folders may be links."""
    inside = (folder / split / kind for split in SPLITS for kind in ("sketches", "photos", "masks"))
    roots = [folder, *(root for root in inside if root.is_dir())]
    return sorted(
        {path for root in roots for paths in list_pictures(root) for path in paths if not path.is_dir()}
    )


def _unpaired(sketches: dict[str, Path], photos: dict[str, list[Path]]) -> Iterator[Finding]:
    yield from finding(
        "orphan-sketch",
        "error",
        (Case((key,), "no photo of this name") for key in sketches if key not in photos),
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
        (Case((key,), "no sketch of this name") for key in photos if key not in sketches),
        "Photos without a sketch: {n}. Training ignores them: add sketches/NAME.png, or delete them.",
    )


def _outside(files: list[str]) -> Iterator[Finding]:
    yield from finding(
        "outside",
        "note",
        (Case((), name) for name in files),
        "Files that are not part of a pair: {n}. Training reads only {{train,val}}/sketches/NAME.png, "
        "{{train,val}}/photos/NAME.{{jpg,png,webp}} and {{train,val}}/masks/NAME.png, in lower case.",
    )


def _read_manifest(folder: Path) -> tuple[Records | None, Iterator[Finding]]:
    """The records of the manifest, None if it is missing or invalid, and the findings on that."""
    path = folder / "manifest.jsonl"
    if not path.is_file():
        message = (
            "There is no manifest.jsonl, so the sources of the pairs are unknown. Training does not need it."
        )
        return None, iter([Finding("no-manifest", "note", message)])
    try:
        return read_manifest(folder), iter([])
    except (PairsError, OSError) as error:
        message = (
            "The manifest cannot be read, so the files were not compared with it: restore it, or delete it."
        )
        return None, iter([Finding("broken-manifest", "warning", message, (Case((), str(error)),))])

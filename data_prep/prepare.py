"""Writes a pairs folder. Every file of the source becomes a pair, or is reported with the reason.

    PAIRS/{train,val}/sketches/NAME.png     grey, paper 255
    PAIRS/{train,val}/photos/NAME.jpg       quality 95 without chroma subsampling: a quarter of a PNG
    PAIRS/{train,val}/masks/NAME.png        grey, product 255, ground 0
    PAIRS/manifest.jsonl                    one line for each pair: Record

A second run does only what is missing or has changed, and adds masks that earlier versions did not write. A
pair never moves between train and val: the split depends on the hash of the content only, and a pair in the
manifest keeps its split. A near-duplicate of a photo in the folder gets the split of that photo.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections import deque
from collections.abc import Generator
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from data_prep.find_sources import find_sources
from data_prep.manifest import Manifest, Record, to_hex
from data_prep.names import with_distinct_names
from data_prep.near_duplicates import Hashes
from data_prep.pair_worker import Made, Recipe, add_mask, make_pair, makers
from data_prep.sources import Fault, Kind, SourcePair
from pix2pix.errors import ImageError, PairsError, UsageError
from pix2pix.files import write_together
from pix2pix.images.subject import Fit

Status = Literal["written", "unchanged", "left out", "ignored", "stopped"]
AHEAD = 8  # jobs for each worker, so that none waits for a slow one
FATAL_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


@dataclass(frozen=True)
class Prepared:
    """The result for one source: a pair (`name`, `split`) or a reason.

    `ignored` are files from which no pair was to be expected; `stopped` is the last result, for example on a
    full disk. `files` is the number of files of the source. A pair that `keeps_split` is there already, on
    another side than `val_fraction` gives to a new one.
    """

    source: str
    status: Status
    name: str | None = None
    split: str | None = None
    reason: str | None = None
    files: int = 1
    keeps_split: bool = False


@dataclass(frozen=True)
class _Job:
    """A pair being made: `source` is the text for the manifest, `shown` the one for the user."""

    item: SourcePair
    shown: str
    source: str
    source_sha256: str
    made: Future[Made]
    keeps_split: bool


def prepare(
    src: Path,
    pairs: Path,
    *,
    kind: Kind = "photos",
    edges: str = "learned",
    fit: Fit = "pad",
    prefix: str = "",
    val_fraction: float = 0.1,
    size_px: int = 256,
    workers: int = 1,
) -> Generator[Prepared, None, None]:
    """Makes pairs in `pairs` from the files below `src`; yields one result for each source, in order.

    `edges` (one of data_prep.edges.EDGE_METHODS) draws the sketches of photos, `fit` makes them square.
    `prefix` goes before the names of the pairs, as a folder. `val_fraction` in [0, 1) splits sources that are
    not already split. The result does not depend on the number of `workers`; several processes need a main
    module that can be imported. If the run is closed or killed, all written pairs are complete and in the
    manifest.

    Raises UsageError for arguments out of range, PairsError for an unknown layout or a broken manifest.
    """
    recipe = Recipe(kind, size_px, edges, fit)
    _check_prefix(prefix)
    if not 0 <= val_fraction < 1:
        raise UsageError(f"val fraction {val_fraction} is not in [0, 1)")
    if not 1 <= workers <= 1024:
        raise UsageError(f"workers {workers} is not in 1..1024")
    if src.resolve().is_relative_to(pairs.resolve()):
        raise UsageError(f"{src} is inside of {pairs}: the pairs would overwrite its pictures")
    if pairs.resolve().is_relative_to(src.resolve()):
        raise UsageError(f"{pairs} is inside of {src}: the next run would use its pictures as sources")
    found = find_sources(src, kind, prefix)
    manifest = Manifest(pairs)
    return _Import(src, pairs, manifest, recipe, val_fraction).run(
        with_distinct_names(found, manifest), workers
    )


_Pending: TypeAlias = Prepared | _Job


class _Import:
    """One run of `prepare`."""

    def __init__(
        self, src: Path, pairs: Path, manifest: Manifest, recipe: Recipe, val_fraction: float
    ) -> None:
        self.src, self.pairs, self.manifest, self.recipe = src, pairs, manifest, recipe
        self.root, self.val_fraction = pairs.resolve(), val_fraction
        self.file_of: dict[str, str] = {}  # of this run's sources, by SHA-256

    def run(self, found: list[SourcePair | Fault], workers: int) -> Generator[Prepared, None, None]:
        """Starts up to AHEAD jobs for each worker, and yields the results in order."""
        ahead = AHEAD * workers if workers > 1 else 0
        with self.manifest, makers(workers) as executor:
            pending: deque[_Pending] = deque()
            for item in [*found, None]:
                if item is not None:
                    pending.append(self._begin(item, executor))
                while len(pending) > (ahead if item is not None else 0):
                    yield (result := self._end(pending.popleft()))
                    if result.status == "stopped":
                        return

    def _begin(self, item: SourcePair | Fault, executor: Executor) -> _Pending:
        """Submits a job, unless the pair is up to date or the source is refused."""
        if isinstance(item, Fault):
            status: Status = "ignored" if item.harmless else "left out"
            return Prepared(item.file.relative_to(self.src).as_posix(), status, reason=item.reason)
        shown = " + ".join(path.relative_to(self.src).as_posix() for path in item.files)
        if any(path.resolve().is_relative_to(self.root) for path in item.files):  # by a link
            reason = f"is in the pairs folder {self.pairs}"
            return Prepared(shown, "ignored", item.name, reason=reason, files=len(item.files))
        source = item.source
        try:
            digest = item.sha256()
            before = self._earlier_record(item, source, digest)
            by_hash = item.split or _split_of(digest, self.val_fraction)
            keeps_split = before is not None and before.split != by_hash
            if before and self._is_up_to_date(before, digest):
                count = len(item.files)
                return Prepared(shown, "unchanged", item.name, before.split, None, count, keeps_split)
            if self.recipe.kind == "photos":
                self._refuse_same_content(digest, shown, before)
            made = self._submit(item, before, digest, executor)
            return _Job(item, shown, source, digest, made, keeps_split)
        except BrokenProcessPool:
            return _killed(item, shown)
        except (PairsError, OSError) as error:
            return _left_out(item, shown, error)

    def _end(self, job: _Pending) -> Prepared:
        """Waits for a pair, chooses its split and writes it."""
        if isinstance(job, Prepared):
            return job
        try:
            made = job.made.result()
            split = self._split(job, made.likeness)
            self._write(job, made, split)
        except BrokenProcessPool:
            return _killed(job.item, job.shown)
        except (ImageError, PairsError) as error:
            return _left_out(job.item, job.shown, error)
        except OSError as error:
            if error.errno not in FATAL_ERRORS:
                return _left_out(job.item, job.shown, error)
            reason = f"{self.pairs}: {error.strerror}; run the same command again to continue"
            return Prepared(job.shown, "stopped", job.item.name, reason=reason)
        count = len(job.item.files)
        return Prepared(job.shown, "written", job.item.name, split, None, count, job.keeps_split)

    def _submit(
        self, item: SourcePair, before: Record | None, digest: str, executor: Executor
    ) -> Future[Made]:
        """Submits a pair, or only the mask of one without: drawing edges takes most of the time."""
        drawn = self.recipe.kind == "photos"  # photos of other kinds may need a white background
        if before and drawn and not before.mask_sha256 and self._matches_source(before, digest):
            sketch, photo, _ = _paths(self.pairs, before.split, before.name)
            return executor.submit(add_mask, sketch, photo)
        return executor.submit(make_pair, item, self.recipe)

    def _earlier_record(self, item: SourcePair, source: str, digest: str) -> Record | None:
        """The pair of that name made from this source, also if it has changed or moved since."""
        splits = (item.split,) if item.split else ("train", "val")
        named = [record for split in splits if (record := self.manifest.named(split, item.name))]
        return next((r for r in named if r.source == source or r.source_sha256 == digest), None)

    def _is_up_to_date(self, record: Record, digest: str) -> bool:
        """Whether the pair was made from the same bytes with the same recipe, and no file has changed."""
        mask = _paths(self.pairs, record.split, record.name)[-1]
        return self._matches_source(record, digest) and _is_file(mask, record.mask_sha256)

    def _matches_source(self, record: Record, digest: str) -> bool:
        """As `_is_up_to_date`, without the mask."""
        made_from = (record.source_sha256, record.size_px, record.made)
        if made_from != (digest, self.recipe.size_px, str(self.recipe)) or not record.likeness:
            return False
        sketch, photo, _ = _paths(self.pairs, record.split, record.name)
        return _is_file(sketch, record.sketch_sha256) and _is_file(photo, record.photo_sha256)

    def _refuse_same_content(self, digest: str, shown: str, before: Record | None) -> None:
        first = self.file_of.setdefault(digest, shown)
        if first != shown:
            raise PairsError(f"it is the same file as {first}")
        record = self.manifest.of_content(digest)
        if record and record is not before:
            raise PairsError(f"it is the same file as {record.source}, already {_called(record)}")

    def _split(self, job: _Job, likeness: Hashes) -> str:
        """The split of the source, else of the earlier pair, else of near-duplicates, else by the hash."""
        if job.item.split:
            return job.item.split
        before = self._earlier_record(job.item, job.source, job.source_sha256)
        if before and before.source_sha256 == job.source_sha256:
            return before.split
        like = {record.split: record for record in self.manifest.like(likeness)}
        if before:
            like[before.split] = before
        if len(like) > 1:
            both = " and of ".join(_called(like[split]) for split in ("train", "val"))
            raise PairsError(f"it is a near-duplicate of {both}, which are in different splits")
        return next(iter(like), None) or _split_of(job.source_sha256, self.val_fraction)

    def _write(self, job: _Job, made: Made, split: str) -> None:
        """Writes the three files and the line of the manifest, all or none."""
        name = job.item.name
        before = self.manifest.named(split, name)
        if before and before.source != job.source and before.source_sha256 != job.source_sha256:
            raise PairsError(
                f"{self.pairs.name} already has a pair {before.name!r}, from {before.source}; "
                "use --prefix for one of the sources"
            )
        files = (made.sketch, made.photo, made.mask)
        contents = dict(zip(_paths(self.pairs, split, name), files, strict=True))
        new = [path for path in contents if not path.exists()]
        for path, data in contents.items():
            if not before and path not in new and path.read_bytes() != data:
                raise PairsError(f"{path} exists already and is not in the manifest")
        try:
            for path in contents:
                path.parent.mkdir(parents=True, exist_ok=True)
            write_together(contents)
            self.manifest.add(self._record(job, made, split))
        except BaseException:
            for path in new:
                with suppress(OSError):
                    path.unlink()
            if not before:
                self.manifest.drop(split, name)
            raise

    def _record(self, job: _Job, made: Made, split: str) -> Record:
        return Record(
            name=job.item.name,
            split=split,
            source=job.source,
            source_sha256=job.source_sha256,
            sketch_sha256=hashlib.sha256(made.sketch).hexdigest(),
            photo_sha256=hashlib.sha256(made.photo).hexdigest(),
            size_px=self.recipe.size_px,
            made=str(self.recipe),
            likeness=to_hex(made.likeness),
            mask_sha256=hashlib.sha256(made.mask).hexdigest(),
        )


def _check_prefix(prefix: str) -> None:
    plain = all(part and not part.startswith(".") and part.isprintable() for part in prefix.split("/"))
    if prefix and (not plain or "\\" in prefix):
        raise UsageError(f"prefix {prefix!r} is not a relative path such as shoes/zappos")


def _paths(pairs: Path, split: str, name: str) -> tuple[Path, Path, Path]:
    sketch, photo = pairs / split / "sketches" / f"{name}.png", pairs / split / "photos" / f"{name}.jpg"
    for suffix in (".png", ".webp"):
        if (other := photo.with_name(photo.name[:-4] + suffix)).exists():
            raise PairsError(
                f"{pairs.name} already has another photo of that name, {other.relative_to(pairs)}"
            )
    return sketch, photo, pairs / split / "masks" / f"{name}.png"


def _split_of(digest: str, val_fraction: float) -> str:
    return "val" if int(digest[:8], 16) < val_fraction * 2**32 else "train"


def _called(record: Record) -> str:
    return f"{record.split}/{record.name}"


def _killed(item: SourcePair, shown: str) -> Prepared:
    reason = "a worker process was killed, perhaps for lack of memory: try fewer workers"
    return Prepared(shown, "stopped", item.name, reason=reason)


def _left_out(item: SourcePair, shown: str, error: Exception) -> Prepared:
    reason = str(error)
    if isinstance(error, OSError) and error.filename:
        where = Path(os.fsdecode(error.filename))
        reason = f"{where.parent if where.suffix == '.part' else where}: {error.strerror}"
    return Prepared(shown, "left out", item.name, reason=reason, files=len(item.files))


def _is_file(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

"""Folder in, folder out: every sketch below SRC becomes a photo of its own size and place below DST.

for result in convert_folder(pix2pix.load("shoes"), Path("sketches"), Path("photos"), Options(seed=7)):
    print(result.source, result.status, result.error or "")

Sketches are read ahead and photos written behind in threads, while the device computes. What is done is kept
in DST/manifest.jsonl (`ledger`): a job that was killed goes on, a sketch that has changed is done again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from pix2pix.errors import ImageError, UsageError
from pix2pix.files import list_pictures, only_writer, sweep, why_not_a_picture
from pix2pix.framing import UInt8, resized
from pix2pix.images import SAVED_AS, Placement, fit_sketch, read_sketch, restore_photo, save_image
from pix2pix.latents import seeds_from
from pix2pix.ledger import Entry, Ledger, Stamp
from pix2pix.places import is_local

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Status = Literal["converted", "skipped", "ignored", "failed"]

MAX_VARIANTS = 100
MAX_SIZE_PX = 8192
AHEAD = 3  # batches that are read, or written, while one is computed
HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # no other file can be written either


class BatchTranslator(Protocol):
    """What conversion needs of a `Translator`."""

    @property
    def size_px(self) -> int:
        """Side of the model's square."""
        ...

    @property
    def latent_size(self) -> int:
        """How many numbers z has; 0 for a model with one answer to each sketch."""
        ...

    @property
    def takes_loose(self) -> bool:
        """Whether it can be told how literally to take the lines."""
        ...

    @property
    def digest(self) -> str:
        """What tells its bundle from any other."""
        ...

    def latent(self, seed: int) -> Float32:
        """The z (Z,) that a seed stands for."""
        ...

    def answer_batch(
        self, sketches: UInt8, z: Float32, loose: Float32 | None, rows: Int64
    ) -> tuple[UInt8, Float32 | None]:
        """As `Translator.answer_batch`."""
        ...


@dataclass(frozen=True)
class Options:
    """How sketches are converted. Raises UsageError for what is out of range."""

    seed: int = 0
    z: Float32 | None = None  # (Z,), instead of seeds
    variants: int = 1  # from 2 on NAME-1 to NAME-K, of the seeds from `seed` on
    loose: float | None = None  # how literally the lines are taken, 0 to 1; None guesses it from each sketch
    size: int | Literal["source", "model"] = (
        "source"  # the sketch's own, the model's square, or the longer side
    )
    suffix: str = ".png"  # or another of `SAVED_AS`; "" keeps each sketch's own, where it can be written
    overwrite: bool = False  # photos that are there already are made anew
    batch_size: int = 8

    def __post_init__(self) -> None:
        """Check each by itself."""
        if not 1 <= self.variants <= MAX_VARIANTS:
            raise UsageError(f"variants {self.variants} is not in 1..{MAX_VARIANTS}")
        if self.z is not None and self.variants > 1:
            raise UsageError(f"a given z has one answer, not {self.variants}")
        if self.batch_size < 1:
            raise UsageError(f"batch size {self.batch_size} is not at least 1")
        if self.loose is not None and not 0 <= self.loose <= 1:
            raise UsageError(f"looseness {self.loose} is not in 0..1")
        if isinstance(self.size, int) and not 1 <= self.size <= MAX_SIZE_PX:
            raise UsageError(f"size {self.size} px is not in 1..{MAX_SIZE_PX}")
        if self.suffix and self.suffix not in SAVED_AS:
            raise UsageError(f"format {self.suffix!r} is not one of {', '.join(SAVED_AS)}")

    def latents(self, translator: BatchTranslator) -> Float32:
        """The z of each variant (K, Z). Raises UsageError for what this model cannot be asked for."""
        if self.variants > 1 and translator.latent_size == 0:
            raise UsageError(f"this model has no z: one answer to each sketch, not {self.variants}")
        if self.loose is not None and not translator.takes_loose:
            raise UsageError(f"looseness {self.loose} was asked for, but this model knows none")
        if self.z is not None:
            return self.z[None]
        return np.stack([translator.latent(one) for one in seeds_from(self.seed, self.variants)])


@dataclass(frozen=True)
class Converted:
    """What became of one file.

    `converted`: `outputs` were written. `skipped`: they were there already. `ignored`: the file is not a
    picture by its name, which is no failure. `failed`: `error` says why.
    """

    source: Path
    status: Status
    outputs: tuple[Path, ...] = ()
    error: str | None = None


@dataclass
class _Sketch:
    """One source on its way: what is to be made of it."""

    source: Path
    name: str  # in the ledger
    outputs: tuple[Path, ...]
    made_of: Stamp | None  # its photos, by a job of the same settings before this one
    stamp: Stamp = field(default_factory=lambda: Stamp(0, ""))
    fitted: UInt8 | None = None
    placement: Placement | None = None
    wanted: list[int] = field(default_factory=list)  # variants still to be made
    unwritten: int = 0
    error: str | None = None
    unchanged: bool = False
    timings_ms: dict[str, float] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return self.unwritten == 0


def convert_folder(
    translator: BatchTranslator,
    source: Path | list[Path],
    destination: Path,
    options: Options | None = None,
) -> Iterator[Converted]:
    """Convert the sketches below a folder, one file, or those of a list; one result a file, in their order.

    Sub-folders and names are kept (of a list, where they are relative). Every photo is written whole or not
    at all. What the ledger says was made of the same sketch in the same way is left; of a sketch that has
    changed it is made anew. Photos that the ledger does not know, or of other settings, are left without
    `overwrite`. A photo does not depend on the batch it was made in.

    Raises UsageError, before anything is written, for arguments out of range or not for this model, a missing
    source, a destination inside of the source (its photos would be sketches the next time), two sources of
    one output name; FolderInUse where another job writes to the destination; OSError where it cannot be
    written, or is full.
    """
    options = options or Options()
    z = options.latents(translator)
    pictures, others, root = _listed(source, destination)
    planned = _plan(pictures, root, destination, options)
    return _convert(translator, planned, others, destination, options, z)


def _listed(source: Path | list[Path], destination: Path) -> tuple[list[Path], list[Path], Path | None]:
    """Pictures, other files, and the folder that names are relative to; None for a list."""
    folder = None if isinstance(source, list) or not source.is_dir() else source
    beside = folder is not None and is_local(folder) == is_local(destination)
    if folder and beside and destination.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"the destination {destination} lies inside of the source {source}; choose one outside"
        )
    if destination.exists() and not destination.is_dir():
        raise UsageError(f"the destination {destination} is a file; it must be a folder")
    if isinstance(source, list):
        return list(dict.fromkeys(source)), [], None
    if source.is_file():
        return [source], [], source.parent
    pictures, others = list_pictures(source)
    return pictures, others, source


def _plan(
    pictures: list[Path], root: Path | None, destination: Path, options: Options
) -> dict[Path, tuple[str, tuple[Path, ...]]]:
    """Name and outputs by source. Raises UsageError if two sources would write one file."""
    planned: dict[Path, tuple[str, tuple[Path, ...]]] = {}
    writers: dict[str, Path] = {}
    sources = {path.resolve(): path for path in pictures}
    for path in pictures:
        name = _name(path, root)
        stem = destination / str(name.with_suffix(""))
        suffix = options.suffix or (path.suffix.lower() if path.suffix.lower() in SAVED_AS else ".png")
        endings = [f"-{i + 1}{suffix}" for i in range(options.variants)] if options.variants > 1 else [suffix]
        outputs = tuple(stem.with_name(stem.name + ending) for ending in endings)
        planned[path] = (str(name), outputs)
        for output in outputs:
            if (sketch := sources.get(output.resolve())) is not None:
                raise UsageError(
                    f"the sketch {sketch} would be replaced by a photo; choose another destination"
                )
            # Case-folded: on many systems A.png and a.png are one file.
            first = writers.setdefault(str(output).casefold(), path)
            if first != path:
                raise UsageError(f"{first} and {path} would both become {output}; rename one of them")
    return planned


def _name(path: Path, root: Path | None) -> PurePosixPath:
    """What it is called below the destination."""
    if root is not None:
        return PurePosixPath(path.relative_to(root).as_posix())
    alone = not is_local(path) or path.is_absolute() or ".." in path.parts
    return PurePosixPath(path.name if alone else path.as_posix())


def _convert(
    translator: BatchTranslator,
    planned: dict[Path, tuple[str, tuple[Path, ...]]],
    others: list[Path],
    destination: Path,
    options: Options,
    z: Float32,
) -> Iterator[Converted]:
    for path in others:
        yield Converted(path, "ignored", error=why_not_a_picture(path))
    if not planned:
        return
    destination.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if is_local(destination):
            stack.enter_context(only_writer(destination))
            sweep(destination)
        settings = _settings(translator, options)
        ledger = stack.enter_context(Ledger(destination, settings))
        job = _Job(translator, ledger, settings, options, z)
        stack.callback(job.stop)
        yield from job.run(planned)


def _settings(translator: BatchTranslator, options: Options) -> dict[str, Any]:
    """All that a photo depends on, beside the sketch, as JSON has it."""
    z = None if options.z is None else options.z.tolist()
    return {
        "bundle": translator.digest,
        "seed": options.seed if z is None else None,
        "z": z,
        "variants": options.variants,
        "loose": options.loose,
        "size": options.size,
    }


class _Job:
    """Reads ahead, computes, writes behind."""

    def __init__(
        self,
        translator: BatchTranslator,
        ledger: Ledger,
        settings: dict[str, Any],
        options: Options,
        z: Float32,
    ) -> None:
        self.translator, self.ledger, self.settings = translator, ledger, settings
        self.options, self.z = options, z
        self.window = AHEAD * options.batch_size
        self.pool = ThreadPoolExecutor(max(2, min(16, os.cpu_count() or 2)), "files")
        self.writing: deque[tuple[_Sketch, Future[float]]] = deque()
        self.under_way: deque[_Sketch] = deque()  # in their order, until they are told

    def stop(self) -> None:
        """What is being written is finished, nothing else is begun."""
        self.pool.shutdown(cancel_futures=True)

    def run(self, planned: dict[Path, tuple[str, tuple[Path, ...]]]) -> Iterator[Converted]:
        """One result a source, in their order."""
        ahead: deque[tuple[_Sketch, Future[None]]] = deque()
        batch: list[tuple[_Sketch, int]] = []
        left = iter(planned.items())
        while True:
            while len(ahead) < self.window and (one := next(left, None)) is not None:
                sketch = self._begin(*one)
                ahead.append((sketch, self.pool.submit(self._read, sketch)))
            if not ahead:
                break
            sketch, reading = ahead.popleft()
            reading.result()
            self.under_way.append(sketch)
            sketch.unwritten = len(sketch.wanted)
            batch += [(sketch, variant) for variant in sketch.wanted]
            while len(batch) >= self.options.batch_size:
                self._compute(batch[: self.options.batch_size])
                del batch[: self.options.batch_size]
            yield from self._told(at_most=self.window)
        if batch:
            self._compute(batch)
        yield from self._told(at_most=0)

    def _begin(self, source: Path, planned: tuple[str, tuple[Path, ...]]) -> _Sketch:
        name, outputs = planned
        return _Sketch(source, name, outputs, self.ledger.made.get(name))

    def _read(self, sketch: _Sketch) -> None:
        """In a thread: look at the source, and decode it where there is something to be made of it."""
        began = time.perf_counter()
        missing = [i for i, output in enumerate(sketch.outputs) if not output.exists()]
        try:
            sketch.stamp = Stamp.of(sketch.source)
            before, whole = sketch.made_of, not missing and not self.options.overwrite
            if whole and (before is None or before.looks_like(sketch.stamp)):
                sketch.unchanged = True
                return
            data = sketch.source.read_bytes()
            sketch.stamp = replace(sketch.stamp, sha256=hashlib.sha256(data).hexdigest())
            changed = before is not None and before.sha256 != sketch.stamp.sha256
            if whole and not changed:
                sketch.unchanged = True
                return
            sketch.fitted, sketch.placement = fit_sketch(read_sketch(data), self.translator.size_px)
            redone = changed or self.options.overwrite
            sketch.wanted = list(range(len(sketch.outputs))) if redone else missing
        except ImageError as error:
            sketch.error = str(error).replace("the image", sketch.source.name, 1)
        except OSError as error:
            sketch.error = f"{sketch.source} cannot be read: {error.strerror or error}."
        sketch.timings_ms["read"] = 1000 * (time.perf_counter() - began)

    def _compute(self, batch: list[tuple[_Sketch, int]]) -> None:
        """Photos of a batch, and have them written."""
        began = time.perf_counter()
        sketches = {sketch.name: sketch.fitted for sketch, _ in batch if sketch.fitted is not None}
        order = {name: i for i, name in enumerate(sketches)}
        rows = np.array([order[sketch.name] for sketch, _ in batch])
        told = None if self.options.loose is None else np.full(len(batch), self.options.loose, np.float32)
        z = self.z[[variant for _, variant in batch]]
        photos, _ = self.translator.answer_batch(np.stack([*sketches.values()]), z, told, rows)
        took_ms = 1000 * (time.perf_counter() - began) / len(batch)
        for (sketch, variant), photo in zip(batch, photos, strict=True):
            sketch.timings_ms["compute"] = sketch.timings_ms.get("compute", 0.0) + took_ms
            self.writing.append((sketch, self.pool.submit(self._write, sketch, variant, photo)))

    def _write(self, sketch: _Sketch, variant: int, photo: UInt8) -> float:
        """In a thread: put a photo in its place and save it; the milliseconds it took."""
        began = time.perf_counter()
        assert sketch.placement is not None
        output = sketch.outputs[variant]
        output.parent.mkdir(parents=True, exist_ok=True)
        save_image(output, _sized(photo, sketch.placement, self.options.size))
        return 1000 * (time.perf_counter() - began)

    def _told(self, at_most: int) -> Iterator[Converted]:
        """Wait until at most so many photos are not written; the results of those sources that are done."""
        while self.writing and (len(self.writing) > at_most or self.writing[0][1].done()):
            sketch, written = self.writing.popleft()
            sketch.unwritten -= 1
            try:
                took_ms = written.result()
                sketch.timings_ms["write"] = sketch.timings_ms.get("write", 0.0) + took_ms
            except OSError as error:
                if error.errno in HOPELESS:
                    raise
                where = error.filename or sketch.outputs[0]
                sketch.error = f"{where} cannot be written: {error.strerror or error}"
        while self.under_way and self.under_way[0].is_done:
            yield self._end(self.under_way.popleft())

    def _end(self, sketch: _Sketch) -> Converted:
        sketch.fitted = None
        if sketch.unchanged:
            return Converted(sketch.source, "skipped", sketch.outputs, "already there")
        rounded = {stage: round(took_ms, 1) for stage, took_ms in sketch.timings_ms.items()}
        made = sketch.outputs if sketch.error is None else ()
        z = tuple(tuple(map(float, one)) for one in self.z)
        names = tuple(output.name for output in made)
        self.ledger.add(Entry(sketch.name, sketch.stamp, self.settings, names, z, rounded, sketch.error))
        if sketch.error is not None:
            return Converted(sketch.source, "failed", error=sketch.error)
        return Converted(sketch.source, "converted", sketch.outputs)


def _sized(photo: UInt8, placement: Placement, size: int | str) -> UInt8:
    """The photo (S, S, 3) as it is to be saved."""
    if size == "model":
        return photo
    placed = restore_photo(photo, placement)
    if not isinstance(size, int):
        return placed
    height, width = placed.shape[:2]
    scale = size / max(height, width)
    return resized(placed, (max(1, round(width * scale)), max(1, round(height * scale))))

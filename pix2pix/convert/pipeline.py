"""Sketches in, photos out, on one machine: read ahead, computed in batches, written behind.

    for converted, entry in Pipeline(translator, options, z, settings).run(planned): ...

What is to be read and where photos belong is planned already (`convert`); what was done is told, for whoever
keeps the ledger.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pix2pix.convert.manifest import Entry, Origin, Stamp
from pix2pix.errors import ImageError, ImageTooLarge, UnreadableImage, UsageError
from pix2pix.images.framing import UInt8, resized
from pix2pix.images.io import SAVED_AS, Placement, fit_sketch, read_sketch, restore_photo, save_image
from pix2pix.model.latents import seeds_from

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Status = Literal["converted", "skipped", "ignored", "failed"]

MAX_VARIANTS = 100
MAX_SIZE_PX = 8192
MAX_BYTES = 500_000_000  # of a file: more than any picture that may be read takes
AHEAD = 3  # batches that are read, or written, while one is computed
THERE, OTHERWISE = "already there", "already there, made with other settings"
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
    def digest(self) -> str:
        """What tells its bundle from any other."""
        ...

    def latent(self, seed: int) -> Float32:
        """The z (Z,) that a seed stands for."""
        ...

    def translate_batch(self, sketches: UInt8, z: Float32, rows: Int64) -> UInt8:
        """As `Translator.translate_batch`."""
        ...


@dataclass(frozen=True)
class Options:
    """How sketches are converted. Raises UsageError for what is out of range."""

    seed: int = 0
    z: Float32 | None = None  # (Z,), instead of seeds
    variants: int = 1  # from 2 on NAME-1 to NAME-K, of the seeds from `seed` on
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
        if isinstance(self.size, int) and not 1 <= self.size <= MAX_SIZE_PX:
            raise UsageError(f"size {self.size} px is not in 1..{MAX_SIZE_PX}")
        if self.suffix and self.suffix not in SAVED_AS:
            raise UsageError(f"format {self.suffix!r} is not one of {', '.join(SAVED_AS)}")

    def latents(self, translator: BatchTranslator) -> Float32:
        """The z of each variant (K, Z). Raises UsageError for what this model cannot be asked for."""
        if self.variants > 1 and translator.latent_size == 0:
            raise UsageError(f"this model has no z: one answer to each sketch, not {self.variants}")
        if self.z is not None:
            return self.z[None]
        return np.stack([translator.latent(one) for one in seeds_from(self.seed, self.variants)])


@dataclass(frozen=True)
class Converted:
    """What became of one file.

    `converted`: `outputs` were written. `skipped`: all were there already. `ignored`: the file is not a
    picture by its name, which is no failure. `failed`: `error` says why.
    """

    source: Path
    status: Status
    outputs: tuple[Path, ...] = ()
    error: str | None = None


class Planned(NamedTuple):
    """One sketch that is to be converted."""

    source: Path
    name: str  # in the ledger
    outputs: tuple[Path, ...]  # one a variant
    # By the ledger; what a photo says of itself goes before it.
    made_of: Stamp | None = None  # its photos, by a job of the same settings before this one
    otherwise: bool = False  # its photos were made with other settings


class Done(NamedTuple):
    """What became of a sketch, and what the ledger is to keep of it."""

    converted: Converted
    entry: Entry | None


class Workers(Protocol):
    """What does a pipeline's work elsewhere."""

    def run(
        self, planned: Sequence[Planned], *, options: Options, z: Float32, settings: dict[str, Any]
    ) -> Generator[Done]:
        """As `Pipeline`, in any order."""
        ...


@dataclass
class _Sketch:
    """One source on its way: what is to be made of it."""

    planned: Planned
    stamp: Stamp = field(default_factory=lambda: Stamp(0, ""))
    fitted: UInt8 | None = None
    placement: Placement | None = None
    wanted: list[int] = field(default_factory=list)  # variants still to be made
    made: list[int] = field(default_factory=list)  # those that are there of this sketch and these settings
    unwritten: int = 0
    error: str | None = None
    left: str | None = None  # why nothing is to be made
    timings_ms: dict[str, float] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return self.unwritten == 0


class Pipeline:
    """Reads ahead, computes, writes behind. For one run."""

    def __init__(
        self, translator: BatchTranslator, options: Options, z: Float32, settings: dict[str, Any]
    ) -> None:
        """Latents (K, Z), one a variant; `settings` are what the ledger's entries say."""
        self.translator, self.options, self.z, self.settings = translator, options, z, settings
        common = {name: settings[name] for name in ("bundle", "size")}
        self.made_with = [{**common, "z": one.tolist()} for one in z]  # each variant
        self.window = AHEAD * options.batch_size
        self.pool = ThreadPoolExecutor(max(2, min(16, os.cpu_count() or 2)), "files")
        self.writing: deque[tuple[_Sketch, int, Future[float]]] = deque()
        self.under_way: deque[_Sketch] = deque()  # in their order, until they are told

    def run(self, planned: Iterable[Planned]) -> Generator[Done]:
        """One result a sketch, in their order. Left early, what is being written is finished.

        Raises OSError where nothing more can be written.
        """
        try:
            yield from self._run(iter(planned))
        finally:
            self.pool.shutdown(cancel_futures=True)

    def _run(self, left: Iterator[Planned]) -> Iterator[Done]:
        ahead: deque[tuple[_Sketch, Future[None]]] = deque()
        batch: list[tuple[_Sketch, int]] = []
        while True:
            while len(ahead) < self.window and (one := next(left, None)) is not None:
                sketch = _Sketch(one)
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

    def _read(self, sketch: _Sketch) -> None:
        """In a thread: look at the source and its photos, and decode it if something is to be made of it."""
        began = time.perf_counter()
        try:
            self._look_at(sketch)
        except ImageError as error:
            sketch.error = str(error)
        except OSError as error:
            what = f"{error.filename} " if error.filename in map(str, sketch.planned.outputs) else ""
            sketch.error = f"{what}cannot be read: {error.strerror or error}"
        sketch.timings_ms["read"] = 1000 * (time.perf_counter() - began)

    def _look_at(self, sketch: _Sketch) -> None:
        source, _, outputs, before, otherwise = sketch.planned
        sketch.stamp = Stamp.of(source)
        if not source.is_file():
            raise UnreadableImage("is no file" if not source.is_dir() else "is a folder")
        there = [i for i, output in enumerate(outputs) if output.is_file() and not self.options.overwrite]
        whole = len(there) == len(outputs)
        if whole and before is not None and before.looks_like(sketch.stamp):
            sketch.left = THERE
            return
        said = {i: Origin.of(outputs[i]) for i in there}
        if there and any(
            otherwise if origin is None else origin.made_with != self.made_with[i]
            for i, origin in said.items()
        ):
            sketch.left = OTHERWISE
            return
        strangers = [i for i, origin in said.items() if origin is None and before is None]
        if whole and len(strangers) == len(outputs):
            sketch.left = THERE
            return
        if sketch.stamp.size > MAX_BYTES:
            raise ImageTooLarge(f"the file has {sketch.stamp.size:,} bytes; {MAX_BYTES:,} are allowed")
        data = source.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        sketch.stamp = replace(sketch.stamp, sha256=sha256)
        of_before = before.sha256 if before is not None else ""
        sketch.made = [i for i, origin in said.items() if (origin.sketch if origin else of_before) == sha256]
        wanted = [i for i in range(len(outputs)) if i not in sketch.made and i not in strangers]
        if not wanted:
            sketch.left = THERE
            return
        page = read_sketch(data)
        if page.min() == page.max():
            raise UnreadableImage("the image is blank: nothing is drawn on it")
        sketch.fitted, sketch.placement = fit_sketch(page, self.translator.size_px)
        sketch.wanted = wanted

    def _compute(self, batch: list[tuple[_Sketch, int]]) -> None:
        """Photos of a batch, and have them written."""
        began = time.perf_counter()
        sketches = {sketch.planned.name: sketch.fitted for sketch, _ in batch if sketch.fitted is not None}
        order = {name: i for i, name in enumerate(sketches)}
        rows = np.array([order[sketch.planned.name] for sketch, _ in batch])
        z = self.z[[variant for _, variant in batch]]
        photos = self.translator.translate_batch(np.stack([*sketches.values()]), z, rows)
        took_ms = 1000 * (time.perf_counter() - began) / len(batch)
        for (sketch, variant), photo in zip(batch, photos, strict=True):
            sketch.timings_ms["compute"] = sketch.timings_ms.get("compute", 0.0) + took_ms
            written = self.pool.submit(self._write, sketch, variant, photo)
            self.writing.append((sketch, variant, written))

    def _write(self, sketch: _Sketch, variant: int, photo: UInt8) -> float:
        """In a thread: put a photo in its place and save it; the milliseconds it took."""
        began = time.perf_counter()
        assert sketch.placement is not None
        output = sketch.planned.outputs[variant]
        output.parent.mkdir(parents=True, exist_ok=True)
        origin = Origin(sketch.stamp.sha256, self.made_with[variant])
        save_image(output, _sized(photo, sketch.placement, self.options.size), origin.to_text())
        return 1000 * (time.perf_counter() - began)

    def _told(self, at_most: int) -> Iterator[Done]:
        """Wait until at most so many photos are not written; the results of those sources that are done."""
        while self.writing and (len(self.writing) > at_most or self.writing[0][-1].done()):
            sketch, variant, written = self.writing.popleft()
            try:
                took_ms = written.result()
                sketch.timings_ms["write"] = sketch.timings_ms.get("write", 0.0) + took_ms
            except OSError as error:
                if error.errno in HOPELESS:
                    yield from self._finished()
                    raise
                output = sketch.planned.outputs[variant]
                sketch.error = f"{output} cannot be written: {error.strerror or error}"
            except ImageError as error:
                sketch.error = str(error)
            else:
                sketch.made.append(variant)
            sketch.unwritten -= 1
        yield from self._finished()

    def _finished(self) -> Iterator[Done]:
        while self.under_way and self.under_way[0].is_done:
            yield self._end(self.under_way.popleft())

    def _end(self, sketch: _Sketch) -> Done:
        sketch.fitted = None
        source, name, outputs, made_of, _ = sketch.planned
        rounded = {stage: round(took_ms, 1) for stage, took_ms in sketch.timings_ms.items()}
        names = tuple(outputs[i].name for i in sorted(sketch.made)) if sketch.error is None else ()
        z = tuple(tuple(map(float, one)) for one in self.z)
        entry = Entry(name, sketch.stamp, self.settings, names, z, rounded, sketch.error)
        if sketch.left is not None:
            # What a killed job did not get to tell its ledger, its photos tell.
            missed = bool(names) and made_of != sketch.stamp
            return Done(Converted(source, "skipped", outputs, sketch.left), entry if missed else None)
        if sketch.error is not None:
            return Done(Converted(source, "failed", error=sketch.error), entry)
        return Done(Converted(source, "converted", tuple(outputs[i] for i in sketch.wanted)), entry)


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

"""Converts sketches on one machine: threads read and write files while batches are computed.

    for result in Pipeline(translator, z=z, settings=settings, batch_size=8).run(jobs): ...

`plan` makes the jobs. `_read_unless_made` decides which photos exist already, by the notes inside them
(`manifest`).
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pix2pix.convert.manifest import Line, Note, Stamp
from pix2pix.errors import ImageError, ImageTooLarge, UnreadableImage, UsageError, about
from pix2pix.files import printable
from pix2pix.images.framing import UInt8, stacked_hints
from pix2pix.images.io import (
    MAX_PIXELS,
    Notice,
    Placement,
    fit_hints,
    fit_sketch,
    inspect_sketch,
    read_coloured_sketch,
    read_hints,
    reading_factor,
    save_image,
    size_of,
)
from pix2pix.images.listing import DANGLING, is_dangling
from pix2pix.inference.engines import Float32
from pix2pix.inference.enlarge import photo_of_size
from pix2pix.memory import Budget

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

Status = Literal["converted", "skipped", "ignored", "failed"]

MAX_BYTES = 500_000_000  # of a file: more than any picture that is accepted takes
MAX_PIXELS_AT_WORK = 100_000_000  # of pictures read and written at a time; a pixel takes up to 28 bytes
COLOURS_FACTOR = 2  # a drawing takes so many times the memory where colours are separated from ink
HINTS_SUFFIX = ".hints.png"
FRACTIONS = {2: "half", 4: "a quarter of"}
AHEAD = 3  # batches that are read, or written, while one is computed
THERE, OTHERWISE = "exists already", "exists already, made with other settings"
HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}  # no other file can be written either


@dataclass(frozen=True)
class Converted:
    """The result for one file.

    `converted`: `outputs` were written. `skipped`: all photos existed. `ignored`: the file is not a picture,
    or not a source. `failed`: `error` gives the reason.
    """

    source: Path
    status: Status
    outputs: tuple[Path, ...] = ()
    error: str | None = None
    line: Line | None = None  # to add to the manifest
    notices: tuple[Notice, ...] = ()  # about how the sketch was read


@dataclass(slots=True, eq=False)
class Job:
    """One sketch to convert."""

    source: Path
    name: str  # path below the source; its photos have the same folder and stem below the destination
    outputs: tuple[Path, ...]  # one a variant
    before: Line | None = None  # what the manifest has of them
    # Set by the pipeline.
    status: Status = "converted"
    error: str | None = None
    stamp: Stamp = field(default_factory=lambda: Stamp(0, ""))
    fitted: UInt8 | None = None
    strokes: UInt8 | None = None
    placement: Placement | None = None
    wanted: tuple[int, ...] = ()  # variants to make
    unwritten: int = 0
    made: dict[int, Stamp] = field(default_factory=dict)  # photos of this sketch and these settings
    timings_ms: dict[str, float] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()


class Pipeline:
    """Reads, computes and writes in parallel. Use it for one run."""

    def __init__(
        self,
        translator: Translator,
        *,
        z: Float32,
        settings: dict[str, Any],
        batch_size: int,
        overwrite: bool = False,
    ) -> None:
        """`z` (K, Z) has one latent per variant; `settings` are as in `Line`."""
        self.translator, self.z, self.settings = translator, z, settings
        self.transparent, self.colours = settings.get("transparent", False), settings.get("colours", False)
        self.made_with = [Note.of("", settings, one.tolist()).made_with for one in z]  # each variant
        self.batch_size, self.overwrite = batch_size, overwrite
        self.window = AHEAD * batch_size
        self.pixels = Budget(MAX_PIXELS_AT_WORK)
        self.pool = ThreadPoolExecutor(max(2, min(16, os.cpu_count() or 2)), "files")
        self.under_way: deque[Job] = deque()  # in their order, from when they are read to their result
        self.writing: deque[tuple[Job, int, Future[tuple[Stamp, float]]]] = deque()

    def run(self, jobs: Iterable[Job]) -> Generator[Converted]:
        """Yields one result per job, in order. If closed early, it finishes photos that are being written.

        Raises OSError if nothing more can be written, for example on a full disk.
        """
        try:
            yield from self._run(iter(jobs))
        finally:
            self.pool.shutdown(cancel_futures=True)

    def _run(self, jobs: Iterator[Job]) -> Iterator[Converted]:
        reading: deque[tuple[Job, Future[None]]] = deque()
        batch: list[tuple[Job, int]] = []
        while True:
            while len(reading) < self.window and (job := next(jobs, None)) is not None:
                reading.append((job, self.pool.submit(self._read, job)))
            if not reading:
                break
            job, read = reading.popleft()
            read.result()
            self.under_way.append(job)
            job.unwritten = len(job.wanted)
            batch += [(job, variant) for variant in job.wanted]
            while len(batch) >= self.batch_size:
                self._compute(batch[: self.batch_size])
                del batch[: self.batch_size]
            yield from self._results(at_most=self.window)
        if batch:
            self._compute(batch)
        yield from self._results(at_most=0)

    def _read(self, job: Job) -> None:
        """In a thread: determines which photos to make, and reads the sketch if there are any."""
        began = time.perf_counter()
        try:
            if reason := self._read_unless_made(job):
                job.status, job.error = "skipped", reason
        except (ImageError, UsageError) as error:
            job.status, job.error = "failed", str(error)
        except OSError as error:
            others = map(str, (*job.outputs, _hints_of(job.source)))
            name = f"{error.filename} " if error.filename in others else ""
            job.status, job.error = "failed", f"{name}cannot be read: {error.strerror or error}"
        job.timings_ms["read"] = 1000 * (time.perf_counter() - began)

    def _read_unless_made(self, job: Job) -> str | None:
        """Reads the sketch, or returns the reason to skip it: photos that were made from it."""
        source, outputs, before = job.source, job.outputs, job.before
        job.stamp = stamp = Stamp.of(source)
        if not source.is_file():
            raise UnreadableImage("is not a file" if not source.is_dir() else "is a folder")
        there = {} if self.overwrite else {i: Stamp.of(one) for i, one in enumerate(outputs) if one.is_file()}
        notes = {i: self._note(job, i, stamp) for i, stamp in there.items()}
        if any(note is not None and note.made_with != self.made_with[i] for i, note in notes.items()):
            return OTHERWISE
        if len(notes) == len(outputs) and not any(notes.values()):
            return THERE

        hints_file = _hints_beside(source) if self.colours else None
        hints_stamp = Stamp.of(hints_file) if hints_file else None
        if hints_stamp:
            job.stamp = stamp.with_hints(hints_stamp)
        data, hints, sha256 = b"", None, ""
        if before is not None and before.stamp.matches(job.stamp):
            sha256 = before.stamp.sha256
        if len(notes) < len(outputs) or any(note.sketch != sha256 for note in notes.values() if note):
            data = _read_bytes(source, stamp.size)
            if hints_file and hints_stamp:
                with about(hints_file.name):
                    hints = _read_bytes(hints_file, hints_stamp.size)
            sha256 = hashlib.sha256(data + (hints or b"")).hexdigest()
        job.stamp = replace(job.stamp, sha256=sha256)
        job.made = {i: there[i] for i, note in notes.items() if note and note.sketch == sha256}
        wanted = tuple(i for i in range(len(outputs)) if i not in notes or (notes[i] and i not in job.made))
        if not wanted:
            return THERE
        there_before = [outputs[i] for i in wanted if i in notes]
        if there_before and before and (other := before.other_sketch(source)):
            raise UsageError(
                f"would replace {there_before[0]}, which was made from {printable(str(other))}: rename one "
                "of them, choose another destination, or give --overwrite"
            )

        self._read_page(job, data, hints)
        job.wanted = wanted
        return None

    def _read_page(self, job: Job, data: bytes, hints: bytes | None) -> None:
        """Reads the sketch and fits it to the model's square. A large one waits until there is memory.

        `hints` is the file of its colour strokes, None if there is none.
        """
        width, height = size_of(data)
        factor = reading_factor(width, height)
        # it is decoded in full, or at half of its width and height
        pixels = width * height // (4 if factor > 1 else 1) * (COLOURS_FACTOR if self.colours else 1)
        with self.pixels.hold(pixels):
            colours = None
            if self.colours and hints is None:
                page, colours, job.notices = read_coloured_sketch(data)
            else:
                ignores_colours = not self.colours and self.translator.takes_strokes
                page, job.notices = inspect_sketch(data, tell_colours=ignores_colours)
            if page.min() == page.max():
                raise UnreadableImage("the picture is blank")
            job.fitted, job.placement = fit_sketch(page, self.translator.size_px)
            with about(_hints_of(job.source).name):
                if hints is not None:
                    colours = read_hints(hints)
                if colours is not None:
                    job.strokes = fit_hints(colours, job.placement, self.translator.size_px)
        if factor > 1 and self.settings["size"] == "source":
            message = (
                f"It has {width * height:,} pixels, more than {MAX_PIXELS:,}: its photo has "
                f"{FRACTIONS[factor]} its size, {page.shape[1]} x {page.shape[0]}; --size sets another size."
            )
            job.notices = (*job.notices, Notice("large", message))

    def _note(self, job: Job, variant: int, stamp: Stamp) -> Note | None:
        """The note of a photo that is there: from the manifest, else from the photo."""
        output = job.outputs[variant]
        cached = job.before.note(output.name, stamp) if job.before is not None else None
        return cached or Note.read(output)

    def _compute(self, batch: list[tuple[Job, int]]) -> None:
        """Makes the photos of a batch, and has them written."""
        began = time.perf_counter()
        fitted = {job: job.fitted for job, _ in batch if job.fitted is not None}
        order = {job: i for i, job in enumerate(fitted)}
        sketch_of = np.array([order[job] for job, _ in batch])
        z = self.z[[variant for _, variant in batch]]
        strokes = stacked_hints([job.strokes for job in fitted])
        photos = self.translator.translate_batch(
            np.stack([*fitted.values()]), z, sketch_of, strokes, transparent=self.transparent
        )
        took_ms = 1000 * (time.perf_counter() - began) / len(batch)
        for (job, variant), photo in zip(batch, photos, strict=True):
            job.timings_ms["compute"] = job.timings_ms.get("compute", 0.0) + took_ms
            self.writing.append((job, variant, self.pool.submit(self._write, job, variant, photo)))

    def _write(self, job: Job, variant: int, photo: UInt8) -> tuple[Stamp, float]:
        """In a thread: saves a photo; returns its stamp and the milliseconds that it took."""
        began = time.perf_counter()
        assert job.placement is not None
        output = job.outputs[variant]
        output.parent.mkdir(parents=True, exist_ok=True)
        note = Note(job.stamp.sha256, self.made_with[variant])
        size = self.settings["size"]
        longer_px = size if isinstance(size, int) else None
        page = job.placement.scaled(longer_px)
        with self.pixels.hold(page.height * page.width):
            if size != "model":
                photo = photo_of_size(photo, job.placement, longer_px)
            save_image(output, photo, note.to_text())
        return Stamp.of(output), 1000 * (time.perf_counter() - began)

    def _results(self, at_most: int) -> Iterator[Converted]:
        """Waits until at most so many photos are unwritten; the results of the jobs that are done."""
        while self.writing and (len(self.writing) > at_most or self.writing[0][-1].done()):
            job, variant, write = self.writing.popleft()
            try:
                job.made[variant], took_ms = write.result()
                job.timings_ms["write"] = job.timings_ms.get("write", 0.0) + took_ms
            except OSError as error:
                if error.errno in HOPELESS:
                    yield from self._done()
                    raise
                reason = error.strerror or error
                job.status, job.error = "failed", f"{job.outputs[variant]} cannot be written: {reason}"
            except ImageError as error:
                job.status, job.error = "failed", str(error)
            job.unwritten -= 1
        yield from self._done()

    def _done(self) -> Iterator[Converted]:
        while self.under_way and self.under_way[0].unwritten == 0:
            yield self._result(self.under_way.popleft())

    def _result(self, job: Job) -> Converted:
        job.fitted = job.strokes = None
        failed = job.status == "failed"
        made = [] if failed else sorted(job.made)
        line = Line(
            job.name,
            job.stamp,
            self.settings,
            outputs=tuple(job.outputs[i].name for i in made),
            photos=tuple(job.made[i] for i in made),
            z=tuple(self.z[i].tolist() for i in made),
            timings_ms={stage: round(took_ms, 1) for stage, took_ms in job.timings_ms.items()},
            error=job.error if failed else None,
            notices=job.notices,
            folder=str(job.source.parent.absolute()),
        )
        if job.status == "skipped":
            missed = line if line.adds_to(job.before) else None  # by a job that was killed
            return Converted(job.source, "skipped", job.outputs, job.error, missed)
        outputs = () if failed else tuple(job.outputs[i] for i in job.wanted)
        return Converted(job.source, job.status, outputs, job.error, line, job.notices)


def _hints_of(sketch: Path) -> Path:
    return sketch.with_name(sketch.stem + HINTS_SUFFIX)


def _hints_beside(sketch: Path) -> Path | None:
    """The file of a sketch's colour strokes, if there is one. Raises UnreadableImage for a dangling link."""
    file = _hints_of(sketch)
    if is_dangling(file):
        raise UnreadableImage(f"{file.name} is {DANGLING}")
    return file if file.is_file() else None


def _read_bytes(source: Path, size: int) -> bytes:
    if size > MAX_BYTES:
        raise ImageTooLarge(f"the file has {size:,} bytes; the limit is {MAX_BYTES:,}")
    return source.read_bytes()

"""Folder in, folder out: every sketch below SRC becomes a photo of its own size and place below DST.

for result in convert_folder(pix2pix.load("shoes"), Path("sketches"), Path("photos"), seed=7):
    print(result.source, result.status, result.error or "")
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from pix2pix.errors import ImageError, UsageError
from pix2pix.files import list_pictures, why_not_a_picture
from pix2pix.framing import UInt8
from pix2pix.images import Placement, fit_sketch, read_sketch, restore_photo, save_image
from pix2pix.latents import seeds_from

Float32 = npt.NDArray[np.float32]
Status = Literal["converted", "skipped", "ignored", "failed"]

MAX_VARIANTS = 100


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

    def latent(self, seed: int) -> Float32:
        """The z (Z,) that a seed stands for."""
        ...

    def translate_batch(self, sketches: UInt8, z: Float32, loose: Float32 | None) -> UInt8:
        """(N, S, S) sketches, or one, (N, Z) latents and (N,) looseness or None to (N, S, S, 3) photos."""
        ...


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


@dataclass(frozen=True)
class _Settings:
    """What was asked for, the same for every file."""

    z: Float32  # (variants, Z)
    loose: float | None
    overwrite: bool
    batch_size: int


@dataclass(frozen=True)
class _Job:
    """One photo to make."""

    source: Path
    sketch: UInt8
    placement: Placement
    output: Path
    z: Float32


def convert_folder(
    translator: BatchTranslator,
    source: Path,
    destination: Path,
    *,
    seed: int = 0,
    z: Float32 | None = None,
    variants: int = 1,
    loose: float | None = None,
    overwrite: bool = False,
    batch_size: int = 8,
) -> Iterator[Converted]:
    """Convert the sketches below `source` (or one file); one result a file, as it is done.

    Names and sub-folders are kept, outputs are PNG. With `variants` > 1, NAME-1.png … NAME-K.png come from
    the seeds `seed` … `seed + K - 1`; a given `z` (Z,) has one answer. `loose` in [0, 1] says how literally
    the lines are taken, 0 as they are, 1 as a rough hand's; None guesses it from each sketch. Every output is
    written whole or not at all; without `overwrite`, those that are there already are left as they are,
    whatever seed and looseness they came from. A photo does not depend on the batch it was made in.

    Raises UsageError, before anything is written, for arguments out of range, a looseness where the model
    knows none, variants where it has no z, a missing source, a destination inside of the source (its photos
    would be sketches the next time), and two sources of one output name.
    """
    if not 1 <= variants <= MAX_VARIANTS:
        raise UsageError(f"variants {variants} is not in 1..{MAX_VARIANTS}")
    if z is not None and variants > 1:
        raise UsageError(f"a given z has one answer, not {variants}")
    if variants > 1 and translator.latent_size == 0:
        raise UsageError(f"this model has no z: one answer to each sketch, not {variants}")
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size} is not at least 1")
    if loose is not None and not 0 <= loose <= 1:
        raise UsageError(f"looseness {loose} is not in 0..1")
    if loose is not None and not translator.takes_loose:
        raise UsageError(f"looseness {loose} was asked for, but this model knows none")
    if source.is_dir() and destination.resolve().is_relative_to(source.resolve()):
        raise UsageError(
            f"the destination {destination} lies inside of the source {source}; choose one outside"
        )
    if destination.exists() and not destination.is_dir():
        raise UsageError(f"the destination {destination} is a file; it must be a folder")
    pictures, others = ([source], []) if source.is_file() else list_pictures(source)
    planned = _plan(pictures, source.parent if source.is_file() else source, destination, variants)
    drawn = [translator.latent(one) for one in seeds_from(seed, variants)] if z is None else [z]
    settings = _Settings(np.stack(drawn), loose, overwrite, batch_size)
    return _convert(translator, planned, others, settings)


def _plan(pictures: list[Path], root: Path, destination: Path, variants: int) -> dict[Path, tuple[Path, ...]]:
    """Outputs by source. Raises UsageError if two sources would write one file."""
    planned: dict[Path, tuple[Path, ...]] = {}
    writers: dict[str, Path] = {}
    sources = {path.resolve(): path for path in pictures}
    for path in pictures:
        stem = destination / path.relative_to(root).with_suffix("")
        endings = [".png"] if variants == 1 else [f"-{number}.png" for number in range(1, variants + 1)]
        planned[path] = tuple(stem.with_name(stem.name + ending) for ending in endings)
        for output in planned[path]:
            if (sketch := sources.get(output.resolve())) is not None:
                raise UsageError(
                    f"the sketch {sketch} would be replaced by a photo; choose another destination"
                )
            # Case-folded: on many systems A.png and a.png are one file.
            first = writers.setdefault(str(output).casefold(), path)
            if first != path:
                raise UsageError(f"{first} and {path} would both become {output}; rename one of them")
    return planned


def _convert(
    translator: BatchTranslator,
    planned: dict[Path, tuple[Path, ...]],
    others: list[Path],
    settings: _Settings,
) -> Iterator[Converted]:
    for path in others:
        yield Converted(path, "ignored", error=why_not_a_picture(path))
    remaining: list[tuple[Path, tuple[Path, ...]]] = []
    for path, outputs in planned.items():
        if not settings.overwrite and all(output.exists() for output in outputs):
            yield Converted(path, "skipped", outputs, "already there")
        else:
            remaining.append((path, outputs))
    files = iter(remaining)
    sources = settings.batch_size if len(settings.z) == 1 else 1  # one sketch with many z is quicker
    while group := list(islice(files, sources)):
        yield from _convert_group(translator, group, settings)


def _convert_group(
    translator: BatchTranslator,
    group: list[tuple[Path, tuple[Path, ...]]],
    settings: _Settings,
) -> Iterator[Converted]:
    """Convert some files whole, so that each gives one result."""
    results: dict[Path, Converted] = {}
    jobs: list[_Job] = []
    for path, outputs in group:
        results[path] = Converted(path, "converted", outputs)
        try:
            jobs += _jobs(path, outputs, translator, settings)
        except ImageError as error:
            results[path] = Converted(path, "failed", error=str(error))
    for start in range(0, len(jobs), settings.batch_size):
        batch = jobs[start : start + settings.batch_size]
        for job, reason in _translate_and_save(translator, batch, settings.loose):
            results[job.source] = Converted(job.source, "failed", error=reason)
    yield from results.values()


def _jobs(
    path: Path, outputs: tuple[Path, ...], translator: BatchTranslator, settings: _Settings
) -> list[_Job]:
    """The photos still to make of one sketch. Raises ImageError."""
    sketch, placement = fit_sketch(read_sketch(path), translator.size_px)
    return [
        _Job(path, sketch, placement, output, z)
        for output, z in zip(outputs, settings.z, strict=True)
        if settings.overwrite or not output.exists()
    ]


def _translate_and_save(
    translator: BatchTranslator, batch: list[_Job], loose: float | None
) -> Iterator[tuple[_Job, str]]:
    """Write one photo a job; yield those that could not be written, and why."""
    of_one = batch[0].source == batch[-1].source  # jobs come source by source
    sketches = np.stack([job.sketch for job in (batch[:1] if of_one else batch)])
    z = np.stack([job.z for job in batch])
    told = None if loose is None else np.full(len(batch), loose, np.float32)
    for job, photo in zip(batch, translator.translate_batch(sketches, z, told), strict=True):
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
            save_image(job.output, restore_photo(photo, job.placement))
        except OSError as error:
            yield job, f"{job.output} cannot be written: {error.strerror or error}"

"""Converts a folder: each sketch in SRC becomes a photo in DST, with the same relative path and size.

for result in convert_folder(pix2pix.load("shoes"), Path("sketches"), Path("photos"), Options(seed=7)):
    print(result.source, result.status, result.error or "")

`Conversion` lists the sketches and plans their photos, `pipeline` makes them, and `manifest` records them. So
an interrupted job can continue, and a changed sketch is converted again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pix2pix.convert.manifest import SWITCHES, Manifest
from pix2pix.convert.pipeline import HINTS_SUFFIX, Converted, Job, Pipeline
from pix2pix.convert.sketches import find_sketches
from pix2pix.errors import UsageError
from pix2pix.files import only_writer, printable, sweep
from pix2pix.images.io import SAVED_AS, SUFFIXES
from pix2pix.inference.engines import Float32
from pix2pix.inference.enlarge import MAX_SIZE_PX
from pix2pix.model.latents import seeds_from
from pix2pix.storage import RealNames, is_local, real

if TYPE_CHECKING:
    from pix2pix.convert.on_ray import RayWorkers
    from pix2pix.inference.translator import Translator

__all__ = ["Conversion", "Converted", "Options", "convert_folder"]

MAX_VARIANTS = 100
MAX_NAMED = 3  # sketches that clash with one
WITH_ALPHA = (".png", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Options:
    """How sketches are converted. Raises UsageError for values out of range."""

    seed: int = 0
    z: Float32 | None = None  # (Z,), instead of seeds
    variants: int = 1  # from 2 on NAME-1 to NAME-K, of the seeds from `seed` on
    size: int | Literal["source", "model"] = "source"  # of the sketch, of the model, or the longer side in px
    suffix: str = ".png"  # or another of `SAVED_AS`; "" keeps each sketch's own, where it can be written
    transparent: bool = False  # photos with alpha
    colours: bool = False  # colour strokes from NAME.hints.png beside a sketch, else from the sketch itself
    overwrite: bool = False  # replace photos that are there
    batch_size: int = 8

    def __post_init__(self) -> None:
        """Checks each by itself."""
        if not 1 <= self.variants <= MAX_VARIANTS:
            raise UsageError(f"variants {self.variants} is not in 1..{MAX_VARIANTS}")
        if self.z is not None and self.variants > 1:
            raise UsageError(f"z gives one photo per sketch, not {self.variants} variants")
        if self.batch_size < 1:
            raise UsageError(f"batch size {self.batch_size} is not at least 1")
        if isinstance(self.size, int) and not 1 <= self.size <= MAX_SIZE_PX:
            raise UsageError(f"size {self.size} px is not in 1..{MAX_SIZE_PX}")
        if self.suffix and self.suffix not in SAVED_AS:
            raise UsageError(f"format {self.suffix!r} is not one of {', '.join(SAVED_AS)}")
        if self.transparent and self.suffix:
            _refuse_without_alpha(self.suffix)

    def latents(self, translator: Translator) -> Float32:
        """The z of each variant (K, Z). Raises UsageError for options that this model does not have."""
        if self.variants > 1 and translator.latent_size == 0:
            raise UsageError(f"this model has no latent: one photo per sketch, not {self.variants}")
        if self.z is not None:
            return self.z[None]
        return np.stack([translator.latent(one) for one in seeds_from(self.seed, self.variants)])

    def settings(self, translator: Translator) -> dict[str, Any]:
        """All that a photo depends on besides its sketch, as in JSON.

        Raises UsageError for options that this model does not have.
        """
        if self.colours and not translator.takes_strokes:
            raise UsageError("this model does not support colour strokes")
        return {
            "bundle": translator.digest,
            "seed": self.seed if self.z is None else None,
            "z": None if self.z is None else self.z.tolist(),
            "variants": self.variants,
            "size": self.size,
            **{switch: True for switch in SWITCHES if getattr(self, switch)},
        }

    def outputs(self, name: PurePosixPath, destination: Path) -> tuple[Path, ...]:
        """The photos below a destination of a sketch of this name, one a variant."""
        suffix = self.suffix or _own_suffix(name)
        if self.transparent and suffix not in WITH_ALPHA:
            suffix = ".png"
        return self.numbered(destination / str(name.with_suffix("")), suffix)

    def numbered(self, photo: Path, suffix: str) -> tuple[Path, ...]:
        """`photo` with the suffix, one a variant: NAME-1 to NAME-K if there are several."""
        numbers = [f"-{i + 1}" for i in range(self.variants)] if self.variants > 1 else [""]
        return tuple(photo.with_name(f"{photo.name}{number}{suffix}") for number in numbers)


def convert_folder(
    translator: Translator,
    source: Path | list[Path],
    destination: Path,
    options: Options | None = None,
    workers: RayWorkers | None = None,
    *,
    by_name: bool = False,
) -> Iterator[Converted]:
    """Converts the sketches in a folder, one file, or a list of files; yields one result per file, in order.

    Arguments and errors are those of `Conversion` and its `run`.
    """
    return Conversion(translator, source, destination, options or Options(), by_name=by_name).run(workers)


class Conversion:
    """A planned conversion of `total` files.

    Sub-folders and names are kept: those below a folder, and of a list those of relative paths, or with
    `by_name` the last part of each path, as `cp` does; a folder in such a list is converted whole. One sketch
    may also become one file: a destination that is not a folder and has the name of a picture that can be
    written. Sketches that would become one photo are failures. Every photo is written whole or not at all,
    and does not depend on its batch. A photo stays if it was made of the same sketch with the same
    settings; it is replaced if the sketch has changed. Without `overwrite`, a photo without a note stays, a
    sketch fails that would replace the photo of another one which is still there, and if one photo of a
    sketch was made with other settings, all of them stay.
    """

    def __init__(
        self,
        translator: Translator,
        source: Path | list[Path],
        destination: Path,
        options: Options,
        *,
        by_name: bool = False,
    ) -> None:
        """Lists the files. Writes nothing.

        Raises UsageError for options out of range or not for this model, a missing source, a destination
        inside the source (its photos would be sketches the next time), and a sketch that a photo would
        replace.
        """
        self.translator, self.destination = translator, destination
        self.how: dict[str, Any] = {
            "z": options.latents(translator),
            "settings": options.settings(translator),
            "batch_size": options.batch_size,
            "overwrite": options.overwrite,
        }
        self.is_file = is_one_file(source, destination)
        if self.is_file and options.transparent:
            _refuse_without_alpha(destination.suffix)
        _refuse_destination(destination, source, self.is_file)
        jobs, self.others = [], []
        hints: list[Path] = []
        for one in find_sketches(source, destination, by_name):
            if isinstance(one, Converted):
                self.others.append(one)
                continue
            sketch, name = one
            if options.colours and sketch.name.endswith(HINTS_SUFFIX):
                hints.append(sketch)
            elif self.is_file:
                photos = options.numbered(destination.with_suffix(""), destination.suffix)
                jobs.append(Job(sketch, name.name, photos))
            else:
                jobs.append(Job(sketch, str(name), options.outputs(name, destination)))
        self.others += _without_sketch(hints, jobs)
        _refuse_replaced_sketches(jobs)
        clashes = _clashes(jobs)
        self.others += [Converted(job.source, "failed", error=why) for job, why in clashes.items()]
        self.jobs = [job for job in jobs if job not in clashes]
        self.total = len(self.others) + len(self.jobs)

    def run(self, workers: RayWorkers | None = None) -> Iterator[Converted]:
        """Yields one result per file, in order; results of `workers`, such as `RayWorkers`, as they finish.

        Raises FolderInUse if another job writes to the destination, OSError if it cannot be written or is
        full.
        """
        yield from self.others
        if not self.jobs:
            return
        with ExitStack() as stack:
            manifest = None if self.is_file else self._manifest(stack)
            for job in self.jobs:
                if manifest is not None:
                    job.before = manifest.line(job.name, [output.name for output in job.outputs])
            if workers is None:
                results = Pipeline(self.translator, **self.how).run(self.jobs)
            else:
                results = workers.run(self.jobs, **self.how)
            for result in stack.enter_context(closing(results)):
                if manifest is not None and result.line is not None:
                    manifest.add(result.line)
                yield result

    def _manifest(self, stack: ExitStack) -> Manifest:
        """Locks the destination for the time of the stack, and returns its manifest."""
        destination = self.destination
        destination.mkdir(parents=True, exist_ok=True)
        if is_local(destination):
            stack.enter_context(only_writer(destination))
            folders = {job.outputs[0].parent for job in self.jobs}
            sweep(destination, *folders)
            stack.callback(sweep, destination, *folders)  # a worker elsewhere may have been killed
        return stack.enter_context(Manifest(destination))


def _own_suffix(sketch: PurePath) -> str:
    """The suffix of a photo that keeps the format of its sketch, where that can be written."""
    return sketch.suffix.lower() if sketch.suffix.lower() in SAVED_AS else ".png"


def is_one_file(source: Path | list[Path], destination: Path) -> bool:
    """Whether one sketch is to become one file, not a file in a folder."""
    one = not isinstance(source, list) and source.is_file()
    return one and destination.suffix.lower() in SAVED_AS and not destination.is_dir()


def _without_sketch(hints: list[Path], jobs: list[Job]) -> list[Converted]:
    """Returns results for files of colour strokes that are those of none of the sketches."""
    stems = {job.source.with_suffix("") for job in jobs}
    why = "has no sketch in the same folder"
    return [
        Converted(path, "ignored", error=why)
        for path in hints
        if path.with_name(path.name.removesuffix(HINTS_SUFFIX)) not in stems
    ]


def _refuse_without_alpha(suffix: str) -> None:
    if suffix.lower() not in WITH_ALPHA:
        raise UsageError(f"{suffix} files have no transparency: use one of {', '.join(WITH_ALPHA)}")


def _refuse_destination(destination: Path, source: Path | list[Path], is_file: bool) -> None:
    folder = None if isinstance(source, list) or not source.is_dir() else source
    beside = folder is not None and is_local(folder) == is_local(destination)
    if folder and beside and real(destination).is_relative_to(real(folder)):
        raise UsageError(
            f"the destination {destination} is inside of the source {folder}; choose another folder"
        )
    if is_file or destination.is_dir():
        return
    allowed = f"it must be a folder, or for one sketch the name of a file with one of {', '.join(SAVED_AS)}"
    if destination.exists():
        raise UsageError(f"the destination {destination} is a file; {allowed}")
    if destination.suffix.lower() in SUFFIXES:
        raise UsageError(f"the destination {destination} has the name of a picture; {allowed}")


def _refuse_replaced_sketches(jobs: list[Job]) -> None:
    """Raises UsageError if a photo would replace a sketch, or the colour strokes beside it."""
    real_name = RealNames()
    sketches = {real_name(job.source): job.source for job in jobs}
    for job in jobs:
        for output in job.outputs:
            if output.name.endswith(HINTS_SUFFIX) and output.parent == job.source.parent and output.is_file():
                raise UsageError(f"the colour strokes {output} would be replaced; choose another destination")
            if (sketch := sketches.get(real_name(output))) is not None:
                raise UsageError(
                    f"the sketch {sketch} would be replaced by a photo; choose another destination"
                )


def _clashes(jobs: list[Job]) -> dict[Job, str]:
    """Returns the jobs that would write one file, and why each is left out."""
    writers: dict[str, list[Job]] = {}
    for job in jobs:
        for output in job.outputs:
            # On many systems A.png and a.png are one file.
            writers.setdefault(str(output).lower(), []).append(job)
    clashes: dict[Job, str] = {}
    for group in writers.values():
        for job in group if len(group) > 1 else ():
            others = [other for other in group if other is not job]
            names = ", ".join(printable(str(other.source)) for other in others[:MAX_NAMED])
            more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
            photo = next(output for output in job.outputs if writers[str(output).lower()] is group)
            way_out = _way_out(job.source, others[0].source)
            clashes.setdefault(job, f"would write {photo}, as would {names}{more}: {way_out}")
    return clashes


def _way_out(a: Path, b: Path) -> str:
    """What to do about two sketches of one name."""
    if _own_suffix(a) != _own_suffix(b) and a.with_suffix("") == b.with_suffix(""):
        return "rename one of them, or keep each one's own format (--format source)"
    if a.parent != b.parent:
        return "rename one of them, or give a list (-) of relative paths, which keep their folders"
    return "rename one of them"

"""Converts a folder: every sketch below SRC becomes a photo of its own size at the same place below DST.

for result in convert_folder(pix2pix.load("shoes"), Path("sketches"), Path("photos"), Options(seed=7)):
    print(result.source, result.status, result.error or "")

`Conversion` lists the sketches and plans their photos; `pipeline` makes them, in threads beside the device;
`manifest` keeps what was made of what. So a job that was killed continues, and a sketch that has changed is
converted again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pix2pix.convert.manifest import Manifest
from pix2pix.convert.pipeline import Converted, Job, Pipeline
from pix2pix.errors import UsageError
from pix2pix.files import only_writer, sweep
from pix2pix.images.io import SAVED_AS
from pix2pix.images.listing import list_pictures, why_not_a_picture
from pix2pix.inference.engines import Float32
from pix2pix.model.latents import seeds_from
from pix2pix.storage import RealNames, is_local, real

if TYPE_CHECKING:
    from pix2pix.convert.on_ray import RayWorkers
    from pix2pix.inference.translator import Translator

__all__ = ["Conversion", "Converted", "Options", "convert_folder"]

MAX_VARIANTS = 100
MAX_SIZE_PX = 8192


@dataclass(frozen=True)
class Options:
    """How sketches are converted. Raises UsageError for values out of range."""

    seed: int = 0
    z: Float32 | None = None  # (Z,), instead of seeds
    variants: int = 1  # from 2 on NAME-1 to NAME-K, of the seeds from `seed` on
    size: int | Literal["source", "model"] = "source"  # of the sketch, of the model, or the longer side in px
    suffix: str = ".png"  # or another of `SAVED_AS`; "" keeps each sketch's own, where it can be written
    overwrite: bool = False  # replace photos that are there
    batch_size: int = 8

    def __post_init__(self) -> None:
        """Checks each by itself."""
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

    def latents(self, translator: Translator) -> Float32:
        """The z of each variant (K, Z). Raises UsageError for options that this model does not have."""
        if self.variants > 1 and translator.latent_size == 0:
            raise UsageError(f"this model has no z: one answer to each sketch, not {self.variants}")
        if self.z is not None:
            return self.z[None]
        return np.stack([translator.latent(one) for one in seeds_from(self.seed, self.variants)])

    def settings(self, translator: Translator) -> dict[str, Any]:
        """All that a photo depends on besides its sketch, as in JSON."""
        return {
            "bundle": translator.digest,
            "seed": self.seed if self.z is None else None,
            "z": None if self.z is None else self.z.tolist(),
            "variants": self.variants,
            "size": self.size,
        }

    def outputs(self, name: PurePosixPath, destination: Path) -> tuple[Path, ...]:
        """The photos of a sketch, one a variant."""
        own = name.suffix.lower() if name.suffix.lower() in SAVED_AS else ".png"
        numbers = [f"-{i + 1}" for i in range(self.variants)] if self.variants > 1 else [""]
        photo = destination / str(name.with_suffix(""))
        return tuple(photo.with_name(f"{photo.name}{number}{self.suffix or own}") for number in numbers)


def convert_folder(
    translator: Translator,
    source: Path | list[Path],
    destination: Path,
    options: Options | None = None,
    workers: RayWorkers | None = None,
) -> Iterator[Converted]:
    """Converts the sketches below a folder, one file, or a list of files; yields one result a file, in order.

    Takes and raises as `Conversion` and its `run`.
    """
    return Conversion(translator, source, destination, options or Options()).run(workers)


class Conversion:
    """A planned conversion of `total` files.

    Sub-folders and names are kept (of a list, where they are relative). Every photo is written whole or not
    at all, and does not depend on its batch. A photo stays if it was made of the same sketch with the same
    settings; it is replaced if the sketch has changed. Without `overwrite`, a photo without a note stays, and
    if one photo of a sketch was made with other settings, all of them stay.
    """

    def __init__(
        self, translator: Translator, source: Path | list[Path], destination: Path, options: Options
    ) -> None:
        """Lists the files. Writes nothing.

        Raises UsageError for options out of range or not for this model, a missing source, a destination
        inside the source (its photos would be sketches the next time), two sources of one output name.
        """
        self.translator, self.destination = translator, destination
        self.how: dict[str, Any] = {
            "z": options.latents(translator),
            "settings": options.settings(translator),
            "batch_size": options.batch_size,
            "overwrite": options.overwrite,
        }
        _refuse_destination(destination, source)
        names: dict[Path, PurePosixPath]
        if isinstance(source, list):
            sketches, self.others = _listed(source, destination)
            names = {path: _listed_name(path) for path in sketches}
        elif source.is_file():
            names, self.others = {source: PurePosixPath(source.name)}, []
        else:
            sketches, others = list_pictures(source)
            names = {path: PurePosixPath(path.relative_to(source).as_posix()) for path in sketches}
            self.others = [Converted(path, "ignored", error=why_not_a_picture(path)) for path in others]
        self.jobs = [Job(path, str(name), options.outputs(name, destination)) for path, name in names.items()]
        _refuse_collisions(self.jobs)
        self.total = len(self.others) + len(self.jobs)

    def run(self, workers: RayWorkers | None = None) -> Iterator[Converted]:
        """Yields one result a file, in order; those of `workers`, such as `RayWorkers`, as they are done.

        Raises FolderInUse where another job writes to the destination; OSError where it cannot be written,
        or is full.
        """
        yield from self.others
        if not self.jobs:
            return
        destination = self.destination
        destination.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            if is_local(destination):
                stack.enter_context(only_writer(destination))
                folders = {job.outputs[0].parent for job in self.jobs}
                sweep(destination, *folders)
                stack.callback(sweep, destination, *folders)  # a worker elsewhere may have been killed
            manifest = stack.enter_context(Manifest(destination))
            for job in self.jobs:
                job.before = manifest.line(job.name, [output.name for output in job.outputs])
            if workers is None:
                results = Pipeline(self.translator, **self.how).run(self.jobs)
            else:
                results = workers.run(self.jobs, **self.how)
            for result in stack.enter_context(closing(results)):
                if result.line is not None:
                    manifest.add(result.line)
                yield result


def _refuse_destination(destination: Path, source: Path | list[Path]) -> None:
    folder = None if isinstance(source, list) or not source.is_dir() else source
    beside = folder is not None and is_local(folder) == is_local(destination)
    if folder and beside and real(destination).is_relative_to(real(folder)):
        raise UsageError(
            f"the destination {destination} lies inside of the source {folder}; choose one outside"
        )
    if destination.exists() and not destination.is_dir():
        raise UsageError(f"the destination {destination} is a file; it must be a folder")
    if destination.suffix.lower() in SAVED_AS and not destination.exists():
        raise UsageError(f"the destination {destination} has the name of a picture; it must be a folder")


def _listed(source: list[Path], destination: Path) -> tuple[list[Path], list[Converted]]:
    """The sketches of a list, and the results of its other entries."""
    below, local = real(destination), is_local(destination)
    sketches, others = [], []
    for path in dict.fromkeys(source):
        if is_local(path) == local and real(path).is_relative_to(below):  # `find` lists the photos, too
            others.append(Converted(path, "ignored", error="lies in the destination"))
        elif not path.name:  # "." and "/"
            others.append(Converted(path, "failed", error="is a folder"))
        else:
            sketches.append(path)
    return sketches, others


def _listed_name(path: Path) -> PurePosixPath:
    """Relative paths keep their folders."""
    alone = not is_local(path) or path.is_absolute() or ".." in path.parts
    return PurePosixPath(path.name if alone else path.as_posix())


def _refuse_collisions(jobs: list[Job]) -> None:
    """Raises UsageError if two sketches would write one file, or a photo would replace a sketch."""
    real_name = RealNames()
    sketches = {real_name(job.source): job.source for job in jobs}
    writers: dict[str, Path] = {}
    for job in jobs:
        for output in job.outputs:
            if (sketch := sketches.get(real_name(output))) is not None:
                raise UsageError(
                    f"the sketch {sketch} would be replaced by a photo; choose another destination"
                )
            # On many systems A.png and a.png are one file.
            first = writers.setdefault(str(output).lower(), job.source)
            if first != job.source:
                way_out = _way_out(first, job.source)
                raise UsageError(f"{first} and {job.source} would both become {output}: {way_out}")


def _way_out(a: Path, b: Path) -> str:
    """What to do about two sketches of one name."""
    if a.suffix.lower() != b.suffix.lower() and a.with_suffix("") == b.with_suffix(""):
        return "rename one of them, or keep each one's own format"
    if a.parent != b.parent and a.is_absolute():
        return "list them relative to the working directory, which keeps their folders, or rename one of them"
    return "rename one of them"

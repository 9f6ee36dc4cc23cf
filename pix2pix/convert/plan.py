"""Folder in, folder out: every sketch below SRC becomes a photo of its own size and place below DST.

for result in convert_folder(pix2pix.load("shoes"), Path("sketches"), Path("photos"), Options(seed=7)):
    print(result.source, result.status, result.error or "")

Sketches are read ahead and photos written behind in threads, while the device computes. What is done is kept
in DST/manifest.jsonl, and in each photo (`manifest`): a job that was killed goes on, a sketch that
has changed is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pix2pix.convert.manifest import Ledger, first_photo
from pix2pix.convert.pipeline import BatchTranslator, Converted, Done, Options, Pipeline, Planned, Workers
from pix2pix.errors import UsageError
from pix2pix.files import only_writer, sweep
from pix2pix.images.io import SAVED_AS
from pix2pix.images.listing import list_pictures, why_not_a_picture
from pix2pix.storage import RealNames, is_local, real

__all__ = ["BatchTranslator", "Converted", "Options", "convert_folder"]


def convert_folder(
    translator: BatchTranslator,
    source: Path | list[Path],
    destination: Path,
    options: Options | None = None,
    workers: Workers | None = None,
) -> Iterator[Converted]:
    """Convert the sketches below a folder, one file, or those of a list; one result a file, in their order.

    `workers` does the work elsewhere, such as `on_ray.RayWorkers`: results come as they are done.

    Sub-folders and names are kept (of a list, where they are relative). Every photo is written whole or not
    at all. What was made of the same sketch in the same way is left; of a sketch that has changed it is made
    anew. Photos that say nothing of their making are left without `overwrite`, and so are all of a sketch
    where one is of other settings. A photo does not depend on the batch it was made in.

    Raises UsageError, before anything is written, for arguments out of range or not for this model, a missing
    source, a destination inside of the source (its photos would be sketches the next time), two sources of
    one output name; FolderInUse where another job writes to the destination; OSError where it cannot be
    written, or is full.
    """
    options = options or Options()
    z = options.latents(translator)
    pictures, others, root = _listed(source, destination)
    planned = _plan(pictures, root, destination, options)
    settings = _settings(translator, options)
    if workers is None:
        run = Pipeline(translator, options, z, settings).run
    else:
        run = partial(workers.run, options=options, z=z, settings=settings)
    return _convert(run, planned, others, destination, settings, overwrite=options.overwrite)


def _listed(source: Path | list[Path], destination: Path) -> tuple[list[Path], list[Converted], Path | None]:
    """Pictures, what becomes of other files, and the folder that names are relative to; None for a list."""
    folder = None if isinstance(source, list) or not source.is_dir() else source
    beside = folder is not None and is_local(folder) == is_local(destination)
    if folder and beside and real(destination).is_relative_to(real(folder)):
        raise UsageError(
            f"the destination {destination} lies inside of the source {source}; choose one outside"
        )
    if destination.exists() and not destination.is_dir():
        raise UsageError(f"the destination {destination} is a file; it must be a folder")
    if destination.suffix.lower() in SAVED_AS and not destination.exists():
        raise UsageError(f"the destination {destination} has the name of a picture; it must be a folder")
    if isinstance(source, list):
        listed = list(dict.fromkeys(source))
        below, local = real(destination), is_local(destination)
        # Photos that were made: `find` lists them, too.
        made = [path for path in listed if is_local(path) == local and real(path).is_relative_to(below)]
        nameless = [path for path in listed if not path.name]  # "." and "/"
        told = [Converted(path, "ignored", error="lies in the destination") for path in made]
        told += [Converted(path, "failed", error="is a folder") for path in nameless]
        left_out = {*made, *nameless}
        return [path for path in listed if path not in left_out], told, None
    if source.is_file():
        return [source], [], source.parent
    pictures, others = list_pictures(source)
    return pictures, [Converted(path, "ignored", error=why_not_a_picture(path)) for path in others], source


def _plan(pictures: list[Path], root: Path | None, destination: Path, options: Options) -> list[Planned]:
    """Name and outputs of each. Raises UsageError if two sources would write one file."""
    planned: list[Planned] = []
    writers: dict[str, Path] = {}
    real_name = RealNames()
    sources = {real_name(path): path for path in pictures}
    for path in pictures:
        name = _name(path, root)
        stem = destination / str(name.with_suffix(""))
        suffix = options.suffix or (path.suffix.lower() if path.suffix.lower() in SAVED_AS else ".png")
        endings = [f"-{i + 1}{suffix}" for i in range(options.variants)] if options.variants > 1 else [suffix]
        outputs = tuple(stem.with_name(stem.name + ending) for ending in endings)
        planned.append(Planned(path, str(name), outputs))
        for output in outputs:
            if (sketch := sources.get(real_name(output))) is not None:
                raise UsageError(
                    f"the sketch {sketch} would be replaced by a photo; choose another destination"
                )
            # On many systems A.png and a.png are one file.
            first = writers.setdefault(str(output).lower(), path)
            if first != path:
                raise UsageError(f"{first} and {path} would both become {output}: {_way_out(first, path)}")
    return planned


def _way_out(a: Path, b: Path) -> str:
    """What to do about two sketches of one name."""
    if a.suffix.lower() != b.suffix.lower() and a.with_suffix("") == b.with_suffix(""):
        return "rename one of them, or keep each one's own format"
    if a.parent != b.parent and a.is_absolute():
        return "list them relative to the working directory, which keeps their folders, or rename one of them"
    return "rename one of them"


def _name(path: Path, root: Path | None) -> PurePosixPath:
    """What it is called below the destination."""
    if root is not None:
        return PurePosixPath(path.relative_to(root).as_posix())
    alone = not is_local(path) or path.is_absolute() or ".." in path.parts
    return PurePosixPath(path.name if alone else path.as_posix())


def _convert(
    run: Callable[[Sequence[Planned]], Generator[Done]],
    planned: list[Planned],
    others: list[Converted],
    destination: Path,
    settings: dict[str, Any],
    *,
    overwrite: bool,
) -> Iterator[Converted]:
    yield from others
    if not planned:
        return
    destination.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if is_local(destination):
            stack.enter_context(only_writer(destination))
            folders = {one.outputs[0].parent for one in planned}
            sweep(destination, *folders)
            stack.callback(sweep, destination, *folders)  # a worker elsewhere may have been killed
        ledger = stack.enter_context(Ledger(destination, settings))
        if overwrite:
            ledger.forget()
        known = [_looked_up(one, ledger) for one in planned]
        for converted, entry in stack.enter_context(closing(run(known))):
            if entry is not None:
                ledger.add(entry)
            yield converted


def _looked_up(one: Planned, ledger: Ledger) -> Planned:
    """With what the ledger knows of its photos."""
    photo = first_photo(one.name, [output.name for output in one.outputs])
    made_of = ledger.made.get(photo)
    return one._replace(made_of=made_of, otherwise=made_of is None and photo in ledger.made)


def _settings(translator: BatchTranslator, options: Options) -> dict[str, Any]:
    """All that a photo depends on, beside the sketch, as JSON has it."""
    z = None if options.z is None else options.z.tolist()
    return {
        "bundle": translator.digest,
        "seed": options.seed if z is None else None,
        "z": z,
        "variants": options.variants,
        "size": options.size,
    }

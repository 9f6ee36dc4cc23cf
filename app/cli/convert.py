"""`pix2pix convert`: converts folders of sketches to folders of photos."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

import click

from app.cli.options import (
    ANY_PATH,
    PHOTO,
    device_option,
    engine_option,
    exit_with_counts,
    given,
    model_option,
    models_option,
    refuse_unwritable,
)
from app.cli.progress import Reporter
from pix2pix.convert.contact_sheet import Sheet
from pix2pix.convert.pipeline import HINTS_SUFFIX, OTHERWISE
from pix2pix.convert.plan import Conversion, Converted, Options, is_one_file
from pix2pix.errors import UsageError
from pix2pix.files import printable
from pix2pix.images.notices import COLOURS
from pix2pix.inference import translator
from pix2pix.memory import return_freed_memory
from pix2pix.model.latents import MAX_SEED, seeds_from
from pix2pix.storage import is_local, place, real

LIST = "-"
MAX_NAMED_SKIPS = 1000  # files of a job; a larger one gives only the number of skipped files


@click.command()
@click.argument("sources", metavar="SRC...", nargs=-1)
@click.argument("destination", metavar="DST")
@model_option
@models_option
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    default=0,
    help="Seed of the latent; the same seed gives the same photos. 0 is the mean latent.",
)
@click.option(
    "--style",
    type=PHOTO,
    show_default="none",
    help="Photo whose look all results get; not with --seed or --variants.",
)
@click.option(
    "--variants",
    type=click.IntRange(1, 100),
    default=1,
    help="Photos per sketch. Two or more are named NAME-1.png, NAME-2.png, ... with seeds from --seed on.",
)
@click.option(
    "--size",
    default="source",
    help="Size of the photos: source (as the sketch, interpolated), model (its square, 256 px in the shipped "
    "models), or the longer side in px, enlarged by a network.",
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["png", "jpg", "webp", "source"]),
    default="png",
    help="File format of the photos; source keeps the format of the sketch if it can be written.",
)
@click.option(
    "--sheet",
    type=ANY_PATH,
    show_default="none",
    help="Contact sheet to write, with the first sketches and their photos.",
)
@click.option(
    "--transparent", is_flag=True, help="Photos with alpha and without background; in PNG, WebP or TIFF."
)
@click.option(
    "--colours",
    is_flag=True,
    help="Use colour strokes: from NAME.hints.png next to the sketch, or the coloured strokes of the sketch "
    "itself, whose dark and grey strokes are then the lines.",
)
@click.option("--overwrite", is_flag=True, help="Replace existing photos.")
@click.option(
    "--ray",
    metavar="ADDRESS",
    show_default="none",
    help="Ray cluster to use: auto, HOST:PORT, ray://HOST:PORT, or local to start one on this machine.",
)
@device_option
@engine_option
@click.pass_context
def convert(
    ctx: click.Context,
    /,
    sources: tuple[str, ...],
    destination: str,
    style: Path | None,
    suffix: str,
    **options: Any,
) -> None:
    """Convert the sketches in SRC (a folder, files, or - for a list of paths) to photos in the folder DST.

    If SRC is one file, DST may be a file: SKETCH.png PHOTO.png. SRC and DST may be URLs, such as
    s3://bucket/folder; these need the extra "remote" and the package for the store. Prints the path of each
    photo. Sub-folders and names are kept. The same command continues an interrupted job, which
    DST/manifest.jsonl records.
    """
    return_freed_memory()  # each of many threads would keep that of a large scan
    if style is not None and (given(ctx, "seed") or given(ctx, "variants")):
        raise UsageError("--style sets the latent: omit --seed and --variants")
    sketches, photos = _sketches(sources), place(destination)
    if given(ctx, "suffix") and is_one_file(sketches, photos) and suffix != photos.suffix[1:].lower():
        raise UsageError(f"--format {suffix} and the name {destination} contradict each other: omit one")

    counts = _run(
        sketches,
        photos,
        by_name=len(sources) > 1,
        style=style,
        suffix="" if suffix == "source" else f".{suffix}",
        **options,
    )
    exit_with_counts(ctx, counts, done=("converted", "skipped"), failed="failed")


def _run(
    sketches: Path | list[Path],
    destination: Path,
    *,
    by_name: bool,
    model: str,
    models: Path | None,
    device: str,
    engine: str,
    style: Path | None,
    sheet: Path | None,
    size: str,
    ray: str | None,
    **options: Any,
) -> Counter[str]:
    """Converts; returns the number of files of each status. Raises as `Conversion` and its `run`."""
    options["size"] = int(size) if size.isdecimal() else size
    if options["size"] not in ("source", "model") and not isinstance(options["size"], int):
        raise UsageError(f"--size {size!r} is not source, model or a number of pixels")
    if sheet is not None:
        _refuse_in_the_way(sheet, sketches, destination)
    loaded = translator.load(model, models=models, device=device, engine=engine)
    options["batch_size"] = translator.max_batch(loaded)
    if style is not None:
        options["z"] = loaded.encode(style)
    conversion = Conversion(loaded, sketches, destination, Options(**options), by_name=by_name)
    out = sys.stdout
    with ExitStack() as stack:
        workers = None
        if ray is not None:
            from pix2pix.convert.on_ray import RayWorkers

            stack.enter_context(redirect_stdout(sys.stderr))  # Ray prints to stdout
            assert loaded.path is not None
            cluster = RayWorkers(ray, loaded.path, digest=loaded.digest, device=device, engine=engine)
            workers = stack.enter_context(cluster)
        results = conversion.run(workers)
        if sheet is not None:
            has_seeds = style is None and loaded.latent_size > 0
            seeds = seeds_from(options["seed"], options["variants"]) if has_seeds else ()
            page = Sheet(sheet, loaded.size_px, seeds=seeds, colours=options["colours"])
            results = map(stack.enter_context(page).add, results)
        return _report(results, conversion.total, out)


def _report(results: Iterable[Converted], total: int, out: TextIO) -> Counter[str]:
    """Prints the paths of photos to `out`, other results to stderr."""
    counts: Counter[str] = Counter()
    otherwise = coloured = 0
    with Reporter("converting", total, "files") as progress:
        try:
            for result in results:
                counts[result.status] += 1
                otherwise += result.error == OTHERWISE
                if result.status == "converted":
                    for output in result.outputs:
                        click.echo(printable(str(output)), file=out)
                    coloured += COLOURS in result.notices
                    for notice in result.notices:
                        if notice == COLOURS:  # one line for all
                            continue
                        progress.say(f"{notice.name}: {printable(str(result.source))}: {notice.message}")
                elif result.status != "skipped" or total <= MAX_NAMED_SKIPS:
                    progress.say(f"{result.status}: {printable(str(result.source))}: {result.error}")
                progress.advance()
        except OSError as error:
            if isinstance(error, BrokenPipeError) or not counts["converted"]:
                raise
            progress.say(f"stopped: {error.strerror or error}")
            counts["failed"] += total - counts.total()
    if counts["skipped"]:
        made = f" ({otherwise} made with another model or other options)" if otherwise else ""
        click.echo(f"Photos that exist already{made} are unchanged; --overwrite replaces them.", err=True)
    if coloured:
        sketches = "1 sketch" if coloured == 1 else f"{coloured} sketches"
        click.echo(
            f"Coloured strokes of {sketches} were taken for ink; with --colours they give the photos their "
            "colours.",
            err=True,
        )
    return counts


def _refuse_in_the_way(sheet: Path, sketches: Path | list[Path], destination: Path) -> None:
    """Raises UsageError for a contact sheet that cannot be written, or might replace a sketch or a photo."""
    refuse_unwritable(sheet)
    if sheet.name.endswith(HINTS_SUFFIX):
        raise UsageError(
            f"the contact sheet {sheet} has the name of a file of colour strokes: choose another name"
        )
    for taken in [destination, *(sketches if isinstance(sketches, list) else [sketches])]:
        if is_local(taken) and real(sheet).is_relative_to(real(taken)):
            raise UsageError(f"the contact sheet {sheet} would be inside of {taken}: choose another folder")


def _sketches(sources: tuple[str, ...]) -> Path | list[Path]:
    """The sources as paths: a list of them, or the only one. Raises UsageError."""
    if not sources:
        raise UsageError("SRC or DST is missing: give the sketches, then the folder for the photos")
    if sources == (LIST,):
        return _read_list()
    if LIST in sources:
        raise UsageError(
            f"{LIST} (a list on standard input) cannot be combined with other sources: omit the other "
            f"{len(sources) - 1}"
        )
    paths = [place(source) for source in sources]
    if len(paths) > 1:
        return paths
    if not paths[0].exists():
        raise UsageError(f"{sources[0]} does not exist")
    return paths[0]


def _read_list() -> list[Path]:
    """Reads paths from standard input, one a line, or each followed by NUL, as `find -print0` prints them."""
    text = sys.stdin.read().removeprefix("\ufeff")
    lines = text.split("\0") if "\0" in text else [line.removesuffix("\r") for line in text.split("\n")]
    return [place(line) for line in lines if line.strip()]

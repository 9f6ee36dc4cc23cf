"""`pix2pix convert`: the list of sketches, the job, and what is told of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

import click

from app.batcher import most_at_once
from app.options import refuse_unwritable
from app.progress import Reporter
from pix2pix.convert.contact_sheet import Sheet
from pix2pix.convert.pipeline import OTHERWISE
from pix2pix.convert.plan import Converted, Options, convert_folder
from pix2pix.errors import UsageError
from pix2pix.files import printable
from pix2pix.images.listing import list_pictures
from pix2pix.inference import translator
from pix2pix.storage import is_local, place, real

LIST = "-"
TOLD_ONE_BY_ONE = 1000  # skipped files: of a large job that goes on, only their number


def run(
    source: str,
    destination: str,
    *,
    model: str,
    models: Path | None,
    device: str,
    engine: str,
    style: Path | None,
    sheet: Path | None,
    size: str,
    ray: str | None,
    **asked: Any,
) -> Counter[str]:
    """Convert; how many files there are of each status. Raises as `convert_folder`."""
    options = {**asked, "size": int(size) if size.isdecimal() else size}
    if options["size"] not in ("source", "model") and not isinstance(options["size"], int):
        raise UsageError(f"--size {size!r} is not source, model or a number of pixels")
    sketches = _listed() if source == LIST else place(source)
    if not isinstance(sketches, list) and not sketches.exists():
        raise UsageError(f"{source} does not exist")
    if sheet is not None:
        _refuse_in_the_way(sheet, sketches, place(destination))
    loaded = translator.load(model, models=models, device=device, engine=engine)
    options["batch_size"] = most_at_once(loaded)
    if style is not None:
        options["z"] = loaded.encode(style)
    out = sys.stdout
    with ExitStack() as stack:
        workers = None
        if ray is not None:
            from pix2pix.convert.on_ray import RayWorkers

            stack.enter_context(redirect_stdout(sys.stderr))  # what Ray prints is no result
            assert loaded.path is not None
            cluster = RayWorkers(ray, loaded.path, digest=loaded.digest, device=device, engine=engine)
            workers = stack.enter_context(cluster)
        results = convert_folder(loaded, sketches, place(destination), Options(**options), workers)
        if sheet is not None:
            page = stack.enter_context(Sheet(sheet, loaded.size_px))
            results = (page.passing(result) for result in results)
        return _tell(results, _count(sketches), out)


def _tell(results: Iterable[Converted], total: int, out: TextIO) -> Counter[str]:
    """Print what is written, name what is not."""
    counts: Counter[str] = Counter()
    otherwise = 0
    with Reporter("converting", total, "files") as progress:
        try:
            for result in results:
                counts[result.status] += 1
                otherwise += result.error == OTHERWISE
                if result.status == "converted":
                    for output in result.outputs:
                        click.echo(printable(str(output)), file=out)
                elif result.status != "skipped" or total <= TOLD_ONE_BY_ONE:
                    progress.say(f"{result.status}: {printable(str(result.source))}: {result.error}")
                progress.advance()
        except OSError as error:
            if isinstance(error, BrokenPipeError) or not counts["converted"]:
                raise
            progress.say(f"stopped: {error.strerror or error}")
            counts["failed"] += total - counts.total()
    if counts["skipped"]:
        made = f" ({otherwise} made with another model, seed or size)" if otherwise else ""
        told = f"Photos that were there already{made} are as they were; --overwrite makes them anew."
        click.echo(told, err=True)
    return counts


def _refuse_in_the_way(sheet: Path, sketches: Path | list[Path], destination: Path) -> None:
    """Raise UsageError for a contact sheet that cannot be written, or might replace a sketch or a photo."""
    refuse_unwritable(sheet)
    for taken in [destination, *(sketches if isinstance(sketches, list) else [sketches])]:
        if is_local(taken) and real(sheet).is_relative_to(real(taken)):
            raise UsageError(f"the contact sheet {sheet} would lie in {taken}: choose another place for it")


def _listed() -> list[Path]:
    """Paths from standard input, one a line, or each with a NUL after it, as of `find -print0`."""
    text = sys.stdin.read().removeprefix("\ufeff")
    lines = text.split("\0") if "\0" in text else [line.removesuffix("\r") for line in text.split("\n")]
    return [place(line) for line in lines if line.strip()]


def _count(sketches: Path | list[Path]) -> int:
    if isinstance(sketches, list):
        return len(sketches)
    return 1 if sketches.is_file() else sum(map(len, list_pictures(sketches)))

"""`pix2pix prepare`: makes a pairs folder from photos, or from pairs in other layouts."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from app.cli.options import ANY_PATH, FOLDER, cores, exit_with_counts, given
from app.cli.progress import Reporter
from data_prep import Prepared
from data_prep import prepare as prepare_pairs
from data_prep.manifest import read_manifest
from data_prep.recognise import recognise
from data_prep.sources import KINDS
from pix2pix.errors import UsageError
from pix2pix.files import printable
from pix2pix.images.listing import list_pictures

FILES_PER_PROCESS = 32  # at least: about a second's work, which is what starting a process takes


@click.command()
@click.argument("source", metavar="SRC", type=FOLDER)
@click.argument("pairs", metavar="PAIRS", type=ANY_PATH)
@click.option(
    "--from",
    "kind",
    type=click.Choice(["auto", *KINDS]),
    default="auto",
    help="Layout of SRC: detected (auto); photos only; sketch and photo side by side, with the sketch left "
    "(ab) or right (ba); in two folders (folders); in one folder with different names (names).",
)
@click.option(
    "--edges",
    type=click.Choice(["learned", "canny", "xdog"]),
    default="learned",
    help="Edge method for the sketches of photos.",
)
@click.option(
    "--fit",
    type=click.Choice(["pad", "stretch"]),
    default="pad",
    help="How photos are made square: pad crops to the product with a margin, stretch resizes the photo.",
)
@click.option("--prefix", default="", show_default="none", help="Folder for the pairs inside of PAIRS.")
@click.option(
    "--val-fraction",
    type=float,
    default=0.1,
    help="Share of pairs for validation, if SRC has no splits.",
)
@click.option("--size", "size_px", type=int, default=256, help="Side of the square pictures, in pixels.")
@click.option(
    "--workers", type=click.IntRange(1, 1024), show_default="all cores", help="Number of processes."
)
@click.pass_context
def prepare(
    ctx: click.Context, /, source: Path, pairs: Path, kind: str, workers: int | None, **options: Any
) -> None:
    """Make the pairs folder PAIRS for `pix2pix train` from the files in SRC.

    Files that are left out are listed with the reason. A second run makes only missing pairs.
    """
    if kind == "auto":
        recognised = recognise(source, pairs)
        kind = recognised.kind
        click.echo(printable(f"{source} holds {recognised.seen} (--from {kind})"), err=True)
        if recognised.warning:
            click.echo(printable(f"Warning: {recognised.warning}"), err=True)
    if kind != "photos" and (given(ctx, "edges") or given(ctx, "fit")):
        raise UsageError(f"--edges and --fit are for photos; --from {kind} has sketches already")
    fraction_given = given(ctx, "val_fraction")
    counts = _run(source, pairs, kind=kind, workers=workers, fraction_given=fraction_given, **options)
    exit_with_counts(ctx, counts, done=("written", "unchanged"), failed="left out")


def _run(
    source: Path, pairs: Path, *, workers: int | None, fraction_given: bool, **options: Any
) -> Counter[str]:
    """Shows progress and prints the number of pairs. Returns counts by status, `stopped` as left out."""
    total = sum(map(len, list_pictures(source)))
    workers = workers or min(cores(), 1 + total // FILES_PER_PROCESS)
    results = prepare_pairs(source, pairs, workers=workers, **options)
    counts: Counter[str] = Counter()
    kept = 0
    ignored: dict[str, list[str]] = {}
    with closing(results), Reporter("preparing", total, "files") as progress:
        for result in results:
            counts["left out" if result.status == "stopped" else result.status] += 1
            if result.status == "ignored":
                ignored.setdefault(result.reason or "", []).append(result.source)
            elif not result.split:
                progress.say(_line(result))
            kept += result.keeps_split
            progress.advance(result.files)
    for reason, names in sorted(ignored.items(), key=lambda item: -len(item[1])):
        what = names[0] if len(names) == 1 else f"{len(names)} files"
        click.echo(printable(f"ignored: {what}: {reason}"), err=True)
    if kept and fraction_given:
        keep = "1 pair keeps its split" if kept == 1 else f"{kept} pairs keep their split"
        fraction = f"--val-fraction {options['val_fraction']:g}"
        click.echo(
            f"{keep}: {fraction} is for new pairs; to split all pairs again, make a new pairs folder",
            err=True,
        )
    splits = Counter(split for split, _ in read_manifest(pairs))
    summary = f"{splits['train']} pairs for training, {splits['val']} held out (val)"
    click.echo(f"{click.format_filename(pairs)} has {summary}")
    return counts


def _line(result: Prepared) -> str:
    return printable(f"{result.status}: {result.source}: {result.reason}")

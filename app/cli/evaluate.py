"""`pix2pix evaluate`: measures a model; prints the figures as a table, and writes them as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli.options import (
    ANY_PATH,
    FOLDER,
    device_option,
    exit_code,
    given,
    models_option,
    refuse_unwritable,
)
from app.cli.progress import Reporter
from pix2pix.errors import UsageError
from pix2pix.evaluate.estimates import SUBJECTS
from pix2pix.evaluate.metrics import METRICS, chosen
from pix2pix.files import write_atomically

if TYPE_CHECKING:
    from pix2pix.evaluate.figures import Figure
    from pix2pix.inference.translator import Translator

FORMAT = "pix2pix-evaluation/2"
LINES = "\n\n".join(f"\b\n{name}\n  {metric.help}" for name, metric in METRICS.items())


@click.command(epilog=f"Metrics:\n\n{LINES}")
@click.argument("bundle", metavar="BUNDLE")
@click.argument("pairs", metavar="PAIRS", type=FOLDER)
@click.option(
    "--metrics",
    show_default="all that can be computed",
    help="Metrics from the list below, such as lpips,kid.",
)
@click.option(
    "--sketches",
    type=FOLDER,
    show_default="none",
    help="Drawings by people, named NAME-1.png, NAME-2.png, ...",
)
@click.option(
    "--photos", type=FOLDER, show_default="none", help="Real photos of these drawings, named NAME.jpg."
)
@click.option(
    "--part",
    default="1/1",
    help="K/N uses only every N-th NAME, beginning with the K-th: select a model on 1/2, report it on 2/2.",
)
@click.option(
    "--subject",
    type=click.Choice(list(SUBJECTS)),
    show_default="the model's name, if it is one of them",
    help="Class for the metric `recognised`.",
)
@click.option("--json", "json_file", type=ANY_PATH, show_default="none", help="JSON file to write.")
@models_option
@device_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    bundle: str,
    pairs: Path,
    metrics: str | None,
    sketches: Path | None,
    photos: Path | None,
    part: str,
    subject: str | None,
    json_file: Path | None,
    models: Path | None,
    device: str,
) -> None:
    """Measure the quality of a model's photos: on the val part of PAIRS, and on drawings by people.

    Prints a table of value ± standard error (count). Pictures that cannot be read and metrics that cannot be
    computed are listed on stderr. The exit code is 1 for such pictures, and for such metrics in --metrics.
    """
    names = chosen(metrics) if metrics is not None else list(METRICS)
    k, n = _part(part)
    if json_file:
        refuse_unwritable(json_file)
    if photos and not sketches:
        raise UsageError("--photos needs --sketches: give the drawings of these photos")

    if given(ctx, "part") and not sketches:
        raise UsageError("--part needs --sketches: it selects drawings by people")

    from pix2pix.evaluate.features import FeatureNetworks
    from pix2pix.evaluate.figures import measure
    from pix2pix.evaluate.inputs import drawings, edges, leave_out_unreadable
    from pix2pix.inference.devices import choose_device
    from pix2pix.inference.translator import load
    from pix2pix.pairs import data_hash, list_pairs

    val = list_pairs(pairs, "val")
    model = load(bundle, models=models, device=device)
    subject = subject or (model.name if model.name in SUBJECTS else None)
    networks = FeatureNetworks(choose_device(device), subject)
    inputs, unreadable = leave_out_unreadable(
        [edges(val), *([drawings(sketches, photos, (k, n))] if sketches else [])]
    )
    count = sum(len(given.pairs) for given in inputs)
    with Reporter("evaluating", count, "sketches") as progress:
        for path, reason in unreadable.items():
            progress.say(f"left out: {click.format_filename(path)}: {reason}")
        figures = list(measure(model, inputs, networks, names, advance=progress.advance))
    for line in as_table(figures):
        click.echo(line)
    for line in _left_out(figures):
        click.echo(line, err=True)
    if json_file:
        about = _about(model, data_hash(val), f"{k}/{n}", subject, unreadable)
        write_atomically(json_file, as_json(about, figures).encode())
    measured = sum(figure.estimate is not None for figure in figures)
    missed = len(figures) - measured if metrics is not None else 0
    ctx.exit(exit_code(measured, len(unreadable) + missed))


def as_table(figures: Sequence[Figure]) -> list[str]:
    """Returns the lines of a table, a row per metric and a column per set of photos; and the ratio of KIDs.

    Returns no lines if nothing was measured.
    """
    measured = {f.metric for f in figures if f.estimate}
    if not measured:
        return []
    columns = list(dict.fromkeys(map(_column, figures)))
    cells = {(f.metric, _column(f)): _cell(f) for f in figures}
    rows = [["metric", *columns]]
    for metric in (name for name in METRICS if name in measured):
        rows.append([metric, *(cells.get((metric, column), "–") for column in columns)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    lines = [_row(row, widths) for row in rows]
    kids = {f.input: f.estimate for f in figures if f.metric == "kid" and f.photos == "made"}
    base = kids.pop("edges", None)
    for name, kid in kids.items():
        if kid and base and base.value > 0:
            lines += ["", f"KID on {name} / on edges: {kid.value / base.value:.2f}"]
    return lines


def as_json(about: dict[str, Any], figures: Sequence[Figure]) -> str:
    """Returns everything as JSON; the same figures give the same text."""
    measured = [
        {"metric": f.metric, "photos": f.photos, "input": f.input, **f.estimate._asdict(), "n": f.n}
        for f in figures
        if f.estimate
    ]
    missed = [{"metric": f.metric, "input": f.input, "reason": f.reason} for f in figures if not f.estimate]
    content = {"format": FORMAT, **about, "figures": measured, "left_out": missed}
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _about(
    model: Translator, val_hash: str, part: str, subject: str | None, unreadable: dict[Path, str]
) -> dict[str, Any]:
    """Returns the part of the JSON that describes the model and the pictures."""
    header = model.header
    return {
        "bundle": {"name": model.name, "data_hash": header.data_hash, "steps": header.steps},
        "pairs": {"val_hash": val_hash},
        "part": part,
        "subject": subject,
        "unreadable": {str(path): reason for path, reason in unreadable.items()},
    }


def _column(figure: Figure) -> str:
    if figure.photos == "real":
        return f"real photos of {figure.input}"
    return figure.input


def _cell(figure: Figure) -> str:
    if figure.estimate is None:
        return "–"
    digits = METRICS[figure.metric].digits
    value, error = figure.estimate
    return f"{value:.{digits}f} ± {error:.{digits}f} ({figure.n})"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _left_out(figures: Sequence[Figure]) -> list[str]:
    """Returns a line for each metric and reason, with the input unless the reason is the same for all."""
    inputs = {f.input for f in figures if f.photos == "made"}
    where: dict[tuple[str, str], set[str]] = {}
    for figure in figures:
        if not figure.estimate:
            where.setdefault((figure.metric, figure.reason), set()).add(figure.input)
    return [
        f"left out: {metric}{'' if found == inputs else f' on {min(found)}'}: {reason}"
        for (metric, reason), found in where.items()
    ]


def _part(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    k, n = map(int, found.groups()) if found else (0, 0)
    if not 1 <= k <= n:
        raise UsageError(f"--part {text!r} is not K/N with K from 1 to N, such as 1/2")
    return k, n

"""`pix2pix doctor`: checks a pairs folder; the report goes to stdout and to files."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.options import ANY_PATH, FAILED_ITEMS, FOLDER, cores, refuse_unwritable
from app.cli.progress import Reporter
from data_prep.doctor import diagnose, examine, survey
from data_prep.doctor.report import as_html, as_json, as_text
from pix2pix.files import write_atomically

PARALLEL_PAIRS = 256  # with fewer, starting processes takes longer than they save


@click.command()
@click.argument("pairs", metavar="PAIRS", type=FOLDER)
@click.option("--html", type=ANY_PATH, show_default="none", help="HTML report to write, with pictures.")
@click.option("--json", "json_file", type=ANY_PATH, show_default="none", help="JSON report to write.")
@click.pass_context
def doctor(ctx: click.Context, pairs: Path, html: Path | None, json_file: Path | None) -> None:
    """Check the pairs folder PAIRS before training: ready, usable with warnings, or not ready.

    The exit code is 1 if the folder is not ready, else 0.
    """
    for path in filter(None, (html, json_file)):
        refuse_unwritable(path)
    found = survey(pairs)
    measured = []
    with Reporter("examining", len(found.pairs), "pairs") as progress:
        for one in examine(found, workers=cores() if len(found.pairs) >= PARALLEL_PAIRS else 1):
            measured.append(one)
            progress.advance()
    report = diagnose(found, measured)
    for line in as_text(report):
        click.echo(line)
    for file, content in ((html, as_html), (json_file, as_json)):
        if file:
            write_atomically(file, content(report).encode())
    ctx.exit(FAILED_ITEMS if report.verdict == "not ready" else 0)

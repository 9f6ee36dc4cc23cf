"""`pix2pix doctor`: the audit with a bar, its report on stdout and in files."""

from __future__ import annotations

from pathlib import Path

import click

from app.options import cores, refuse_unwritable
from app.progress import Reporter
from data_prep.doctor import Report, diagnose, examine, survey
from data_prep.doctor.report import as_html, as_json, as_text
from pix2pix.files import write_atomically

MANY = 256  # pairs for which starting several processes pays


def run(pairs: Path, html: Path | None, json_file: Path | None) -> Report:
    """Audit, print the report, write what is asked for. Raises UsageError before it begins, PairsError."""
    for wanted in filter(None, (html, json_file)):
        refuse_unwritable(wanted)
    found = survey(pairs)
    measured = []
    with Reporter("examining", len(found.pairs), "pairs") as progress:
        for one in examine(found, workers=cores() if len(found.pairs) >= MANY else 1):
            measured.append(one)
            progress.advance()
    report = diagnose(found, measured)
    for line in as_text(report):
        click.echo(line)
    for file, content in ((html, as_html), (json_file, as_json)):
        if file:
            write_atomically(file, content(report).encode())
    return report

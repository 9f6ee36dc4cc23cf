"""`pix2pix prepare`: what became of each file, told as it comes, and counted."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from app.options import cores
from app.progress import Reporter
from data_prep import Prepared, prepare
from data_prep.manifest import read_manifest
from data_prep.sources import refuse_pairs_as_photos
from pix2pix.files import printable
from pix2pix.images.listing import list_pictures

FILES_WORTH_A_PROCESS = 32  # about a second's work, which is what it takes to begin one

__all__ = ["refuse_pairs_as_photos", "run"]


def run(source: Path, pairs: Path, *, workers: int | None, **options: Any) -> Counter[str]:
    """Prepare with a bar; print how many pairs there are. Counts results by status, `stopped` as left out."""
    total = sum(map(len, list_pictures(source)))
    workers = workers or min(cores(), 1 + total // FILES_WORTH_A_PROCESS)
    results = prepare(source, pairs, workers=workers, **options)
    counts: Counter[str] = Counter()
    ignored: Counter[str] = Counter()
    with closing(results), Reporter("preparing", total, "files") as progress:
        for result in results:
            counts["left out" if result.status == "stopped" else result.status] += 1
            if result.status == "ignored":
                ignored[result.reason or ""] += 1
            elif not result.split:
                progress.say(_line(result))
            progress.advance(result.files)
    for reason, count in ignored.most_common():
        click.echo(f"ignored: {count} {'file' if count == 1 else 'files'}: {printable(reason)}", err=True)
    splits = Counter(split for split, _ in read_manifest(pairs))
    told = f"{splits['train']} pairs for training, {splits['val']} held out (val)"
    click.echo(f"{click.format_filename(pairs)} holds {told}")
    return counts


def _line(result: Prepared) -> str:
    return printable(f"{result.status}: {result.source}: {result.reason}")

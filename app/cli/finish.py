"""`pix2pix finish`: lets the learning rates of a copy of a run fall to zero, and writes the bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.cli.options import (
    FOLDER,
    Duration,
    device_option,
    plain_name,
    precision_option,
    runs_option,
    threads_option,
    workers_option,
)
from app.cli.progress import Reporter


@click.command()
@click.argument("run", metavar="RUN", type=FOLDER)
@click.argument("pairs", metavar="PAIRS", type=FOLDER)
@click.option("--name", required=True, callback=plain_name, help="Name of the copy, and of its model.")
@click.option("--time", "seconds", type=Duration(), default="20m", help="Time in which the rates fall.")
@click.option("--title", show_default="the run's", help="Title of the model in lists.")
@runs_option
@threads_option
@workers_option
@precision_option
@device_option
@click.pass_context
def finish(
    ctx: click.Context,
    /,
    run: Path,
    pairs: Path,
    name: str,
    seconds: float,
    title: str | None,
    runs: Path,
    **options: Any,
) -> None:
    """Finish a copy of the run RUN on PAIRS, into runs/NAME; prints the path of the model.

    The learning rates of the copy fall to zero. RUN does not change, and can go on meanwhile. PAIRS may be
    other pairs than those of RUN, for example of one subject.
    """
    from app.cli import train as training
    from pix2pix.training.checkpoint import copy_to_finish

    config = copy_to_finish(run, runs / name, seconds, title)
    arguments = training.TrainArguments(pairs, runs / name, resume=True, other_pairs=True, **options)
    with Reporter("finishing", 1.0) as progress, training.stop_on_signals(progress.say) as stop:
        training.run(arguments, config, progress, stop)
    if stop():
        training.exit_stopped(ctx, pairs, name, runs, resume=True)
    click.echo(click.format_filename(runs / name / f"{name}.safetensors"))

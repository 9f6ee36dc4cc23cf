"""`pix2pix finish`: trains a copy of a run with decaying learning rates, and writes the bundle."""

from __future__ import annotations

import shlex
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
@click.option("--name", required=True, callback=plain_name, help="Name of the copy and of its model.")
@click.option("--time", "seconds", type=Duration(), default="20m", help="Duration of the decay.")
@click.option("--title", show_default="that of RUN", help="Display name of the model.")
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
    """Finish a copy of the run RUN on PAIRS, in runs/NAME, and print the path of the model.

    The learning rates of the copy decay to zero. RUN is not changed and can continue training. PAIRS may
    differ from the pairs of RUN, for example pairs of one subject only.
    """
    from app.cli import train as training
    from pix2pix.training.checkpoint import copy_to_finish

    config = copy_to_finish(run, runs / name, seconds, title)
    arguments = training.TrainArguments(pairs, runs / name, resume=True, other_pairs=True, **options)
    with Reporter("finishing", 1.0) as progress, training.stop_on_signals(progress.say) as stop:
        training.run(arguments, config, progress, stop)
    if stop():
        command = ["pix2pix", "train", str(pairs), "--name", name, "--runs", str(runs), "--resume"]
        training.exit_stopped(ctx, f"run: {shlex.join(command)}")
    click.echo(click.format_filename(runs / name / f"{name}.safetensors"))

"""`pix2pix train`: a model from a pairs folder."""

from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from app.cli.options import (
    FOLDER,
    INTERRUPTED,
    Duration,
    cores,
    device_option,
    given,
    plain_name,
    precision_option,
    runs_option,
    threads_option,
    workers_option,
)
from app.cli.progress import Reporter, in_words
from pix2pix.errors import UsageError
from pix2pix.model.config import refuse_other_model
from pix2pix.training.config import TrainConfig, train_config, with_settings

if TYPE_CHECKING:
    from pix2pix.training.run_folder import Status

MOST_WORKERS = 8


@click.command()
@click.argument("pairs", metavar="PAIRS", type=FOLDER)
@click.option(
    "--name", required=True, callback=plain_name, help="Name of the run, and of the model it makes."
)
@click.option(
    "--preset",
    type=click.Choice(["default", "paper", "fast"]),
    default="default",
    help="The recipe: this project's, the pix2pix paper's, or a small quick one.",
)
@click.option("--from", "start_from", show_default="untrained", help="Model (name or file) to begin with.")
@click.option("--resume", is_flag=True, help="Go on with the run of that name, with its own configuration.")
@click.option("--other-pairs", is_flag=True, help="With --resume: go on though the pairs have changed.")
@click.option(
    "--steps", type=click.IntRange(1), show_default="the preset's", help="Batches to train on in all."
)
@click.option(
    "--time-limit",
    type=Duration(),
    show_default="none",
    help="Training time in all, such as 90m; then it ends.",
)
@click.option(
    "--size",
    "size_px",
    type=click.IntRange(16, 2048),
    show_default="the preset's",
    help="Picture side in pixels.",
)
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    show_default="none",
    help="A field of TrainConfig, such as perceptual_weight=1; --dry-run shows them all.",
)
@click.option("--title", show_default="the run's name", help="What the model is called in lists.")
@click.option(
    "--licence", show_default="not stated", help="Licence of the pairs, kept in the model's header."
)
@runs_option
@threads_option
@workers_option
@click.option("--devices", type=click.IntRange(1), default=1, help="GPUs, or processes on a CPU.")
@click.option(
    "--nodes", type=click.IntRange(1), default=1, help="Machines; docs/training.md says how to start them."
)
@precision_option
@device_option
@click.option(
    "--dry-run", is_flag=True, help="Print the configuration and check the pairs, but train nothing."
)
@click.pass_context
def train(ctx: click.Context, /, pairs: Path, name: str, runs: Path, dry_run: bool, **options: Any) -> None:
    """Train a model on the pairs folder PAIRS, into runs/NAME; prints the path of the model.

    Ctrl-C finishes the step, saves, and ends; --resume goes on from there.
    """
    asked = Asked(pairs, runs / name, **options)
    config = configuration(asked, preset_given=given(ctx, "preset"))
    if dry_run:
        click.echo(describe(asked, config))
        return
    with Reporter("training", 1.0) as progress, stop_on_signals(progress.say) as stop:
        status = run(asked, config, progress, stop)
    if not is_first_process():
        return
    bundle = asked.run / f"{name}.safetensors"
    if status is not None:
        click.echo(f"{status.step} steps, {status.images} images in {in_words(status.seconds)}", err=True)
    elif not stop():
        click.echo(
            "Nothing to do: the run has reached its end; a larger --steps or --time-limit moves it.", err=True
        )
    if bundle.exists():
        click.echo(click.format_filename(bundle))
    if stop():
        again = f"pix2pix train {pairs} --name {name} --runs {runs}{' --resume' if bundle.exists() else ''}"
        click.echo(f"Stopped. To go on: {again}", err=True)
        ctx.exit(INTERRUPTED)


@dataclass(frozen=True)
class Asked:
    """The command's options, as they came."""

    pairs: Path
    run: Path
    preset: str = "default"
    start_from: str | None = None
    resume: bool = False
    steps: int | None = None
    time_limit: float | None = None
    size_px: int | None = None
    other_pairs: bool = False
    threads: int | None = None
    workers: int | None = None
    devices: int = 1
    nodes: int = 1
    precision: str = "auto"
    device: str = "auto"
    title: str | None = None
    licence: str | None = None
    settings: tuple[str, ...] = ()


def configuration(asked: Asked, *, preset_given: bool) -> TrainConfig:
    """The preset with what was asked for, or the configuration of the run that goes on.

    Raises UsageError for options that --resume cannot follow and for a --from that does not fit, BundleError
    for one that cannot be read, RunError where there is nothing to resume.
    """
    fields = {
        "steps": asked.steps,
        "time_limit_s": asked.time_limit,
        "title": asked.title,
        "licence": asked.licence,
    }
    overrides: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    if asked.resume:
        given = {"--preset": preset_given, "--from": asked.start_from, "--size": asked.size_px}
        if refused := [option for option, value in given.items() if value]:
            raise UsageError(
                f"--resume goes on with the run's own configuration; leave out {', '.join(refused)}"
            )
        from pix2pix.training.run_folder import RunFolder

        return with_settings(dataclasses.replace(RunFolder(asked.run).config(), **overrides), asked.settings)
    if asked.size_px is not None:
        model = train_config(asked.preset).model
        overrides["model"] = dataclasses.replace(model, size_px=asked.size_px)
    if asked.other_pairs:
        raise UsageError("--other-pairs goes with --resume: a new run may have any pairs")
    config = with_settings(train_config(asked.preset, **overrides), asked.settings)
    if asked.start_from:
        from pix2pix.model.bundle import find_bundle, read_header

        refuse_other_model(read_header(find_bundle(asked.start_from)).model, config.model, asked.start_from)
    return config


def describe(asked: Asked, config: TrainConfig) -> str:
    """What would be trained, as JSON. Raises PairsError for pairs that cannot be used."""
    from pix2pix.errors import PairsError
    from pix2pix.pairs import list_pairs

    train = len(list_pairs(asked.pairs, "train"))
    try:
        val = len(list_pairs(asked.pairs, "val"))
    except PairsError:
        val = 0
    options = {key: str(value) if isinstance(value, Path) else value for key, value in vars(asked).items()}
    plan = {"options": options, "pairs": {"train": train, "val": val}, "config": dataclasses.asdict(config)}
    return json.dumps(plan, indent=1)


def run(asked: Asked, config: TrainConfig, progress: Reporter, stop: Callable[[], bool]) -> Status | None:
    """Train to the end; the last Status, or None if there was nothing left to do."""
    import torch

    from pix2pix.model.bundle import find_bundle
    from pix2pix.training.loop import train

    if asked.threads:
        torch.set_num_threads(asked.threads)
    workers = asked.workers
    if workers is None:
        workers = min(MOST_WORKERS, max(0, cores() // asked.devices - 1))  # one core is the step's
    status: Status | None = None
    for step in train(
        config,
        asked.pairs,
        asked.run,
        resume=asked.resume,
        other_pairs=asked.other_pairs,
        start_from=find_bundle(asked.start_from) if asked.start_from else None,
        device=asked.device,
        devices=asked.devices,
        nodes=asked.nodes,
        workers=workers,
        precision=asked.precision,
        stop=stop,
        notify=progress.say,
    ):
        if status is None:
            progress.start_at(step.progress)
        status = step
        progress.update(step.progress, _note(step))
    return status


def is_first_process() -> bool:
    """See `pix2pix.training.distributed`."""
    from pix2pix.training import distributed

    return distributed.is_first_process()


@contextmanager
def stop_on_signals(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a wish to stop; the second one acts at once."""
    asked_to_stop = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True
        say("Finishing this step and saving; once more stops at once.")
        for one in before:
            signal.signal(one, signal.default_int_handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked_to_stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(status: Status) -> str:
    right = {
        name.removeprefix("accuracy_"): value
        for name, value in status.standing.items()
        if name.startswith("accuracy_")
    }
    shares = ", ".join(f"{kind} {value:.2f}" for kind, value in right.items())
    return f"step {status.step}, {status.images_per_s:.1f} images/s, discriminators right: {shares}"

"""`pix2pix train`: trains a model on a pairs folder."""

from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
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
from pix2pix.memory import keep_freed_memory
from pix2pix.model.config import refuse_other_model
from pix2pix.training.config import TrainConfig, train_config, with_settings

if TYPE_CHECKING:
    from pix2pix.training.run_folder import Status

MOST_WORKERS = 8
OPTION_OF = {"steps": "--steps", "time_limit_s": "--time-limit", "title": "--title", "licence": "--licence"}
OPTION_OF["model.size_px"] = "--size"
MAY_CHANGE = ("steps", "time_limit_s", "title", "licence")  # of a run that is resumed


@click.command()
@click.argument("pairs", metavar="PAIRS", type=FOLDER)
@click.option("--name", required=True, callback=plain_name, help="Name of the run and of the model.")
@click.option(
    "--preset",
    type=click.Choice(["default", "paper", "fast"]),
    default="default",
    help="Configuration: that of the shipped models, pix2pix as in the paper, or a small fast one.",
)
@click.option(
    "--from", "start_from", show_default="untrained", help="Model whose weights the run starts with."
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the run NAME; only steps, time limit, title and licence may differ.",
)
@click.option("--other-pairs", is_flag=True, help="With --resume: continue with changed pairs.")
@click.option(
    "--steps",
    type=click.IntRange(1),
    show_default="the preset's",
    help="Total number of training steps.",
)
@click.option(
    "--time-limit",
    type=Duration(),
    show_default="none",
    help="Total training time, such as 90m.",
)
@click.option(
    "--size",
    "size_px",
    type=click.IntRange(16, 2048),
    show_default="the preset's",
    help="Side of the pictures in pixels.",
)
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    show_default="none",
    help="A field of TrainConfig, such as perceptual_weight=1; repeatable. --dry-run prints all fields.",
)
@click.option("--title", show_default="the run's name", help="Display name of the model.")
@click.option("--licence", show_default="not stated", help="Licence of the pairs, stored in the bundle.")
@runs_option
@threads_option
@workers_option
@click.option(
    "--devices", type=click.IntRange(1), default=1, help="Number of GPUs, or of processes on a CPU."
)
@click.option("--nodes", type=click.IntRange(1), default=1, help="Number of machines: see docs/training.md.")
@precision_option
@device_option
@click.option(
    "--dry-run", is_flag=True, help="Print the configuration and check the pairs, without training."
)
@click.pass_context
def train(ctx: click.Context, /, pairs: Path, name: str, runs: Path, dry_run: bool, **options: Any) -> None:
    """Train a model on the pairs folder PAIRS, in runs/NAME, and print the path of the model.

    Ctrl-C finishes the step, saves a checkpoint and ends; --resume continues from there.
    """
    arguments = TrainArguments(pairs, runs / name, **options)
    config = configuration(arguments, preset_given=given(ctx, "preset"))
    if dry_run:
        click.echo(describe(arguments, config))
        return
    with Reporter("training", 1.0) as progress, stop_on_signals(progress.say) as stop:
        status = run(arguments, config, progress, stop)

    from pix2pix.training.distributed import is_first_process

    if not is_first_process():
        return
    bundle = arguments.run / f"{name}.safetensors"
    if status is not None:
        steps = "1 step" if status.step == 1 else f"{status.step} steps"
        click.echo(f"{steps}, {status.images} images in {in_words(status.seconds)}", err=True)
    elif not stop():
        click.echo(
            "Nothing to do: the run has ended; to continue, give a larger --steps or --time-limit.", err=True
        )
    if bundle.exists():
        click.echo(click.format_filename(bundle))
    if stop() and (status is None or status.progress < 1):
        added = bundle.exists() and not arguments.resume
        exit_stopped(ctx, f"run the same command{' with --resume added' if added else ''}.")


@dataclass(frozen=True)
class TrainArguments:
    """The arguments and options of the command."""

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


def configuration(arguments: TrainArguments, *, preset_given: bool) -> TrainConfig:
    """Returns the preset, or the configuration of the run to resume, with the options applied.

    Raises UsageError for a field that an option and --set give, for options that differ from the run to
    resume and for a --from of another model, BundleError for a --from that cannot be read, RunError if there
    is nothing to resume.
    """
    fields = {
        "steps": arguments.steps,
        "time_limit_s": arguments.time_limit,
        "title": arguments.title,
        "licence": arguments.licence,
    }
    overrides: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    given_by_option = {**fields, "model.size_px": arguments.size_px}
    for setting in arguments.settings:
        name = setting.partition("=")[0]
        if given_by_option.get(name) is not None:
            raise UsageError(f"{OPTION_OF[name]} and --set {setting} set the same field: omit one")
    if arguments.resume:
        return _resumed(arguments, overrides, preset_given=preset_given)
    if arguments.size_px is not None:
        model = train_config(arguments.preset).model
        overrides["model"] = dataclasses.replace(model, size_px=arguments.size_px)
    if arguments.other_pairs:
        raise UsageError("--other-pairs is for --resume: a new run can use any pairs")
    config = with_settings(train_config(arguments.preset, **overrides), arguments.settings)
    if arguments.start_from:
        from pix2pix.model.bundle import find_bundle, read_header

        refuse_other_model(
            read_header(find_bundle(arguments.start_from)).model, config.model, arguments.start_from
        )
    return config


def _resumed(arguments: TrainArguments, overrides: dict[str, Any], *, preset_given: bool) -> TrainConfig:
    """The configuration of the run to resume, with the fields in MAY_CHANGE replaced.

    Raises UsageError, with both values, for other options that differ from the run's.
    """
    from pix2pix.training.run_folder import RunFolder

    folder = RunFolder(arguments.run)
    config = folder.config()
    wanted = with_settings(dataclasses.replace(config, **overrides), arguments.settings)
    other: dict[str, object] = {}  # option -> what the run has
    if preset_given and arguments.preset != config.preset:
        other[f"--preset {arguments.preset}"] = config.preset
    if arguments.start_from and not folder.began_from(arguments.start_from):
        other[f"--from {arguments.start_from}"] = folder.start_from()
    if arguments.size_px not in (None, config.size_px):
        other[f"--size {arguments.size_px}"] = config.size_px
    for setting in arguments.settings:
        name = setting.partition("=")[0]
        has = attrgetter(name)(config)
        if name not in MAY_CHANGE and attrgetter(name)(wanted) != has:
            other[f"--set {setting}"] = has
    if other:
        differences = ", ".join(f"{option} (the run has {has})" for option, has in other.items())
        raise UsageError(
            f"--resume continues with the configuration of the run, but these options differ: {differences}; "
            "omit them, or start a new run with another --name"
        )
    return wanted


def describe(arguments: TrainArguments, config: TrainConfig) -> str:
    """Returns options, pairs and configuration as JSON.

    Raises PairsError for pairs that cannot be used, RunError for others than those of the run to resume.
    """
    from pix2pix.errors import PairsError
    from pix2pix.pairs import data_hash, list_pairs
    from pix2pix.training.run_folder import RunFolder

    train = list_pairs(arguments.pairs, "train")
    if arguments.resume and not arguments.other_pairs:
        RunFolder(arguments.run).refuse_other_pairs(data_hash(train))
    try:
        val = len(list_pairs(arguments.pairs, "val"))
    except PairsError:
        val = 0
    options = {
        key: str(value) if isinstance(value, Path) else value for key, value in vars(arguments).items()
    }
    counts = {"train": len(train), "val": val}
    plan = {"options": options, "pairs": counts, "config": dataclasses.asdict(config)}
    return json.dumps(plan, indent=1)


def run(
    arguments: TrainArguments, config: TrainConfig, progress: Reporter, stop: Callable[[], bool]
) -> Status | None:
    """Trains to the end; returns the last Status, or None if the run had ended before."""
    import torch

    from pix2pix.model.bundle import find_bundle
    from pix2pix.training.loop import train

    keep_freed_memory()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    workers = arguments.workers
    if workers is None:
        workers = min(MOST_WORKERS, max(0, cores() // arguments.devices - 1))  # one core computes the steps
    start_from = None  # a run that is resumed has its weights
    if arguments.start_from and not arguments.resume:
        start_from = find_bundle(arguments.start_from)
    last: Status | None = None
    for status in train(
        config,
        arguments.pairs,
        arguments.run,
        resume=arguments.resume,
        other_pairs=arguments.other_pairs,
        start_from=start_from,
        device=arguments.device,
        devices=arguments.devices,
        nodes=arguments.nodes,
        workers=workers,
        precision=arguments.precision,
        stop=stop,
        notify=progress.say,
    ):
        if last is None:
            progress.start_at(status.progress)
        last = status
        follows = " and ".join(["scoring"] * status.scores + ["saving"] * status.saves)
        note = ", ".join(filter(None, [follows, _note(status)]))
        progress.update(status.progress, note, at_once=bool(follows))
    return last


def exit_stopped(ctx: click.Context, how: str) -> None:
    """Prints how to go on with a stopped run, and exits."""
    click.echo(f"Stopped. To continue, {how}", err=True)
    ctx.exit(INTERRUPTED)


@contextmanager
def stop_on_signals(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Yields a function that returns whether Ctrl-C or SIGTERM came; the second signal stops at once."""
    stop_requested = False

    def request_stop(number: int, frame: FrameType | None) -> None:
        nonlocal stop_requested
        stop_requested = True
        say("Finishing this step and saving; Ctrl-C again stops at once.")
        for handled in before:
            signal.signal(handled, signal.default_int_handler)

    before = {number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: stop_requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _note(status: Status) -> str:
    shares = ", ".join(
        f"{name.removeprefix('accuracy_')} {value:.2f}"
        for name, value in status.statistics.items()
        if name.startswith("accuracy_")
    )
    return f"step {status.step}, {status.images_per_s:.1f} images/s, accuracy of discriminators: {shares}"

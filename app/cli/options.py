"""Shared by the commands: option types, common options, exit codes, and the printing of errors."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pix2pix.errors import Pix2PixError, UsageError

INSTALL = "pip install -e '.[train]' (not needed for drawing and converting on a CPU)"
FAILED_ITEMS, NOTHING_DONE, INTERRUPTED = 1, 2, 130


class PlainErrors(click.Group):
    """A group that prints errors of users as one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; exits with 2 on a Pix2PixError or OSError, with 130 on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except Pix2PixError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(NOTHING_DONE)
        except ModuleNotFoundError as error:
            name, command = error.name, ctx.invoked_subcommand
            click.echo(f"Error: {command} needs {name}, which is not installed: {INSTALL}", err=True)
            ctx.exit(NOTHING_DONE)
        except BrokenPipeError:
            raise  # the reader of stdout has closed it: click exits silently
        except OSError as error:
            where = f"{click.format_filename(error.filename)}: " if error.filename else ""
            click.echo(f"Error: {where}{error.strerror or error}", err=True)
            ctx.exit(NOTHING_DONE)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would change the exit code
            click.echo(
                "Interrupted. Written files are complete; run convert or prepare again to continue.", err=True
            )
            ctx.exit(INTERRUPTED)


class Duration(click.ParamType[float]):
    """A time such as 90m, 2h, 1h30m or 45s, as seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Returns seconds; fails with what is allowed."""
        if isinstance(value, (int, float)):
            return float(value)
        found = re.fullmatch(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", value.strip().lower())
        seconds = (
            sum(int(n or 0) * s for n, s in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0
        )
        if not seconds:
            self.fail(f"{value!r} is not a time such as 90m, 2h, 1h30m or 45s", param, ctx)
        return float(seconds)


class Device(click.ParamType[str]):
    """The device: auto, cpu, cuda, or cuda:N. Whether it is available is checked later."""

    name = "device"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the value unchanged; fails with what is allowed."""
        if not re.fullmatch(r"auto|cpu|cuda(:\d{1,2})?", value, re.ASCII):
            self.fail(f"{value!r} is not one of: auto, cpu, cuda, cuda:N such as cuda:1", param, ctx)
        return value


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ANY_PATH = click.Path(path_type=Path)
PHOTO = click.Path(exists=True, dir_okay=False, path_type=Path)
model_option = click.option(
    "--model", default="shoes", help="Name of a model, or path of its .safetensors file."
)
models_option = click.option(
    "--models",
    type=FOLDER,
    show_default="PIX2PIX_MODELS, models/, the shipped models",
    help="Folder that is searched for models first.",
)
device_option = click.option(
    "--device",
    type=Device(),
    metavar="[auto|cpu|cuda|cuda:N]",
    default="auto",
    help="Device; auto uses a GPU if there is one, cuda:1 is the second GPU.",
)

engine_option = click.option(
    "--engine",
    type=click.Choice(["auto", "onnxruntime", "torch"]),
    default="auto",
    help="Inference engine; auto is ONNX Runtime on a CPU and PyTorch on a GPU.",
)

runs_option = click.option("--runs", type=ANY_PATH, default=Path("runs"), help="Folder that holds the runs.")
threads_option = click.option(
    "--threads", type=click.IntRange(1), show_default="all cores", help="CPU threads for computing."
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(0, 64),
    show_default="number of cores minus 1, at most 8",
    help="Data loader processes per device.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(["auto", "32-true", "bf16-mixed", "16-mixed"]),
    default="auto",
    help="Number format; auto is bf16-mixed on a GPU that supports it, else 32-true.",
)


def exit_code(done: int, failed: int) -> int:
    """Returns 0 if all is done, 1 if some failed, 2 if nothing is done."""
    if not done:
        return NOTHING_DONE
    return FAILED_ITEMS if failed else 0


def plain_name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Returns `value`; raises UsageError if it is not a plain file name."""
    if Path(value).name != value or not value.strip() or value.startswith("."):
        raise UsageError(
            f"--name {value!r} is not a plain name: it must not be empty, contain slashes or begin with a dot"
        )
    return value


def exit_with_counts(ctx: click.Context, counts: Counter[str], *, done: tuple[str, ...], failed: str) -> None:
    """Prints the counts, and exits with the code for them."""
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    click.echo(summary or "There are no files.", err=True)
    ctx.exit(exit_code(sum(counts[status] for status in done), counts[failed]))


def refuse_unwritable(file: Path) -> None:
    """Raises UsageError for a file that cannot be written. Call it before the work."""
    if file.is_dir() or not os.access(file.parent, os.W_OK):
        raise UsageError(f"{file} cannot be written: give a file in an existing folder with write permission")


def given(ctx: click.Context, name: str) -> bool:
    """Returns whether an option was given on the command line."""
    return ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

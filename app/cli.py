"""The command line: `pix2pix COMMAND --help`. Commands parse, validate and call.

Exit codes: 0 all done; 1 finished, but some items failed, each named with its reason; 2 wrong usage, or
nothing could be done; 130 interrupted. Results go to stdout, all else to stderr.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from app import evaluate_command, finish_command, latent_commands
from app.access import RATE, is_loopback, rate_in_words
from app.options import (
    ANY_PATH,
    FAILED_ITEMS,
    FOLDER,
    INTERRUPTED,
    PHOTO,
    Duration,
    PlainErrors,
    device_option,
    engine_option,
    exit_code,
    finish,
    given,
    model_option,
    models_option,
    plain_name,
    precision_option,
    runs_option,
    threads_option,
    workers_option,
)
from app.progress import Reporter, in_words
from pix2pix import __version__
from pix2pix.errors import BundleNotFound, UsageError
from pix2pix.model.latents import MAX_SEED

if TYPE_CHECKING:
    from data_prep.sources import Kind


@click.group(cls=PlainErrors, context_settings={"show_default": True, "help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s", help="Show the version and exit.")
def main() -> None:
    """Turn sketches into photos: draw in the browser, convert folders, train on your own pairs."""


@main.command()
@click.option(
    "--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for every one of this machine."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="Port; 0 takes any free one.")
@models_option
@device_option
@engine_option
@click.option("--open", "open_page", is_flag=True, help="Open the canvas in the browser.")
@click.option(
    "--token",
    envvar="PIX2PIX_TOKEN",
    show_default="none",
    help="What clients have to know: Authorization: Bearer TOKEN. Better in PIX2PIX_TOKEN than here.",
)
@click.option("--public", is_flag=True, help="Let others than this machine ask without a token.")
@click.option(
    "--behind-proxy",
    "proxies",
    type=click.IntRange(0, 10),
    default=0,
    help="Proxies of yours in front, whose word on the client's address is taken.",
)
@click.option(
    "--rate", default=RATE, help='How often each client may ask, such as "60 per second;1000 per hour".'
)
@click.option(
    "--drain", type=Duration(), default="10s", help="How long what was begun may take to end after SIGTERM."
)
@click.option(
    "--log-format",
    type=click.Choice(["plain", "json"]),
    default="plain",
    help="Lines to read, or JSON objects.",
)
def serve(
    host: str,
    port: int,
    models: Path | None,
    device: str,
    engine: str,
    open_page: bool,
    token: str | None,
    public: bool,
    proxies: int,
    rate: str,
    drain: float,
    log_format: str,
) -> None:
    """Serve the canvas and the HTTP API with every model that can be loaded."""
    from app import create_app, serving
    from app.middleware import JsonLines
    from app.models import Models

    if not (token or public or is_loopback(host)):
        raise UsageError(
            f"--host {host} lets others than this machine ask: give a --token that they have to know, or say "
            "--public"
        )
    if rate:
        rate_in_words(rate)  # before models are loaded: it may say nothing

    serving.give_memory_back()

    def say(words: str) -> None:
        if log_format == "json":
            logging.getLogger("pix2pix serve").info(words)
        else:
            click.echo(words, err=True)

    def ready(url: str) -> None:
        page = f"{url}?token={quote(token)}" if token else url
        shown = page if sys.stderr.isatty() or not token else f"{url}?token=..."  # a log is no place for it
        say(f"Draw at {shown} (models: {', '.join(translators)}; Ctrl-C ends it)")
        if open_page:
            serving.open_browser(page)

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if log_format == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonLines())
    translators = Models(models, device, say, engine)
    translators.watch()
    app = create_app(translators, token=token, rate=rate, proxies=proxies)
    serving.listen(app, host, port, ready, drain_s=drain)


@main.command()
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@model_option
@models_option
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    default=0,
    help="Same seed, same photos; 0 is the middle of all.",
)
@click.option("--style", type=PHOTO, show_default="none", help="A photo whose look every answer is to have.")
@click.option(
    "--variants",
    type=click.IntRange(1, 100),
    default=1,
    help="Photos of each sketch; from 2 on NAME-1.png to NAME-K.png, with the seeds N to N+K-1 of --seed N.",
)
@click.option(
    "--size",
    default="source",
    help="Of the photos: source (the sketch's), model (its square), or the longer side in px. Beyond the "
    "model's square, 256 px in the shipped ones, photos are enlarged and show no more.",
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["png", "jpg", "webp", "source"]),
    default="png",
    help="Of the photos; source keeps the sketch's where it can be written.",
)
@click.option(
    "--sheet",
    type=ANY_PATH,
    show_default="none",
    help="Picture to write, of the first sketches and their photos.",
)
@click.option("--overwrite", is_flag=True, help="Make photos anew that are there already.")
@click.option(
    "--ray",
    metavar="ADDRESS",
    show_default="none",
    help="Ray cluster that does the work: auto, HOST:PORT, ray://HOST:PORT, or local, which starts one here.",
)
@device_option
@engine_option
@click.pass_context
def convert(
    ctx: click.Context,
    /,
    source: str,
    destination: str,
    model: str,
    models: Path | None,
    style: Path | None,
    sheet: Path | None,
    device: str,
    engine: str,
    size: str,
    suffix: str,
    ray: str | None,
    **asked: Any,
) -> None:
    """Turn the sketches below SRC (a folder, one file, or - for a list of paths) into photos below DST.

    SRC and DST may be addresses, such as s3://bucket/folder (extra "remote", and the store's own package).
    Prints the path of each photo written. Sub-folders and names are kept. What was done is kept in
    DST/manifest.jsonl: run the same again to go on.
    """
    if style is not None and (given(ctx, "seed") or given(ctx, "variants")):
        raise UsageError("--style says which answer is wanted: leave out --seed and --variants")

    from app import convert_command

    counts = convert_command.run(
        source,
        destination,
        model=model,
        models=models,
        device=device,
        engine=engine,
        style=style,
        sheet=sheet,
        size=size,
        suffix="" if suffix == "source" else f".{suffix}",
        ray=ray,
        **asked,
    )
    finish(ctx, counts, done=("converted", "skipped"), failed="failed")


@main.command()
@click.argument("source", metavar="SRC", type=FOLDER)
@click.argument("pairs", metavar="PAIRS", type=ANY_PATH)
@click.option(
    "--from",
    "kind",
    type=click.Choice(["photos", "ab", "ba", "folders"]),
    default="photos",
    help="Photos; side-by-side images, sketch left (ab) or right (ba); folders of sketches and photos.",
)
@click.option(
    "--edges",
    type=click.Choice(["learned", "canny", "xdog"]),
    default="learned",
    help="What draws the sketches of photos.",
)
@click.option(
    "--fit",
    type=click.Choice(["pad", "stretch"]),
    default="pad",
    help="How photos are made square: cut to the subject with a margin, or the whole photo stretched.",
)
@click.option("--prefix", default="", show_default="none", help="Folder to put before the pairs' names.")
@click.option(
    "--val-fraction", type=float, default=0.1, help="Share held out, where SRC is not split already."
)
@click.option(
    "--size", "size_px", type=int, default=256, help="Side of the squares that are written, in pixels."
)
@click.option("--workers", type=click.IntRange(1, 1024), show_default="all cores", help="Processes to use.")
@click.pass_context
def prepare(
    ctx: click.Context, /, source: Path, pairs: Path, kind: Kind, workers: int | None, **options: Any
) -> None:
    """Make the pairs folder PAIRS for `pix2pix train` from what is below SRC.

    Each file left out is named with the reason. Running again does what is missing.
    """
    from app import prepare_command

    if not given(ctx, "kind"):
        prepare_command.refuse_pairs_as_photos(source)
    if kind != "photos" and (given(ctx, "edges") or given(ctx, "fit")):
        raise UsageError(f"--edges and --fit are for photos; --from {kind} brings its sketches along")
    counts = prepare_command.run(source, pairs, kind=kind, workers=workers, **options)
    finish(ctx, counts, done=("written", "unchanged"), failed="left out")


@main.command()
@click.argument("pairs", metavar="PAIRS", type=FOLDER)
@click.option(
    "--html", type=ANY_PATH, show_default="none", help="Page to write, with pictures of what was found."
)
@click.option(
    "--json", "json_file", type=ANY_PATH, show_default="none", help="File to write, with every finding."
)
@click.pass_context
def doctor(ctx: click.Context, pairs: Path, html: Path | None, json_file: Path | None) -> None:
    """Audit the pairs folder PAIRS before training on it: ready, usable with warnings, or not ready.

    Exit code 1 if it is not ready; warnings alone leave it 0.
    """
    from app import doctor_command

    report = doctor_command.run(pairs, html, json_file)
    ctx.exit(FAILED_ITEMS if report.verdict == "not ready" else 0)


@main.command()
@click.argument("model", metavar="MODEL")
@click.argument("output", metavar="OUT.onnx", type=ANY_PATH)
@click.option(
    "--sketches", required=True, type=FOLDER, help="Sketches on which it must draw what PyTorch draws."
)
@models_option
def export(model: str, output: Path, sketches: Path, models: Path | None) -> None:
    """Write MODEL as an ONNX file: pixels in, pixels out, any batch; for onnxruntime and onnxruntime-web."""
    from app import export_command

    click.echo(export_command.run(model, output, sketches, models=models))


@main.command()
@models_option
@click.pass_context
def models(ctx: click.Context, models: Path | None) -> None:
    """List the models that can be loaded: size, training, metrics, what computes them, where they are."""
    from app import models_command
    from pix2pix.inference.engines import choose_engine
    from pix2pix.model.bundle import list_bundles

    found = list_bundles(models)
    if not found:
        raise BundleNotFound("there are no models; train one, or name its folder with --models")
    engine = choose_engine("auto", "auto")
    for info in found:
        for line in models_command.lines(info, engine):
            click.echo(line)
        if info.error is not None:
            click.echo(f"Warning: {info.error}", err=True)
    counts = Counter("unusable" if info.header is None else "usable" for info in found)
    ctx.exit(exit_code(counts["usable"], counts["unusable"]))


@main.command()
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
    from app import training_command

    asked = training_command.Asked(pairs, runs / name, **options)
    config = training_command.configuration(asked, preset_given=given(ctx, "preset"))
    if dry_run:
        click.echo(training_command.describe(asked, config))
        return
    with Reporter("training", 1.0) as progress, training_command.stop_on_signals(progress.say) as stop:
        status = training_command.run(asked, config, progress, stop)
    if not training_command.is_first_process():
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


for command in (*latent_commands.COMMANDS, evaluate_command.evaluate, finish_command.finish):
    main.add_command(command)

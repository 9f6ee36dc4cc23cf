"""`pix2pix directions`: prints the directions of a model's latents, and draws them as a sheet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from app.cli.options import ANY_PATH, PHOTO, device_option, models_option
from app.cli.pictures import MAX_PIXELS_IN_ALL, check_out, write
from pix2pix.errors import UsageError
from pix2pix.images.io import check_answer_size, check_suffix, read_sketch
from pix2pix.inference.translator import Translator, load
from pix2pix.model.latents import MAX_SEED

MAX_STEP, COLUMNS = 2.0, 5  # of a sheet: steps along the direction at its edges, and pictures per row


@click.command()
@click.argument("model")
@click.option(
    "--sketch",
    type=PHOTO,
    show_default="none",
    help="Sketch for the sheet; needs --sheet.",
)
@click.option(
    "--sheet",
    type=ANY_PATH,
    show_default="none",
    help="Picture to write, one row per direction; needs --sketch.",
)
@click.option(
    "--seed", type=click.IntRange(0, MAX_SEED), default=0, help="Seed of the middle column of the sheet."
)
@models_option
@device_option
def directions(
    model: str,
    sketch: Path | None,
    sheet: Path | None,
    seed: int,
    models: Path | None,
    device: str,
) -> None:
    """Print the directions of MODEL's z that change photos most, each with the attribute it changes most.

    Effect is the change of the attribute by one step, in standard deviations over random latents. Share is
    the share of the total change that z causes.
    """
    if (sketch is None) != (sheet is None):
        raise UsageError("give --sketch and --sheet together, or neither")
    page = None
    if sketch is not None and sheet is not None:
        check_out(sheet, sketch)
        check_suffix(sheet)
        page = read_sketch(sketch)

    translator = load(model, models=models, device=device)
    for line in described(translator):
        click.echo(line)
    if page is not None and sheet is not None:
        write(sheet, draw_sheet(translator, page, seed))
    elif not translator.directions:
        click.echo(f"{translator.name} has no directions: training computes them at its end", err=True)


def described(translator: Translator) -> Iterator[str]:
    """Yields a line for each direction, after one that explains the figures."""
    if translator.directions:
        yield "effect: change by one step, in standard deviations over random latents; share: of all changes"
    for number, direction in enumerate(translator.directions, start=1):
        vector = " ".join(f"{x:+.2f}" for x in direction.vector)
        yield (
            f"{number}  {direction.attribute:<10}  effect {direction.effect:.2f}  "
            f"share {direction.share:.0%}  z {vector}"
        )


def draw_sheet(translator: Translator, sketch: np.ndarray, seed: int) -> np.ndarray:
    """Returns pictures (H, W, 3) uint8: a row for each direction, from 2 steps against it to 2 along it."""
    if not translator.directions:
        raise UsageError(f"{translator.name} has no directions: training computes them at its end")
    check_answer_size(sketch.shape, COLUMNS * len(translator.directions), "pictures", MAX_PIXELS_IN_ALL)
    at = np.linspace(-MAX_STEP, MAX_STEP, COLUMNS, dtype=np.float32)
    vectors = np.array([direction.vector for direction in translator.directions], np.float32)
    z = translator.latent(seed) + at[:, None] * vectors[:, None]  # (directions, columns, Z)
    answers = translator.translate_many(sketch, z.reshape(-1, z.shape[-1]))
    photos = np.stack([np.asarray(photo) for photo in answers])
    rows = photos.reshape(len(vectors), COLUMNS, *photos.shape[1:])
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])

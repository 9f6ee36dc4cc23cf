"""`pix2pix morph`: interpolates between latents, as an animation or a row of pictures."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.options import ANY_PATH, PHOTO, device_option, model_option, models_option
from app.cli.pictures import MAX_PIXELS_IN_ALL, LatentSource, check_out, latent_of
from pix2pix.errors import UsageError
from pix2pix.images.animation import check_format, save_frames
from pix2pix.images.io import check_answer_size, read_sketch
from pix2pix.inference.translator import load
from pix2pix.model import latents


@click.command()
@click.argument("sketch", type=PHOTO)
@click.argument("out", metavar="OUT", type=ANY_PATH)
@click.option(
    "--through",
    "stops",
    multiple=True,
    type=LatentSource(),
    default=(1, 2),
    help="Seed, or photo to encode; give it at least twice.",
)
@click.option("--steps", type=click.IntRange(2, 1000), default=24, help="Number of pictures.")
@model_option
@models_option
@device_option
def morph(
    sketch: Path,
    out: Path,
    stops: tuple[int | Path, ...],
    steps: int,
    model: str,
    models: Path | None,
    device: str,
) -> None:
    """Interpolate between latents for SKETCH, and write OUT: .gif, .webp, .mp4, or .png (a row of photos)."""
    if len(stops) < 2:
        raise UsageError("an interpolation needs at least two latents: give --through at least twice")
    check_out(out, sketch, *stops)
    check_format(out)
    page = read_sketch(sketch)
    check_answer_size(page.shape, steps, "steps", MAX_PIXELS_IN_ALL)

    translator = load(model, models=models, device=device)
    z = latents.walk([latent_of(translator, stop) for stop in stops], steps)
    save_frames(out, translator.translate_many(page, z))
    click.echo(click.format_filename(out))

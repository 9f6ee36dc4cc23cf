"""`pix2pix encode`: prints the latents of photos."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click

from app.cli.options import PHOTO, device_option, exit_with_counts, model_option, models_option
from pix2pix.errors import ImageError
from pix2pix.inference.translator import load


@click.command()
@click.argument("photos", nargs=-1, required=True, type=PHOTO)
@model_option
@models_option
@device_option
@click.pass_context
def encode(
    ctx: click.Context, photos: tuple[Path, ...], model: str, models: Path | None, device: str
) -> None:
    """Print the latent z of each photo as one line of JSON. It gives any sketch the look of the photo."""
    counts: Counter[str] = Counter()
    translator = load(model, models=models, device=device)
    for photo in photos:
        try:
            z = translator.encode(photo)
        except ImageError as error:
            counts["failed"] += 1
            click.echo(f"failed: {click.format_filename(photo)}: {error}", err=True)
        else:
            counts["encoded"] += 1
            click.echo(json.dumps({"photo": str(photo), "z": [round(float(x), 5) for x in z]}))
    exit_with_counts(ctx, counts, done=("encoded",), failed="failed")

"""`pix2pix arithmetic`: sums and differences of latents."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from app.cli.options import ANY_PATH, PHOTO, device_option, model_option, models_option
from app.cli.pictures import LatentSource, check_out, latent_of, write
from pix2pix.errors import UsageError
from pix2pix.images.io import check_suffix
from pix2pix.inference.translator import load
from pix2pix.model import latents


@click.command()
@click.argument("sketch", type=PHOTO)
@click.argument("out", metavar="OUT", type=ANY_PATH)
@click.option(
    "--plus",
    multiple=True,
    type=LatentSource(),
    show_default="none",
    help="Seed, or photo to encode, to add; repeatable.",
)
@click.option(
    "--minus", multiple=True, type=LatentSource(), show_default="none", help="The same, to subtract."
)
@model_option
@models_option
@device_option
def arithmetic(
    sketch: Path,
    out: Path,
    plus: tuple[int | Path, ...],
    minus: tuple[int | Path, ...],
    model: str,
    models: Path | None,
    device: str,
) -> None:
    """Add and subtract latents, translate SKETCH with the result, and write the photo OUT.

    For example, --plus A --minus B --plus C adds the difference between the photos A and B to C.
    """
    if not (plus or minus):
        raise UsageError("nothing to add: give at least one --plus or --minus")
    check_out(out, sketch, *plus, *minus)
    check_suffix(out)

    translator = load(model, models=models, device=device)
    z = latents.combine(
        [latent_of(translator, source) for source in plus],
        [latent_of(translator, source) for source in minus],
    )
    write(out, np.asarray(translator.translate(sketch, z=z)))

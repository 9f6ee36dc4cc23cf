"""`pix2pix morph`, `arithmetic`, `encode`, `directions`: what can be done with z from the command line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from app.options import (
    ANY_PATH,
    PHOTO,
    device_option,
    finish,
    model_option,
    models_option,
)
from pix2pix.errors import ImageError, UsageError
from pix2pix.model import latents
from pix2pix.model.latents import MAX_SEED

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

FARTHEST, COLUMNS = 2.0, 5  # of a sheet of directions: steps of z at its edges, and pictures a row
MAX_PIXELS_IN_ALL = 400_000_000  # of pictures held at once: 1.2 GB


class LatentSource(click.ParamType["int | Path"]):
    """A seed, or the path of a photo that z is read off."""

    name = "seed|photo"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Path:
        """Digits are a seed; everything else must be a file."""
        if isinstance(value, int | Path):
            return value
        if value.isascii() and value.isdecimal():
            digits = value.lstrip("0") or "0"  # too many of them are no int at all
            if len(digits) > len(str(MAX_SEED)) or int(digits) > MAX_SEED:
                self.fail(f"seed {value:.20} is above {MAX_SEED}", param, ctx)
            return int(digits)
        if not Path(value).is_file():
            self.fail(f"{value!r} is neither a seed, 0 to {MAX_SEED}, nor a photo's file", param, ctx)
        return Path(value)


@click.command()
@click.argument("sketch", type=PHOTO)
@click.argument("out", metavar="OUT", type=ANY_PATH)
@click.option(
    "--through",
    "stops",
    multiple=True,
    type=LatentSource(),
    default=(1, 2),
    help="A seed, or a photo whose look is taken; give it twice or more.",
)
@click.option("--steps", type=click.IntRange(2, 1000), default=24, help="Pictures in all.")
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
    """Walk from one answer to SKETCH to another, into OUT: .gif, .webp, .mp4, or a .png strip."""
    from app.answers import bound_answer
    from pix2pix.images.animation import check_format, save_frames
    from pix2pix.images.io import read_sketch

    if len(stops) < 2:
        raise UsageError("a walk needs two looks or more: give --through at least twice")
    check_out(out, sketch, *stops)
    check_format(out)
    page = read_sketch(sketch)
    bound_answer(page.shape, steps, "steps", MAX_PIXELS_IN_ALL)

    from pix2pix.inference.translator import load

    translator = load(model, models=models, device=device)
    z = latents.walk([latent_of(translator, stop) for stop in stops], steps)
    save_frames(out, translator.answers(page, z))
    click.echo(click.format_filename(out))


@click.command()
@click.argument("sketch", type=PHOTO)
@click.argument("out", metavar="OUT", type=ANY_PATH)
@click.option(
    "--plus", multiple=True, type=LatentSource(), show_default="none", help="A seed or photo to add."
)
@click.option(
    "--minus", multiple=True, type=LatentSource(), show_default="none", help="A seed or photo to take away."
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
    """Add and subtract looks, and give SKETCH what comes out, into the picture OUT.

    As in "with sunglasses, less without, and another face": --plus A --minus B --plus C.
    """
    from pix2pix.images.io import check_suffix

    if not (plus or minus):
        raise UsageError("nothing to add: give at least one --plus or --minus")
    check_out(out, sketch, *plus, *minus)
    check_suffix(out)

    from pix2pix.inference.translator import load

    translator = load(model, models=models, device=device)
    z = latents.combine(
        [latent_of(translator, source) for source in plus],
        [latent_of(translator, source) for source in minus],
    )
    write(out, np.asarray(translator.translate(sketch, z=z)))


@click.command()
@click.argument("photos", nargs=-1, required=True, type=PHOTO)
@model_option
@models_option
@device_option
@click.pass_context
def encode(
    ctx: click.Context, photos: tuple[Path, ...], model: str, models: Path | None, device: str
) -> None:
    """Print the z of PHOTOS, a line of JSON each: what makes another sketch look like them."""
    from pix2pix.inference.translator import load

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
    finish(ctx, counts, done=("encoded",), failed="failed")


@click.command()
@click.argument("model")
@click.option("--sketch", type=PHOTO, show_default="none", help="A sketch to show them on, with --sheet.")
@click.option(
    "--sheet", type=ANY_PATH, show_default="none", help="Picture to write: a row for each direction."
)
@click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, help="The answer in the sheet's middle.")
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
    """Print the directions of MODEL's z that change the pictures most, and the attribute each moves most.

    Effect is that of one step, in deviations of the attribute among random answers; share, of all that z
    changes.
    """
    from pix2pix.images.io import check_suffix, read_sketch

    if (sketch is None) != (sheet is None):
        raise UsageError("--sketch and --sheet go together: what to draw on, and where to write it")
    page = None
    if sketch is not None and sheet is not None:
        check_out(sheet, sketch)
        check_suffix(sheet)
        page = read_sketch(sketch)

    from pix2pix.inference.translator import load

    translator = load(model, models=models, device=device)
    for line in described(translator):
        click.echo(line)
    if page is not None and sheet is not None:
        write(sheet, draw_sheet(translator, page, seed))
    elif not translator.directions:
        click.echo(f"{translator.name} has none: they are found at the end of training", err=True)


def latent_of(translator: Translator, source: int | Path) -> latents.Latent:
    """The z (Z,) of a seed or a photo. Raises ImageError, and UsageError for a photo without encoder."""
    return translator.latent(source) if isinstance(source, int) else translator.encode(source)


def check_out(out: Path, *sources: int | Path) -> None:
    """Raise UsageError for a folder, and for one of the pictures that `out` is to be made of."""
    if out.is_dir():
        raise UsageError(f"{out} is a folder; give the name of a file")
    for source in sources:
        if isinstance(source, Path) and out.exists() and out.samefile(source):
            raise UsageError(f"{source} would be replaced by what is made of it; choose another name")


def write(out: Path, picture: np.ndarray) -> None:
    """Write a picture (H, W, 3) uint8, its folder too, and print its path."""
    from pix2pix.images.io import save_image

    out.parent.mkdir(parents=True, exist_ok=True)
    save_image(out, picture)
    click.echo(click.format_filename(out))


def described(translator: Translator) -> Iterator[str]:
    """The model's directions, a line each, below one that says what the figures are."""
    if translator.directions:
        yield "effect: of one step, in deviations among random answers; share: of all that z changes"
    for number, direction in enumerate(translator.directions, start=1):
        vector = " ".join(f"{x:+.2f}" for x in direction.vector)
        yield (
            f"{number}  {direction.attribute:<10}  effect {direction.effect:.2f}  "
            f"share {direction.share:.0%}  z {vector}"
        )


def draw_sheet(translator: Translator, sketch: np.ndarray, seed: int) -> np.ndarray:
    """Pictures (H, W, 3) uint8: a row for each direction, from 2 steps against it to 2 along it."""
    from app.answers import bound_answer

    if not translator.directions:
        raise UsageError(f"{translator.name} has no directions: they are found at the end of training")
    bound_answer(sketch.shape, COLUMNS * len(translator.directions), "pictures", MAX_PIXELS_IN_ALL)
    at = np.linspace(-FARTHEST, FARTHEST, COLUMNS, dtype=np.float32)
    vectors = np.array([direction.vector for direction in translator.directions], np.float32)
    z = translator.latent(seed) + at[:, None] * vectors[:, None]  # (directions, columns, Z)
    answers = translator.answers(sketch, z.reshape(-1, z.shape[-1]))
    photos = np.stack([np.asarray(photo) for photo in answers])
    rows = photos.reshape(len(vectors), COLUMNS, *photos.shape[1:])
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


COMMANDS = (morph, arithmetic, encode, directions)

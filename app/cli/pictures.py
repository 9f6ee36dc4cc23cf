"""What the commands that make one picture share: latents given by seed or photo, and the file to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from pix2pix.errors import UsageError
from pix2pix.images.io import save_image
from pix2pix.inference.translator import Translator
from pix2pix.model import latents
from pix2pix.model.latents import MAX_SEED

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

    out.parent.mkdir(parents=True, exist_ok=True)
    save_image(out, picture)
    click.echo(click.format_filename(out))

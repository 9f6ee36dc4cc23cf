"""Shared by the commands that write one picture: latents given by seed or photo, and the output file."""

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

MAX_PIXELS_IN_ALL = 400_000_000  # of all pictures in memory: 1.2 GB


class LatentSource(click.ParamType["int | Path"]):
    """A seed, or the path of a photo to encode."""

    name = "seed|photo"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Path:
        """Returns digits as a seed, anything else as the path of a file, which must exist."""
        if isinstance(value, int | Path):
            return value
        if value.isascii() and value.isdecimal():
            digits = value.lstrip("0") or "0"  # int() refuses thousands of digits
            if len(digits) > len(str(MAX_SEED)) or int(digits) > MAX_SEED:
                self.fail(f"seed {value:.20} is above {MAX_SEED}", param, ctx)
            return int(digits)
        if not Path(value).is_file():
            self.fail(f"{value!r} is neither a seed (0 to {MAX_SEED}) nor the file of a photo", param, ctx)
        return Path(value)


def latent_of(translator: Translator, source: int | Path) -> latents.Latent:
    """Returns the z (Z,) of a seed or a photo. Raises ImageError; UsageError if the model has no encoder."""
    return translator.latent(source) if isinstance(source, int) else translator.encode(source)


def check_out(out: Path, *sources: int | Path) -> None:
    """Raises UsageError if `out` is a folder, or one of the source pictures."""
    if out.is_dir():
        raise UsageError(f"{out} is a folder; give the name of a file")
    for source in sources:
        if isinstance(source, Path) and out.exists() and out.samefile(source):
            raise UsageError(f"{source} is an input and would be overwritten; choose another name")


def write(out: Path, picture: np.ndarray) -> None:
    """Writes a picture (H, W, 3) uint8, creates its folder, and prints its path."""
    out.parent.mkdir(parents=True, exist_ok=True)
    save_image(out, picture)
    click.echo(click.format_filename(out))

"""LPIPS-alex between a folder of made photos and the real ones, paired by name.

    pix2pix convert pairs/shoes/val/sketches out/shoes --model shoes
    python benchmarks/lpips_folders.py out/shoes pairs/shoes/val/photos

Lower is closer. For scale on the official validation pairs: the published pix2pix outputs score 0.208 (shoes)
and 0.258 (handbags), another random validation photo 0.514 and 0.625. Needs `PIX2PIX_FEATURES` or internet.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch

from pix2pix.dataset import PHOTO_SUFFIXES
from pix2pix.features import PerceptualDistance
from pix2pix.images import read_photo

SIZE_PX = 256


def photos_by_name(folder: Path) -> dict[str, Path]:
    """Every photo below a folder by its path without suffix."""
    files = (f for f in sorted(folder.rglob("*")) if f.suffix.lower() in PHOTO_SUFFIXES)
    return {f.relative_to(folder).with_suffix("").as_posix(): f for f in files}


def tensor(path: Path) -> torch.Tensor:
    """(1, 3, H, W) in [-1, 1]."""
    photo = read_photo(path)
    if photo.shape != (SIZE_PX, SIZE_PX, 3):
        raise click.ClickException(
            f"{path} is {photo.shape[1]}x{photo.shape[0]}, expected {SIZE_PX}x{SIZE_PX}"
        )
    return torch.tensor(photo).permute(2, 0, 1)[None].float() / 127.5 - 1


@click.command(help=__doc__)
@click.argument("made", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("real", type=click.Path(exists=True, file_okay=False, path_type=Path))
@torch.inference_mode()
def main(made: Path, real: Path) -> None:
    """Print count, mean, its standard error, and the best and worst name."""
    left, right = photos_by_name(made), photos_by_name(real)
    if set(left) != set(right) or not left:
        odd = sorted(set(left) ^ set(right))
        raise click.ClickException(
            f"{len(left)} made, {len(right)} real, {len(odd)} without partner: {odd[:5]}"
        )
    distance = PerceptualDistance("alex")
    scores = {name: distance(tensor(left[name]), tensor(right[name])).item() for name in sorted(left)}
    values = np.array(list(scores.values()))
    ranked = sorted(scores, key=lambda name: scores[name])
    print(f"pairs       {len(values)}")
    print(f"LPIPS-alex  {values.mean():.4f} +- {values.std(ddof=1) / len(values) ** 0.5:.4f}")
    print(f"best        {ranked[0]} {scores[ranked[0]]:.3f}")
    print(f"worst       {ranked[-1]} {scores[ranked[-1]]:.3f}")


if __name__ == "__main__":
    main()

"""Draws the answers of a model to the first sketches of a folder, or its worst answers.

python benchmarks/gallery.py shoes OFFICIAL/val/sketches gallery.jpg
python benchmarks/gallery.py shoes OFFICIAL/val/sketches worst.jpg --worst 16 --photos OFFICIAL/val/photos

Each sketch has four answers: the first of seeds 0 to 3, the second of 4 to 7, and so on. `--worst` shows the
default answers, z = 0, with the largest LPIPS (AlexNet) to their photos, and prints these in a table.
`--sketches` shows sketches and photos too. Pictures are as the model gets them: small drawings fill their
tile.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image

import pix2pix
from pix2pix.images.framing import UInt8, resized
from pix2pix.images.io import fit_sketch, read_photo, read_sketch
from pix2pix.images.listing import list_pictures
from pix2pix.inference.translator import Translator

ANSWERS, TILE_PX, ACROSS = 4, 96, 16  # ACROSS in tiles
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("model")
@click.argument("folder", type=FOLDER)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--count", default=64, help="Sketches, the first by name.")
@click.option("--worst", default=0, help="Of all, those whose default answer is farthest from its photo.")
@click.option("--photos", type=FOLDER, help="The real photos, of the sketches' names.")
@click.option("--sketches", is_flag=True, help="Draw sketches and photos, too.")
def main(
    model: str, folder: Path, out: Path, count: int, worst: int, photos: Path | None, sketches: bool
) -> None:
    """Draw the sheet; of the worst, print a table."""
    translator = pix2pix.load(model)
    files = list_pictures(folder)[0]
    real = {path.stem: read_photo(path) for path in list_pictures(photos)[0]} if photos else {}
    if worst:
        far = distances(translator, files, real)
        files = sorted(files, key=lambda path: -far[path])[:worst]
        print(f"{'':8}LPIPS")
        for path in files:
            print(f"{path.stem:8}{far[path]:.3f}")
    groups = []
    for i, path in enumerate(files[: worst or count]):
        seeds = [0] if worst else range(ANSWERS * i, ANSWERS * (i + 1))
        z = np.stack([translator.latent(seed) for seed in seeds])
        page, _ = fit_sketch(read_sketch(path), translator.size_px)
        shown = [np.repeat(page[..., None], 3, axis=2)] if sketches else []
        shown += [real[path.stem]] if sketches and path.stem in real else []
        groups.append([*shown, *translator.translate_batch(page[None], z)])
    Image.fromarray(sheet(groups)).save(out, quality=75)


def distances(translator: Translator, files: list[Path], real: dict[str, UInt8]) -> dict[Path, float]:
    """LPIPS-alex of each default answer to its photo."""
    from pix2pix.evaluate.features import perceptual_code
    from pix2pix.evaluate.perceptual import PerceptualDistance

    network = PerceptualDistance("alex")
    z = np.zeros((1, translator.latent_size), np.float32)
    found = {}
    for path in files:
        made = np.asarray(translator.translate_many(path, z)[0])
        a, b = (perceptual_code(photo, network) for photo in (made, real[path.stem]))
        found[path] = float((a - b).square().sum())
    return found


def sheet(groups: list[list[UInt8]]) -> UInt8:
    """Groups of pictures side by side, as many in a row as fit."""
    in_row = max(1, ACROSS // len(groups[0]))
    rows = []
    for start in range(0, len(groups), in_row):
        tiles = [
            resized(picture, (TILE_PX, TILE_PX))
            for group in groups[start : start + in_row]
            for picture in group
        ]
        blank = np.full((TILE_PX, TILE_PX, 3), 255, np.uint8)
        rows.append(np.concatenate(tiles + [blank] * (in_row * len(groups[0]) - len(tiles)), axis=1))
    return np.concatenate(rows)


if __name__ == "__main__":
    main()

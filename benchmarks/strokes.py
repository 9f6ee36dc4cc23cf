"""Measures how fast edge maps are redrawn by hand, and draws them beside drawings by people.

python benchmarks/strokes.py pairs/shoes/train/sketches
python benchmarks/strokes.py docs/edge-maps --sheet strokes.png --beside docs/sketches/shoes

Prints sketches a second on one core: `trace` splits a map into strokes, `redraw` draws them. `--sheet` draws
ten of the edge maps six times each, with roughness 0 to 1, and ten drawings by people.
"""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path

import click
import cv2
import numpy as np
from PIL import Image

from pix2pix.images.framing import UInt8
from pix2pix.images.io import fit_sketch, read_sketch
from pix2pix.images.listing import list_pictures
from pix2pix.training.data.strokes import redraw, trace

SIZE_PX = 256
SHOWN, DRAWS, TILE_PX = 10, 6, 112


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--count", default=200, help="Edge maps to measure with.")
@click.option("--sheet", "sheet_file", type=click.Path(path_type=Path), help="PNG to draw.")
@click.option("--beside", type=FOLDER, help="Drawings by people, for the sheet.")
def main(folder: Path, count: int, sheet_file: Path | None, beside: Path | None) -> None:
    """Measure, print a table, draw the sheet if asked."""
    cv2.setNumThreads(1)
    sketches = read(folder, count)
    rng = np.random.default_rng(0)
    began = time.perf_counter()
    traced = [trace(sketch) for sketch in sketches]
    between = time.perf_counter()
    for strokes in traced:
        redraw(strokes, rng.uniform(), rng)
    ended = time.perf_counter()
    n = len(sketches)
    print(
        f"{n} sketches of {SIZE_PX} px, {np.mean([len(t.lines) for t in traced]):.0f} strokes each, one core"
    )
    print(f"{'':22}{'sketches/s':>12}{'ms':>8}")
    for name, seconds in (
        ("trace", between - began),
        ("redraw (traced before)", ended - between),
        ("trace and redraw", ended - began),
    ):
        print(f"{name:22}{n / seconds:12.0f}{seconds / n * 1000:8.2f}")
    if sheet_file:
        people = read(beside, SHOWN) if beside else []
        Image.fromarray(sheet(sketches[:SHOWN], people)).save(sheet_file)


def read(folder: Path, count: int) -> list[UInt8]:
    """Up to `count` pictures of a folder as sketches of SIZE_PX."""
    return [fit_sketch(read_sketch(path), SIZE_PX)[0] for path in islice(list_pictures(folder)[0], count)]


def sheet(edge_maps: list[UInt8], people: list[UInt8]) -> UInt8:
    """A row for each edge map: itself, its draws from smooth to rough, and a person's drawing."""
    rows = []
    for number, edge_map in enumerate(edge_maps):
        strokes, rng = trace(edge_map), np.random.default_rng(number)
        row = [edge_map, *(redraw(strokes, roughness, rng) for roughness in np.linspace(0, 1, DRAWS))]
        if people:
            row.append(people[number % len(people)])
        rows.append(
            np.hstack([cv2.resize(tile, (TILE_PX,) * 2, interpolation=cv2.INTER_AREA) for tile in row])
        )
    return np.vstack(rows).astype(np.uint8)


if __name__ == "__main__":
    main()

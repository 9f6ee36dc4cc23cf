"""Compares each edge method with the official edge maps: precision, recall and F of edge pixels.

    python benchmarks/edges.py pairs/shoes pairs/handbags [--split val] [--limit N]

Precision is the share of drawn pixels with an official one within 2 px (Euclidean), recall the share of
official pixels with a drawn one within 2 px, over all pixels of a folder. F is their harmonic mean. Both maps
are thinned first, so the width of lines has no effect. Uses one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click
import cv2
import numpy as np
import numpy.typing as npt
from skimage.morphology import skeletonize

from data_prep.edges import EDGE_METHODS, edge_method
from pix2pix.images.framing import UInt8
from pix2pix.pairs import Pair, list_pairs, load_pair

TOLERANCE_PX = 2.0
INK_BELOW = 128


def matches(drawn: UInt8, true: UInt8) -> npt.NDArray[np.int64]:
    """Pixels of two sketches (H, W) uint8: [drawn, of these near a true one, true, of these near a drawn]."""
    lines, truth = (skeletonize(sketch < INK_BELOW) for sketch in (drawn, true))
    near_truth, near_line = (_distance(ink) <= TOLERANCE_PX for ink in (truth, lines))
    return np.array(
        [lines.sum(), (lines & near_truth).sum(), truth.sum(), (truth & near_line).sum()], np.int64
    )


def score(counts: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    """Precision, recall and F in [0, 1] of the sums of `matches`."""
    drawn, right, true, found = (float(count) for count in counts)
    precision, recall = right / max(drawn, 1.0), found / max(true, 1.0)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def measure(draw: Callable[[UInt8], UInt8], pairs: list[Pair]) -> tuple[tuple[float, float, float], float]:
    """(precision, recall, F) over all pairs, and milliseconds a picture."""
    counts, seconds = np.zeros(4, np.int64), 0.0
    for pair in pairs:
        sketch, photo = load_pair(pair)
        began = time.perf_counter()
        drawn = draw(photo)
        seconds += time.perf_counter() - began
        counts += matches(drawn, sketch)
    return score(counts), 1000 * seconds / len(pairs)


def _distance(ink: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Pixels to the nearest ink, (H, W); infinite where there is none."""
    if not ink.any():
        return np.full(ink.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform((~ink).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


@click.command(help=__doc__)
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--split", default="val", show_default=True, help="Which part of the pairs folders.")
@click.option("--limit", type=int, help="Only the first pairs of each.  [default: all]")
def main(folders: tuple[Path, ...], split: str, limit: int | None) -> None:
    """Print a table."""
    cv2.setNumThreads(1)
    print(f"{'pairs':20} {'method':8} {'precision':>9} {'recall':>9} {'F':>9} {'ms':>9}")
    for folder in folders:
        pairs = list_pairs(folder, split)[:limit]
        for name in EDGE_METHODS:
            draw = edge_method(name)
            draw(load_pair(pairs[0])[1])  # the first call loads what it needs
            (precision, recall, f), ms = measure(draw, pairs)
            shown = f"{folder.name} ({len(pairs)})"
            print(f"{shown:20} {name:8} {precision:9.3f} {recall:9.3f} {f:9.3f} {ms:9.1f}")


if __name__ == "__main__":
    main()

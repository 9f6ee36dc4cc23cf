"""Measures whether photos have the colours of strokes, and whether strokes bring them closer to real photos.

python benchmarks/hints.py shoes pairs/both --prefix shoes/

Draws random colour strokes inside of validation products, in the colours of the photo below them, and
translates each sketch with and without them. Prints the mean CIEDE2000 between a photo and the strokes, where
strokes are, at half of the photo's side, and LPIPS (AlexNet) to the real photo. "stroke" compares the mean
colour under all strokes of one colour; "real" uses the real photo in place of the generated one.
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

import pix2pix
from app.cli.options import FOLDER
from pix2pix.errors import UsageError
from pix2pix.evaluate.perceptual import PerceptualDistance
from pix2pix.images.framing import UInt8, resized
from pix2pix.images.tensors import from_pixels
from pix2pix.inference.translator import Translator
from pix2pix.pairs import Pair, list_pairs, load_mask, load_pair

SEED = 0
# Of the strokes on a picture.
NONE_SHARE, FEW_SHARE = 0.45, 0.3  # of draws: without strokes, with 1 to 3; the rest has 4 to 11
SMALLEST_STROKE_PX = 4
STEP, WIDTH = (3.0, 14.0), (2, 9)  # of a stroke's random walk, in pixels of pictures of 128 px
NOISE = 0.03  # of a colour in [-1, 1]


@click.command()
@click.argument("model")
@click.argument("pairs", type=FOLDER)
@click.option("--models", type=FOLDER, help="Folder to look for models in, before all others.")
@click.option("--prefix", default="", help="Only pairs whose names begin with this.")
@click.option("--count", default=200, help="Pairs to measure on.")
def main(model: str, pairs: Path, models: Path | None, prefix: str, count: int) -> None:
    """Measure and print a table."""
    cv2.setNumThreads(1)
    translator = pix2pix.load(model, models=models, device="cpu")
    distance = PerceptualDistance("alex")
    held_out = [pair for pair in list_pairs(pairs, "val") if pair.name.startswith(prefix)]
    if not held_out:
        raise UsageError(f"no val pair of {pairs} has a name that begins with {prefix!r}")
    chosen = np.random.default_rng(SEED).permutation(len(held_out))[:count]
    figures = {seeds: np.empty((len(chosen), 8)) for seeds in ("seed 0", "random")}
    for row, index in enumerate(chosen.tolist()):
        photo, sketch, strokes = stroked_pair(held_out[index], translator.size_px, index)
        for seeds, z in (("seed 0", translator.latent(0)), ("random", translator.latent(index + 1))):
            figures[seeds][row] = measure(translator, distance, sketch, photo, strokes, z)
    print(f"{translator.name}, {len(chosen)} pairs, {translator.engine} on {translator.device}")
    print(f"{'':8}{'CIEDE2000, pixels':>28}{'CIEDE2000, stroke':>28}{'LPIPS':>24}")
    print(
        f"{'':8}{'with':>10}{'without':>9}{'real':>9}{'with':>10}{'without':>9}{'real':>9}{'with':>9}{'without':>9}{'change':>8}"
    )
    for seeds, rows in figures.items():
        mean = rows.mean(axis=0)
        error = rows[:, 0].std(ddof=1) / len(rows) ** 0.5
        colours = f"{mean[0]:10.2f}{mean[1]:9.2f}{mean[2]:9.2f}{mean[3]:10.2f}{mean[4]:9.2f}{mean[5]:9.2f}"
        print(f"{seeds:8}{colours}{mean[6]:9.4f}{mean[7]:9.4f}{mean[6] / mean[7] - 1:+8.1%}")
        print(f"{'':8}{f'± {error:.2f}':>10}")


def stroked_pair(pair: Pair, size_px: int, seed: int) -> tuple[UInt8, UInt8, UInt8]:
    """Returns photo (S, S, 3), sketch (S, S) and strokes (S/2, S/2, 4) uint8, at least one."""
    sketch, photo = load_pair(pair, size_px)
    mask = resized(load_mask(pair, *load_pair(pair)), (size_px // 2, size_px // 2))
    small = resized(photo, (size_px // 2, size_px // 2))
    rng = np.random.default_rng(seed)
    while not (drawn := draw_strokes(small, mask, rng)).any():
        pass
    colours = np.clip(127.5 * (drawn[..., :3] + 1), 0, 255)
    strokes = np.dstack([colours, 255 * drawn[..., 3]]).round().astype(np.uint8)
    strokes[strokes[..., 3] == 0] = 0
    return photo, sketch, strokes


def draw_strokes(photo: UInt8, mask: UInt8, rng: np.random.Generator) -> NDArray[np.float32]:
    """Returns colour strokes (H, H, 4) float32 for a photo (H, H, 3) and its mask (H, H), both uint8.

    Channels are colour in [-1, 1] times mask, and mask. Each stroke is a random walk inside the product, in
    the median colour of the photo under it, with a little noise.
    """
    side = len(mask)
    strokes = np.zeros((side, side, 4), np.float32)
    rows, columns = np.nonzero(mask > 127)
    chance = rng.random()
    if chance < NONE_SHARE:
        return strokes
    few = chance < NONE_SHARE + FEW_SHARE
    for _ in range(rng.integers(1, 4) if few else rng.integers(4, 12)):
        start = rng.integers(len(rows))
        stroke = random_walk((columns[start], rows[start]), side, rng) & (mask > 127)
        if stroke.sum() >= SMALLEST_STROKE_PX:
            colour = np.median(photo[stroke], axis=0) / 127.5 - 1 + NOISE * rng.normal(size=3)
            strokes[stroke] = [*colour, 1]
    return strokes


def random_walk(start: tuple[int, int], side: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Returns which pixels (side, side) a random walk from a point x, y covers."""
    scale = side / 128
    angle = rng.random() * 2 * np.pi
    path: list[NDArray[np.float64]] = [np.array(start, np.float64)]
    for _ in range(rng.integers(1, 6)):
        angle += 0.6 * rng.normal()
        step = np.array([np.cos(angle), np.sin(angle)])
        path.append(path[-1] + scale * rng.uniform(*STEP) * step)
    covered = np.zeros((side, side), np.uint8)
    width = max(1, round(scale * rng.integers(*WIDTH)))
    cv2.polylines(covered, [np.array(path, np.int32)], False, (1,), width)
    return covered > 0


def measure(
    translator: Translator,
    distance: PerceptualDistance,
    sketch: UInt8,
    photo: UInt8,
    strokes: UInt8,
    z: np.ndarray,
) -> list[float]:
    """Returns the eight figures of one pair, in the order of the table."""
    given, none = (
        translator.translate_batch(sketch[None], z[None], strokes=one)[0] for one in (strokes[None], None)
    )
    by_pixel, by_stroke = zip(*(off(one, strokes) for one in (given, none, photo)), strict=True)
    pictures = [
        from_pixels(torch.from_numpy(one.copy())).permute(2, 0, 1)[None] for one in (given, none, photo)
    ]
    with torch.inference_mode():
        lpips = [float(distance(one, pictures[2])) for one in pictures[:2]]
    return [*by_pixel, *by_stroke, *lpips]


def off(photo: UInt8, strokes: UInt8) -> tuple[float, float]:
    """Returns the mean CIEDE2000 from the strokes, of pixels and of the mean colours of strokes."""
    small = resized(photo, strokes.shape[:2])
    is_stroke = strokes[..., 3] > 0
    asked, made = strokes[is_stroke][:, :3], small[is_stroke]
    by_pixel = deltaE_ciede2000(rgb2lab(asked[None]), rgb2lab(made[None])).mean()
    colours, which = np.unique(asked, axis=0, return_inverse=True)
    means = np.stack([made[which.ravel() == i].mean(axis=0) for i in range(len(colours))])
    by_stroke = deltaE_ciede2000(rgb2lab(colours[None]), rgb2lab(means[None] / 255)).mean()
    return float(by_pixel), float(by_stroke)


if __name__ == "__main__":
    main()

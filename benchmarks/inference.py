"""Measures the time of a photo with every engine, against the paper's U-Net in plain PyTorch.

    python benchmarks/inference.py [--model shoes] [--repeats 30]

"plain" is what ports of pix2pix run: eager float32, NCHW storage, one picture at a time, with untrained
weights, which have no effect on speed. All engines run the same bundle, from pixels to pixels. GFLOP are
counted while layers run. The peak is that of `a @ b` in float32, measured in the same run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import pix2pix
from pix2pix.images.io import fit_sketch, read_sketch
from pix2pix.inference.translator import Translator
from pix2pix.model.bundle import find_bundle, load_bundle
from pix2pix.model.networks import Model, build_model
from pix2pix.training.config import PRESETS

SKETCHES = sorted((Path(__file__).parents[1] / "docs" / "sketches" / "shoes").glob("*.png"))
BATCHES = {"cpu": (1, 2, 4, 8, 16), "cuda": (1, 8, 64, 256)}


def p50_s(call: Callable[[], object], repeats: int) -> float:
    """Median seconds of `call`, after two warm-up calls."""
    times = []
    for i in range(repeats + 2):
        began = time.perf_counter()
        call()
        if i >= 2:
            times.append(time.perf_counter() - began)
    return median(times)


def peak_gflops(device: str, side: int = 2048) -> float:
    """Measured GFLOP/s of a large product."""
    a = torch.rand(side, side, device=device)

    def product() -> None:
        (a @ a)[0, 0].item()

    return 2 * side**3 / p50_s(product, 10) / 1e9


def gflop(model: Model) -> float:
    """Of one picture."""
    side = model.config.size_px
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.ones(1, 1, side, side), torch.zeros(1, model.config.latent_size))
    return counter.get_total_flops() / 1e9


@click.command(help=__doc__)
@click.option("--model", default="shoes", show_default=True, help="Bundle.")
@click.option("--repeats", default=30, show_default=True, help="Timed calls of each.")
def main(model: str, repeats: int) -> None:
    """Print a table."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    peak = peak_gflops(device)
    paper = PRESETS["paper"].model
    unet = build_model(paper).eval().to(device)
    sketch, no_z = (
        torch.ones(1, 1, paper.size_px, paper.size_px, device=device),
        torch.zeros(1, 0, device=device),
    )

    def plain() -> None:
        with torch.inference_mode():
            unet(sketch, no_z)[0].cpu()

    unet_s, unet_gflop = p50_s(plain, repeats), gflop(unet.cpu())
    print(f"{device}, {torch.get_num_threads()} threads; peak {peak:.0f} GFLOP/s in float32")
    print(f"{'':26} {'GFLOP':>6} {'p50 ms':>8} {'of plain':>9} {'of peak':>8} {'photos/s':>9} {'batch':>6}")
    row = f"{unet_gflop:6.1f} {1000 * unet_s:8.1f} {1:9.2f} {unet_gflop / unet_s / peak:8.0%}"
    print(f"{'paper, plain PyTorch':26} {row} {1 / unet_s:9.1f} {1:6}")

    bundle = find_bundle(model)
    cost = gflop(load_bundle(bundle)[0])
    for name in ("torch", "onnxruntime") if device == "cpu" else ("torch",):
        engine = pix2pix.load(bundle, device=device, engine=name)
        one, best_batch, best_rate = engine_speed(engine, device, repeats)
        row = f"{cost:6.1f} {1000 * one:8.1f} {one / unet_s:9.2f} {cost / one / peak:8.0%}"
        print(f"{f'{model}, {name}':26} {row} {best_rate:9.1f} {best_batch:6}", flush=True)


def engine_speed(translator: Translator, device: str, repeats: int) -> tuple[float, int, float]:
    """Median seconds of one photo; the best batch, and its photos a second."""
    pages = np.stack([fit_sketch(read_sketch(path), translator.size_px)[0] for path in SKETCHES])
    seconds = {}
    for batch in BATCHES[device]:
        sketches = pages[np.arange(batch) % len(pages)]
        z = np.stack([translator.latent(seed) for seed in range(batch)])
        seconds[batch] = p50_s(
            lambda s=sketches, z=z: translator.translate_batch(s, z), max(5, repeats // batch)
        )
    best = max(seconds, key=lambda batch: batch / seconds[batch])
    return seconds[1], best, best / seconds[best]


if __name__ == "__main__":
    main()

"""Latency of one picture, the default generator against the paper's U-Net, in one run on one machine.

    python benchmarks/inference.py [--threads 2] [--repeats 30]

Both run in PyTorch eager float32 with untrained weights: speed does not depend on them.
The last column is against the paper's network in plain storage (NCHW), what ports of pix2pix run.
"""

from __future__ import annotations

import time
from statistics import median

import click
import numpy as np
import torch

from pix2pix.bundle import Header
from pix2pix.config import PRESETS
from pix2pix.networks import Generator
from pix2pix.translator import Translator


def translator(preset: str) -> Translator:
    """An untrained Translator of a preset."""
    model = PRESETS[preset].model
    header = Header(model, preset, preset, 0, 0, "none", "", "none")
    return Translator(preset, Generator(model), header, torch.device("cpu"))


def p50_ms(call: object, repeats: int) -> float:
    """Median milliseconds of `call`, after two warm-up calls."""
    assert callable(call)
    times = []
    for i in range(repeats + 2):
        began = time.perf_counter()
        call()
        if i >= 2:
            times.append(time.perf_counter() - began)
    return 1000 * median(times)


@click.command(help=__doc__)
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--repeats", default=30, show_default=True, help="Timed calls of each.")
def main(threads: int, repeats: int) -> None:
    """Print a table."""
    torch.set_num_threads(threads)
    plain = Generator(PRESETS["paper"].model).eval()
    sketch, no_z = torch.ones(1, 1, 256, 256), torch.zeros(1, 0)

    def plain_call() -> None:
        with torch.inference_mode():
            plain(sketch, no_z)

    times = {"paper, plain PyTorch": p50_ms(plain_call, repeats)}
    for preset in ("paper", "default"):
        model = translator(preset)
        page = np.full((1, model.size_px, model.size_px), 255, np.uint8)
        z = model.latent(0)[None]
        times[f"{preset}, Translator"] = p50_ms(lambda m=model, p=page, z=z: m.translate_batch(p, z), repeats)
    print(f"{'256 x 256, batch 1':24} {'p50 ms':>8} {'of plain':>9}")
    for name, ms in times.items():
        print(f"{name:24} {ms:8.1f} {ms / times['paper, plain PyTorch']:9.2f}")


if __name__ == "__main__":
    main()

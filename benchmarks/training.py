"""Measures training speed: the presets, against a plain eager loop of the paper's recipe.

    python benchmarks/training.py PAIRS [--device cpu] [--precision bf16-mixed] [--threads 2] [--seconds 30]

PAIRS is a pairs folder. Each row runs in a process of its own, so its memory is its own. "of plain" compares
images a second at the same batch size. "waiting" is the share of the time in which steps waited for data.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pix2pix.model.networks import build_model
from pix2pix.pairs import Pair, list_pairs, load_pair, to_tensors
from pix2pix.training.config import PRESETS, train_config
from pix2pix.training.loop import train

WARM_UP = 5  # steps


@dataclass(frozen=True)
class Row:
    """A way to train: a preset, or the plain loop."""

    name: str
    preset: str | None
    batch_size: int


@dataclass(frozen=True)
class Measured:
    """How it went."""

    images_per_s: float
    waiting: float  # share of the time
    resident_gib: float  # at most


ROWS = [
    Row("plain loop", None, 1),
    Row("paper", "paper", 1),
    Row("default", "default", 8),
    Row("default", "default", 16),
    Row("default", "default", 32),
]


class PlainGenerator(nn.Module):
    """U-Net-256 as in ports of pix2pix (Isola et al. 2017, section 6.1.1)."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        """As of ModelConfig."""
        super().__init__()
        last = len(widths) - 1
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for i, (a, b) in enumerate(pairwise((1, *widths))):
            rectify = [nn.LeakyReLU(0.2)] if i else []
            norm = [nn.BatchNorm2d(b)] if 0 < i < last else []
            self.downs.append(nn.Sequential(*rectify, nn.Conv2d(a, b, 4, 2, 1), *norm))
        carried = widths[-1]
        for i, width in enumerate(reversed(widths[:-1])):
            drop = [nn.Dropout(0.5)] if i < 3 else []
            up = nn.ConvTranspose2d(carried, width, 4, 2, 1)
            self.ups.append(nn.Sequential(nn.ReLU(), up, nn.BatchNorm2d(width), *drop))
            carried = 2 * width
        self.head = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(carried, 3, 4, 2, 1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) -> (N, 3, H, W), both in [-1, 1]."""
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        x = skips.pop()
        for up in self.ups:
            x = torch.cat([up(x), skips.pop()], 1)
        drawn: Tensor = self.head(x)
        return drawn


def plain_discriminator(widths: tuple[int, ...]) -> nn.Sequential:
    """The 70x70 PatchGAN."""
    layers: list[nn.Module] = [nn.Conv2d(4, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
    for i, (a, b) in enumerate(pairwise(widths)):
        stride = 2 if i < len(widths) - 2 else 1
        layers += [nn.Conv2d(a, b, 4, stride, 1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))


def plain_steps(pairs: list[Pair], device: str) -> Iterator[tuple[int, float]]:
    """Train as the paper does, one pair after the other; images seen, and the share of time spent loading."""
    recipe = PRESETS["paper"]
    g = PlainGenerator(recipe.model.widths).to(device)
    d = plain_discriminator(recipe.discriminator.widths).to(device)
    ours = sum(p.numel() for p in build_model(recipe.model).parameters())
    assert sum(p.numel() for p in g.parameters()) == ours, "the two loops train different networks"
    g_adam, d_adam = (torch.optim.Adam(x.parameters(), 2e-4, (0.5, 0.999)) for x in (g, d))
    images, loading, began = 0, 0.0, time.perf_counter()
    while True:
        asked = time.perf_counter()
        sketch, photo = load_pair(pairs[images % len(pairs)])
        given, real = (x.to(device) for x in to_tensors([sketch], [photo]))
        loading += time.perf_counter() - asked

        made = g(given)
        d.requires_grad_(True)
        d_adam.zero_grad()
        of_made, of_real = d(torch.cat([given, made.detach()], 1)), d(torch.cat([given, real], 1))
        d_loss = bce(of_made, 0.0) + bce(of_real, 1.0)
        (d_loss / 2).backward()
        d_adam.step()

        d.requires_grad_(False)
        g_adam.zero_grad()
        g_loss = bce(d(torch.cat([given, made], 1)), 1.0) + 100 * F.l1_loss(made, real)
        g_loss.backward()
        g_adam.step()
        g_loss.item(), d_loss.item()  # as every port logs them
        images += 1
        yield images, loading / (time.perf_counter() - began)


def bce(logits: Tensor, aim: float) -> Tensor:
    """Binary cross entropy of logits."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, aim))


def our_steps(row: Row, pairs: Path, run: Path, device: str, precision: str) -> Iterator[tuple[int, float]]:
    """Train a preset; images seen, and the share of the last 20 steps' time spent waiting for data."""
    assert row.preset
    config = train_config(row.preset, batch_size=row.batch_size, score_every=0, sample_every=10**6)
    for status in train(config, pairs, run, device=device, precision=precision, workers=1):
        yield status.images, status.data_wait


def measure(row: Row, pairs: Path, device: str, precision: str, threads: int, seconds: float) -> Measured:
    """Train for some seconds after a few steps."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as run:
        steps = (
            our_steps(row, pairs, Path(run) / "run", device, precision)
            if row.preset
            else plain_steps(list_pairs(pairs, "train"), device)
        )
        for _ in range(WARM_UP):
            images_before, _ = next(steps)
        began = time.perf_counter()
        while (took := time.perf_counter() - began) < seconds:
            images, waiting = next(steps)
    return Measured(
        (images - images_before) / took,
        waiting,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    )


@click.command(help=__doc__)
@click.argument("pairs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--precision", default="auto", show_default=True, help="Of the presets; the loop is float32.")
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--seconds", default=30.0, show_default=True, help="Timed seconds of each.")
def main(pairs: Path, device: str, precision: str, threads: int, seconds: float) -> None:
    """Print a table."""
    print(f"{'':12} {'batch':>6} {'images/s':>9} {'of plain':>9} {'waiting':>8} {'GiB':>6}")
    plain = None
    for row in ROWS:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as one:
            measured = one.submit(measure, row, pairs, device, precision, threads, seconds).result()
        plain = plain or measured
        ratio = f"{measured.images_per_s / plain.images_per_s:9.2f}" if row.batch_size == 1 else f"{'':9}"
        print(
            f"{row.name:12} {row.batch_size:6} {measured.images_per_s:9.2f} {ratio} "
            f"{100 * measured.waiting:7.1f}% {measured.resident_gib:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

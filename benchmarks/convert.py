"""Compares `convert` with the plain loop that people write.

    python benchmarks/convert.py SKETCHES [--count 1000] [--model shoes] [--ray local]

The sketches are repeated until there are `--count`. The plain loop reads with Pillow, runs the model in eager
PyTorch one picture at a time, and writes with Pillow: once with the same model, once with the paper's U-Net,
which ports of pix2pix run (untrained: weights have no effect on speed). The share of time in which the device
is busy, and the memory, are those of `convert`; PyTorch is loaded, as the loops need it. `--ray` converts on
a cluster too, and measures its start, up to the first photo, and its rate after that.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

import pix2pix
from pix2pix.convert.plan import Options, convert_folder
from pix2pix.images.listing import list_pictures
from pix2pix.inference.translator import Translator
from pix2pix.model.bundle import digest_of, find_bundle, load_bundle
from pix2pix.model.networks import Model, build_model
from pix2pix.training.config import PRESETS

PLAIN_COUNT = 100  # of the loops: they are slow


def gather(source: Path, folder: Path, count: int) -> list[Path]:
    """Copies of the sketches below `source`, until there are `count`."""
    pictures, _ = list_pictures(source)
    gathered = []
    for i in range(count):
        path = pictures[i % len(pictures)]
        gathered.append(Path(shutil.copy(path, folder / f"{i:06}{path.suffix}")))
    return gathered


def plain_loop(sketches: list[Path], destination: Path, network: Model) -> float:
    """Files a second of read, run, write, one after the other."""
    z = torch.zeros(1, network.config.latent_size)
    began = time.perf_counter()
    for path in sketches:
        sketch = Image.open(path).convert("L").resize((256, 256))
        given = torch.from_numpy(np.asarray(sketch, np.float32) / 127.5 - 1)[None, None]
        with torch.inference_mode():
            photo = network(given, z)[0][0]
        pixels = ((photo + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(destination / f"{path.stem}.png")
    return len(sketches) / (time.perf_counter() - began)


class Watched:
    """A Translator that notes how long it computes."""

    def __init__(self, translator: Translator) -> None:
        """Takes its place."""
        self._translator, self.busy_s = translator, 0.0

    def __getattr__(self, name: str) -> object:
        """All else is the translator's."""
        return getattr(self._translator, name)

    def translate_batch(self, *given: object) -> object:
        """As of the translator."""
        began = time.perf_counter()
        answer = self._translator.translate_batch(*given)
        self.busy_s += time.perf_counter() - began
        return answer


def resident_mib() -> float:
    """Memory of this process now."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def on_ray(address: str, bundle: Path, source: Path, destination: Path) -> tuple[float, float]:
    """Seconds until the first result, and files a second after it."""
    from pix2pix.convert.on_ray import RayWorkers

    began, moments = time.perf_counter(), list[float]()
    with RayWorkers(address, bundle, digest=digest_of(bundle), device="cpu") as workers:
        results = convert_folder(pix2pix.load(bundle), source, destination, Options(seed=1), workers)
        for result in results:
            assert result.status == "converted", result
            moments.append(time.perf_counter() - began)
    later = [moment for moment in moments if moment > moments[0] + 0.1]  # results of a share come together
    return moments[0], len(later) / (moments[-1] - moments[0])


@click.command(help=__doc__)
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--count", default=1000, show_default=True, help="Sketches.")
@click.option("--model", default="shoes", show_default=True, help="Bundle.")
@click.option("--ray", show_default="none", help="Ray cluster to measure as well, such as local.")
def main(source: Path, count: int, model: str, ray: str | None) -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("in", "out", "plain", "paper"):
            (folder / part).mkdir()
        sketches = gather(source, folder / "in", count)
        watched = Watched(pix2pix.load(model))
        memory, began = [], time.perf_counter()
        results = convert_folder(watched, folder / "in", folder / "out", Options(seed=1))
        for i, result in enumerate(results):
            assert result.status == "converted", result
            if i % max(1, count // 10) == count // 20:
                memory.append(resident_mib())
        took = time.perf_counter() - began
        rate = count / took
        start, on_cluster = (
            on_ray(ray, find_bundle(model), folder / "in", folder / "ray") if ray else (0.0, 0.0)
        )
        some = sketches[:PLAIN_COUNT]
        plain = plain_loop(some, folder / "plain", load_bundle(find_bundle(model))[0])
        paper = plain_loop(some, folder / "paper", build_model(PRESETS["paper"].model).eval())
    print(f"{'':34} {'files/s':>8} {'of the loop':>12}")
    print(f"{'plain loop, the paper’s U-Net':34} {paper:8.1f} {paper / plain:12.2f}")
    print(f"{f'plain loop, {model}, eager':34} {plain:8.1f} {1:12.2f}")
    print(f"{f'pix2pix convert, {model}':34} {rate:8.1f} {rate / plain:12.2f}")
    if ray:
        print(f"{'the same on Ray':34} {on_cluster:8.1f} {on_cluster / plain:12.2f}  after {start:.0f} s")
    print(f"device busy {watched.busy_s / took:.0%}; MiB on the way {[round(m) for m in memory]}")


if __name__ == "__main__":
    main()

"""Measures how fast the doctor checks a pairs folder: pairs a second, and minutes in total.

    python benchmarks/doctor.py pairs/shoes                      # as it is
    python benchmarks/doctor.py pairs/shoes --count 17000        # copied first, in a temporary folder

Each copy of a pair is turned, shifted and tinted by its own amount, so that there are no duplicates. `--keep
FOLDER` keeps the copies for the next measurement.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import click
import cv2
import numpy as np

from data_prep.doctor import Survey, diagnose, examine, survey
from pix2pix.images.io import UInt8, read_photo, read_sketch, save_image


def varied(sketch: UInt8, photo: UInt8, seed: int) -> tuple[UInt8, UInt8]:
    """The pair mirrored or not, turned up to 15 degrees, shifted and shrunk alike, its photo tinted."""
    rng = np.random.default_rng(seed)
    height, width = sketch.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-15, 15), rng.uniform(0.75, 0.95))
    matrix[:, 2] += rng.uniform(-0.05, 0.05, 2) * (width, height)
    tint = rng.uniform(0.6, 1.0, 3)
    flip = -1 if rng.random() < 0.5 else 1
    moved = [
        cv2.warpAffine(
            picture[:, ::flip], matrix, (width, height), flags=cv2.INTER_AREA, borderValue=(255,) * 3
        )
        for picture in (sketch, photo)
    ]
    tinted = np.where(moved[1] < 250, moved[1] * tint, moved[1]).astype(np.uint8)
    return np.asarray(moved[0], np.uint8), tinted


def multiply(found: Survey, folder: Path, count: int) -> None:
    """Write `count` variations of the pairs, every tenth to val."""
    for split in ("train", "val"):
        for kind in ("sketches", "photos"):
            (folder / split / kind).mkdir(parents=True)
    with click.progressbar(range(count), label="multiplying") as numbers:
        for number in numbers:
            pair = found.pairs[number % len(found.pairs)]
            sketch, photo = varied(read_sketch(pair.sketch), read_photo(pair.photo), number)
            split = "val" if number % 10 == 9 else "train"
            save_image(folder / split / "sketches" / f"{number}.png", sketch)
            save_image(folder / split / "photos" / f"{number}.jpg", photo)


def audit(folder: Path, workers: int) -> None:
    """Audit, and print what each part took."""
    began, before = time.perf_counter(), sum(os.times()[:4])
    found = survey(folder)
    listed = time.perf_counter()
    measured = list(examine(found, workers=workers))
    examined = time.perf_counter()
    report = diagnose(found, measured)
    ended = time.perf_counter()
    total, processors = ended - began, sum(os.times()[:4]) - before
    print(f"pairs      {len(measured)}, {workers} processes, load {os.getloadavg()[0]:.1f}")
    print(f"listing    {listed - began:8.1f} s")
    print(f"examining  {examined - listed:8.1f} s")
    print(f"diagnosing {ended - examined:8.1f} s")
    print(f"in all     {total:8.1f} s   {len(measured) / total:.0f} pairs/s")
    print(f"processors {processors:8.1f} s   {len(measured) / processors:.0f} pairs a processor second")
    counts = ", ".join(f"{finding.kind} {len(finding.cases)}" for finding in report.findings)
    print(f"verdict    {report.verdict} ({counts or 'nothing found'})")


@click.command(help=__doc__)
@click.argument("pairs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--count", type=click.IntRange(1), help="Pairs to audit, made by multiplying.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder to multiply into, and to keep.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
def main(pairs: Path, count: int | None, keep: Path | None, workers: int) -> None:
    """Print a table."""
    if count is None:
        audit(pairs, workers)
        return
    with nullcontext(keep) if keep else tempfile.TemporaryDirectory() as where:
        folder = Path(where) / "pairs"
        multiply(survey(pairs), folder, count)
        audit(folder, workers)


if __name__ == "__main__":
    main()

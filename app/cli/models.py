"""`pix2pix models`: lists the models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from app.cli.options import exit_code, models_option
from pix2pix.errors import BundleNotFound
from pix2pix.inference.engines import choose_engine
from pix2pix.model.bundle import BundleInfo, list_bundles

MEASURED_ON = {"_val": "on edge maps", "_drawings": "on people's drawings", "": "measured"}
METRICS = {
    "lpips_alex": "LPIPS",
    "lpips_alex_best_of_20": "best-of-20 LPIPS",
    "lpips": "LPIPS",
    "kid_x1000": "KID x1000",
    "kid": "KID x1000",
}


@click.command()
@models_option
@click.pass_context
def models(ctx: click.Context, models: Path | None) -> None:
    """List the models: title, file size, number of training images, metrics, engine and path."""
    found = list_bundles(models)
    if not found:
        raise BundleNotFound("there are no models; train one, or give its folder with --models")
    engine = choose_engine("auto", "auto")
    for info in found:
        for line in lines(info, engine):
            click.echo(line)
        if info.error is not None:
            click.echo(f"Warning: {info.error}", err=True)
    counts = Counter("unusable" if info.header is None else "usable" for info in found)
    ctx.exit(exit_code(counts["usable"], counts["unusable"]))


def lines(info: BundleInfo, engine: str) -> Iterator[str]:
    """Yields the lines on one model; `engine` computes it."""
    size = f"{info.size_bytes / 1e6:.1f} MB"
    if info.header is None:
        yield f"{info.name}: unusable"
        yield f"  {size}"
    else:
        yield f"{info.name}: {info.header.title}"
        yield f"  {size}, {info.header.images:,} images seen, computed by {engine}"
        yield from (f"  {line}" for line in metrics_in_words(info.header.metrics))
    yield f"  {info.path}"


def metrics_in_words(metrics: Mapping[str, float]) -> Iterator[str]:
    """Yields a line for each kind of sketch with metrics."""
    groups: dict[str, list[str]] = {}
    for key, value in metrics.items():
        suffix = next(end for end in MEASURED_ON if key.endswith(end))
        name = key.removesuffix(suffix)
        groups.setdefault(suffix, []).append(f"{METRICS.get(name, name.replace('_', ' '))} {value:.3g}")
    for suffix, values in groups.items():
        yield f"{MEASURED_ON[suffix]}: {', '.join(values)}"

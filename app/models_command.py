"""`pix2pix models`: a model in a few short lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pix2pix.model.bundle import BundleInfo

MEASURED_ON = {"_val": "on edge maps", "_drawings": "on people's drawings", "": "measured"}
METRICS = {
    "lpips_alex": "LPIPS",
    "lpips_alex_best_of_20": "best-of-20 LPIPS",
    "lpips": "LPIPS",
    "kid_x1000": "KID x1000",
    "kid": "KID x1000",
}


def lines(info: BundleInfo, engine: str) -> Iterator[str]:
    """What is told of a model; `engine` is what computes it."""
    size = f"{info.size_bytes / 1e6:.1f} MB"
    if info.header is None:
        yield f"{info.name}: unusable"
        yield f"  {size}"
    else:
        yield f"{info.name}: {info.header.title}"
        yield f"  {size}, {info.header.images:,} images seen, computed by {engine}"
        yield from (f"  {told}" for told in metrics_in_words(info.header.metrics))
    yield f"  {info.path}"


def metrics_in_words(metrics: Mapping[str, float]) -> Iterator[str]:
    """A line for each kind of sketch that was measured on."""
    groups: dict[str, list[str]] = {}
    for key, value in metrics.items():
        suffix = next(end for end in MEASURED_ON if key.endswith(end))
        name = key.removesuffix(suffix)
        groups.setdefault(suffix, []).append(f"{METRICS.get(name, name.replace('_', ' '))} {value:.3g}")
    for suffix, told in groups.items():
        yield f"{MEASURED_ON[suffix]}: {', '.join(told)}"
    if not metrics:
        yield "no metrics"

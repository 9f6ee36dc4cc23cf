"""Charts of a run's numbers: coordinates of curves, ticks and labels. The template draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

POINTS = 300  # of a curve, at most
WIDTH, HEIGHT = 400, 200  # of the inside of a chart, in SVG units

Points: TypeAlias = list[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """A line of a chart, as SVG path data."""

    name: str
    path: str
    shade: str  # the area between it and the level, if there is one


@dataclass(frozen=True)
class Chart:
    """Coordinates in WIDTH x HEIGHT, from the upper left."""

    kind: str
    title: str
    axis: str
    description: str  # for screen readers
    curves: list[Curve]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    level: float | None  # y of a horizontal line
    mark: tuple[float, float, str] | None


def draw(
    kind: str,
    title: str,
    axis: str,
    series: Mapping[str, Points],
    *,
    bounds: tuple[float | None, float | None] = (None, None),
    log: bool = False,
    level: float | None = None,
    shaded: int = 0,
    mark: tuple[float, float] | None = None,
) -> Chart | None:
    """Returns a chart of named points (step, value), at most POINTS a curve; None if there are no points.

    The first `shaded` curves are shaded up or down to `level`. A log axis leaves out values up to 0.
    """
    kept = {name: thin([p for p in points if p[1] > 0 or not log]) for name, points in series.items()}
    kept = {name: points for name, points in kept.items() if points}
    if not kept:
        return None
    scaled = math.log10 if log else float
    steps, values = ([p[i] for points in kept.values() for p in points] for i in (0, 1))
    values += [mark[1]] if mark else []
    left, right = min(steps), max(steps)
    low = min(values) if bounds[0] is None else bounds[0]
    high = max(values) if bounds[1] is None else bounds[1]
    if high <= low:
        low, high = (low / 2, low * 2) if log else sorted((0.0, 2 * low or 1.0))

    def x(step: float) -> float:
        return WIDTH * (step - left) / (right - left) if right > left else WIDTH / 2

    def y(value: float) -> float:
        return HEIGHT * (scaled(high) - scaled(value)) / (scaled(high) - scaled(low))

    curves: list[Curve] = []
    for name, points in kept.items():
        path = "M" + "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in [*points, points[-1]])
        shade = ""
        if level is not None and len(curves) < shaded:
            shade = f"{path}V{y(level):.1f}H{x(points[0][0]):.1f}Z"
        curves.append(Curve(name, path, shade))
    described = (f"{name} from {points[0][1]:.3g} to {points[-1][1]:.3g}" for name, points in kept.items())
    return Chart(
        kind,
        title,
        axis,
        f"{title}, {axis}, steps {left:,.0f} to {right:,.0f}: {'; '.join(described)}",
        curves,
        [(x(tick), f"{tick:,.10g}") for tick in ticks(left, right) if tick == int(tick)],
        [(y(tick), f"{tick:,.10g}") for tick in ticks(low, high, log=log)],
        None if level is None else y(level),
        mark and (x(mark[0]), y(mark[1]), f"best {mark[1]:.3g} at {mark[0]:,.0f}"),
    )


def thin(points: Points) -> Points:
    """Returns at most POINTS points: means of neighbours."""
    size = math.ceil(len(points) / POINTS)
    buckets = [points[i : i + size] for i in range(0, len(points), size or 1)]
    return [(sum(p[0] for p in b) / len(b), sum(p[1] for p in b) / len(b)) for b in buckets]


def ticks(low: float, high: float, *, log: bool = False) -> list[float]:
    """Returns about five round numbers between two, 1, 2 or 5 times a power of ten apart."""
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        factors = (1, 2, 5) if high / low < 100 else (1,)
        candidates = [factor * 10.0**power for power in powers for factor in factors]
        if len(found := [tick for tick in candidates if low <= tick <= high]) > 1:
            return found
    if high <= low:
        return [low]
    magnitude = 10.0 ** math.floor(math.log10((high - low) / 4))
    apart = next(f * magnitude for f in (1, 2, 5, 10) if f * magnitude >= (high - low) / 5)
    first, last = math.ceil(low / apart), math.floor(high / apart + 1e-9)
    return [i * apart for i in range(first, last + 1)]

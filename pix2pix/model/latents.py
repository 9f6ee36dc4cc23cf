"""Latent vectors z: sampling, interpolation, arithmetic.

Seed 0 is z = 0, the mean latent. Every other seed has its own random generator; the global one is
not used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pix2pix.errors import UsageError

Latent = NDArray[np.float32]

MAX_SEED = 2**31 - 1
PARALLEL = 1e-3  # rad: closer directions are interpolated linearly


def draw(seed: int, size: int) -> Latent:
    """Returns z (size,) float32: 0 for seed 0, else ~ N(0, I), the same on every machine.

    Raises UsageError for a seed outside 0..MAX_SEED.
    """
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed {seed} is not in 0..{MAX_SEED}")
    if seed == 0:
        return np.zeros(size, np.float32)
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(size, dtype=np.float32)


def slerp(a: Latent, b: Latent, t: float) -> Latent:
    """Interpolates from a (t = 0) to b (t = 1), (Z,) each, along the arc; the length changes linearly.

    Samples of N(0, I) lie near a sphere; the straight line between two leaves it (White 2016). If the arc is
    not unique, because one of them is 0 or both lie on one line, the interpolation is linear.
    """
    length_a, length_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if length_a and length_b:
        cosine = float(np.clip(np.dot(a / length_a, b / length_b), -1, 1))
        angle = float(np.arccos(cosine))
        if PARALLEL < angle < np.pi - PARALLEL:
            along_a = np.sin((1 - t) * angle) / np.sin(angle)
            along_b = np.sin(t * angle) / np.sin(angle)
            direction = along_a * a / length_a + along_b * b / length_b
            return np.asarray(((1 - t) * length_a + t * length_b) * direction, np.float32)
    return np.asarray((1 - t) * a + t * b, np.float32)


def walk(stops: Sequence[Latent], steps: int) -> NDArray[np.float32]:
    """Interpolates `steps` latents (N, Z) through all stops, with equally many on each leg.

    Raises UsageError for fewer than two stops or steps.
    """
    if len(stops) < 2 or steps < 2:
        raise UsageError(f"a walk needs at least 2 stops and 2 steps; got {len(stops)} and {steps}")
    legs = len(stops) - 1
    at = np.linspace(0, legs, steps)
    leg_at = np.minimum(at.astype(int), legs - 1)
    return np.stack([slerp(stops[i], stops[i + 1], t - i) for t, i in zip(at, leg_at, strict=True)])


def combine(plus: Sequence[Latent], minus: Sequence[Latent] = ()) -> Latent:
    """Returns the sum of `plus` minus the sum of `minus`, (Z,).

    Raises UsageError if there is none, or they are not of one size.
    """
    if not (plus or minus):
        raise UsageError("nothing to add: give at least one latent")
    if len({z.shape for z in (*plus, *minus)}) > 1:
        raise UsageError("latents of different sizes cannot be added: they are of different models")
    zero = np.zeros_like((*plus, *minus)[0])
    return np.asarray(sum(plus, zero) - sum(minus, zero), np.float32)


def seeds_from(first: int, count: int) -> range:
    """Returns `count` seeds from `first` on. Raises UsageError if they go beyond MAX_SEED."""
    if first + count - 1 > MAX_SEED:
        raise UsageError(
            f"{count} seeds from {first} on go beyond {MAX_SEED}, the largest: begin lower, or ask for fewer"
        )
    return range(first, first + count)


def spread(points: NDArray[np.float32], count: int) -> list[int]:
    """Returns the indices of `count` of N points (N, D) that lie far apart, beginning with the first.

    Each is the point farthest from those before it (Gonzalez 1985). Raises UsageError for a count outside
    1..N.
    """
    if not 1 <= count <= len(points):
        raise UsageError(f"{count} of {len(points)} points cannot be chosen")
    chosen = [0]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < count:
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[-1]], axis=1))
        nearest[chosen] = -1  # not twice, even if points coincide
        chosen.append(int(nearest.argmax()))
    return chosen

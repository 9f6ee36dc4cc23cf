"""Latent vectors z: drawn from a seed through a generator of their own, never the global one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Latent = NDArray[np.float32]


def draw(seed: int, size: int) -> Latent:
    """z ~ N(0, I) of shape (size,), float32; the same on every machine and for every batch."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(size, dtype=np.float32)

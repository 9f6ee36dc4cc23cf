"""Converts between pixels, uint8 in 0..255, and the networks' tensors, float32 in [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor


def from_pixels(pixels: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [-1, 1], white +1."""
    return pixels.float().div_(127.5).sub_(1)


def to_pixels(x: Tensor) -> Tensor:
    """[-1, 1] of any shape -> uint8, rounded and clipped."""
    return x.add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)

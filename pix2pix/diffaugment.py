"""Differentiable augmentation of what D sees, real and made alike, against learning few pairs by heart.

Zhao et al. 2020. Brightness, saturation and contrast change the photo; translation and cutout the photo and
its sketch together.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SHIFT, HOLE = 0.125, 0.5  # shares of the side


DRAWS = 7  # random numbers that a picture takes


def augment(given: Tensor, photo: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Sketches (N, 1, H, W) and photos (N, 3, H, W) in [-1, 1], augmented; paper fills what is uncovered.

    `draws` (N, DRAWS or more) on the CPU, uniform in 0..1, say how; gradients flow to the photo.
    """
    h, w = photo.shape[2:]
    brightness, saturation, contrast = draws[:, :3].T[..., None, None, None].to(photo)
    photo = photo + brightness - 0.5
    grey = photo.mean(dim=1, keepdim=True)
    photo = grey + (photo - grey) * 2 * saturation
    mean = photo.mean(dim=(1, 2, 3), keepdim=True)
    photo = mean + (photo - mean) * (contrast + 0.5)
    both = torch.cat([given, photo], dim=1)
    sides = torch.tensor([h, w])
    shifts = ((2 * draws[:, 3:5] - 1) * SHIFT * sides).round().int().tolist()
    holes = (draws[:, 5:7] * sides).int().tolist()
    moved = [_shift(x, *shift) for x, shift in zip(both, shifts, strict=True)]
    cut = [x * _hole(h, w, *hole).to(x) for x, hole in zip(moved, holes, strict=True)]
    both = torch.stack(cut)
    return both[:, :1], both[:, 1:]


def _shift(x: Tensor, down: int, right: int) -> Tensor:
    """(C, H, W) moved; what comes in is paper."""
    h, w = x.shape[1:]
    padded = F.pad(x, (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)), value=1.0)
    top, left = max(-down, 0), max(-right, 0)
    return padded[:, top : top + h, left : left + w]


def _hole(h: int, w: int, y: int, x: int) -> Tensor:
    """(1, H, W) of ones, with a square of zeros about (y, x)."""
    mask = torch.ones(1, h, w)
    reach_y, reach_x = int(h * HOLE / 2), int(w * HOLE / 2)
    mask[:, max(0, y - reach_y) : y + reach_y, max(0, x - reach_x) : x + reach_x] = 0
    return mask

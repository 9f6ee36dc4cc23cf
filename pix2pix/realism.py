"""What D makes of a photo, patch by patch, in colours: red where made to its eye, blue where real."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pix2pix.architecture import LOST, MADE, OPACITY, REAL


def tint(chances: Tensor, size: tuple[int, int]) -> Tensor:
    """Probabilities (N, 1, h, w) of being real -> what to lay over photos: RGBA (N, 4, *size) in 0..1.

    Opacity grows from 0, where D cannot say, to 0.6, where it is sure.
    """
    chances = F.pad(chances, (LOST,) * 4, mode="replicate")
    chances = F.interpolate(chances, size, mode="bilinear")
    made, real = (chances.new_tensor(colour)[:, None, None] for colour in (MADE, REAL))
    opacity = OPACITY * (2 * chances - 1).abs()
    return torch.cat([torch.where(chances < 0.5, made, real), opacity], dim=1)

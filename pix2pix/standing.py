"""How the game stands: what discriminators make of real and of made pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def standing(kind: str, real: Sequence[Tensor], made: Sequence[Tensor]) -> dict[str, Tensor]:
    """Of the logits of discriminators of one kind, by name:

    p_real_KIND, p_fake_KIND   mean probability of real and of made patches, 0..1
    accuracy_KIND              the share of patches that they are right about
    """
    chances = [[torch.sigmoid(x).mean() for x in side] for side in (real, made)]
    right = [
        0.5 * ((r > 0).float().mean() + (m <= 0).float().mean()) for r, m in zip(real, made, strict=True)
    ]
    p_real, p_fake, accuracy = (torch.stack(list(values)).mean() for values in (*chances, right))
    return {f"p_real_{kind}": p_real, f"p_fake_{kind}": p_fake, f"accuracy_{kind}": accuracy}


def means(values: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """By name, the mean of several measurements that have the same names."""
    return {name: torch.stack([one[name] for one in values]).mean() for name in values[0]}

"""Samples the pairs of each step: every pair once an epoch, and difficult pairs more often.

A share of each batch, `weak_points`, is sampled by difficulty, which is the running error of the generator on
each pair; the rest is taken in turn. Probability follows the rank of the difficulty, not its value. Outliers
are sampled no more often than other pairs, as their data is likely to be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

Float64 = NDArray[np.float64]

BLOCK = 50  # steps between two updates of the probabilities; the most that may be sampled ahead
MOMENTUM = 0.7  # of the running mean of a pair's error
FOCUS = 3  # probability grows as the rank to this power: the hardest tenth has a third of the samples
OUTLIER = 3.0  # interquartile ranges above the upper quartile (Tukey 1977)


@dataclass(frozen=True)
class Hard:
    """A pair on which the generator's error is large."""

    index: int
    difficulty: float  # running mean of its error
    times_typical: float  # difficulty over the median pair's
    measured: int  # times
    suspect: bool  # an outlier: the data may be wrong


class PairSampler:
    """The pair at each position of training, a function of (seed, position, errors so far).

    The position is `step * batch_size + place`. Errors have an effect from the block of steps after the next
    one, so that a loader may sample `BLOCK` steps ahead without a change of results.
    """

    def __init__(self, count: int, *, batch_size: int, seed: int, weak_points: float) -> None:
        """`count` is the number of pairs, `weak_points` the share of each batch sampled by difficulty."""
        self.count, self.batch_size, self.seed = count, batch_size, seed
        weak = round(weak_points * batch_size)
        # Spread over the batch: the layout GAN trains its two halves differently.
        self._weak_places = {int(place) for place in (np.arange(weak) + 0.5) * batch_size / max(weak, 1)}
        self._in_turn = [place for place in range(batch_size) if place not in self._weak_places]
        self._difficulty = np.full(count, np.nan)
        self._measured = np.zeros(count, np.int64)
        self._block = 0
        self._now = self._next = np.arange(1.0, count + 1)  # cumulative weights: all equal

    def __getitem__(self, position: int) -> int:
        """Returns the pair at a position. Raises ValueError more than a block after the last `begin`."""
        step, place = divmod(position, self.batch_size)
        if place not in self._weak_places:
            nth = step * len(self._in_turn) + self._in_turn.index(place)
            epoch, at = divmod(nth, self.count)
            return int(_order(self.seed, epoch, self.count)[at])
        ahead = step // BLOCK - self._block
        if ahead not in (0, 1):
            raise ValueError(f"step {step} is not in block {self._block} or the one after it")
        cumulative = self._next if ahead else self._now
        sample = np.random.default_rng([self.seed, 2, position]).random() * cumulative[-1]
        return min(int(np.searchsorted(cumulative, sample, side="right")), self.count - 1)

    def begin(self, step: int) -> None:
        """Updates the probabilities when a step begins a new block."""
        if step // BLOCK > self._block:
            self._block = step // BLOCK
            self._now, self._next = self._next, np.cumsum(weights(self._difficulty))

    def record_errors(self, indices: NDArray[np.int64], errors: Float64) -> None:
        """Records the generator's errors (N,) on pairs (N,)."""
        for index, error in zip(indices, errors, strict=True):
            mean = self._difficulty[index]
            self._difficulty[index] = error if np.isnan(mean) else MOMENTUM * mean + (1 - MOMENTUM) * error
        np.add.at(self._measured, indices, 1)

    def hardest(self, most: int) -> list[Hard]:
        """Returns the hardest of the measured pairs, the hardest first."""
        measured = np.flatnonzero(~np.isnan(self._difficulty))
        if not len(measured):
            return []
        values = self._difficulty[measured]
        typical, limit = float(np.median(values)), _outlier_limit(values)
        return [
            Hard(
                index=int(measured[i]),
                difficulty=float(values[i]),
                times_typical=float(values[i]) / typical if typical else 1.0,
                measured=int(self._measured[measured[i]]),
                suspect=bool(values[i] > limit),
            )
            for i in np.argsort(-values, kind="stable")[:most]
        ]

    def state_dict(self) -> dict[str, Any]:
        """Returns everything that is not a function of the configuration."""
        arrays = {
            "difficulty": self._difficulty,
            "now": self._now,
            "next": self._next,
            "measured": self._measured,
        }
        return {"block": self._block, **{name: torch.from_numpy(a.copy()) for name, a in arrays.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Loads `state_dict`. Raises KeyError or ValueError if it is of another sampler."""
        if len(state["difficulty"]) != self.count:
            raise ValueError(f"difficulties of {len(state['difficulty'])} pairs, there are {self.count}")
        self._block = state["block"]
        self._difficulty, self._measured, self._now, self._next = (
            state[name].numpy().copy() for name in ("difficulty", "measured", "now", "next")
        )


def weights(difficulty: Float64) -> Float64:
    """Returns sampling weights (N,) for difficulties (N,), NaN where unknown: 0 to 4, about 1 on average.

    Unknown difficulties count as the median. Outliers have weight 1.
    """
    known = ~np.isnan(difficulty)
    if not known.any():
        return np.ones(len(difficulty))
    filled = np.where(known, difficulty, np.median(difficulty[known]))
    rank = (rankdata(filled) - 0.5) / len(filled)
    weight: Float64 = (FOCUS + 1) * rank**FOCUS
    return np.where(filled > _outlier_limit(filled), 1.0, weight)


def _outlier_limit(values: Float64) -> float:
    lower, upper = np.quantile(values, (0.25, 0.75))
    return float(upper + OUTLIER * (upper - lower))


@lru_cache(maxsize=4)  # a batch may reach into the next epoch
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Returns the order of the pairs in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)

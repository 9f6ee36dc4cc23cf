"""Which pair is shown when: every pair once an epoch, and weak points more often.

A good teacher lets a pupil do again what went wrong. A share of each batch, `weak_points`, is therefore not
drawn in turn but by difficulty: the running error of G on each pair. By rank, not by size, and with pairs far
beyond all others drawn no more often than any: those are where bad data lies, which nobody can learn.
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

BLOCK = 50  # steps between two looks at the difficulties, and at the most that may be drawn ahead
MEMORY = 0.7  # weight of what was known of a pair's difficulty against its newest error
FOCUS = 3  # weight grows as the rank to this power: the hardest tenth has a third of these draws
FAR_OUT = 3.0  # interquartile ranges above the upper quartile (Tukey 1977): suspect


@dataclass(frozen=True)
class Hard:
    """A pair that G finds hard."""

    index: int
    difficulty: float  # running mean of its error
    times_typical: float  # the same over the median pair's
    measured: int  # times
    suspect: bool  # so far beyond the others that the data may be wrong


class PairSampler:
    """The pair at each position of training, a function of (seed, position, errors told so far).

    Position `step * batch_size + place`. Errors count from the block of steps after the next one, so that a
    loader may draw `BLOCK` steps ahead without changing anything.
    """

    def __init__(self, count: int, *, batch_size: int, seed: int, weak_points: float) -> None:
        """`count` pairs; `weak_points` is the share of each batch that is drawn by difficulty."""
        self.count, self.batch_size, self.seed = count, batch_size, seed
        weak = round(weak_points * batch_size)
        # Places spread over the batch: both its bound and its free answers have some.
        self._weak_places = {int(place) for place in (np.arange(weak) + 0.5) * batch_size / max(weak, 1)}
        self._in_turn = [place for place in range(batch_size) if place not in self._weak_places]
        self._difficulty = np.full(count, np.nan)
        self._measured = np.zeros(count, np.int64)
        self._block = 0
        self._now = self._next = np.arange(1.0, count + 1)  # running totals of weights: all alike

    def __getitem__(self, position: int) -> int:
        """The pair at a position. Raises ValueError for one too far from the block of the last `begin`."""
        step, place = divmod(position, self.batch_size)
        if place not in self._weak_places:
            nth = step * len(self._in_turn) + self._in_turn.index(place)
            epoch, at = divmod(nth, self.count)
            return int(_order(self.seed, epoch, self.count)[at])
        ahead = step // BLOCK - self._block
        if ahead not in (0, 1):
            raise ValueError(f"step {step} is not in block {self._block} or the one after it")
        totals = self._next if ahead else self._now
        drawn = np.random.default_rng([self.seed, 2, position]).random() * totals[-1]
        return min(int(np.searchsorted(totals, drawn, side="right")), self.count - 1)

    def begin(self, step: int) -> None:
        """A step begins."""
        if step // BLOCK > self._block:
            self._block = step // BLOCK
            self._now, self._next = self._next, np.cumsum(weights(self._difficulty))

    def learn(self, indices: NDArray[np.int64], errors: Float64) -> None:
        """What G's errors (N,) on pairs (N,) were."""
        for index, error in zip(indices, errors, strict=True):
            before = self._difficulty[index]
            self._difficulty[index] = error if np.isnan(before) else MEMORY * before + (1 - MEMORY) * error
        np.add.at(self._measured, indices, 1)

    def hardest(self, most: int) -> list[Hard]:
        """The hardest pairs that were measured, the hardest first."""
        seen = np.flatnonzero(~np.isnan(self._difficulty))
        if not len(seen):
            return []
        values = self._difficulty[seen]
        typical, limit = float(np.median(values)), _far_out(values)
        return [
            Hard(
                index=int(seen[i]),
                difficulty=float(values[i]),
                times_typical=float(values[i]) / typical if typical else 1.0,
                measured=int(self._measured[seen[i]]),
                suspect=bool(values[i] > limit),
            )
            for i in np.argsort(-values, kind="stable")[:most]
        ]

    def state_dict(self) -> dict[str, Any]:
        """Everything that is not a function of the configuration."""
        arrays = {
            "difficulty": self._difficulty,
            "now": self._now,
            "next": self._next,
            "measured": self._measured,
        }
        return {"block": self._block, **{name: torch.from_numpy(a.copy()) for name, a in arrays.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises KeyError or ValueError for the state of something else."""
        if len(state["difficulty"]) != self.count:
            raise ValueError(f"difficulties of {len(state['difficulty'])} pairs, there are {self.count}")
        self._block = state["block"]
        self._difficulty, self._measured = (
            state["difficulty"].numpy().copy(),
            state["measured"].numpy().copy(),
        )
        self._now, self._next = state["now"].numpy().copy(), state["next"].numpy().copy()


def weights(difficulty: Float64) -> Float64:
    """(N,) difficulties, NaN where none is known -> how often to draw each, 0 to 4, about 1 on average.

    What is not known counts as a median. Suspects have weight 1.
    """
    known = ~np.isnan(difficulty)
    if not known.any():
        return np.ones(len(difficulty))
    filled = np.where(known, difficulty, np.median(difficulty[known]))
    rank = (rankdata(filled) - 0.5) / len(filled)
    weight: Float64 = (FOCUS + 1) * rank**FOCUS
    return np.where(filled > _far_out(filled), 1.0, weight)


def _far_out(values: Float64) -> float:
    """Above this a value is far out."""
    lower, upper = np.quantile(values, (0.25, 0.75))
    return float(upper + FAR_OUT * (upper - lower))


@lru_cache(maxsize=4)  # a batch may reach into the next epoch
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The pairs' order in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)

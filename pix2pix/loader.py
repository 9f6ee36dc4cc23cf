"""Pairs as augmented batches, prepared ahead of the step that takes them.

What a batch holds is a function of (pairs, sampler, seed, step): resuming needs no state of the loader's, and
how many processes prepare changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pix2pix.augment import PairAugment
from pix2pix.dataset import Pair, load_pair, to_tensors
from pix2pix.errors import PairsError, RunError
from pix2pix.framing import UInt8
from pix2pix.sampler import BLOCK, PairSampler

OTHERS_TRIED = 8  # in the place of a pair that cannot be read
AHEAD = 4  # batches a process prepares ahead

Key = tuple[int, int]  # (index of the pair, seed of what is done to it)


@dataclass(frozen=True)
class Loaded:
    """The pairs of one step, or of one process's share of it."""

    indices: list[int]  # which pairs
    sketch: Tensor  # (N, 1, S, S) in [-1, 1]
    photo: Tensor  # (N, 3, S, S) in [-1, 1]
    roughness: Tensor  # (N,) in 0..1
    unreadable: dict[str, str]  # why, by name of pair; others stand in their place

    def pin_memory(self) -> Loaded:
        """For a GPU, to which pinned memory is copied while it computes (called by DataLoader)."""
        sketch, photo, roughness = (x.pin_memory() for x in (self.sketch, self.photo, self.roughness))
        return Loaded(self.indices, sketch, photo, roughness, self.unreadable)


def load_batches(
    pairs: list[Pair],
    augment: PairAugment,
    sampler: PairSampler,
    *,
    size_px: int,
    first_step: int,
    places: Sequence[int],
    workers: int,
    pin_memory: bool = False,
) -> Iterator[Loaded]:
    """The batches from `first_step` on, without end; of each, what is at `places` of it.

    With `workers` processes beside this one, some are prepared ahead. Raises PairsError if a pair and the 8
    after it cannot be read, RunError if one of the processes is gone.
    """
    ahead = max(1, min(AHEAD, BLOCK // workers)) if workers else None
    loader: DataLoader[Any] = DataLoader(
        _Pairs(pairs, augment, size_px),
        batch_sampler=_Keys(sampler, first_step, places),
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        prefetch_factor=ahead,
        worker_init_fn=_be_single,
    )
    batches = iter(loader)
    while True:
        try:
            loaded = next(batches)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise RunError(f"a process that prepares pairs is gone: {error}") from error
        if isinstance(loaded, PairsError):
            raise loaded
        yield loaded


@dataclass(frozen=True)
class _Item:
    index: int
    sketch: UInt8
    photo: UInt8
    roughness: float
    unreadable: dict[str, str]


class _Keys:
    """What is to be prepared, a list for each step."""

    def __init__(self, sampler: PairSampler, first_step: int, places: Sequence[int]) -> None:
        self.sampler, self.first_step, self.places = sampler, first_step, places

    def __iter__(self) -> Iterator[list[Key]]:
        step = self.first_step
        while True:
            yield [self._key(step * self.sampler.batch_size + place) for place in self.places]
            step += 1

    def _key(self, position: int) -> Key:
        draw = np.random.default_rng([self.sampler.seed, 1, position]).integers(2**31)
        return self.sampler[position], int(draw)


class _Pairs(Dataset[_Item | PairsError]):
    """Pairs by key, decoded and augmented. What cannot be read is replaced by the next pair that can."""

    def __init__(self, pairs: list[Pair], augment: PairAugment, size_px: int) -> None:
        self.pairs, self.augment, self.size_px = pairs, augment, size_px

    def __getitem__(self, key: Key) -> _Item | PairsError:
        index, seed = key
        unreadable: dict[str, str] = {}
        for other in range(OTHERS_TRIED + 1):
            at = (index + other) % len(self.pairs)
            try:
                sketch, photo = load_pair(self.pairs[at])
            except PairsError as error:
                unreadable[self.pairs[at].name] = str(error)
                refusal = error
                continue
            return _Item(at, *self.augment(sketch, photo, self.size_px, seed), unreadable)
        return (
            refusal  # raised by `_collate` in a process of its own, it would come with its traceback as text
        )


def _collate(items: list[_Item | PairsError]) -> Loaded | PairsError:
    """One batch, or the first refusal."""
    for item in items:
        if isinstance(item, PairsError):
            return item
    drawn = [item for item in items if isinstance(item, _Item)]
    return Loaded(
        [item.index for item in drawn],
        *to_tensors([item.sketch for item in drawn], [item.photo for item in drawn]),
        torch.tensor([item.roughness for item in drawn]),
        {name: why for item in drawn for name, why in item.unreadable.items()},
    )


def _be_single(worker: int) -> None:
    """A process a worker, one thread each."""
    cv2.setNumThreads(0)

"""Loads pairs as augmented batches, prepared ahead of the step that needs them.

A batch is a function of (pairs, sampler, seed, step): resuming needs no state of the loader, and the number
of worker processes has no effect on batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pix2pix.errors import PairsError, RunError
from pix2pix.model.constants import LAYOUT_PX
from pix2pix.model.layouts import coloured_by
from pix2pix.pairs import Pair, load_mask, load_pair, photos_to_tensor, to_tensors
from pix2pix.training.data.augment import Augmented, PairAugment
from pix2pix.training.data.sampler import BLOCK, PairSampler

SUBSTITUTES_TRIED = 8  # for a pair that cannot be read
AHEAD = 4  # batches that a worker prepares ahead

Key = tuple[int, int, bool]  # index of the pair, seed of its augmentation, whether the picture GAN gets it


@dataclass(frozen=True)
class Loaded:
    """The pairs of one step, or one process's share of them.

    The layout GAN gets all K of them, the picture GAN the first N.
    """

    indices: list[int]  # of the pairs, K
    ink: Tensor  # (K, 1, 64, 64) in 0..1
    coloured: Tensor  # (K, 4, 64, 64): the foreground, in [-1, 1], times alpha, and alpha
    sketch: Tensor  # (N, 1, S, S) in [-1, 1]
    photo: Tensor  # (N, 3, S, S) in [-1, 1]
    foreground: Tensor  # (N, 3, S, S) in [-1, 1]
    alpha: Tensor  # (N, 1, S, S) in 0..1
    roughness: Tensor  # (N,) in 0..1
    unreadable: dict[str, str]  # the reason by name of pair; other pairs are in their place

    def pin_memory(self) -> Loaded:
        """Returns a copy in pinned memory, which a GPU reads while it computes (DataLoader calls this)."""
        return Loaded(*(_pinned(getattr(self, field.name)) for field in fields(self)))


def load_batches(
    pairs: list[Pair],
    augment: PairAugment,
    sampler: PairSampler,
    *,
    size_px: int,
    first_step: int,
    places: Sequence[int],
    pictures: int,
    workers: int,
    pin_memory: bool = False,
) -> Iterator[Loaded]:
    """Yields batches from `first_step` on, without end; of each, the pairs at `places`.

    The picture GAN gets the first `pictures` pairs of a batch, the layout GAN all of them. `workers`
    processes prepare batches ahead; 0 prepares them in this process. Raises PairsError if a pair and the 8
    after it cannot be read, RunError if a worker process has ended.
    """
    ahead = max(1, min(AHEAD, BLOCK // workers)) if workers else None
    loader: DataLoader[Any] = DataLoader(
        _Pairs(pairs, augment, size_px),
        batch_sampler=_Keys(sampler, first_step, places, pictures),
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        prefetch_factor=ahead,
        worker_init_fn=_use_one_thread,
    )
    batches = iter(loader)
    while True:
        try:
            loaded = next(batches)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise RunError(f"a worker process that prepares pairs has ended: {error}") from error
        if isinstance(loaded, PairsError):
            raise loaded
        yield loaded


@dataclass(frozen=True)
class _Item:
    index: int
    ink: Tensor
    coloured: Tensor
    pair: Augmented | None  # None for the layout GAN alone
    unreadable: dict[str, str]


class _Keys:
    """Keys of the pairs to load, a list per step."""

    def __init__(self, sampler: PairSampler, first_step: int, places: Sequence[int], pictures: int) -> None:
        self.sampler, self.first_step, self.places, self.pictures = sampler, first_step, places, pictures

    def __iter__(self) -> Iterator[list[Key]]:
        step = self.first_step
        while True:
            yield [
                (*self._key(step * self.sampler.batch_size + place), place < self.pictures)
                for place in self.places
            ]
            step += 1

    def _key(self, position: int) -> tuple[int, int]:
        draw = np.random.default_rng([self.sampler.seed, 1, position]).integers(2**31)
        return self.sampler[position], int(draw)


class _Pairs(Dataset[_Item | PairsError]):
    """Pairs by key, decoded and augmented. The next readable pair takes the place of an unreadable one."""

    def __init__(self, pairs: list[Pair], augment: PairAugment, size_px: int) -> None:
        self.pairs, self.augment, self.size_px = pairs, augment, size_px

    def __getitem__(self, key: Key) -> _Item | PairsError:
        index, seed, for_picture = key
        unreadable: dict[str, str] = {}
        for offset in range(SUBSTITUTES_TRIED + 1):
            substitute = (index + offset) % len(self.pairs)
            pair = self.pairs[substitute]
            try:
                sketch, photo = load_pair(pair)
                mask = load_mask(pair, sketch, photo)
            except PairsError as error:
                unreadable[pair.name] = str(error)
                last_error = error
                continue
            augmented = self.augment(sketch, photo, mask, self.size_px, seed)
            of_picture = augmented if for_picture else None
            return _Item(substitute, *_for_layout(augmented), of_picture, unreadable)
        return last_error  # not raised: from a worker process its message would contain its traceback


def _for_layout(augmented: Augmented) -> tuple[Tensor, Tensor]:
    """Returns ink (1, 64, 64), and foreground times alpha, and alpha (4, 64, 64)."""
    sketch, foreground = to_tensors([augmented.sketch], [augmented.foreground])
    alpha = torch.from_numpy(augmented.alpha)[None, None] / 255
    both = (1 - sketch) / 2, coloured_by(foreground, alpha)
    ink, coloured = (F.adaptive_avg_pool2d(x, LAYOUT_PX)[0] for x in both)
    return ink, coloured


def _collate(items: list[_Item | PairsError]) -> Loaded | PairsError:
    """Returns one batch, or the first error."""
    for item in items:
        if isinstance(item, PairsError):
            return item
    loaded = [item for item in items if isinstance(item, _Item)]
    pairs = [item.pair for item in loaded if item.pair]
    sketch, photo = to_tensors([pair.sketch for pair in pairs], [pair.photo for pair in pairs])
    return Loaded(
        [item.index for item in loaded],
        torch.stack([item.ink for item in loaded]),
        torch.stack([item.coloured for item in loaded]),
        sketch,
        photo,
        photos_to_tensor([pair.foreground for pair in pairs]),
        torch.from_numpy(np.stack([pair.alpha for pair in pairs])[:, None]) / 255,
        torch.tensor([pair.roughness for pair in pairs]),
        {name: reason for item in loaded for name, reason in item.unreadable.items()},
    )


def _pinned(value: Any) -> Any:
    return value.pin_memory() if isinstance(value, Tensor) else value


def _use_one_thread(worker: int) -> None:
    cv2.setNumThreads(0)  # each worker has a core

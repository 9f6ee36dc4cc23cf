"""Pairs as augmented batches, prepared ahead of the step that takes them.

What a batch holds is a function of (pairs, sampler, seed, step): resuming needs no state of the loader's, and
how many processes prepare changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pix2pix.errors import PairsError, RunError
from pix2pix.images.framing import UInt8, resized
from pix2pix.model.constants import LAYOUT_PX
from pix2pix.model.layout_gan import layout_of
from pix2pix.pairs import Pair, load_mask, load_pair, to_tensors
from pix2pix.training.augment import Augmented, PairAugment
from pix2pix.training.colour_strokes import draw_colour_strokes
from pix2pix.training.sampler import BLOCK, PairSampler

OTHERS_TRIED = 8  # in the place of a pair that cannot be read
AHEAD = 4  # batches a process prepares ahead
STROKES_STREAM = 1  # beside the seed of a pair's augmentation
BLUR_PX, DETAILED_FROM = 4, 0.06  # see `detail_share`

Key = tuple[int, int, bool]  # index of the pair, seed of its augmentation, for the picture GAN too


@dataclass(frozen=True)
class Loaded:
    """The pairs of one step, or of one process's share of it.

    The layout GAN takes all K of them, the picture GAN the first N.
    """

    indices: list[int]  # which pairs, K
    ink: Tensor  # (K, 1, 64, 64) in 0..1
    layout: Tensor  # (K, 4, 16, 16): see `layout_gan`
    sketch: Tensor  # (N, 1, S, S) in [-1, 1]
    photo: Tensor  # (N, 3, S, S) in [-1, 1]
    mask: Tensor  # (N, 1, S, S) in 0..1
    strokes: Tensor  # (N, 4, S/2, S/2): see `colour_strokes`
    roughness: Tensor  # (N,) in 0..1
    detailed: Tensor  # (N,) 1 where the photo has detail that half of its side cannot hold, else 0
    unreadable: dict[str, str]  # why, by name of pair; others are in their place

    def pin_memory(self) -> Loaded:
        """For a GPU, to which pinned memory is copied while it computes (called by DataLoader)."""
        return Loaded(*(_pinned(getattr(self, one.name)) for one in fields(self)))


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
    """The batches from `first_step` on, without end; of each, what is at `places` of it.

    The picture GAN takes the first `pictures` pairs of a batch, the layout GAN all of them.

    With `workers` processes beside this one, some are prepared ahead. Raises PairsError if a pair and the 8
    after it cannot be read, RunError if one of the processes is gone.
    """
    ahead = max(1, min(AHEAD, BLOCK // workers)) if workers else None
    loader: DataLoader[Any] = DataLoader(
        _Pairs(pairs, augment, size_px),
        batch_sampler=_Keys(sampler, first_step, places, pictures),
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
class _Pair:
    """What the picture GAN takes of a pair."""

    sketch: UInt8
    photo: UInt8
    mask: UInt8
    strokes: NDArray[np.float32]
    roughness: float
    detailed: bool


@dataclass(frozen=True)
class _Item:
    index: int
    ink: Tensor
    layout: Tensor
    pair: _Pair | None  # None for the layout GAN alone
    unreadable: dict[str, str]


class _Keys:
    """What is to be prepared, a list for each step."""

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
    """Pairs by key, decoded and augmented. What cannot be read is replaced by the next pair that can."""

    def __init__(self, pairs: list[Pair], augment: PairAugment, size_px: int) -> None:
        self.pairs, self.augment, self.size_px = pairs, augment, size_px

    def __getitem__(self, key: Key) -> _Item | PairsError:
        index, seed, for_picture = key
        unreadable: dict[str, str] = {}
        for other in range(OTHERS_TRIED + 1):
            at = (index + other) % len(self.pairs)
            try:
                sketch, photo = load_pair(self.pairs[at])
                mask = load_mask(self.pairs[at], sketch, photo)
            except PairsError as error:
                unreadable[self.pairs[at].name] = str(error)
                refusal = error
                continue
            drawn = self.augment(sketch, photo, mask, self.size_px, seed)
            pair = _of_picture(drawn, seed) if for_picture else None
            return _Item(at, *_of_layout(drawn), pair, unreadable)
        return (
            refusal  # raised by `_collate` in a process of its own, it would come with its traceback as text
        )


def _of_layout(drawn: Augmented) -> tuple[Tensor, Tensor]:
    """Ink (1, 64, 64) and layout (4, 16, 16)."""
    sketch, photo = to_tensors([drawn.sketch], [drawn.photo])
    mask = torch.from_numpy(drawn.mask)[None, None] / 255
    ink = F.adaptive_avg_pool2d((1 - sketch) / 2, LAYOUT_PX)
    return ink[0], layout_of(photo, mask)[0]


def _of_picture(drawn: Augmented, seed: int) -> _Pair:
    side = len(drawn.sketch) // 2
    small, small_mask = (resized(x, (side, side)) for x in (drawn.photo, drawn.mask))
    strokes = draw_colour_strokes(small, small_mask, np.random.default_rng([seed, STROKES_STREAM]))
    detailed = detail_share(drawn.photo, drawn.mask) > DETAILED_FROM
    return _Pair(drawn.sketch, drawn.photo, drawn.mask, strokes, drawn.roughness, detailed)


def detail_share(photo: UInt8, mask: UInt8) -> float:
    """How much of a photo's contrast half of its side cannot hold: about 0 for an enlarged photo.

    Energy of what is lost at half of the side over that of what a blur takes, inside the mask (H, W), of a
    photo (H, W, 3) uint8.
    """
    x = photo.astype(np.float32)
    height, width = mask.shape
    half = cv2.resize(x, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    lost = x - cv2.resize(half, (width, height), interpolation=cv2.INTER_CUBIC)
    contrast = x - cv2.GaussianBlur(x, (0, 0), BLUR_PX)
    inside = mask > 127
    return float(np.square(lost[inside]).sum() / (np.square(contrast[inside]).sum() + 1))


def _collate(items: list[_Item | PairsError]) -> Loaded | PairsError:
    """One batch, or the first refusal."""
    for item in items:
        if isinstance(item, PairsError):
            return item
    drawn = [item for item in items if isinstance(item, _Item)]
    pairs = [item.pair for item in drawn if item.pair]
    sketch, photo = to_tensors([pair.sketch for pair in pairs], [pair.photo for pair in pairs])
    return Loaded(
        [item.index for item in drawn],
        torch.stack([item.ink for item in drawn]),
        torch.stack([item.layout for item in drawn]),
        sketch,
        photo,
        torch.from_numpy(np.stack([pair.mask for pair in pairs])[:, None]) / 255,
        torch.from_numpy(np.stack([pair.strokes for pair in pairs])).permute(0, 3, 1, 2),
        torch.tensor([pair.roughness for pair in pairs]),
        torch.tensor([float(pair.detailed) for pair in pairs]),
        {name: why for item in drawn for name, why in item.unreadable.items()},
    )


def _pinned(value: Any) -> Any:
    return value.pin_memory() if isinstance(value, Tensor) else value


def _be_single(worker: int) -> None:
    """A process a worker, one thread each."""
    cv2.setNumThreads(0)

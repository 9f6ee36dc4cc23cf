"""The tensors of one step: pairs, and all random numbers, which are a function of the step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pix2pix.model.constants import CELLS
from pix2pix.training.config import TrainConfig
from pix2pix.training.data.loader import Loaded

MISTAKES_SIDE = 6  # of the random numbers that choose where the masks of layouts are wrong
PERMUTED_SHARE = 0.25  # of photos that the picture GAN gets with permuted channels
SEED_STRIDE = 1_000_003  # a prime: the step seeds of two runs with neighbouring seeds do not coincide


@dataclass(frozen=True)
class Pictures:
    """The N pairs of the picture GAN, or of the paper's architecture."""

    place: Tensor  # (N,) place in the batch of all processes; on the CPU, as shifts are
    sketch: Tensor  # (N, 1, S, S) in [-1, 1]
    photo: Tensor  # (N, 3, S, S) in [-1, 1]
    foreground: Tensor  # (N, 3, S, S) in [-1, 1]: the product's colour
    alpha: Tensor  # (N, 1, S, S) in 0..1
    roughness: Tensor  # (N,) in 0..1: how far the strokes were moved from the photo's edges
    shifts: Tensor  # (N, 2) uniform: shift of the discriminators' inputs
    choices: Tensor  # (N,) uniform: which kind of layout the picture GAN gets
    mistakes: Tensor  # (N, 1, 6, 6) uniform: where the mask of such a layout is wrong
    channels: Tensor  # (N, 3) indices of the channels that it gets as red, green and blue

    def __len__(self) -> int:
        """Returns N."""
        return len(self.place)

    def parts(self, count: int) -> Iterator[Pictures]:
        """Yields `count` batches of equal size."""
        for i in range(count):
            yield Pictures(*(getattr(self, field.name)[i::count] for field in fields(self)))


@dataclass(frozen=True)
class Layouts:
    """The K pairs of the layout GAN; the first half is generated with the latents of their real layouts."""

    ink: Tensor  # (K, 1, 64, 64) in 0..1
    coloured: Tensor  # (K, 4, 64, 64): the foreground, in [-1, 1], times alpha, and alpha
    z: Tensor  # (K, Z) normal
    choices: Tensor  # (K, 2) uniform: are cells known, which share of them
    cells: Tensor  # (K, 1, 16, 16) uniform: which


@dataclass(frozen=True)
class Batch:
    """The tensors of one process at a step."""

    pictures: Pictures
    layouts: Layouts | None  # None for the paper's architecture


def draw_batch(
    config: TrainConfig, step: int, loaded: Loaded, rank: int, processes: int, device: torch.device
) -> Batch:
    """Returns the loaded pairs of one process with its share of the step's random numbers, on the device.

    Slice bounds stay on the CPU, so that nothing waits for the device in the middle of a step. Also seeds
    torch's global generator, for dropout.
    """
    seed = config.seed * SEED_STRIDE + step
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)

    def random(count: int, *shape: int, normal: bool = False) -> Tensor:
        draw = torch.randn if normal else torch.rand
        return draw(count, *shape, generator=generator)[rank::processes]

    def to_device(x: Tensor) -> Tensor:
        return x.to(device, non_blocking=True)

    n, k = config.batch_size, config.pairs_per_step
    pictures = Pictures(
        place=torch.arange(n)[rank::processes],
        sketch=to_device(loaded.sketch),
        photo=to_device(loaded.photo),
        foreground=to_device(loaded.foreground),
        alpha=to_device(loaded.alpha),
        roughness=to_device(loaded.roughness),
        shifts=random(n, 2),
        choices=to_device(random(n)),
        mistakes=to_device(random(n, 1, MISTAKES_SIDE, MISTAKES_SIDE)),
        channels=to_device(_permutations(random(n, 3), random(n, 1) < PERMUTED_SHARE)),
    )
    if not config.two_stage:
        return Batch(pictures, None)
    layouts = Layouts(
        ink=to_device(loaded.ink),
        coloured=to_device(loaded.coloured),
        z=to_device(random(k, config.model.latent_size, normal=True)),
        choices=to_device(random(k, 2)),
        cells=to_device(random(k, 1, CELLS, CELLS)),
    )
    return Batch(pictures, layouts)


def _permutations(numbers: Tensor, permuted: Tensor) -> Tensor:
    """Uniform numbers (N, 3), and which rows to permute (N, 1) -> permutations (N, 3); 0 1 2 for others."""
    return torch.where(permuted, numbers.argsort(1), torch.arange(3))

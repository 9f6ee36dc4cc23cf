"""What a step is shown: pairs, and everything random about them, a function of the step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pix2pix.model.constants import CELLS
from pix2pix.training.config import TrainConfig
from pix2pix.training.loader import Loaded

SEED_STRIDE = 1_000_003  # a prime: the step seeds of two runs with neighbouring seeds do not coincide


@dataclass(frozen=True)
class Pictures:
    """The pairs of the picture GAN, or of the paper's: N of them."""

    place: Tensor  # (N,) in the batch of all processes; on the CPU, as shifts and corners are
    sketch: Tensor  # (N, 1, S, S) in [-1, 1]
    photo: Tensor  # (N, 3, S, S) in [-1, 1]
    roughness: Tensor  # (N,) in 0..1: how far the strokes were moved from the photo's edges
    mask: Tensor  # (N, 1, S, S) in 0..1
    strokes: Tensor  # (N, 4, S/2, S/2): colour times mask, and mask
    detailed: Tensor  # (N,) 1 where the photo has detail that only its full side shows, else 0
    moves: Tensor  # (N, 5) normal: how the layout is moved
    choices: Tensor  # (N, 3) uniform: is it moved, has it all cells, which share of them
    cells: Tensor  # (N, 1, 16, 16) uniform: which cells are left out
    colours: Tensor  # (N, 3, 16, 16) normal: noise of the layout's colours
    shifts: Tensor  # (N, 2) uniform: how what the discriminators see is shifted
    corners: Tensor  # (N, 2) uniform: where the window at full size lies

    def __len__(self) -> int:
        """N."""
        return len(self.place)

    def parts(self, count: int) -> Iterator[Pictures]:
        """As `count` batches of equal size."""
        for i in range(count):
            yield Pictures(*(getattr(self, field.name)[i::count] for field in fields(self)))


@dataclass(frozen=True)
class Layouts:
    """The pairs of the layout GAN: K of them, the first half bound to their own latent."""

    ink: Tensor  # (K, 1, 64, 64) in 0..1
    layout: Tensor  # (K, 4, 16, 16): see `layout_gan`
    z: Tensor  # (K, Z) normal
    choices: Tensor  # (K, 2) uniform: are cells known, which share of them
    cells: Tensor  # (K, 1, 16, 16) uniform: which


@dataclass(frozen=True)
class Batch:
    """What one process is shown at a step."""

    pictures: Pictures
    layouts: Layouts | None  # None for the paper's architecture


def draw_batch(
    config: TrainConfig, step: int, loaded: Loaded, rank: int, processes: int, device: torch.device
) -> Batch:
    """The loaded pairs of one process, with its share of what is drawn for the step, on the device.

    What says where to cut stays on the CPU, so that nothing waits for the device in the middle of a step.
    Also seeds torch's global generator, for dropout.
    """
    seed = config.seed * SEED_STRIDE + step
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)

    def drawn(count: int, *shape: int, normal: bool = False) -> Tensor:
        draw = torch.randn if normal else torch.rand
        return draw(count, *shape, generator=generator)[rank::processes]

    def given(x: Tensor) -> Tensor:
        return x.to(device, non_blocking=True)

    n, k = config.batch_size, config.pairs_per_step
    pictures = Pictures(
        place=torch.arange(n)[rank::processes],
        sketch=given(loaded.sketch),
        photo=given(loaded.photo),
        roughness=given(loaded.roughness),
        mask=given(loaded.mask),
        strokes=given(loaded.strokes),
        detailed=given(loaded.detailed),
        moves=given(drawn(n, 5, normal=True)),
        choices=given(drawn(n, 3)),
        cells=given(drawn(n, 1, CELLS, CELLS)),
        colours=given(drawn(n, 3, CELLS, CELLS, normal=True)),
        shifts=drawn(n, 2),
        corners=drawn(n, 2),
    )
    if not config.two_stage:
        return Batch(pictures, None)
    layouts = Layouts(
        ink=given(loaded.ink),
        layout=given(loaded.layout),
        z=given(drawn(k, config.model.latent_size, normal=True)),
        choices=given(drawn(k, 2)),
        cells=given(drawn(k, 1, CELLS, CELLS)),
    )
    return Batch(pictures, layouts)

"""One training step: updates discriminators, then generators, then the average of the generators.

Where memory runs out, an update of the picture GAN is computed in several parts whose gradients are added up.
With several processes, each computes its share of the batch, and gradients are averaged. Either way the
update is that of the whole batch, but for the deviation within groups, which an odd share does not have.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from pix2pix.errors import RunError
from pix2pix.model.bundle import load_bundle, load_discriminators
from pix2pix.model.config import refuse_other_model
from pix2pix.model.networks import Paper, TwoStage, build_model
from pix2pix.model.patch_discriminator import PatchDiscriminator
from pix2pix.training.config import TrainConfig
from pix2pix.training.data.batch import Batch
from pix2pix.training.steps.layout_step import LayoutStep
from pix2pix.training.steps.paper_step import PaperStep
from pix2pix.training.steps.picture_step import PictureStep

EMA_RAMP = 0.3  # of the run's images: the longest half-life, so that its beginning is forgotten (EDM2)
NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")  # torch on a CPU

T = TypeVar("T")


@dataclass(frozen=True)
class StepResult:
    """Losses and measurements of one step, on the device."""

    losses: dict[str, Tensor]  # scalars by name, weighted
    statistics: dict[str, Tensor]  # scalars by name: `discriminator_statistics`, and norms of gradients
    place: Tensor  # (N,) places of the pairs in the batch of all processes
    error: Tensor  # (N,) L1 of the generated pictures, pixels in [-1, 1]


class TrainingStep:
    """All networks of a run, their optimisers, and the average of the generators, which is what ships."""

    def __init__(
        self, config: TrainConfig, fabric: Fabric, notify: Callable[[str], None] = lambda message: None
    ) -> None:
        """Weights are a function of the configuration's seed. `notify` is called with messages."""
        self.config, self.fabric, self.notify = config, fabric, notify
        torch.manual_seed(config.seed)
        self.model = build_model(config.model)
        self.layouts: LayoutStep | None = None
        self.pictures: PictureStep | PaperStep
        if isinstance(self.model, TwoStage):
            self.layouts = LayoutStep(config.layout, self.model, fabric)
            self.pictures = PictureStep(config, self.model.picture, fabric, notify)
        else:
            self.pictures = PaperStep(config, self.model, fabric)
        self.parts = 1  # that an update is computed in: more once memory ran out

    @property
    def _steps(self) -> list[LayoutStep | PictureStep | PaperStep]:
        return [step for step in (self.layouts, self.pictures) if step is not None]

    @property
    def discriminator(self) -> PatchDiscriminator:
        """The discriminator on pixels, which a bundle holds."""
        return (
            self.pictures.discriminators.pixels
            if isinstance(self.pictures, PictureStep)
            else self.pictures.discriminator
        )

    def discriminators(self) -> dict[str, nn.Module]:
        """All discriminators, by name in a checkpoint."""
        return {name: network for step in self._steps for name, network in step.networks().items()}

    def load_weights(self, bundle: Path) -> int:
        """Loads the weights of a bundle; returns the number of pictures they were trained on.

        The discriminator on pixels is in the bundle; others come from the file beside it. Without one that
        fits they stay untrained, with a message. Raises UsageError for the bundle of another model.
        """
        trained, header = load_bundle(bundle)
        refuse_other_model(header.model, self.config.model, str(bundle))
        weights = {
            name: value
            for name, value in trained.state_dict().items()
            if not name.startswith("discriminator.")
        }
        self.model.load_state_dict(weights)
        has_others = load_discriminators(bundle, self.discriminators())
        # After the file, which all bundles of a folder share.
        has_pixels = header.discriminator == self.config.discriminator
        if has_pixels and trained.discriminator is not None:
            self.discriminator.load_state_dict(trained.discriminator.state_dict())
        if not has_others and not (has_pixels and self.layouts is None):
            which = "all discriminators but that on pixels" if has_pixels else "discriminators"
            self.notify(f"{which} start untrained: none that fit are beside {bundle.name}")
        return header.images

    def set_up(self) -> None:
        """Moves everything to the device and makes optimisers; call it after weights are loaded."""
        # On a CPU, gradients of the paper's large kernels come in the other order: Adam would copy them all.
        as_is = isinstance(self.model, Paper) and self.fabric.device.type == "cpu"
        storage = torch.contiguous_format if as_is else torch.channels_last
        self.model.to(self.fabric.device).to(memory_format=storage)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.pictures.set_up()
        if self.layouts is not None:
            self.layouts.set_up()

    def stateful(self) -> dict[str, Any]:
        """Everything with a `state_dict` that a checkpoint holds, by name."""
        return {
            "model": self.model,
            "average": self.average,
            **self.discriminators(),
            **{name: optimiser for step in self._steps for name, optimiser in step.optimisers().items()},
            "precision": self.fabric.strategy.precision,  # with float16, the scale of the loss
        }

    def run(self, step: int, batch: Batch, *, rate: float, measure: bool) -> StepResult:
        """Updates every network once. `rate` is a factor of the learning rates.

        With `measure` the gradient of each term at the picture is measured as well, which takes longer.
        Raises RunError if not even one picture, or the layouts together, fit into memory.
        """
        losses: dict[str, Tensor] = {}
        statistics: dict[str, Tensor] = {}
        if self.layouts is not None and batch.layouts is not None:
            try:
                losses, statistics = self.layouts.run(step, batch.layouts, rate)
            except (RuntimeError, MemoryError) as error:
                raise RunError(
                    f"out of memory with the layout GAN ({_of_memory(error)}); "
                    "a smaller layout.batch_size needs less"
                ) from error

        def in_parts(update: Callable[[int], T]) -> T:
            return self._in_parts(len(batch.pictures), update)

        of_pictures = self.pictures.run(step, batch.pictures, rate, in_parts, measure=measure)
        self._update_average(step)
        return StepResult(
            losses | of_pictures[0], statistics | of_pictures[1], batch.pictures.place, of_pictures[2]
        )

    def _in_parts(self, count: int, update: Callable[[int], T]) -> T:
        """Computes an update on `count` pictures; where memory runs out, again in twice as many parts."""
        while True:
            try:
                return update(self.parts)
            except (RuntimeError, MemoryError) as error:
                why = _of_memory(error)
            if self.fabric.world_size > 1:
                raise RunError(f"out of memory ({why}); a smaller batch_size needs less")
            if count % (2 * self.parts):
                raise RunError(
                    f"out of memory with {_pictures(count // self.parts)} at a time ({why}); "
                    "a smaller --size, or a preset with a smaller model, needs less"
                )
            self.parts *= 2
            self.notify(
                f"out of memory ({why}); going on with {_pictures(count // self.parts)} at a time: "
                "the same batch, more slowly"
            )
            if self.fabric.device.type == "cuda":
                torch.cuda.empty_cache()

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        """Averages the weights, by half-life in images (Karras et al. 2018), shorter at first (EDM2)."""
        batch = self.config.batch_size
        half_life = min(self.config.ema_half_life_images, EMA_RAMP * (step + 1) * batch)
        weight = 1 - 0.5 ** (batch / half_life)
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), weight)


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"


def _of_memory(error: Exception) -> str:
    """Returns the first line of the message of an error for lack of memory. Raises any other error."""
    if not isinstance(error, torch.OutOfMemoryError | MemoryError) and not any(
        words in str(error) for words in NO_MEMORY
    ):
        raise error
    return str(error).splitlines()[0]

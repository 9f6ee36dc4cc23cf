"""The configuration of a training run: frozen dataclasses, which a run folder holds as config.json.

train_config("default", steps=20_000)      a preset with some fields replaced
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pix2pix.errors import UsageError
from pix2pix.model.config import STRICT, DiscriminatorConfig, ModelConfig, from_json, refuse_other_than_three


@dataclass(frozen=True)
class LayoutConfig:
    """Training of the layout GAN (BicycleGAN, Zhu et al. 2017)."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    batch_size: int = 64  # pairs per step, a multiple of 8; the picture GAN gets the first of them
    discriminator_widths: tuple[int, ...] = (96, 160, 224)  # channels at 16, 8 and 4 cells
    generator_lr: float = 1.5e-3
    discriminator_lr: float = 4e-4
    reconstruction_weight: float = 10.0  # L1 of the layouts generated with the latents of real layouts
    divergence_weight: float = 0.006  # KL divergence of those latents from N(0, I)
    latent_weight: float = 0.2  # L1 between the latent of any other layout and what the encoder reads off it
    known_weight: float = 5.0  # L1 to cells that are known
    penalty_weight: float = 0.008  # R1

    def __post_init__(self) -> None:
        """Raises UsageError for widths of which no network can be built, and for numbers out of range."""
        refuse_other_than_three("layout.discriminator_widths", self.discriminator_widths)
        _refuse_numbers(self, "layout.")


@dataclass(frozen=True)
class TrainConfig:
    """Every choice that changes the outcome of a training run, and the fields of its bundle's header.

    Loss weights balance the gradients at the picture, not the values of the losses: the gradient of deep
    features is 100 times that of L1. Sources: Isola et al. 2017 (L1 + patch discriminator), Huang et al. 2024
    (relativistic loss), Wang et al. 2018 (two scales), Zhang et al. 2018 (LPIPS), Mescheder et al. 2018 (R1),
    Karras et al. 2018 (average of the generator's weights).
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    model: ModelConfig = field(default_factory=ModelConfig)
    preset: str = "default"
    title: str | None = None  # of the bundle, in lists; None is the run's name
    licence: str = "not stated"  # of the pairs
    steps: int = 100_000
    time_limit_s: float | None = None  # of all sessions together; the run ends at this or at `steps`
    batch_size: int = 16
    seed: int = 0

    # Loss weights by discriminator; the paper's architecture has only the one on pixels.
    pixels_weight: float = 0.5  # at each of its two scales
    coarse_weight: float = 0.15
    outline_weight: float = 0.2
    reconstruction_weight: float = 60.0  # L1
    perceptual_weight: float = 10.0  # LPIPS, of every fourth picture
    alpha_weight: float = 100.0  # log loss of alpha against that of the photo
    coarse_penalty_weight: float = 0.005  # R1 of the coarse discriminator
    pixels_penalty_weight: float = 0.002  # R1 of those on pixels
    layout: LayoutConfig = field(default_factory=LayoutConfig)

    discriminator: DiscriminatorConfig = field(
        default_factory=lambda: DiscriminatorConfig(instance_norm=False, fold=2)
    )
    generator_lr: float = 4e-4
    discriminator_lr: float = 4e-4
    betas: tuple[float, float] = (0.5, 0.99)
    warmup_steps: int = 200  # over which the rates rise from zero
    decay_fraction: float = 0.1  # the last part of the run, over which the rates fall linearly to zero
    ema_half_life_images: int = 10_000

    flip: bool = True
    shift_scale: bool = True  # small affine moves and aspect changes, the same for sketch and photo
    strokes: bool = True  # most edge maps are redrawn as by hand, with roughness 0 to 1; the rest stay
    line_width: bool = True  # the rest get lines of 1 to 4 px instead of the edge map's 1 px

    weak_points: float = 0.0  # share of each batch that is sampled by the error of the pairs, not in turn

    sample_every: int = 500  # steps
    save_every: int = 500  # steps; and every five minutes
    best_metric: Literal["lpips", "kid"] = "lpips"  # on val pairs; the best bundle has the lowest value
    score_every: int = 500  # steps; 0 is never
    score_pairs: int = 64

    def __post_init__(self) -> None:
        """Raises UsageError for values that cannot be trained with."""
        least = {
            "steps": 1,
            "batch_size": 1,
            "warmup_steps": 0,
            "ema_half_life_images": 1,
            "sample_every": 1,
            "save_every": 1,
            "score_every": 0,
            "score_pairs": 3,
        }
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise UsageError(f"{name} {getattr(self, name)} is below {lowest}")
        if self.two_stage and self.layout.batch_size % 8:
            raise UsageError(f"layout.batch_size {self.layout.batch_size} is not a multiple of 8")
        if self.pairs_per_step < self.batch_size:
            raise UsageError(
                f"layout.batch_size {self.layout.batch_size} is below batch_size {self.batch_size}"
            )
        _refuse_numbers(self)
        if not 0 <= self.seed < 2**31:
            raise UsageError(f"seed {self.seed} is not in 0..{2**31 - 1}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise UsageError(f"betas {self.betas} are not in 0 to 1, 1 excluded")
        if self.time_limit_s is not None and not 0 < self.time_limit_s < math.inf:
            raise UsageError(f"time_limit_s {self.time_limit_s} is not a number above 0")
        for name in ("weak_points", "decay_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} {getattr(self, name)} is not in 0..1")
        if not self.two_stage and self.discriminator.fold != 1:
            raise UsageError("the paper's discriminator does not fold pictures: discriminator.fold must be 1")
        if not self.discriminator.sees(self.model.seen_px):
            raise UsageError(
                f"a discriminator of {len(self.discriminator.widths)} widths is too deep for pictures of "
                f"{self.model.seen_px} px: use fewer discriminator.widths, or a larger --size"
            )

    @property
    def size_px(self) -> int:
        """Side of the pictures in pixels."""
        return self.model.size_px

    @property
    def two_stage(self) -> bool:
        """Whether there is a layout GAN."""
        return self.model.architecture == "two-stage"

    @property
    def pairs_per_step(self) -> int:
        """Number of pairs that a step loads."""
        return self.layout.batch_size if self.two_stage else self.batch_size


def _refuse_numbers(config: LayoutConfig | TrainConfig, prefix: str = "") -> None:
    """Raises UsageError for rates and weights below 0 or not finite. A rate of 0 keeps a network as it is."""
    for name, value in vars(config).items():
        if isinstance(value, float | int) and not 0 <= value < math.inf:
            raise UsageError(f"{prefix}{name} {value} is not a number of 0 or more")


PRESETS: dict[str, TrainConfig] = {
    "default": TrainConfig(),
    "fast": TrainConfig(
        preset="fast",
        model=ModelConfig(
            size_px=128,
            widths=(16, 32, 64, 96, 96),
            layout_widths=(32, 64, 96),
        ),
        steps=10_000,
        discriminator=DiscriminatorConfig(widths=(16, 32, 64, 64), instance_norm=False, fold=2),
    ),
    # Isola et al. 2017: U-Net-256, 70x70 PatchGAN, BCE + 100 L1, Adam 2e-4, batch 1, where batch statistics
    # are instance statistics. Not the paper's: dropout in training only, so that an answer can be repeated;
    # mirroring without its random crop.
    "paper": TrainConfig(
        preset="paper",
        model=ModelConfig(
            architecture="paper",
            widths=(64, 128, 256, 512, 512, 512, 512, 512),
            latent_size=0,
            dropout=0.5,
        ),
        batch_size=1,
        steps=200_000,
        pixels_weight=1.0,
        reconstruction_weight=100.0,
        discriminator=DiscriminatorConfig(widths=(64, 128, 256, 512)),
        generator_lr=2e-4,
        discriminator_lr=2e-4,
        betas=(0.5, 0.999),
        warmup_steps=0,
        decay_fraction=0.5,
        shift_scale=False,
        strokes=False,
        line_width=False,
    ),
}


def train_config(preset: str = "default", **overrides: Any) -> TrainConfig:
    """Returns a preset with some fields replaced. Raises UsageError for an unknown preset or field."""
    if preset not in PRESETS:
        raise UsageError(f"preset {preset!r} is not one of: {', '.join(PRESETS)}")
    known = {f.name for f in dataclasses.fields(TrainConfig)}
    if unknown := set(overrides) - known:
        raise UsageError(f"TrainConfig has no {sorted(unknown)}; it has: {', '.join(sorted(known))}")
    return dataclasses.replace(PRESETS[preset], **overrides)


def with_settings(config: TrainConfig, settings: Sequence[str]) -> TrainConfig:
    """Returns a configuration with fields replaced: "decay_fraction=0", "model.widths=[16, 32, 64]".

    Values are JSON, or else text. Raises UsageError, with the field's name, if it is unknown or cannot take
    the value.
    """
    fields = dataclasses.asdict(config)
    for setting in settings:
        path, equals, text = setting.partition("=")
        *outer, name = path.split(".")
        if not equals or outer not in ([], ["model"], ["discriminator"], ["layout"]):
            raise UsageError(
                f"{setting!r} is not NAME=VALUE, where NAME is a field of TrainConfig, model.FIELD, "
                "discriminator.FIELD or layout.FIELD"
            )
        if path == "preset":
            raise UsageError(f"{setting!r}: --preset chooses it")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        known = fields[outer[0]] if outer else fields
        if name not in known:
            near = difflib.get_close_matches(name, known) or sorted(known)
            raise UsageError(f"{setting!r}: there is no field {name!r}; fields are: {', '.join(near)}")
        known[name] = value
    return from_json(TrainConfig, json.dumps(fields))

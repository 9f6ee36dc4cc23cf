"""What a model is and how it is trained: frozen dataclasses, stored with the weights.

train_config("default", steps=20_000)      a named preset with some fields replaced
model_from_dict(header["model"])           rebuild from a bundle's own header
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from pix2pix.errors import UsageError


@dataclass(frozen=True)
class ModelConfig:
    """The generator. `widths` are channels from the finest to the coarsest U-Net stage.

    "light" folds each 2x2 block of sketch pixels into channels, so that the first stage works at half the
    picture's resolution, and enlarges without a grid; "paper" is the U-Net of Isola et al. 2017.
    """

    architecture: Literal["light", "paper"] = "light"
    size_px: int = 256
    widths: tuple[int, ...] = (24, 48, 96, 192, 256, 256)
    latent_size: int = 8
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a size that the stages do not divide."""
        multiple = 2 ** len(self.widths)  # both halve once for every width
        smallest = (
            2 * multiple if self.architecture == "light" else multiple
        )  # light normalises its last stage
        if self.size_px % multiple or self.size_px < smallest:
            raise UsageError(
                f"size {self.size_px} px does not fit the model: it must be a multiple of {multiple}, "
                f"{smallest} at least"
            )


@dataclass(frozen=True)
class TrainConfig:
    """One training run: every choice that changes its outcome.

    Sources: Isola et al. 2017 (L1 + patch adversary), Lim & Ye 2017 (hinge), Miyato et al. 2018 (spectral
    norm), Wang et al. 2018 (feature matching), Zhang et al. 2018 (LPIPS), Karras et al. 2018 (EMA of G).
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    preset: str = "default"
    title: str | None = None  # what the bundle is called in lists; None is the run's name
    licence: str = "not stated"  # of the pairs, for whoever gets the bundle
    size_px: int = 256
    coarse_size_px: int = (
        128  # G always draws at size_px; in the first part of a run D and LPIPS look at this size
    )
    coarse_fraction: float = 0.8  # of the run
    steps: int = 100_000
    time_limit_s: float | None = None  # of training in all; whichever of the two comes first ends the run
    batch_size: int = 8
    seed: int = 0

    adversarial: Literal["hinge", "bce"] = "hinge"
    adversarial_weight: float = 1.0
    l1_weight: float = 10.0
    feature_matching_weight: float = 2.0
    perceptual_weight: float = 10.0
    perceptual_samples: int = (
        1  # pairs of each batch that the perceptual term looks at: VGG costs more than G
    )

    discriminator_widths: tuple[int, ...] = (32, 64, 128, 128)  # four convolutions: patches of 70x70 pixels
    discriminator_norm: Literal["spectral", "instance"] = "spectral"

    generator_lr: float = 4e-4
    discriminator_lr: float = 4e-4
    betas: tuple[float, float] = (0.5, 0.99)
    decay_fraction: float = 0.25  # the last part of the run, over which the rates fall linearly to zero
    ema_half_life_images: int = 10_000

    flip: bool = True
    shift_scale: bool = True  # small affine moves and aspect changes, the same for both sides
    drop_strokes: bool = True  # leave out short strokes, from a few to all but the longest
    line_width: bool = True  # sketch lines of 1 to 4 px instead of the edge map's 1 px

    sample_every: int = 500
    save_every: int = 500


PRESETS: dict[str, TrainConfig] = {
    "default": TrainConfig(),
    "fast": TrainConfig(
        preset="fast",
        model=ModelConfig(size_px=128, widths=(16, 32, 64, 128, 128)),
        size_px=128,
        coarse_fraction=0.0,
        steps=10_000,
        perceptual_weight=0.0,
        discriminator_widths=(16, 32, 64, 64),
    ),
    # Isola et al. 2017 as published: U-Net-256, 70x70 PatchGAN, BCE + 100 L1, Adam 2e-4, batch 1, where batch
    # statistics are instance statistics. Its noise is dropout in training; inference is deterministic here.
    "paper": TrainConfig(
        preset="paper",
        model=ModelConfig(
            architecture="paper",
            widths=(64, 128, 256, 512, 512, 512, 512, 512),
            latent_size=0,
            dropout=0.5,
        ),
        coarse_fraction=0.0,
        batch_size=1,
        steps=200_000,
        adversarial="bce",
        l1_weight=100.0,
        feature_matching_weight=0.0,
        perceptual_weight=0.0,
        discriminator_widths=(64, 128, 256, 512),
        discriminator_norm="instance",
        generator_lr=2e-4,
        discriminator_lr=2e-4,
        betas=(0.5, 0.999),
        decay_fraction=0.5,
        shift_scale=False,
        drop_strokes=False,
        line_width=False,
    ),
}


def train_config(preset: str = "default", **overrides: Any) -> TrainConfig:
    """A preset with some fields replaced.

    Raises UsageError for an unknown preset or field, and for a training size the model cannot take.
    """
    if preset not in PRESETS:
        raise UsageError(f"preset {preset!r} is not one of: {', '.join(PRESETS)}")
    known = {f.name for f in dataclasses.fields(TrainConfig)}
    if unknown := set(overrides) - known:
        raise UsageError(f"TrainConfig has no {sorted(unknown)}; it has: {', '.join(sorted(known))}")
    config = dataclasses.replace(PRESETS[preset], **overrides)
    dataclasses.replace(config.model, size_px=config.size_px)  # checks that the model can take it
    return config


def to_dict(config: ModelConfig | TrainConfig) -> dict[str, Any]:
    """Plain data for JSON."""
    return dataclasses.asdict(config)


def model_from_dict(data: dict[str, Any]) -> ModelConfig:
    """The inverse of `to_dict`. Raises UsageError if a field is missing or unknown."""
    try:
        return ModelConfig(**{**data, "widths": tuple(data["widths"])})
    except (KeyError, TypeError) as error:
        raise UsageError(f"not a model configuration: {error}") from error


def train_from_dict(data: dict[str, Any]) -> TrainConfig:
    """The inverse of `to_dict`. Raises UsageError if a field is missing or unknown."""
    try:
        model = model_from_dict(data["model"])
        tuples = {name: tuple(data[name]) for name in ("betas", "discriminator_widths")}
        return TrainConfig(**{**data, **tuples, "model": model})
    except (KeyError, TypeError) as error:
        raise UsageError(f"not a training configuration: {error}") from error

"""What a model is and how it is trained: frozen dataclasses, stored with the weights.

train_config("default", steps=20_000)      a named preset with some fields replaced
from_json(TrainConfig, text)               read back what a run folder or a bundle says of itself
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from pix2pix.errors import UsageError

T = TypeVar("T")
Config = TypeVar("Config", "ModelConfig", "DiscriminatorConfig")
STRICT: dict[str, Any] = {"extra": "forbid"}  # for pydantic: a field nobody knows is an error
MAX_WIDTH = 4096


@dataclass(frozen=True)
class ModelConfig:
    """The generator. `widths` are channels from the finest to the coarsest U-Net stage.

    "light" folds each 2x2 block of sketch pixels into channels, so that the first stage works at half the
    picture's resolution, and enlarges without a grid; "paper" is the U-Net of Isola et al. 2017.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    architecture: Literal["light", "paper"] = "light"
    draws: Literal["photo", "sketch"] = "photo"  # "sketch" runs backwards: a photo in, its edge map out
    size_px: int = 256
    widths: tuple[int, ...] = (24, 48, 96, 192, 256, 256)
    latent_size: int = 8
    dropout: float = 0.0
    # G is told how rough the hand was that drew the sketch, and guesses it where nobody says.
    roughness: bool = False
    # Light only. Channels of one more layer before the last pixels, beside the head, which only enlarges; 0
    # has none. And noise, always the same, in stages from an eighth of the size on: to make texture of.
    detail_width: int = 0
    noise: bool = False
    # Channels of the photo encoder E(photo) -> z, each stage half the size of the one before; () has none.
    encoder_widths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no network can be built of."""
        if len(self.widths) < 3 or not all(0 < width <= MAX_WIDTH for width in self.widths):
            raise UsageError(f"widths {self.widths} are not 3 or more channel counts in 1..{MAX_WIDTH}")
        if not 0 <= self.latent_size <= MAX_WIDTH or not 0 <= self.dropout < 1:
            raise UsageError(
                f"latent size {self.latent_size} is not in 0..{MAX_WIDTH}, "
                f"or dropout {self.dropout} is not in [0, 1)"
            )
        if self.roughness and self.draws == "sketch":
            raise UsageError("a model that draws sketches is given photos, which have no roughness")
        if not all(0 < width <= MAX_WIDTH for width in self.encoder_widths):
            raise UsageError(f"encoder widths {self.encoder_widths} are not channel counts in 1..{MAX_WIDTH}")
        if self.encoder_widths and (self.latent_size == 0 or self.draws == "sketch"):
            raise UsageError("an encoder needs a latent size above 0 and a model that draws photos")
        if not 0 <= self.detail_width <= MAX_WIDTH:
            raise UsageError(f"detail width {self.detail_width} is not in 0..{MAX_WIDTH}")
        if self.architecture == "paper" and (self.detail_width or self.noise):
            raise UsageError("the paper's architecture has neither a stage for detail nor noise")
        multiple = 2 ** len(self.widths)  # both architectures halve once for every width
        smallest = 2 * multiple if self.architecture == "light" else multiple  # light norms its last stage
        if self.size_px % multiple or self.size_px < smallest:
            raise UsageError(
                f"size {self.size_px} px does not fit the model: it must be a multiple of {multiple}, "
                f"{smallest} at least"
            )


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The discriminator. Four widths see patches of 70x70 pixels."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    widths: tuple[int, ...] = (32, 64, 128, 128)
    norm: Literal["spectral", "instance"] = "spectral"
    scales: int = 1  # as many discriminators, each at half the size of the one before
    size_px: int = 128  # of the pictures it looks at
    # One more looks at a window of `size_px` of the picture as it is, where the others see all of it smaller.
    close_up: bool = False

    def __post_init__(self) -> None:
        """Refuse what no network can be built of."""
        if not self.widths or not all(0 < width <= MAX_WIDTH for width in self.widths):
            raise UsageError(f"discriminator widths {self.widths} are not channel counts in 1..{MAX_WIDTH}")
        if self.scales < 1 or self.size_px < 1:
            raise UsageError(f"discriminator scales {self.scales} or size {self.size_px} px is below 1")

    @property
    def strides(self) -> tuple[int, ...]:
        """Of its convolutions, one for each width and the last: 4 px wide, 1 px of padding."""
        return (2,) * max(1, len(self.widths) - 1) + (1,) * min(2, len(self.widths))

    def sees(self, side_px: int) -> bool:
        """Whether pictures of that size have a patch for each of its scales."""
        side = side_px >> (self.scales - 1)
        for stride in self.strides:
            side = (side - 2) // stride + 1
        return side > 0


def refuse_other_model(theirs: ModelConfig, ours: ModelConfig, name: str) -> None:
    """Raise UsageError, naming what differs, if weights of one model cannot begin a run of the other.

    The size may differ: the generator is fully convolutional. So may the encoder: it is begun anew then. A
    stage for detail and noise may be added: at first they change nothing.
    """
    added = {name for name in ("detail_width", "noise") if not getattr(theirs, name)}
    if other := differences(theirs, ours, but={"size_px", "encoder_widths", *added}):
        raise UsageError(
            f"{name} holds another model than this run's: {other}; "
            "begin with one of the same --preset, or without --from"
        )


def differences(theirs: Config, ours: Config, but: Collection[str]) -> str:
    """What differs between two configurations of one kind, in words; "" if nothing but those fields does."""
    a, b = dataclasses.asdict(theirs), dataclasses.asdict(ours)
    return "; ".join(f"{key} {a[key]}, here {b[key]}" for key in b if key not in but and a[key] != b[key])


@dataclass(frozen=True)
class TrainConfig:
    """One training run: every choice that changes its outcome, and what its bundle says of itself.

    Sources: Isola et al. 2017 (L1 + patch adversary), Lim & Ye 2017 (hinge), Miyato et al. 2018 (spectral
    norm), Wang et al. 2018 (feature matching, several scales), Zhang et al. 2018 (LPIPS), Karras et al. 2018
    (EMA of G), Zhu et al. 2017 (BicycleGAN: half of the answers from E(photo), half from random z), Mao et
    al. 2019 (mode seeking), Mescheder et al. 2018 (R1), Zhao et al. 2020 (differentiable augmentation).
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    model: ModelConfig = field(default_factory=ModelConfig)
    preset: str = "default"
    title: str | None = None  # what the bundle is called in lists; None is the run's name
    licence: str = "not stated"  # of the pairs, for whoever gets the bundle
    size_px: int = 256
    # G always draws at size_px; in the first part of a run D and LPIPS look at the picture at the size
    # of `discriminator`, in the last part at size_px.
    coarse_fraction: float = 0.8
    steps: int = 100_000
    time_limit_s: float | None = None  # of training in all; whichever of the two comes first ends the run
    batch_size: int = 8
    seed: int = 0

    adversarial: Literal["hinge", "bce"] = "hinge"
    adversarial_weight: float = 1.0  # 0 trains G alone
    # "l1" for photos. For thin lines, of which L1 makes blank paper, "balanced" (Xie & Tu 2015).
    reconstruction: Literal["l1", "balanced"] = "l1"
    reconstruction_weight: float = 10.0
    feature_matching_weight: float = 2.0
    perceptual_weight: float = 10.0
    # Pairs of each batch that the perceptual term looks at: VGG costs more than G.
    perceptual_samples: int = 1

    # With an encoder only (BicycleGAN): weights of the divergence of E(photo) from N(0, I), and of the L1
    # error with which E recovers the z of a free answer.
    divergence_weight: float = 0.01
    latent_weight: float = 0.5
    mode_seeking_weight: float = 0.0  # two z are to give two pictures; draws half of the answers once more

    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    gradient_penalty_weight: float = 0.0  # R1, at every 16th step
    differentiable_augment: bool = False  # of what D sees, real and made alike; for little data

    # Two time scales (Heusel et al. 2017): a rate each; and D may move n times for each move of G. A new D
    # before a G that can draw learns nothing from one that moves at once: G stands still for so many steps.
    generator_lr: float = 4e-4
    discriminator_lr: float = 4e-4
    critic_steps: int = 1
    head_start: int = 0
    betas: tuple[float, float] = (0.5, 0.99)
    decay_fraction: float = 0.25  # the last part of the run, over which the rates fall linearly to zero
    ema_half_life_images: int = 10_000

    flip: bool = True
    shift_scale: bool = True  # small affine moves and aspect changes, the same for both sides
    strokes: bool = True  # edge maps drawn again as by hand, with every roughness; the rest stay as they are
    line_width: bool = True  # of those: lines of 1 to 4 px instead of the edge map's 1 px

    # The share of each batch that is drawn from the pairs that G finds hardest, not in turn.
    weak_points: float = 0.0

    sample_every: int = 500  # steps
    save_every: int = 500  # steps; and every five minutes
    # The bundle with the lowest such figure of `pix2pix.evaluate` on val pairs is kept apart.
    best_metric: Literal["lpips", "kid"] = "lpips"
    score_every: int = 500  # steps; 0 never
    score_pairs: int = 64

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        halved = bool(self.model.encoder_widths)  # half of a batch is bound to the photos' own z
        least = {
            "steps": 1,
            "batch_size": 1 + halved,
            "critic_steps": 1,
            "head_start": 0,
            "score_every": 0,
            "score_pairs": 3,
        }
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise UsageError(f"{name} {getattr(self, name)} is below {lowest}, the least for this model")
        smallest = min(self.size_px, self.discriminator.size_px) if self.coarse_fraction else self.size_px
        if self.adversarial_weight and not self.discriminator.sees(smallest):
            raise UsageError(
                f"a discriminator of {len(self.discriminator.widths)} widths and {self.discriminator.scales} "
                f"scales sees no patch in pictures of {smallest} px"
            )
        if not 0 <= self.weak_points <= 1:
            raise UsageError(f"weak_points {self.weak_points} is not in 0..1")


PRESETS: dict[str, TrainConfig] = {
    "default": TrainConfig(
        model=ModelConfig(roughness=True, encoder_widths=(24, 48, 96, 192)),
        differentiable_augment=True,
    ),
    # Photos to edge maps like those of the pairs: what `prepare --edges learned` draws with.
    "edges": TrainConfig(
        preset="edges",
        model=ModelConfig(draws="sketch", widths=(24, 48, 96, 160, 192, 192), latent_size=0),
        coarse_fraction=0.0,
        steps=10_000,
        adversarial_weight=0.0,
        reconstruction="balanced",
        feature_matching_weight=0.0,
        perceptual_weight=0.0,
        ema_half_life_images=2_000,
        shift_scale=False,
        strokes=False,
        line_width=False,
    ),
    "fast": TrainConfig(
        preset="fast",
        model=ModelConfig(
            size_px=128, widths=(16, 32, 64, 128, 128), roughness=True, encoder_widths=(16, 32, 64, 128)
        ),
        size_px=128,
        coarse_fraction=0.0,
        steps=10_000,
        perceptual_weight=0.0,
        discriminator=DiscriminatorConfig(widths=(16, 32, 64, 64)),
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
        coarse_fraction=0.0,
        batch_size=1,
        steps=200_000,
        adversarial="bce",
        reconstruction_weight=100.0,
        feature_matching_weight=0.0,
        perceptual_weight=0.0,
        discriminator=DiscriminatorConfig(widths=(64, 128, 256, 512), norm="instance", size_px=256),
        generator_lr=2e-4,
        discriminator_lr=2e-4,
        betas=(0.5, 0.999),
        decay_fraction=0.5,
        shift_scale=False,
        strokes=False,
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


def with_settings(config: TrainConfig, settings: Sequence[str]) -> TrainConfig:
    """A configuration with some fields set by hand: "divergence_weight=0.01", "model.encoder_widths=[]".

    Values are JSON, or else text. Raises UsageError, naming the field, for one that is not there or does not
    take the value.
    """
    fields = dataclasses.asdict(config)
    for setting in settings:
        path, equals, text = setting.partition("=")
        *outer, name = path.split(".")
        if not equals or outer not in ([], ["model"], ["discriminator"]):
            raise UsageError(
                f"{setting!r} is not NAME=VALUE with a field of TrainConfig, model.FIELD or "
                "discriminator.FIELD"
            )
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        known = fields[outer[0]] if outer else fields
        if name not in known:
            near = difflib.get_close_matches(name, known) or sorted(known)
            raise UsageError(f"{setting!r}: there is no field {name!r}; there is {', '.join(near)}")
        known[name] = value
    return from_json(TrainConfig, json.dumps(fields))


def from_json(kind: type[T], text: str) -> T:
    """A dataclass of this project from the JSON that `dataclasses.asdict` gives.

    Raises UsageError, naming each field that is missing, unknown or of the wrong type.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        found = (
            f"{'.'.join(map(str, e['loc'])) or 'all'}: {e['msg']}" for e in error.errors(include_url=False)
        )
        raise UsageError("; ".join(found)) from error

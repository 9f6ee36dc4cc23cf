"""The configuration of a model: frozen dataclasses, stored with its weights.

from_json(ModelConfig, text)      the configuration in a bundle or a run folder
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from pix2pix.errors import UsageError

T = TypeVar("T")
Config = TypeVar("Config", "ModelConfig", "DiscriminatorConfig")
STRICT: dict[str, Any] = {"extra": "forbid"}  # for pydantic: unknown fields are errors
MAX_WIDTH = 4096
SIZES_PX = (64, 128, 256, 512)  # of two-stage pictures
FOLDS = (1, 2)


@dataclass(frozen=True)
class ModelConfig:
    """The generator. `widths` are channels from the finest to the coarsest stage.

    "two-stage" draws a layout of colours, then the picture (`layout_gan`, `picture_gan`); "paper" is the
    U-Net of Isola et al. 2017 (`paper`), which has neither a latent nor alpha.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    architecture: Literal["two-stage", "paper"] = "two-stage"
    size_px: int = 256
    widths: tuple[int, ...] = (24, 48, 96, 192, 256, 256)
    latent_size: int = 16
    # Two-stage only.
    layout_widths: tuple[int, ...] = (64, 128, 192)  # channels of the layout GAN at 16, 8 and 4 cells
    # Paper only.
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Raises UsageError for what no network can be built of."""
        if len(self.widths) < 3 or not all(0 < width <= MAX_WIDTH for width in self.widths):
            raise UsageError(f"widths {self.widths} are not 3 or more channel counts in 1..{MAX_WIDTH}")
        if not 0 <= self.latent_size <= MAX_WIDTH or not 0 <= self.dropout < 1:
            raise UsageError(
                f"latent size {self.latent_size} is not in 0..{MAX_WIDTH}, "
                f"or dropout {self.dropout} is not in [0, 1)"
            )
        if self.architecture == "paper":
            multiple = 2 ** len(self.widths)
            if self.latent_size:
                raise UsageError("the paper's architecture has no latent: latent_size must be 0")
            if self.size_px % multiple:
                raise UsageError(
                    f"size {self.size_px} px is not a multiple of {multiple}, as this model needs"
                )
            return
        refuse_other_than_three("layout_widths", self.layout_widths)
        if not self.latent_size:
            raise UsageError("a two-stage model needs a latent size above 0")
        if self.size_px not in SIZES_PX:
            raise UsageError(f"size {self.size_px} px is not one of {', '.join(map(str, SIZES_PX))}")
        if self.size_px < 2 ** len(self.widths):
            most = self.size_px.bit_length() - 1
            raise UsageError(
                f"{len(self.widths)} widths are too many for pictures of {self.size_px} px: at most {most}"
            )

    @property
    def seen_px(self) -> int:
        """Side of the pictures that the discriminators get, after they are folded."""
        return self.size_px // 2 if self.architecture == "two-stage" else self.size_px


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The discriminators of pictures. With four widths, patches are of 70x70 pixels."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    widths: tuple[int, ...] = (24, 48, 96, 96)
    # Instance norm, as in the paper, hides contrast from a discriminator on pixels.
    instance_norm: bool = True
    fold: int = 1  # blocks of so many pixels squared become channels: fewer pixels, and no detail is lost
    coarse_widths: tuple[int, ...] = (48, 96, 192)  # two-stage only: of the one on the coarse picture

    def __post_init__(self) -> None:
        """Raises UsageError for what no network can be built of."""
        if not self.widths or not all(0 < width <= MAX_WIDTH for width in self.widths):
            raise UsageError(f"discriminator widths {self.widths} are not channel counts in 1..{MAX_WIDTH}")
        if self.fold not in FOLDS:
            raise UsageError(f"discriminator fold {self.fold} is not one of {', '.join(map(str, FOLDS))}")
        refuse_other_than_three("coarse_widths", self.coarse_widths)

    def sees(self, side_px: int) -> bool:
        """Whether pictures of that side, folded, have at least one patch."""
        side = side_px
        for stride in self.strides:
            side = (side - 2) // stride + 1
        return side > 0

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of its convolutions, one a width and one: kernels of 4x4, padding of 1."""
        return (2,) * max(1, len(self.widths) - 1) + (1,) * min(2, len(self.widths))


def refuse_other_than_three(name: str, widths: tuple[int, ...]) -> None:
    """Raises UsageError for widths that are not three channel counts."""
    if len(widths) != 3 or not all(0 < width <= MAX_WIDTH for width in widths):
        raise UsageError(f"{name} {widths} are not 3 channel counts in 1..{MAX_WIDTH}")


def refuse_other_model(theirs: ModelConfig, ours: ModelConfig, name: str) -> None:
    """Raises UsageError, naming the differences, if a run cannot start from the weights of another model."""
    if other := differences(theirs, ours):
        raise UsageError(
            f"{name} is another model than this run's: {other}; "
            "start from one of the same --preset, or without --from"
        )


def differences(theirs: Config, ours: Config) -> str:
    """Returns the differences between two configurations as text; "" if there are none."""
    a, b = dataclasses.asdict(theirs), dataclasses.asdict(ours)
    return "; ".join(f"{key} {a[key]}, here {b[key]}" for key in b if a[key] != b[key])


def from_json(kind: type[T], text: str) -> T:
    """Returns a dataclass of this project from the JSON of its `dataclasses.asdict`.

    Raises UsageError, naming each field that is missing, unknown or of the wrong type.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, e['loc'])) or 'all'}: {e['msg']}" for e in error.errors(include_url=False)
        )
        raise UsageError("; ".join(problems)) from error

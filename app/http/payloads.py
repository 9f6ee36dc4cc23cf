"""What clients may send, checked field by field; unknown fields are refused."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from pix2pix.model.config import MAX_WIDTH
from pix2pix.model.latents import MAX_SEED

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

MAX_VARIANTS = 8
MAX_STEPS = 32
MAX_TERMS = 32
# z is drawn from N(0, 1): 100 leaves room for arithmetic and stays far from float32 overflow
MAX_Z = 100.0

DATA_URL = re.compile(r"data:[^,]{0,100};base64,")


def decode_base64(text: Any) -> Any:
    """Decode base64 or a data: URL to bytes; bytes (an uploaded file) pass."""
    if not isinstance(text, str):
        return text
    prefix = DATA_URL.match(text)
    body = text[prefix.end() :] if prefix else text
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except ValueError:
        raise PydanticCustomError("base64", "Input should be a picture in base64, or a data: URL") from None


def fits_the_model(z: list[float], info: ValidationInfo) -> list[float]:
    """Refuse a z of another length than the model's."""
    translator = chosen(info)
    if translator is not None and len(z) != translator.latent_size:
        wanted = {"wanted": translator.latent_size}
        raise PydanticCustomError("z", "Input should be a list of {wanted} numbers", wanted)
    return z


EXAMPLE_PICTURE = "iVBORw0KGgoAAAANSUhEUgAA..."
EXAMPLE_Z = [0.5, -1, *[0] * 14]
SEED = "Which of the model's answers: the same seed, the same photo; 0 is the middle of all"
Z = "The answer itself, as many numbers as the model's latent_size: in place of a seed"
SKETCH = "Picture of a sketch: PNG, JPEG or WebP, any paper and ink; the photo gets its size and place"

Picture = Annotated[bytes, BeforeValidator(decode_base64)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Number = Annotated[float, Field(ge=-MAX_Z, le=MAX_Z, allow_inf_nan=False)]
Numbers = Annotated[list[Number], Field(max_length=MAX_WIDTH, fail_fast=True)]  # not a million errors


class Payload(BaseModel):
    """Validated in the context {"translators": {model name: Translator}}, a dict of its own each time.

    `model`, the first field, adds the Translator it stands for to the context, for the fields after it.
    """

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(
        default=None,
        validate_default=True,
        description="Name of a model, from GET /api/v1/models; by default the first one there",
        examples=["shoes"],
    )

    @field_validator("model")
    @classmethod
    def _is_loaded(cls, model: str | None, info: ValidationInfo) -> str | None:
        context = info.context or {}
        translators: Mapping[str, Translator] = context["translators"]
        if model is not None and model not in translators:
            names = {"names": ", ".join(translators)}
            raise PydanticCustomError("model", "Input should be one of: {names}", names)
        context["chosen"] = translators[model or next(iter(translators))]
        return model


class Latent(BaseModel):
    """One answer to a sketch: that of a seed, or that of a z."""

    model_config = ConfigDict(extra="forbid")

    seed: Seed | None = Field(default=None, description=SEED, examples=[7])
    z: Numbers | None = Field(default=None, validate_default=True, description=Z, examples=[EXAMPLE_Z])

    @field_validator("z")
    @classmethod
    def _is_one_of_two(cls, z: Numbers | None, info: ValidationInfo) -> Numbers | None:
        if "seed" in info.data and (info.data["seed"] is None) == (z is None):
            raise PydanticCustomError("z", "Give either seed or z")
        return z if z is None else fits_the_model(z, info)


class SketchPayload(Payload):
    """How a sketch is answered: whether a realism map comes along, and which questions overtake this one."""

    realism: bool = Field(
        default=False,
        description="Whether a picture comes along that shows where the model's critic doubts the photo",
        examples=[True],
    )
    stream: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="A name for questions, such as those of a pen that moves, of which only the newest "
        "counts: those that it overtakes get a 409",
        examples=["canvas"],
    )

    @field_validator("realism")
    @classmethod
    def _judges(cls, realism: bool, info: ValidationInfo) -> bool:
        if realism:
            lacks = "This model has no discriminator: it cannot say how real a photo looks."
            refuse_unable(info, lambda translator: translator.judges, lacks)
        return realism


class TranslateRequest(SketchPayload):
    """A sketch to translate: with a seed and those after it, with one z, or with each of `latents`."""

    sketch: Picture = Field(description=SKETCH, examples=[EXAMPLE_PICTURE])
    seed: Seed | None = Field(default=None, description=SEED, examples=[7])
    z: Numbers | None = Field(default=None, description=Z, examples=[EXAMPLE_Z])
    variants: int = Field(
        default=1,
        ge=1,
        le=MAX_VARIANTS,
        description="How many photos: of the seed and of those after it",
        examples=[4],
    )
    latents: list[Latent] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_VARIANTS,
        description="A photo for each of these, in place of seed, z and variants",
        examples=[[{"seed": 3}, {"seed": 5}]],
    )

    @field_validator("z")
    @classmethod
    def _fits_the_model(cls, z: Numbers | None, info: ValidationInfo) -> Numbers | None:
        if z is not None and info.data.get("seed") is not None:
            raise PydanticCustomError("z", "Give either seed or z, not both")
        return z if z is None else fits_the_model(z, info)

    @field_validator("variants")
    @classmethod
    def _one_for_a_z(cls, variants: int, info: ValidationInfo) -> int:
        if variants != 1 and info.data.get("z") is not None:
            raise PydanticCustomError("variants", "Input should be 1 when z is given")
        return variants

    @field_validator("latents")
    @classmethod
    def _stand_alone(cls, latents: list[Latent] | None, info: ValidationInfo) -> list[Latent] | None:
        given = [name for name in ("seed", "z") if info.data.get(name) is not None]
        given += ["variants"] * (info.data.get("variants", 1) != 1)
        if latents is not None and given:
            names = {"names": " and ".join(given)}
            raise PydanticCustomError("latents", "Give either latents or {names}, not both", names)
        return latents


class EncodeRequest(Payload):
    """A photo to read a z off."""

    photo: Picture = Field(
        description="Photo of a product: PNG, JPEG or WebP; its subject is found on light or plain ground",
        examples=[EXAMPLE_PICTURE],
    )

    @field_validator("model")
    @classmethod
    def _encodes(cls, model: str | None, info: ValidationInfo) -> str | None:
        lacks = "This model has no encoder: it cannot read the look of a photo."
        refuse_unable(info, lambda translator: translator.encodes, lacks)
        return model


class SeedsRequest(Payload):
    """How many seeds, from one on, whose answers differ clearly."""

    seed: Seed = Field(default=0, description="Where to begin; it is the first one answered", examples=[7])
    count: int = Field(default=4, ge=1, le=MAX_VARIANTS, description="How many seeds", examples=[4])


class InterpolateRequest(SketchPayload):
    """A walk between two answers to a sketch."""

    sketch: Picture = Field(description=SKETCH, examples=[EXAMPLE_PICTURE])
    start: Latent = Field(alias="from", description="The first photo's answer", examples=[{"seed": 3}])
    end: Latent = Field(alias="to", description="The last photo's answer", examples=[{"seed": 5}])
    steps: int = Field(
        default=9, ge=2, le=MAX_STEPS, description="How many photos, both ends included", examples=[9]
    )


class ArithmeticRequest(SketchPayload):
    """Answers to add and to subtract, and a sketch to try the sum on, if one is given."""

    sketch: Picture | None = Field(default=None, description=SKETCH, examples=[EXAMPLE_PICTURE])
    plus: list[Latent] = Field(
        default=[], max_length=MAX_TERMS, description="Answers to add up", examples=[[{"seed": 3}]]
    )
    minus: list[Latent] = Field(
        default=[], max_length=MAX_TERMS, description="Answers to take away", examples=[[{"seed": 5}]]
    )


def chosen(info: ValidationInfo) -> Translator | None:
    """Return the translator asked for, the first by default; None where the asked name is unknown."""
    translator: Translator | None = (info.context or {}).get("chosen")
    return translator


def refuse_unable(info: ValidationInfo, able: Callable[[Translator], bool], lacks: str) -> None:
    """Refuse a model that is not `able`, naming those that are; `lacks` says why."""
    translator = chosen(info)
    if translator is None or able(translator):
        return
    names = [name for name, other in (info.context or {})["translators"].items() if able(other)]
    told = {"lacks": lacks, "names": ", ".join(names) or "none"}
    raise PydanticCustomError("unable", "{lacks} Models that can: {names}", told)

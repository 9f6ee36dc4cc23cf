"""The bodies of requests, as pydantic models; unknown fields are refused."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from pix2pix.model.config import MAX_WIDTH
from pix2pix.model.latents import MAX_SEED

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

MAX_VARIANTS = 8
MAX_SEEDS = 2 * MAX_VARIANTS  # for two requests: seeds of two answers may look alike
MAX_STEPS = 32
MAX_TERMS = 32
MIN_SIZE_PX, MAX_SIZE_PX = 256, 1024
# z is drawn from N(0, 1): 100 allows arithmetic and is far from an overflow of float32
MAX_Z = 100.0

DATA_URL = re.compile(r"data:[^,]{0,100};base64,")


def decode_base64(text: Any) -> Any:
    """Decodes base64 or a data: URL to bytes; other values (an uploaded file) are returned unchanged."""
    if not isinstance(text, str):
        return text
    prefix = DATA_URL.match(text)
    body = text[prefix.end() :] if prefix else text
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except ValueError:
        raise PydanticCustomError("base64", "Input should be a picture in base64, or a data: URL") from None


def fits_the_model(z: list[float], info: ValidationInfo) -> list[float]:
    """Returns z; refuses another length than the model's."""
    translator = chosen(info)
    if translator is not None and len(z) != translator.latent_size:
        length = {"length": translator.latent_size}
        raise PydanticCustomError("z", "Input should be a list of {length} numbers", length)
    return z


EXAMPLE_PICTURE = "iVBORw0KGgoAAAANSUhEUgAA..."
EXAMPLE_Z = [0.5, -1, *[0] * 14]
SEED = "Seed of the latent: the same seed gives the same photo; seed 0 is z = 0, the mean latent"
Z = "The latent, latent_size numbers, instead of a seed"
KINDS = "PNG, JPEG, WebP, AVIF, GIF or TIFF"
HINTS = (
    "Colour strokes: a picture with transparency (PNG, WebP) of the sketch's size. The photo gets its "
    "colours where it is opaque"
)
SKETCH = f"Picture of a sketch: {KINDS}, any paper and ink; the photo gets its size and position"

Picture = Annotated[bytes, BeforeValidator(decode_base64)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Number = Annotated[float, Field(ge=-MAX_Z, le=MAX_Z, allow_inf_nan=False)]
Numbers = Annotated[list[Number], Field(max_length=MAX_WIDTH, fail_fast=True)]  # not a million errors


class Payload(BaseModel):
    """A body. Validate it in the context {"translators": {model name: Translator}}, a new dict each time.

    `model`, the first field, adds its Translator to the context as "chosen", for the fields after it.
    `picture` is the field that may be the whole body, with all others in the query.
    """

    model_config = ConfigDict(extra="forbid")
    picture: ClassVar[str | None] = None

    model: str | None = Field(
        default=None,
        validate_default=True,
        description="Name of a model from GET /api/v1/models; by default the first one in that list",
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
    """A latent, given by its seed or by its numbers z."""

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
    """A body with a sketch: its colour strokes, what is answered, and the stream of the request."""

    hints: Picture | None = Field(default=None, description=HINTS, examples=[EXAMPLE_PICTURE])
    transparent: bool = Field(
        default=False, description="Make photos with alpha and without background", examples=[True]
    )

    realism: bool = Field(
        default=False,
        description="Add a map that shows which areas look generated to the model's discriminator",
        examples=[True],
    )
    stream: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="A name for successive requests of a client, such as those of a moving pen: a newer "
        "request of the stream replaces waiting older ones, which get a 409",
        examples=["canvas"],
    )

    @field_validator("hints")
    @classmethod
    def _takes_strokes(cls, hints: bytes | None, info: ValidationInfo) -> bytes | None:
        if hints is not None:
            lacks = "This model does not support colour strokes."
            refuse_unable(info, lambda translator: translator.takes_strokes, lacks)
        return hints

    @field_validator("realism")
    @classmethod
    def _has_discriminator(cls, realism: bool, info: ValidationInfo) -> bool:
        if realism:
            lacks = "This model has no discriminator, which a realism map needs."
            refuse_unable(info, lambda translator: translator.judges, lacks)
        return realism


class TranslateRequest(SketchPayload):
    """A sketch to translate: with a seed and those after it, with a z, or with each of `latents`."""

    picture = "sketch"

    sketch: Picture = Field(description=SKETCH, examples=[EXAMPLE_PICTURE])
    seed: Seed | None = Field(default=None, description=SEED, examples=[7])
    z: Numbers | None = Field(default=None, description=Z, examples=[EXAMPLE_Z])
    variants: int = Field(
        default=1,
        ge=1,
        le=MAX_VARIANTS,
        description="Number of photos: the first has the seed, the others those after it",
        examples=[4],
    )
    size: int | None = Field(
        default=None,
        ge=MIN_SIZE_PX,
        le=MAX_SIZE_PX,
        description="Longer side of the photos in px, instead of the sketch's size; a network enlarges them",
        examples=[1024],
    )
    latents: list[Latent] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_VARIANTS,
        description="A photo for each of these, instead of seed, z and variants",
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
    def _excludes_the_others(cls, latents: list[Latent] | None, info: ValidationInfo) -> list[Latent] | None:
        given = [name for name in ("seed", "z") if info.data.get(name) is not None]
        given += ["variants"] * (info.data.get("variants", 1) != 1)
        if latents is not None and given:
            names = {"names": " and ".join(given)}
            raise PydanticCustomError("latents", "Give either latents or {names}, not both", names)
        return latents


class EncodeRequest(Payload):
    """A photo to encode to z."""

    picture = "photo"

    photo: Picture = Field(
        description=f"Photo of a product on a light or plain background: {KINDS}",
        examples=[EXAMPLE_PICTURE],
    )

    @field_validator("model")
    @classmethod
    def _has_encoder(cls, model: str | None, info: ValidationInfo) -> str | None:
        lacks = "This model has no encoder for photos."
        refuse_unable(info, lambda translator: translator.encodes, lacks)
        return model


class SeedsRequest(Payload):
    """A number of seeds whose photos differ clearly."""

    seed: Seed = Field(default=0, description="The first seed; it is included in the result", examples=[7])
    count: int = Field(default=4, ge=1, le=MAX_SEEDS, description="Number of seeds", examples=[4])


class InterpolateRequest(SketchPayload):
    """A sketch, and the two latents to interpolate between."""

    sketch: Picture = Field(description=SKETCH, examples=[EXAMPLE_PICTURE])
    start: Latent = Field(alias="from", description="The latent of the first photo", examples=[{"seed": 3}])
    end: Latent = Field(alias="to", description="The latent of the last photo", examples=[{"seed": 5}])
    steps: int = Field(
        default=9, ge=2, le=MAX_STEPS, description="Number of photos, both ends included", examples=[9]
    )


class ArithmeticRequest(SketchPayload):
    """Latents to add and to subtract, and optionally a sketch to translate with the sum."""

    sketch: Picture | None = Field(default=None, description=SKETCH, examples=[EXAMPLE_PICTURE])
    plus: list[Latent] = Field(
        default=[], max_length=MAX_TERMS, description="Latents to add", examples=[[{"seed": 3}]]
    )
    minus: list[Latent] = Field(
        default=[], max_length=MAX_TERMS, description="Latents to subtract", examples=[[{"seed": 5}]]
    )


class SketchUpload(BaseModel):
    """A picture of a sketch."""

    model_config = ConfigDict(extra="forbid")

    sketch: bytes = Field(
        description=f"Picture of a sketch: {KINDS}, any paper and ink",
        json_schema_extra={"contentMediaType": "image/*"},
    )


def chosen(info: ValidationInfo) -> Translator | None:
    """Returns the translator of the requested model, by default the first; None if the name is unknown."""
    translator: Translator | None = (info.context or {}).get("chosen")
    return translator


def refuse_unable(info: ValidationInfo, able: Callable[[Translator], bool], lacks: str) -> None:
    """Refuses a model that is not `able`; the message is `lacks` and the names of those that are."""
    translator = chosen(info)
    if translator is None or able(translator):
        return
    names = [name for name, other in (info.context or {})["translators"].items() if able(other)]
    context = {"lacks": lacks, "names": ", ".join(names) or "none"}
    raise PydanticCustomError("unable", "{lacks} Models that support it: {names}", context)

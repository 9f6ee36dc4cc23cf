"""What clients may send, checked field by field; unknown fields are refused."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from pix2pix.translator import Translator

MAX_SEED = 2**31 - 1
MAX_VARIANTS = 8
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


class TranslateRequest(BaseModel):
    """A sketch to translate. Validated in the context {"translators": {model name: Translator}}."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    sketch: Annotated[bytes, BeforeValidator(decode_base64)]
    seed: int | None = Field(default=None, ge=0, le=MAX_SEED)
    z: list[Annotated[float, Field(ge=-MAX_Z, le=MAX_Z, allow_inf_nan=False)]] | None = None
    variants: int = Field(default=1, ge=1, le=MAX_VARIANTS)
    loose: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)

    @field_validator("model")
    @classmethod
    def _is_loaded(cls, model: str | None, info: ValidationInfo) -> str | None:
        names = loaded(info)
        if model is not None and model not in names:
            raise PydanticCustomError("model", "Input should be one of: {names}", {"names": ", ".join(names)})
        return model

    @field_validator("z")
    @classmethod
    def _fits_the_model(cls, z: list[float] | None, info: ValidationInfo) -> list[float] | None:
        if z is None:
            return z
        if info.data.get("seed") is not None:
            raise PydanticCustomError("z", "Give either seed or z, not both")
        translator = chosen(info)
        if translator is not None and len(z) != translator.latent_size:
            wanted = {"wanted": translator.latent_size}
            raise PydanticCustomError("z", "Input should be a list of {wanted} numbers", wanted)
        return z

    @field_validator("variants")
    @classmethod
    def _one_for_a_z(cls, variants: int, info: ValidationInfo) -> int:
        if variants != 1 and info.data.get("z") is not None:
            raise PydanticCustomError("variants", "Input should be 1 when z is given")
        return variants

    @field_validator("loose")
    @classmethod
    def _is_known_to_the_model(cls, loose: float | None, info: ValidationInfo) -> float | None:
        translator = chosen(info)
        if loose is not None and translator is not None and not translator.takes_loose:
            raise PydanticCustomError("loose", "Input should be null: this model knows no looseness")
        return loose


def loaded(info: ValidationInfo) -> Mapping[str, Translator]:
    """Read the translators by name from the validation context."""
    translators: Mapping[str, Translator] = (info.context or {})["translators"]
    return translators


def chosen(info: ValidationInfo) -> Translator | None:
    """Return the translator asked for, the first by default; None where the asked name is unknown."""
    if "model" not in info.data:
        return None
    translators = loaded(info)
    return translators[info.data["model"] or next(iter(translators))]

"""The bodies of responses, as pydantic models. `openapi` describes them; tests validate real responses."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """An answer with these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Image(Strict):
    """A photo: its z, and the file in base64."""

    z: list[float]
    png: str = Field(description="PNG, base64")
    realism: str | None = Field(default=None, description="PNG with transparency to lay over it, base64")


class SeededImage(Image):
    """A photo, with its seed unless z was given."""

    seed: int | None


class Notice(Strict):
    """A notice about how a sketch was read, such as `ruled-paper` or `areas`."""

    name: str
    message: str


class Common(Strict):
    """What all photos of an answer have in common."""

    request_id: str
    model: str
    timings: dict[str, float] = Field(description="Milliseconds: decode, queue, inference, encode")
    notices: list[Notice]


class TranslateAnswer(Common):
    """Photos of a sketch."""

    images: list[SeededImage]


class InterpolateAnswer(Common):
    """Photos of the steps from one z to another, both included."""

    frames: list[Image]


class EncodeAnswer(Strict):
    """The z of a photo."""

    request_id: str
    model: str
    z: list[float]


class ArithmeticAnswer(EncodeAnswer):
    """The sum, and its photo if the request has a sketch."""

    image: Image | None = None
    timings: dict[str, float] | None = None
    notices: list[Notice] | None = None


class SeedsAnswer(Strict):
    """Seeds whose photos differ clearly."""

    request_id: str
    model: str
    seeds: list[int]


class Direction(Strict):
    """A direction of z along which photos change."""

    vector: list[float]
    attribute: str
    effect: float
    share: float
    colours: list[str]


class ModelDescription(Strict):
    """The properties of a model."""

    name: str
    title: str
    size_px: int
    latent_size: int
    encodes: bool
    judges: bool
    takes_hints: bool
    directions: list[Direction]
    palette: list[str] = Field(description="Usual colours of the products, #rrggbb, from dark to light")
    device: str


class ModelsAnswer(Strict):
    """The models, the default one first."""

    models: list[ModelDescription]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[dict[str, str]] = Field(default=[], description="pointer, received, message of each field")


class State(Strict):
    """The state of the server."""

    status: str
    models: list[str] | None = Field(default=None, description="Names of the loaded models, if it is ready")

"""The API's description, OpenAPI 3.1, made from the payload models; and a page to read it on.

What answers look like is said here, in pydantic models that the tests hold real answers against.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from app.http import docs_page
from app.http.payloads import (
    ArithmeticRequest,
    EncodeRequest,
    InterpolateRequest,
    Payload,
    SeedsRequest,
    TranslateRequest,
)
from pix2pix import __version__

REFERENCE = "#/components/schemas/{model}"
PROBLEMS = {
    400: "The body cannot be read: no JSON, or no picture.",
    401: "The server has a token, and this is not it.",
    403: "A page of another site asks.",
    404: "There is no such model.",
    409: "A newer question of this stream has come.",
    413: "More bytes or pixels than are allowed.",
    415: "A body or a picture of another kind than is allowed.",
    422: "A field does not fit; `errors` names each.",
    429: "Too often: ask again after Retry-After seconds.",
    503: "More than the server takes on at a time, or it is ending: ask again after Retry-After seconds.",
    504: "No answer came in time.",
}


class Strict(BaseModel):
    """Nothing else may be in an answer."""

    model_config = ConfigDict(extra="forbid")


class Image(Strict):
    """A photo: its z, and the file in base64."""

    z: list[float]
    png: str = Field(description="PNG, base64")
    realism: str | None = Field(default=None, description="PNG with transparency to lay over it, base64")


class SeededImage(Image):
    """A photo, with its seed where it has one."""

    seed: int | None


class Circumstances(Strict):
    """What holds for all photos of an answer."""

    request_id: str
    model: str
    timings: dict[str, float] = Field(description="Milliseconds: decode, queue, inference, encode")


class TranslateAnswer(Circumstances):
    """Photos of a sketch."""

    images: list[SeededImage]


class InterpolateAnswer(Circumstances):
    """Photos on the way from one z to another, both included."""

    frames: list[Image]


class EncodeAnswer(Strict):
    """The z of a photo."""

    request_id: str
    model: str
    z: list[float]


class ArithmeticAnswer(EncodeAnswer):
    """The sum, and its photo if a sketch was given."""

    image: Image | None = None
    timings: dict[str, float] | None = None


class SeedsAnswer(Strict):
    """Seeds whose answers differ clearly."""

    request_id: str
    model: str
    seeds: list[int]


class Direction(Strict):
    """A direction of z along which answers change."""

    vector: list[float]
    attribute: str
    effect: float
    share: float
    colours: list[str]


class ModelDescription(Strict):
    """What a client needs to know of a model."""

    name: str
    title: str
    size_px: int
    latent_size: int
    encodes: bool
    judges: bool
    directions: list[Direction]
    device: str


class ModelsAnswer(Strict):
    """The models, the default one first."""

    models: list[ModelDescription]


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[dict[str, str]] = Field(default=[], description="pointer, received, message of each field")


class SketchUpload(Strict):
    """A picture of a sketch."""

    sketch: bytes = Field(
        description="Picture of a sketch: PNG, JPEG or WebP, any paper and ink",
        json_schema_extra={"contentMediaType": "image/*"},
    )


class State(BaseModel):
    """How the server is."""

    status: str


@dataclass(frozen=True)
class Route:
    """One operation."""

    method: str
    path: str
    summary: str
    answer: type[BaseModel] | None = None  # JSON
    payload: type[Payload] | None = None  # JSON or multipart
    upload: type[BaseModel] | None = None  # multipart only
    also: str | None = None  # another content type that it answers with
    problems: tuple[int, ...] = ()


READ = (400, 401, 403, 413, 415, 422, 429)
DRAW = (*READ, 409, 503, 504)
ROUTES = (
    Route("post", "/api/v1/translate", "Photos of a sketch", TranslateAnswer, TranslateRequest,
          also="image/png", problems=DRAW),
    Route("post", "/api/v1/sketch", "The sketch that is seen in a picture, as PNG", None, upload=SketchUpload,
          also="image/png", problems=DRAW),
    Route("post", "/api/v1/seeds", "Seeds whose answers differ clearly", SeedsAnswer, SeedsRequest,
          problems=(*READ, 503)),
    Route("post", "/api/v1/encode", "The z of a photo", EncodeAnswer, EncodeRequest, problems=DRAW),
    Route("post", "/api/v1/interpolate", "Photos on the way from one z to another", InterpolateAnswer,
          InterpolateRequest, problems=DRAW),
    Route("post", "/api/v1/arithmetic", "Looks added and subtracted", ArithmeticAnswer, ArithmeticRequest,
          problems=DRAW),
    Route("get", "/api/v1/models", "What can be asked", ModelsAnswer, problems=(401, 429)),
    Route("get", "/api/v1/models/{name}.onnx", "A model as an ONNX file; 304 to who has it",
          also="application/octet-stream", problems=(401, 404, 429, 503)),
    Route("get", "/healthz", "Alive?", State),
    Route("get", "/readyz", "Ready? 503 while there is no model, and once the server is to end", State),
    Route("get", "/metrics", "Figures for Prometheus", also="text/plain"),
)  # fmt: skip


def describe_api(max_upload_bytes: int) -> dict[str, Any]:
    """The OpenAPI document."""
    used: set[type[BaseModel]] = {Problem}
    for route in ROUTES:
        used |= {kind for kind in (route.answer, route.payload, route.upload) if kind}
    _, schemas = models_json_schema(
        [(kind, "validation") for kind in sorted(used, key=lambda kind: kind.__name__)],
        ref_template=REFERENCE,
    )
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pix2pix: sketches to photos",
            "version": __version__,
            "description": f"Bodies may have {max_upload_bytes:,} bytes, pictures 40 megapixels.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def create_openapi(max_upload_bytes: int) -> Blueprint:
    """Build /openapi.json and /docs."""
    described = describe_api(max_upload_bytes)
    pages = Blueprint("openapi", __name__)

    @pages.get("/openapi.json")
    def document() -> ResponseReturnValue:
        return described

    @pages.get("/docs")
    def page() -> str:
        return docs_page.render(described)

    return pages


def _operation(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.answer:
        content["application/json"] = {"schema": _reference(route.answer)}
    if route.also:
        content[route.also] = {"schema": {"type": "string"}}
    answers: dict[str, Any] = {"200": {"description": "OK", "content": content}}
    if route.path == "/readyz":
        answers["503"] = {"description": "Not ready", "content": content}
    for status in sorted(route.problems):
        answers[str(status)] = {
            "description": PROBLEMS[status],
            "content": {"application/problem+json": {"schema": _reference(Problem)}},
        }
    operation: dict[str, Any] = {"summary": route.summary, "responses": answers}
    if names := re.findall(r"{(\w+)}", route.path):
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    if route.payload:
        schema = _reference(route.payload)
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}, "multipart/form-data": {"schema": schema}},
        }
    elif route.upload:
        operation["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": _reference(route.upload)}},
        }
    return operation


def _reference(kind: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=kind.__name__)}

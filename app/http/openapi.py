"""The description of the API, OpenAPI 3.1, made from the pydantic models of requests and responses.

/docs shows it with Swagger UI.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, request
from flask_swagger_ui import get_swaggerui_blueprint
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.http.request_models import (
    ArithmeticRequest,
    EncodeRequest,
    InterpolateRequest,
    Payload,
    SeedsRequest,
    SketchUpload,
    TranslateRequest,
)
from app.http.response_models import (
    ArithmeticAnswer,
    EncodeAnswer,
    InterpolateAnswer,
    ModelsAnswer,
    Problem,
    SeedsAnswer,
    State,
    TranslateAnswer,
)
from pix2pix import __version__

PICTURES: dict[str, Any] = {f"image/{kind}": {} for kind in ("png", "jpeg", "webp")}  # the file itself
REFERENCE = "#/components/schemas/{model}"
PROBLEMS = {
    400: "The body is not valid JSON, or the picture cannot be decoded.",
    401: "The server requires a token; the request has none or a wrong one.",
    403: "The request comes from a page of another origin, which is not allowed.",
    404: "No model has this name.",
    409: "A newer request of the same stream has arrived, or the client has disconnected.",
    413: "More bytes or pixels than are allowed.",
    415: "The content type or the picture format is not supported.",
    422: "A field is not valid; `errors` names each.",
    429: "Too many requests: try again after Retry-After seconds.",
    503: "The server is at capacity, is shutting down or has no model: try again after Retry-After seconds.",
    504: "The deadline has passed.",
}


@dataclass(frozen=True)
class Route:
    """One operation."""

    method: str
    path: str
    summary: str
    answer: type[BaseModel] | None = None  # JSON of a 200
    payload: type[Payload] | None = None  # the body, as JSON or multipart; or a picture, and the query
    upload: type[BaseModel] | None = None  # the body, as multipart only
    also: str | None = None  # another content type of a 200
    problems: tuple[int, ...] = ()


READ = (400, 401, 403, 413, 415, 422, 429)
GENERATE = (*READ, 409, 503, 504)
ROUTES = (
    Route("post", "/api/v1/translate", "Photos of a sketch", TranslateAnswer, TranslateRequest,
          also="image/png", problems=GENERATE),
    Route("post", "/api/v1/sketch", "The sketch in a picture, as PNG", None, upload=SketchUpload,
          also="image/png", problems=GENERATE),
    Route("post", "/api/v1/seeds", "Seeds whose photos differ clearly", SeedsAnswer, SeedsRequest,
          problems=(*READ, 503)),
    Route("post", "/api/v1/encode", "The z of a photo", EncodeAnswer, EncodeRequest, problems=GENERATE),
    Route("post", "/api/v1/interpolate", "Photos of the steps from one z to another", InterpolateAnswer,
          InterpolateRequest, problems=GENERATE),
    Route("post", "/api/v1/arithmetic", "Sums and differences of z", ArithmeticAnswer, ArithmeticRequest,
          problems=GENERATE),
    Route("get", "/api/v1/models", "The models", ModelsAnswer, problems=(401, 429)),
    Route("get", "/api/v1/models/{name}.onnx", "A model as an ONNX file; 304 if the client has it",
          also="application/octet-stream", problems=(401, 404, 429, 503)),
    Route("get", "/healthz", "Liveness", State),
    Route("get", "/readyz", "Readiness; 503 without a model and during shutdown", State),
    Route("get", "/metrics", "Metrics for Prometheus", also="text/plain"),
)  # fmt: skip


def describe_api(max_upload_bytes: int) -> dict[str, Any]:
    """Returns the OpenAPI document."""
    models: set[type[BaseModel]] = {Problem}
    for route in ROUTES:
        models |= {kind for kind in (route.answer, route.payload, route.upload) if kind}
    _, schemas = models_json_schema(
        [(kind, "validation") for kind in sorted(models, key=lambda kind: kind.__name__)],
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
            "description": f"A body has at most {max_upload_bytes:,} bytes, a picture 40 megapixels.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def serve_description(app: Flask, max_upload_bytes: int) -> None:
    """Adds /openapi.json, and /docs/ with Swagger UI.

    The package of Swagger UI serves its files. `templates/index.template.html` replaces its page, which has
    an inline script: the Content-Security-Policy forbids that.
    """
    document = describe_api(max_upload_bytes)

    def openapi() -> Response:
        servers = [{"url": request.script_root or "/"}]
        # not jsonify, which sorts: translate comes first
        return Response(json.dumps({**document, "servers": servers}), mimetype="application/json")

    app.add_url_rule("/openapi.json", "openapi", openapi)
    app.register_blueprint(get_swaggerui_blueprint("/docs", "/openapi.json"))


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
        schema = {"schema": _reference(route.payload)}
        body = {"application/json": schema, "multipart/form-data": schema}
        if route.payload.picture:
            operation["parameters"] = _query_parameters(route.payload)
            body |= PICTURES
        operation["requestBody"] = {"required": True, "content": body}
    elif route.upload:
        operation["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": _reference(route.upload)}},
        }
    return operation


def _query_parameters(kind: type[Payload]) -> list[dict[str, Any]]:
    """The fields that the query has if the body is the picture: all but the picture."""
    parameters = []
    for name, field in kind.model_json_schema(ref_template=REFERENCE)["properties"].items():
        if name == kind.picture:
            continue
        # a query has no null, and Swagger UI would send a default along with other bodies, too
        (typed,) = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
        schema = {key: value for key, value in typed.items() if key != "default"}
        if schema["type"] == "array":  # as JSON
            schema = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
        description = f"{field['description']}. Only if the body is the picture"
        parameters.append({"name": name, "in": "query", "description": description, "schema": schema})
    return parameters


def _reference(kind: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=kind.__name__)}

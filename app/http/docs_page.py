"""The page that people read the API on: what each field of a request is, made from its JSON schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import render_template


@dataclass(frozen=True)
class Row:
    """A field, in words."""

    name: str
    kind: str
    otherwise: str  # what holds where it is left out
    description: str
    example: str


def render(api: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    schemas = api["components"]["schemas"]
    bodies = {
        (path, method): _body(operation["requestBody"], schemas)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
        if "requestBody" in operation
    }
    return render_template("docs.html", api=api, bodies=bodies, latent=rows(schemas["Latent"]))


def rows(schema: dict[str, Any]) -> list[Row]:
    """The fields of an object, those that have to be given first."""
    required = schema.get("required", [])
    fields = sorted(schema["properties"].items(), key=lambda field: field[0] not in required)
    return [
        Row(
            name,
            kind_in_words(field),
            "required" if name in required else f"else {json.dumps(field['default'])}",
            field.get("description", ""),
            json.dumps(field["examples"][0]) if "examples" in field else "",
        )
        for name, field in fields
    ]


def kind_in_words(schema: dict[str, Any]) -> str:
    """What may be in a field: "integer, 1 to 8"."""
    if "anyOf" in schema:
        kinds = (one for one in schema["anyOf"] if one.get("type") != "null")
        return " or ".join(map(kind_in_words, kinds))
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    kind = "file, or text in base64" if schema.get("format") == "binary" else str(schema["type"])
    if kind == "array":
        kind = f"list of {kind_in_words(schema['items'])}"
    pairs = (
        ("minimum", "maximum", ""),
        ("minItems", "maxItems", " of them"),
        ("minLength", "maxLength", " characters"),
    )
    for least, most, unit in pairs:
        if least in schema and most in schema:
            kind += f", {schema[least]:g} to {schema[most]:.10g}{unit}"
        elif most in schema:
            kind += f", at most {schema[most]:.10g}{unit}"
    return kind


def _body(body: dict[str, Any], schemas: dict[str, Any]) -> list[Row]:
    (reference, *_) = (content["schema"]["$ref"] for content in body["content"].values())
    return rows(schemas[reference.rpartition("/")[2]])

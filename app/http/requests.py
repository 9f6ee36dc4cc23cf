"""Reading the current request: a JSON or multipart body to a checked payload, and what the client prefers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from flask import g, request
from werkzeug.exceptions import ServiceUnavailable, UnsupportedMediaType

from app.http.clients import Client
from app.http.payloads import Payload
from pix2pix.errors import UsageError

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

Kind = TypeVar("Kind", bound=Payload)


def read_payload(kind: type[Kind], translators: Mapping[str, Translator]) -> tuple[Kind, str, Translator]:
    """Read the body as a payload of this kind, and the name of the model that it means, and that model.

    It was checked against that one: by the time it answers, another may have its name, or none.
    Raises pydantic's ValidationError, and ServiceUnavailable where there is no model.
    """
    there = dict(translators.items())
    if not there:
        raise ServiceUnavailable("No model is loaded.")
    context = {"translators": there}
    if request.is_json:
        asked = kind.model_validate_json(request.get_data(), strict=True, context=context)
    else:
        asked = kind.model_validate(form_fields(), context=context)
    name = asked.model or next(iter(there))
    return asked, name, there[name]


def current_client() -> Client:
    """Who waits for the answer to the current request."""
    gone = request.environ.get("waitress.client_disconnected", lambda: False)
    return Client(request.remote_addr, g.started, gone)


def form_fields() -> dict[str, Any]:
    """Read the fields and files of a multipart body by name."""
    refuse_other_than("application/json", "multipart/form-data")
    # a repeated field stays a list, which the field's own type then refuses
    fields: dict[str, Any] = {
        name: many if len(many) > 1 else read_field(many[0]) for name, many in request.form.lists()
    }
    for name, files in request.files.lists():
        many = [*request.form.getlist(name), *(file.read() for file in files)]
        fields[name] = many if len(many) > 1 else many[0]
    return fields


def read_field(text: str) -> Any:
    """A field's text; a list or an object where it is one in JSON, as OpenAPI has forms send them."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def uploaded_file(name: str) -> bytes:
    """Read one file of the current multipart request."""
    refuse_other_than("multipart/form-data")
    files, texts = request.files.getlist(name), request.form.getlist(name)
    if len(files) != 1 or texts:
        raise UsageError(f"There is to be one file named {name!r}: send multipart/form-data with that file.")
    data: bytes = files[0].read()
    return data


def refuse_other_than(*allowed: str) -> None:
    """Raise UnsupportedMediaType for a body of a type that is not allowed."""
    if request.mimetype not in allowed:
        named, are = " and ".join(allowed), "are" if len(allowed) > 1 else "is"
        raise UnsupportedMediaType(f"Content-Type is {request.mimetype or 'missing'}; {named} {are} allowed.")


def prefers_picture() -> bool:
    """Tell whether the client asked for a PNG rather than for JSON."""
    return request.accept_mimetypes.best_match(["application/json", "image/png"]) == "image/png"

"""Reads the current request: its validated fields, its client, its preferred content type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from flask import g, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import ServiceUnavailable, UnsupportedMediaType

from app.http.batcher import Client
from app.http.request_models import Payload
from pix2pix.errors import UsageError

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

Kind = TypeVar("Kind", bound=Payload)


def read_payload(kind: type[Kind], translators: Mapping[str, Translator]) -> tuple[Kind, str, Translator]:
    """Returns the validated request, and name and translator of its model.

    The translator is the one that the request was validated against: `translators` may change at any time.
    Raises pydantic's ValidationError, UsageError, UnsupportedMediaType, and ServiceUnavailable if no model is
    loaded.
    """
    loaded = dict(translators.items())
    if not loaded:
        raise ServiceUnavailable("No model is loaded.")
    context = {"translators": loaded}
    if kind.picture and is_picture():
        payload = kind.model_validate(query_fields(kind.picture), context=context)
    elif request.is_json:
        refuse_fields_in_query(kind)
        payload = kind.model_validate_json(request.get_data(), strict=True, context=context)
    else:
        refuse_other_than("application/json", "multipart/form-data", *(["image/*"] if kind.picture else []))
        refuse_fields_in_query(kind)
        payload = kind.model_validate(form_fields(), context=context)
    name = payload.model or next(iter(loaded))
    return payload, name, loaded[name]


def current_client() -> Client:
    """Returns the client of the current request."""
    gone = request.environ.get("waitress.client_disconnected", lambda: False)
    return Client(request.remote_addr, g.started, gone)


def is_picture() -> bool:
    """Returns whether the body is a picture, of any format."""
    return request.mimetype.startswith("image/")


def query_fields(picture: str) -> dict[str, Any]:
    """Returns the fields in the query, and the body as the field `picture`."""
    body = request.get_data()
    fields = parse_fields(request.args)
    # a picture in the query as well makes a list, which validation refuses
    return {**fields, picture: [fields[picture], body] if picture in fields else body}


def refuse_fields_in_query(kind: type[Payload]) -> None:
    """Raises UsageError for fields in the query, which would have no effect."""
    names = [field.alias or name for name, field in kind.model_fields.items()]
    if given := [name for name in names if name in request.args]:
        raise UsageError(
            f"The query has {' and '.join(given)}: with a body of JSON or multipart/form-data, send all "
            "fields in the body."
        )


def form_fields() -> dict[str, Any]:
    """Returns the fields and files of a multipart body by name."""
    fields = parse_fields(request.form)
    for name, files in request.files.lists():
        values = [*request.form.getlist(name), *(file.read() for file in files)]
        fields[name] = values if len(values) > 1 else values[0]
    return fields


def parse_fields(texts: MultiDict[str, str]) -> dict[str, Any]:
    """Returns fields by name; a repeated one stays a list, which validation refuses."""
    return {name: values if len(values) > 1 else parse_field(values[0]) for name, values in texts.lists()}


def parse_field(text: str) -> Any:
    """Returns a form field's text, or the list or object if it is JSON, as OpenAPI prescribes for forms."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def uploaded_file(name: str) -> bytes:
    """Returns the content of one file of a multipart body. Raises UsageError, UnsupportedMediaType."""
    refuse_other_than("multipart/form-data")
    files = request.files.getlist(name)
    if len(files) != 1 or len(request.files) != 1 or request.form:
        raise UsageError(f"Send multipart/form-data with one file named {name!r} and nothing else.")
    data: bytes = files[0].read()
    return data


def refuse_other_than(*allowed: str) -> None:
    """Raises UnsupportedMediaType for a body of a content type that is not allowed."""
    if request.mimetype not in allowed:
        named, are = " and ".join(allowed), "are" if len(allowed) > 1 else "is"
        raise UnsupportedMediaType(f"Content-Type is {request.mimetype or 'missing'}; {named} {are} allowed.")


def prefers_picture() -> bool:
    """Returns whether the client accepts a PNG rather than JSON."""
    return request.accept_mimetypes.best_match(["application/json", "image/png"]) == "image/png"

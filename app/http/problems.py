"""Errors as `application/problem+json` (RFC 9457), and the table from error classes to statuses."""

from __future__ import annotations

import logging
import math
import re
import reprlib
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, current_app, g, json, request
from flask.typing import ResponseReturnValue
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    RequestEntityTooLarge,
)

from pix2pix.errors import (
    Abandoned,
    DeadlineExceeded,
    ImageError,
    ImageTooLarge,
    Pix2PixError,
    Saturated,
    ShuttingDown,
    UnreadableImage,
    UnsupportedImage,
    UsageError,
)

logger = logging.getLogger(__name__)

STATUS_OF: dict[type[Pix2PixError], HTTPStatus] = {
    UnreadableImage: HTTPStatus.BAD_REQUEST,
    ImageTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedImage: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ImageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    Abandoned: HTTPStatus.CONFLICT,
    Saturated: HTTPStatus.SERVICE_UNAVAILABLE,
    ShuttingDown: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
}
MAX_LISTED_ERRORS = 20
MAX_FORMATTED_ERRORS = 10_000
RECEIVED_CHARS = 80
MAX_METHOD_CHARS = 16


class ShortRepr(reprlib.Repr):
    """Shortens values; shows the size of a file."""

    def repr_bytes(self, x: bytes, level: int) -> str:
        """Returns the size: the bytes of a picture are not readable."""
        return f"<{len(x):,} bytes>"


SHORT_REPR = ShortRepr()
SHORT_REPR.maxstring = RECEIVED_CHARS


def report_problems(app: Flask) -> None:
    """Makes `app` answer errors with problem documents; HTTP errors outside of /api keep Flask's pages."""
    app.register_error_handler(ValidationError, explain_invalid)
    app.register_error_handler(Pix2PixError, explain_known)
    app.register_error_handler(HTTPException, explain_http)
    app.register_error_handler(Exception, explain_unexpected)


def explain_invalid(error: ValidationError) -> Response:
    """Answers a body that is not valid with a problem that names the fields."""
    return problem(describe_invalid(error))


def explain_known(error: Pix2PixError) -> Response:
    """Answers an error with the status of the nearest class in the table, 500 if there is none."""
    described = describe_known(error)
    if described is None:
        return explain_failure(error)
    response = problem(described)
    if isinstance(error, Saturated):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return response


def explain_http(error: HTTPException) -> ResponseReturnValue:
    """Answers werkzeug's errors (404, 405, 413, ...) with a problem, and keeps headers such as Allow."""
    if error.code is None or error.code < 400 or not request.path.startswith("/api/"):
        return error
    detail = error.description or HTTPStatus(error.code).phrase
    if isinstance(error, RequestEntityTooLarge):
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        detail = f"The body is larger than the {limit} bytes allowed."
        if (request.content_length or 0) <= limit:
            detail = f"The form has more than the {request.max_form_parts} parts allowed."
    if isinstance(error, MethodNotAllowed):
        allowed = " and ".join(sorted({*(error.valid_methods or ())} - {"HEAD", "OPTIONS"}))
        detail = f"{request.method[:MAX_METHOD_CHARS]} is not allowed here; allowed: {allowed}."
    response = problem(describe_problem(HTTPStatus(error.code), detail))
    for name, value in error.get_headers(request.environ):
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def explain_unexpected(error: Exception) -> ResponseReturnValue:
    """Logs a bug with its traceback; the client gets only the request id."""
    if request.path.startswith("/api/"):
        return explain_failure(error)
    log_failure(error)
    return InternalServerError()


def explain_failure(error: Exception) -> Response:
    """Answers 500; the log has the traceback."""
    log_failure(error)
    detail = f"The server failed on this request. Please report it with the request id {g.request_id}."
    return problem(describe_problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail))


def log_failure(error: Exception) -> None:
    """Logs the traceback with the request id that the client gets."""
    logger.error("Unexpected error, request_id=%s", g.request_id, exc_info=error)


def problem(described: dict[str, Any]) -> Response:
    """Returns a problem document as the response to the current request."""
    body = {**described, "instance": quote(request.script_root + request.path), "request_id": g.request_id}
    return Response(json.dumps(body), status=described["status"], content_type="application/problem+json")


def describe_problem(
    status: HTTPStatus, detail: str, *, kind: str | None = None, **more: Any
) -> dict[str, Any]:
    """Returns a problem document without the members that depend on the request.

    `kind` is the name of an error class, `more` are extension members.
    """
    words = re.findall(r"[A-Z][a-z]+", kind or "")
    return {
        "type": "urn:pix2pix:problem:" + "-".join(words).lower() if words else "about:blank",
        "title": " ".join(words).capitalize() if words else status.phrase,
        "status": int(status),
        "detail": detail,
        **more,
    }


def describe_invalid(error: ValidationError) -> dict[str, Any]:
    """Returns the problem of a body that is not JSON (400) or has invalid fields (422)."""
    if (count := error.error_count()) > MAX_FORMATTED_ERRORS:  # formatting takes seconds and gigabytes
        detail = f"The request is not valid. It has {count:,} errors."
        return describe_problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    findings = error.errors(include_url=False, include_context=False)[:MAX_LISTED_ERRORS]
    listed = "; ".join(f"{pointer(finding)}: {finding['msg']}" for finding in findings)
    status, detail = HTTPStatus.UNPROCESSABLE_ENTITY, f"The request is not valid. {listed}."
    if any(finding["type"] == "json_invalid" for finding in findings):
        status, detail = HTTPStatus.BAD_REQUEST, "The body is not valid JSON."
    return describe_problem(status, detail, errors=as_errors(findings))


def describe_known(error: Pix2PixError) -> dict[str, Any] | None:
    """Returns the problem of an error, with the status of its nearest class in the table, or None."""
    for kind in type(error).__mro__:
        if kind in STATUS_OF:
            return describe_problem(STATUS_OF[kind], str(error), kind=kind.__name__)
    return None


def as_errors(findings: list[ErrorDetails]) -> list[dict[str, str]]:
    """Returns the JSON pointer of each field, the value received (shortened), and what is allowed."""
    return [
        {"pointer": pointer(finding), "received": received(finding), "message": finding["msg"]}
        for finding in findings
    ]


def pointer(finding: ErrorDetails) -> str:
    """Returns a pydantic location as a JSON pointer in a URI fragment (RFC 6901, section 6)."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in finding["loc"])
    return "#" + "".join("/" + quote(part) for part in parts)


def received(finding: ErrorDetails) -> str:
    """Returns at most 80 characters of the value received: a sketch may have megabytes."""
    if finding["type"] == "missing":  # its input is the whole body
        return "nothing"
    text = SHORT_REPR.repr(finding["input"])
    return text if len(text) <= RECEIVED_CHARS else text[: RECEIVED_CHARS - 1] + "…"

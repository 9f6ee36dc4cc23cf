"""Which pages may use the server from a browser: its own, and those of allowed origins (CORS)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import Forbidden

from pix2pix.errors import UsageError

ANY = "*"
ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
DEFAULT_PORT = re.compile(r"http://.*:80|https://.*:443")  # browsers leave it out
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Request-ID",
    "Access-Control-Max-Age": "600",  # s
}
EXPOSED = "X-Request-ID, Retry-After, X-Notices"


def check_origins(origins: Sequence[str], token: str | None) -> None:
    """Raises UsageError for an origin that no browser sends, and for any origin together with a token."""
    for origin in origins:
        if origin == ANY and token:
            raise UsageError("--allow-origin '*' is not allowed with a token: name the origins")
        if origin != ANY and (not ORIGIN.fullmatch(origin) or DEFAULT_PORT.fullmatch(origin)):
            raise UsageError(
                f"--allow-origin {origin!r} is not an origin: give it as browsers send it, such as "
                "https://shop.example or http://localhost:3000"
            )


def allow_origins(app: Flask, origins: Sequence[str]) -> None:
    """Makes `app` refuse POST requests of pages of other origins than its own and `origins`."""

    def is_allowed() -> bool:
        return ANY in origins or request.headers.get("Origin") in origins

    @app.before_request
    def check() -> Response | None:
        origin = request.headers.get("Origin")
        if origin is None:
            return None
        if is_allowed():
            is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
            # before the token is checked: browsers send none
            return Response(status=204, headers=PREFLIGHT_HEADERS) if is_preflight else None
        if request.method == "POST" and _host_of(origin) != request.host:
            raise Forbidden(
                f"Origin {origin[:80]!r} is not allowed: only the server's own pages, and pages of the "
                "origins given with --allow-origin, may send POST requests."
            )
        return None

    @app.after_request
    def permit(response: Response) -> Response:
        if origins and ANY not in origins:
            response.vary.add("Origin")
        if "Origin" in request.headers and is_allowed():
            response.access_control_allow_origin = ANY if ANY in origins else request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
        return response


def _host_of(origin: str) -> str | None:
    """The host and port of an origin; None if it is malformed, such as `http://[`."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None

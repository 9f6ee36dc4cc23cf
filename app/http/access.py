"""Access control: the same-origin rule, the token, and the rate limit of each client."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Response, redirect, request
from flask.typing import ResponseReturnValue
from flask_limiter import ApplicationLimit, Limiter
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, parse_many
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.middleware.proxy_fix import ProxyFix

from app.http.monitoring import Metrics
from pix2pix.errors import UsageError

RATE = "60 per second"  # of each client; while a pen moves, the canvas sends up to 20 requests a second
OPEN_PATHS = ("/healthz", "/readyz")  # for supervisors, which have no token
COOKIE = "pix2pix-token"


def is_loopback(host: str) -> bool:
    """Returns whether an address can be reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def restrict(app: Flask, metrics: Metrics, *, token: str | None, rate: str | None, proxies: int) -> None:
    """Makes `app` refuse requests of other origins, without the `token`, and above the `rate`.

    `rate` is in the notation of `limits`, such as "60 per second;1000 per hour". A client is an address; with
    `proxies` trusted proxies in front, the address in their X-Forwarded-For header.
    """
    if proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
        )
    app.before_request(_refuse_other_origins)
    if rate:
        limit = ApplicationLimit(
            rate,
            error_message=f"Each client may send requests {rate_in_words(rate)}: try again after Retry-After "
            "seconds.",
            exempt_when=lambda: _is_not_counted(token),
        )
        Limiter(
            get_remote_address,
            app=app,
            application_limits=[limit],  # for all routes together
            headers_enabled=True,
            on_breach=lambda _: metrics.reject("rate"),
            storage_uri="memory://",
        )
    if token:
        app.before_request(_token_check(token))  # after the rate limit, which slows down guessing


def _is_not_counted(token: str | None) -> bool:
    """Whether the rate does not apply: outside of /api, unless the token is missing or wrong."""
    if request.path.startswith("/api/"):
        return False
    return token is None or request.path in OPEN_PATHS or _has_token(token)


def rate_in_words(rate: str) -> str:
    """Returns a rate in words: "60 times per second". Raises UsageError if it cannot be parsed."""
    try:
        return " and ".join(_times(item) for item in parse_many(rate))
    except ValueError as error:
        raise UsageError(
            f'{rate!r} is not a rate: give counts per time, such as "60 per second;1000 per hour"'
        ) from error


def _refuse_other_origins() -> None:
    """Refuses POST requests that a page of another site makes a visitor's browser send."""
    origin = request.headers.get("Origin")
    if origin is not None and request.method == "POST" and _host_of(origin) != request.host:
        raise Forbidden(
            f"Origin {origin[:80]!r} is not this server; only its own pages may send POST requests."
        )


def _host_of(origin: str) -> str | None:
    """The host and port of an origin; None if it is malformed, such as `http://[`."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _times(item: RateLimitItem) -> str:
    unit, count = item.GRANULARITY.name, item.multiples
    return f"{item.amount} times per {unit}" if count == 1 else f"{item.amount} times in {count} {unit}s"


def _has_token(token: str) -> bool:
    """Whether the request has the token: in a header, in the cookie, or in the address of the page."""
    kind, _, credentials = request.headers.get("Authorization", "").partition(" ")
    given = [request.cookies.get(COOKIE)]
    given += [credentials.strip()] if kind.lower() == "bearer" else []
    given += [request.args.get("token")] if request.path == "/" else []
    return any(one is not None and hmac.compare_digest(one.encode(), token.encode()) for one in given)


def _token_check(token: str) -> Callable[[], ResponseReturnValue | None]:
    def check() -> ResponseReturnValue | None:
        if request.path in OPEN_PATHS:
            return None
        if not _has_token(token):
            raise Unauthorized(
                "This server requires a token: Authorization: Bearer TOKEN, or /?token=TOKEN in a browser.",
                www_authenticate=WWWAuthenticate("bearer"),
            )
        if request.path == "/" and "token" in request.args:  # a cookie keeps it out of the address
            response: Response = redirect("/")  # type: ignore[assignment]
            response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=request.is_secure)
            return response
        return None

    return check

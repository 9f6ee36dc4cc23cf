"""Who may ask, and how often: the same origin, those who know the token, and nobody without end."""

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

from app.http.metrics import Metrics
from pix2pix.errors import UsageError

RATE = "60 per second"  # of each client; a pen that moves asks up to 20 times a second
OPEN_PATHS = ("/healthz", "/readyz")  # for supervisors, which know no token
COOKIE = "pix2pix-token"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def guard(app: Flask, metrics: Metrics, *, token: str | None, rate: str | None, proxies: int) -> None:
    """Turn away requests of other origins, without the token where there is one, and beyond the rate.

    `rate` is in the notation of `limits`, such as "60 per second;1000 per hour". Clients are told by their
    address; behind `proxies` of one's own, by what those say of it.
    """
    if proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
        )
    app.before_request(_refuse_other_origins)
    if rate:
        limit = ApplicationLimit(
            rate,
            error_message=f"Each client may ask {rate_in_words(rate)}: ask again after Retry-After seconds.",
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
        app.before_request(_asks_for(token))  # after the rate: it is not to be guessed without end


def _is_not_counted(token: str | None) -> bool:
    """The page and what supervisors ask, but for those who do not know the token."""
    if request.path.startswith("/api/"):
        return False
    return token is None or request.path in OPEN_PATHS or _knows(token)


def rate_in_words(rate: str) -> str:
    """What a rate allows: "60 times per second". Raises UsageError for what is no rate."""
    try:
        return " and ".join(_times(item) for item in parse_many(rate))
    except ValueError as error:
        raise UsageError(
            f'{rate!r} is no rate: say how often in what time, such as "60 per second;1000 per hour"'
        ) from error


def _refuse_other_origins() -> None:
    """A page of another site may send a visitor's browser here; the browser says whose page it was."""
    origin = request.headers.get("Origin")
    if origin is not None and request.method == "POST" and _host_of(origin) != request.host:
        raise Forbidden(f"Origin {origin[:80]!r} is not this server; only its own pages may post.")


def _host_of(origin: str) -> str | None:
    """The host and port of an origin; None where it is none, such as `http://[`."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _times(item: RateLimitItem) -> str:
    unit, many = item.GRANULARITY.name, item.multiples
    return f"{item.amount} times per {unit}" if many == 1 else f"{item.amount} times in {many} {unit}s"


def _knows(token: str) -> bool:
    """Whether the current request brings the token, in one of the ways that there are."""
    kind, _, credentials = request.headers.get("Authorization", "").partition(" ")
    given = [request.cookies.get(COOKIE)]
    given += [credentials.strip()] if kind.lower() == "bearer" else []
    given += [request.args.get("token")] if request.path == "/" else []
    return any(one is not None and hmac.compare_digest(one.encode(), token.encode()) for one in given)


def _asks_for(token: str) -> Callable[[], ResponseReturnValue | None]:
    def ask() -> ResponseReturnValue | None:
        if request.path in OPEN_PATHS:
            return None
        if not _knows(token):
            raise Unauthorized(
                "This server asks for its token: Authorization: Bearer TOKEN, or /?token=TOKEN in a browser.",
                www_authenticate=WWWAuthenticate("bearer"),
            )
        if request.path == "/" and "token" in request.args:  # not to stay in the address
            answer: Response = redirect("/")  # type: ignore[assignment]
            answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=request.is_secure)
            return answer
        return None

    return ask

"""Who may ask, and how often: the same origin, those who know the token, and nobody without end."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Response, redirect, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.middleware.proxy_fix import ProxyFix

from app.metrics import Metrics

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
    if token:
        app.before_request(_asks_for(token))

    if rate:
        Limiter(
            get_remote_address,
            app=app,
            default_limits=[rate],
            default_limits_exempt_when=lambda: not request.path.startswith("/api/"),
            headers_enabled=True,
            on_breach=lambda _: metrics.reject("rate"),
            storage_uri="memory://",
        )


def _refuse_other_origins() -> None:
    """A page of another site may send a visitor's browser here; the browser says whose page it was."""
    origin = request.headers.get("Origin")
    if origin is not None and request.method == "POST" and urlsplit(origin).netloc != request.host:
        raise Forbidden(f"Origin {origin[:80]!r} is not this server; only its own pages may post.")


def _asks_for(token: str) -> Callable[[], ResponseReturnValue | None]:
    expected = token.encode()

    def is_right(given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), expected)

    def ask() -> ResponseReturnValue | None:
        if request.path in OPEN_PATHS:
            return None
        kind, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and is_right(credentials.strip()):
            return None
        if request.path == "/" and is_right(request.args.get("token")):
            answer: Response = redirect("/")  # type: ignore[assignment]
            answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=request.is_secure)
            return answer
        if is_right(request.cookies.get(COOKIE)):
            return None
        raise Unauthorized(
            "This server asks for its token: Authorization: Bearer TOKEN.",
            www_authenticate=WWWAuthenticate("bearer"),
        )

    return ask

"""Access control: the origins of pages, the token, and the rate limit of each client."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_limiter import ApplicationLimit, Limiter
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, parse_many
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import BadRequest, Unauthorized
from werkzeug.middleware.proxy_fix import ProxyFix

from app.http.monitoring import Metrics
from app.http.origins import allow_origins, check_origins
from pix2pix.errors import UsageError

RATE = "60 per second"  # of each client; while a pen moves, the canvas sends up to 20 requests a second
OPEN_PATHS = ("/healthz", "/readyz")  # for supervisors, which have no token
COOKIE = "pix2pix-token"
LOOPBACK = ("localhost", "127.0.0.1", "::1")  # names of this machine


def is_loopback(host: str) -> bool:
    """Returns whether an address can be reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def restrict(
    app: Flask,
    metrics: Metrics,
    *,
    token: str | None,
    rate: str | None,
    proxies: int,
    origins: Sequence[str],
    hosts: Sequence[str],
) -> None:
    """Makes `app` refuse requests of other `origins`, without the `token`, and above the `rate`.

    With `hosts`, it also refuses requests for other hosts: a web site whose name resolves to this machine
    would count as the server's own (DNS rebinding).

    `rate` is in the notation of `limits`, such as "60 per second;1000 per hour". A client is an address; with
    `proxies` trusted proxies in front, the address in their X-Forwarded-For header. Raises UsageError
    as `check_origins`.
    """
    check_origins(origins, token)
    if hosts:
        app.before_request(_host_check(hosts))
    if proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app,
            x_for=proxies,
            x_proto=proxies,
            x_host=proxies,
            x_prefix=1,  # one proxy names it, and the others pass it on
        )
    allow_origins(app, origins)
    if rate:
        limit = ApplicationLimit(
            rate,
            error_message=f"Each client may send requests {rate_in_words(rate)}: try again after Retry-After "
            "seconds.",
            exempt_when=lambda: _is_not_counted(token),
        )
        app.after_request(_only_refusals_ask_to_wait)  # runs after the limiter's own, which comes later
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


def _host_check(hosts: Sequence[str]) -> Callable[[], None]:
    def check() -> None:
        given = request.environ.get("HTTP_HOST")  # browsers always send it
        if given is None or request.path in OPEN_PATHS:
            return
        if (urlsplit(f"//{request.host}").hostname or "").rstrip(".") not in hosts:
            raise BadRequest(f"This server is {', '.join(hosts)}, not {given[:80]!r}.")

    return check


def _only_refusals_ask_to_wait(response: Response) -> Response:
    """Removes the Retry-After that the limiter adds to every response."""
    if response.status_code < 400:
        response.headers.pop("Retry-After", None)
    return response


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


def _times(item: RateLimitItem) -> str:
    unit, count = item.GRANULARITY.name, item.multiples
    return f"{item.amount} times per {unit}" if count == 1 else f"{item.amount} times in {count} {unit}s"


def _has_token(token: str) -> bool:
    """Whether the request has the token: in a header, in the cookie, or in the address of the page."""
    kind, _, credentials = request.headers.get("Authorization", "").partition(" ")
    given = [request.cookies.get(COOKIE)]
    if kind.lower() == "bearer":  # WSGI decodes headers as Latin-1
        given.append(credentials.strip().encode("latin-1").decode(errors="replace"))
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
            response: Response = redirect(url_for("canvas"))  # type: ignore[assignment]
            path = request.script_root or "/"
            response.set_cookie(
                COOKIE, token, path=path, httponly=True, samesite="Strict", secure=request.is_secure
            )
            return response
        return None

    return check

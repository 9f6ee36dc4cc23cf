"""What every request gets: an id in header, body and log, one log line, and the security headers."""

from __future__ import annotations

import logging
import re
import time
import uuid
from urllib.parse import quote

from flask import Flask, Response, g, request

from app.metrics import Metrics

logger = logging.getLogger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# All the page needs lies under /static; the photo is a data: URL. Nothing is inline, nothing is remote.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def trace_requests(app: Flask, metrics: Metrics) -> None:
    """Give every request of `app` an id, a log line, a place in `metrics` and the security headers."""

    @app.before_request
    def begin() -> None:
        g.request_id = choose_request_id(request.headers.get("X-Request-ID"))
        g.started = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        response.headers.update(SECURITY_HEADERS)
        if request.path.startswith("/api/"):
            response.headers["Cache-Control"] = "no-store"
        elapsed_s = time.perf_counter() - g.started
        rule = request.url_rule.rule if request.url_rule else "none"
        metrics.observe_request(rule, request.method, response.status_code, elapsed_s)
        # quote(): a newline in a path must not forge a second log line
        path = quote(request.path)
        status, ms = response.status_code, 1000 * elapsed_s
        logger.info("%s %s %d %.0f ms request_id=%s", request.method, path, status, ms, g.request_id)
        return response


def choose_request_id(offered: str | None) -> str:
    """Return the id that the client offered if it is harmless in a log line, else a fresh one."""
    if offered is not None and REQUEST_ID.fullmatch(offered):
        return offered
    return uuid.uuid4().hex

"""Adds to every request an id (in header, body and log), a log line, metrics and security headers."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from flask import Flask, Response, g, request
from werkzeug.routing import RequestRedirect

from app.http.monitoring import Metrics
from app.http.problems import MAX_METHOD_CHARS

logger = logging.getLogger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Scripts and styles are files of this server; photos are data: URLs. script-src also covers workers.
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
# A worker has the policy of its own script's response: only this worker may compile WebAssembly, no page.
COMPILER = "/static/js/device/worker.js"
COMPILER_POLICY = CONTENT_SECURITY_POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'")
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",  # with Opener-Policy: allows threads in WebAssembly
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Frame-Options": "DENY",  # for browsers without frame-ancestors
}


def trace_requests(app: Flask, metrics: Metrics) -> None:
    """Makes `app` give every request an id, a log line, a record in `metrics` and the security headers."""

    @app.before_request
    def begin() -> None:
        g.request_id = choose_request_id(request.headers.get("X-Request-ID"))
        g.started = time.monotonic()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        response.headers.update(SECURITY_HEADERS)
        if request.path == COMPILER:
            response.headers["Content-Security-Policy"] = COMPILER_POLICY
        if request.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        elapsed_s = time.monotonic() - g.started
        rule = request.url_rule.rule if request.url_rule else "none"
        metrics.observe_request(rule, request.method, response.status_code, elapsed_s)
        fields = {
            "method": quote(request.method[:MAX_METHOD_CHARS]),
            "path": quote(request.path),  # a newline in a path must not forge a second log line
            "status": response.status_code,
            "ms": round(1000 * elapsed_s),
            "client": request.remote_addr,
            "request_id": g.request_id,
        }
        logger.info(
            "%(method)s %(path)s %(status)d %(ms)d ms client=%(client)s request_id=%(request_id)s",
            fields,
            extra={"fields": fields},
        )
        return response


def redirect_by_path(app: Flask) -> None:
    """Makes redirects to other spellings of a path, such as /docs to /docs/, name no host.

    A client may have chosen the host: behind a proxy that passes X-Forwarded-Host on.
    """

    @app.after_request
    def leave_out_host(response: Response) -> Response:
        if not isinstance(request.routing_exception, RequestRedirect):
            return response
        path = urlsplit(request.routing_exception.new_url)._replace(scheme="", netloc="").geturl()
        return Response(status=response.status_code, headers={"Location": path})


class JsonLines(logging.Formatter):
    """Formats each log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns time, level, logger, message, the fields of a request and the traceback, if any."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def choose_request_id(offered: str | None) -> str:
    """Returns the id that the client offered if it is safe in a log line, else a new one."""
    if offered is not None and REQUEST_ID.fullmatch(offered):
        return offered
    return uuid.uuid4().hex

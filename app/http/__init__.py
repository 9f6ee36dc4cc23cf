"""The canvas and the HTTP API, as a WSGI application.

    from app.http import create_app
    import pix2pix
    app = create_app({"shoes": pix2pix.load("shoes")})

Importing this package needs no torch: translators come in ready-made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flask import Flask
from flask_compress import Compress

from app.http.access import guard
from app.http.api import create_api
from app.http.batcher import DEADLINE_S, MAX_ADMITTED, Batcher
from app.http.clients import MAX_PIXELS_AT_WORK
from app.http.metrics import Metrics
from app.http.middleware import trace_requests
from app.http.openapi import serve_description
from app.http.problems import report_problems
from app.http.views import create_views

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

MAX_UPLOAD_BYTES = 20 * 2**20
# pictures are small already, and weights are noise
COMPRESSED_TYPES = ["text/html", "text/css", "text/javascript", "image/svg+xml", "application/wasm"]


def create_app(
    translators: Mapping[str, Translator],
    *,
    max_upload_bytes: int = MAX_UPLOAD_BYTES,
    max_admitted: int = MAX_ADMITTED,
    max_pixels: int = MAX_PIXELS_AT_WORK,
    deadline_s: float = DEADLINE_S,
    token: str | None = None,
    rate: str | None = None,
    proxies: int = 0,
) -> Flask:
    """Build the WSGI application that serves `translators`, by name; the first one is the default.

    `max_upload_bytes` bounds a whole request body: base64 makes a picture a third larger than its file.
    `max_admitted` photos are worked on at a time, each answered within `deadline_s`; pictures of `max_pixels`
    in all are decoded and encoded at a time. `token`, `rate` and `proxies` say who may ask, and how often:
    see `app.http.access.guard`.
    """
    app = Flask("app")  # whose static/ and templates/ it serves
    app.config["MAX_CONTENT_LENGTH"] = max_upload_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = max_upload_bytes
    app.config["COMPRESS_MIMETYPES"] = COMPRESSED_TYPES
    Compress(app)
    metrics = Metrics()
    batcher = Batcher(metrics, max_admitted=max_admitted, max_pixels=max_pixels, deadline_s=deadline_s)
    app.extensions["batcher"] = batcher
    trace_requests(app, metrics)
    report_problems(app)
    guard(app, metrics, token=token, rate=rate, proxies=proxies)
    app.register_blueprint(create_views(translators, batcher, metrics))
    app.register_blueprint(create_api(translators, batcher))
    serve_description(app, max_upload_bytes)
    return app

"""The canvas and the HTTP API, as a WSGI application.

    from app.http import create_app
    import pix2pix
    app = create_app({"shoes": pix2pix.load("shoes")})

Importing this package does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, render_template
from flask_compress import Compress

from app.http.access import restrict
from app.http.api import create_api
from app.http.batcher import DEADLINE_S, MAX_ADMITTED, MAX_PIXELS_AT_WORK, Batcher
from app.http.middleware import redirect_by_path, trace_requests
from app.http.monitoring import Metrics, create_monitoring
from app.http.openapi import serve_description
from app.http.prefix import Prefix, check_prefix
from app.http.problems import report_problems

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

MAX_UPLOAD_BYTES = 20 * 2**20
# not pictures, which are compressed already, and not weights, which are noise
COMPRESSED_TYPES = ["text/html", "text/css", "text/javascript", "image/svg+xml", "application/wasm"]
# The largest file of the engine for drawing on the device; scripts/browser-engine downloads it.
ENGINE = Path(__file__).parent.parent / "static/vendor/onnxruntime-web/ort-wasm-simd-threaded.wasm"


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
    prefix: str = "",
    allow_origins: Sequence[str] = (),
    hosts: Sequence[str] = (),
) -> Flask:
    """Returns the WSGI application that serves `translators`, by name; the first one is the default.

    `max_upload_bytes` limits a request body (base64 makes a picture a third larger). At most `max_admitted`
    photos are processed at a time, each within `deadline_s`; `max_pixels` limits the pixels that are decoded
    and encoded at a time. For `token`, `rate`, `proxies`, `allow_origins` and `hosts` see
    `app.http.access.restrict`, for `prefix` `app.http.prefix`. Raises UsageError for an origin or a
    prefix that is not allowed.
    """
    app = Flask("app")  # serves the static/ and templates/ of that package
    app.config["MAX_CONTENT_LENGTH"] = max_upload_bytes
    app.config["MAX_FORM_MEMORY_SIZE"] = max_upload_bytes
    app.config["COMPRESS_MIMETYPES"] = COMPRESSED_TYPES
    Compress(app)
    metrics = Metrics()
    batcher = Batcher(metrics, max_admitted=max_admitted, max_pixels=max_pixels, deadline_s=deadline_s)
    app.extensions["batcher"] = batcher
    trace_requests(app, metrics)
    redirect_by_path(app)
    report_problems(app)
    app.wsgi_app = Prefix(app.wsgi_app, check_prefix(prefix))  # type: ignore[method-assign]
    restrict(app, metrics, token=token, rate=rate, proxies=proxies, origins=allow_origins, hosts=hosts)
    app.add_url_rule("/", "canvas", render_canvas)
    app.register_blueprint(create_monitoring(translators, batcher, metrics))
    app.register_blueprint(create_api(translators, batcher))
    serve_description(app, max_upload_bytes)
    return app


def render_canvas() -> str:
    """Returns the canvas page."""
    return render_template("canvas.html", engine_bytes=ENGINE.stat().st_size if ENGINE.exists() else 0)

"""The canvas page, and what a supervisor asks: are you alive, are you ready, how does it go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from app.http.batcher import Batcher
from app.http.metrics import Metrics

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

# What draws in the browser, where scripts/browser-engine has fetched it: its largest file.
ENGINE = Path(__file__).parent.parent / "static/vendor/onnxruntime-web/ort-wasm-simd-threaded.wasm"


def create_views(translators: Mapping[str, Translator], batcher: Batcher, metrics: Metrics) -> Blueprint:
    """Build the routes outside the API."""
    views = Blueprint("views", __name__)

    @views.get("/")
    def canvas() -> str:
        return render_template("canvas.html", engine_bytes=ENGINE.stat().st_size if ENGINE.exists() else 0)

    @views.get("/healthz")
    def healthz() -> ResponseReturnValue:
        return {"status": "ok"}

    @views.get("/readyz")
    def readyz() -> ResponseReturnValue:
        if not translators:
            return {"status": "no model is loaded"}, 503
        if batcher.closing:
            return {"status": "shutting down"}, 503
        return {"status": "ready", "models": list(translators)}

    @views.get("/metrics")
    def figures() -> ResponseReturnValue:
        return Response(metrics.page(), content_type=CONTENT_TYPE_LATEST)

    return views

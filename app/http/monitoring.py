"""Monitoring: metrics for Prometheus, liveness and readiness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

if TYPE_CHECKING:
    from app.http.batcher import Batcher
    from pix2pix.inference.translator import Translator

STAGE_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    """The metrics of one app, in their own registry."""

    def __init__(self) -> None:
        """All are zero."""
        self.registry = CollectorRegistry()
        self._stages = Histogram(
            "pix2pix_stage_seconds",
            "Duration of a stage of a request: decode, queue, inference, encode",
            ["stage", "model"],
            buckets=STAGE_BUCKETS_S,
            registry=self.registry,
        )
        self._batches = Histogram(
            "pix2pix_batch_photos",
            "Photos computed in one batch",
            ["model"],
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self._queue = Gauge("pix2pix_queue_depth", "Jobs waiting for the device", registry=self.registry)
        self._rejections = Counter(
            "pix2pix_rejections",
            "Requests rejected or abandoned: saturated, deadline, superseded, gone, rate",
            ["reason"],
            registry=self.registry,
        )
        self._requests = Histogram(
            "pix2pix_request_seconds",
            "Duration of a request, by route",
            ["route", "method", "status"],
            buckets=STAGE_BUCKETS_S,
            registry=self.registry,
        )

    def observe_stage(self, stage: str, model: str, seconds: float) -> None:
        """Records the duration of a stage."""
        self._stages.labels(stage, model).observe(seconds)

    def observe_batch(self, model: str, size: int) -> None:
        """Records a batch of `size` photos."""
        self._batches.labels(model).observe(size)

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Records a request. `route` is the rule, not the path, and unknown methods are "other".

        Clients choose paths and methods, and every new label value takes memory.
        """
        known = method if method in METHODS else "other"
        self._requests.labels(route, known, str(status)).observe(seconds)

    def reject(self, reason: str) -> None:
        """Counts a request without an answer."""
        self._rejections.labels(reason).inc()

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Calls `depth` whenever the metrics are read."""
        self._queue.set_function(depth)

    def page(self) -> bytes:
        """Returns all metrics in Prometheus's text format."""
        return generate_latest(self.registry)


def create_monitoring(translators: Mapping[str, Translator], batcher: Batcher, metrics: Metrics) -> Blueprint:
    """Returns the routes /healthz, /readyz and /metrics."""
    monitoring = Blueprint("monitoring", __name__)

    @monitoring.get("/healthz")
    def healthz() -> ResponseReturnValue:
        return {"status": "ok"}

    @monitoring.get("/readyz")
    def readyz() -> ResponseReturnValue:
        if not translators:
            return {"status": "no model is loaded"}, 503
        if batcher.closing:
            return {"status": "shutting down"}, 503
        return {"status": "ready", "models": list(translators)}

    @monitoring.get("/metrics")
    def page() -> ResponseReturnValue:
        return Response(metrics.page(), content_type=CONTENT_TYPE_LATEST)

    return monitoring

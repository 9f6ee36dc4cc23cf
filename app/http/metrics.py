"""What an operator watches, for Prometheus: how long an answer's stages take, and what is turned away."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

STAGE_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    """The figures of one app, in a registry of its own."""

    def __init__(self) -> None:
        """All at zero."""
        self.registry = CollectorRegistry()
        self._stages = Histogram(
            "pix2pix_stage_seconds",
            "Time of a stage of an answer: decode, queue, inference, encode",
            ["stage", "model"],
            buckets=STAGE_BUCKETS_S,
            registry=self.registry,
        )
        self._batches = Histogram(
            "pix2pix_batch_photos",
            "Photos computed together",
            ["model"],
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self._queue = Gauge(
            "pix2pix_queue_depth", "Questions that wait for the device", registry=self.registry
        )
        self._rejections = Counter(
            "pix2pix_rejections",
            "Work turned away or given up: saturated, deadline, superseded, gone, rate",
            ["reason"],
            registry=self.registry,
        )
        self._requests = Histogram(
            "pix2pix_request_seconds",
            "Time of a request, by route",
            ["route", "method", "status"],
            buckets=STAGE_BUCKETS_S,
            registry=self.registry,
        )

    def observe_stage(self, stage: str, model: str, seconds: float) -> None:
        """Count a stage of an answer."""
        self._stages.labels(stage, model).observe(seconds)

    def observe_batch(self, model: str, size: int) -> None:
        """Count a batch of `size` photos."""
        self._batches.labels(model).observe(size)

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; `route` is the rule it matched, never the path: that would be without bounds.

        So would be methods that clients make up: they are "other".
        """
        known = method if method in METHODS else "other"
        self._requests.labels(route, known, str(status)).observe(seconds)

    def reject(self, reason: str) -> None:
        """Count what got no answer."""
        self._rejections.labels(reason).inc()

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Ask for the depth of the queue whenever somebody looks."""
        self._queue.set_function(depth)

    def page(self) -> bytes:
        """All figures, in Prometheus's text format."""
        return generate_latest(self.registry)

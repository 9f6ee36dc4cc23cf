"""Runs the requests of many clients in batches, on the one thread that owns the device.

    batcher = Batcher()
    with batcher.admit(len(z)):                    # raises Saturated above the limit
        generated = batcher.translate(TranslateJob(translator, sketch, z))

No job waits for a batch to fill. When the thread is free, it takes the oldest job and all others for the same
model, up to the largest batch of the device.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from app.http.batch import Batch
from pix2pix.errors import Abandoned, DeadlineExceeded, Saturated, ShuttingDown
from pix2pix.images.framing import stacked_hints
from pix2pix.inference.translator import Translator, max_batch
from pix2pix.memory import Budget

if TYPE_CHECKING:
    from app.http.monitoring import Metrics

T = TypeVar("T")

MAX_ADMITTED = 64  # photos in decoding, queue, inference and encoding
DEADLINE_S = 30.0
INITIAL_PHOTO_S = 0.05  # estimate of the time per photo, before any is measured
SMALL_PIXELS = 2**18  # a picture of this size, such as a drawing on the canvas, waits for no large one
MAX_PIXELS_AT_WORK = 40_000_000  # decoding and encoding take up to 20 bytes per pixel


@dataclass(frozen=True, eq=False)
class Client:
    """The client that waits for an answer."""

    address: str | None = None
    since: float = field(default_factory=time.monotonic)  # when its request arrived, s
    gone: Callable[[], bool] = lambda: False  # whether it has disconnected


@dataclass(eq=False)
class TranslateJob:
    """N photos of a sketch (S, S) uint8 with z (N, Z) float32, N > 0.

    `strokes` (S/2, S/2, 4) uint8 are its colour strokes, if it has any. Photos are RGBA if `transparent`.
    """

    translator: Translator
    sketch: np.ndarray
    z: np.ndarray
    realism: bool = False
    stream: str | None = None  # of the jobs of one stream and client only the newest is computed
    client: Client = field(default_factory=Client)
    strokes: np.ndarray | None = None
    transparent: bool = False
    queued: float = field(default_factory=time.monotonic, init=False)  # s
    result: Future[Generated] = field(default_factory=Future, init=False)


@dataclass(eq=False)
class _CallJob:
    """A function that needs the device."""

    call: Callable[[], Any]
    client: Client
    result: Future[Any] = field(default_factory=Future, init=False)


@dataclass(frozen=True)
class Generated:
    """Photos (N, S, S, 3 or 4) uint8 and, if requested, RGBA overlays (N, S, S, 4) uint8."""

    photos: np.ndarray
    overlays: np.ndarray | None
    queue_s: float
    inference_s: float


def translate_jobs(jobs: Sequence[TranslateJob]) -> list[list[Any]]:
    """Computes jobs together: of one translator, and all transparent or all not.

    Returns photo (S, S, 3 or 4) and overlay (S, S, 4) or None, or an exception, of each z of each job.
    """
    translator, counts = jobs[0].translator, [len(job.z) for job in jobs]
    batch = Batch(
        translator,
        np.stack([job.sketch for job in jobs]),
        np.concatenate([job.z for job in jobs]),
        np.repeat(np.arange(len(jobs)), counts),
        any(job.realism for job in jobs),
        stacked_hints([job.strokes for job in jobs]),
        jobs[0].transparent,
    )
    made = batch.translate(np.arange(sum(counts)), most=max_batch(translator))
    return [made[end - count : end] for end, count in zip(np.cumsum(counts), counts, strict=True)]


class Batcher:
    """The thread that owns the device, and the queue of its jobs. Safe to use from many threads."""

    def __init__(
        self,
        metrics: Metrics | None = None,
        *,
        max_admitted: int = MAX_ADMITTED,
        max_pixels: int = MAX_PIXELS_AT_WORK,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """The thread starts with the first job."""
        self.max_admitted, self.deadline_s = max_admitted, deadline_s
        self._pixels, self._aside = Budget(max_pixels), threading.Lock()
        self._metrics = metrics
        self._changed = threading.Condition()
        self._waiting: deque[TranslateJob | _CallJob] = deque()
        self._admitted, self._photo_s, self.closing = 0, INITIAL_PHOTO_S, False
        self._thread: threading.Thread | None = None
        if metrics:
            metrics.watch_queue(self._depth)

    @contextmanager
    def admit(self, count: int) -> Iterator[None]:
        """Counts `count` photos as admitted during the block, from decoding to encoding.

        Raises Saturated above the limit, ShuttingDown after `close`. An idle server admits any number.
        """
        with self._changed:
            if self.closing or (self._admitted and self._admitted + count > self.max_admitted):
                self._count_rejection("saturated")
                retry_after_s = max(1.0, self._admitted * self._photo_s)
                if self.closing:
                    raise ShuttingDown("The server is shutting down.", retry_after_s)
                raise Saturated("The server is at capacity.", retry_after_s)
            self._admitted += count
        try:
            yield
        finally:
            with self._changed:
                self._admitted -= count
                self._changed.notify_all()

    @contextmanager
    def room(self, pixels: int, client: Client) -> Iterator[None]:
        """Waits for memory for a picture of `pixels`, and holds it during the block. Raises DeadlineExceeded.

        Small pictures do not count: all that are admitted together are smaller than one large picture.
        """
        pixels = 0 if pixels <= SMALL_PIXELS else pixels
        if not self._pixels.acquire(pixels, self._left_s(client)):
            raise self._late()
        try:
            yield
        finally:
            self._pixels.release(pixels)

    @contextmanager
    def aside(self, client: Client) -> Iterator[None]:
        """Waits for the one place beside the device's thread, and holds it in the block. Raises as `check`.

        It is for slow work on the CPU, which photos that follow a pen must not wait for.
        """
        if not self._aside.acquire(timeout=max(0.0, self._left_s(client))):
            raise self._late()
        try:
            self.check(client)
            yield
        finally:
            self._aside.release()

    def check(self, client: Client) -> None:
        """Raises DeadlineExceeded after the deadline, Abandoned if the client has disconnected."""
        if client.gone():
            self._count_rejection("gone")
            raise Abandoned("The client has disconnected.")
        if self._left_s(client) <= 0:
            raise self._late()

    def translate(self, job: TranslateJob) -> Generated:
        """Queues a job and waits for its photos.

        Raises DeadlineExceeded, Abandoned if a newer job of its stream arrives or its client disconnects, and
        what the model raises.
        """
        with self._changed:
            for other in self._waiting:
                if isinstance(other, TranslateJob) and _same_stream(job, other):
                    # by arrival: decoding of an older request may end later
                    older = min(job, other, key=lambda one: one.client.since)
                    self._drop(older, "superseded", "A newer request of this stream has arrived.")
            self._put(job)
        generated: Generated = self._wait_for(job)
        return generated

    def run(self, call: Callable[[], T], client: Client | None = None) -> T:
        """Queues a function for the device's thread and waits for its result. Raises as `translate`."""
        job = _CallJob(call, client or Client())
        self._put(job)
        result: T = self._wait_for(job)
        return result

    def observe(self, stage: str, model: str, seconds: float) -> None:
        """Records the duration of a stage in the metrics."""
        if self._metrics:
            self._metrics.observe_stage(stage, model, seconds)

    def close(self, within_s: float) -> bool:
        """Admits nothing more and waits for what is admitted; returns whether all of it is done."""
        with self._changed:
            self.closing = True
            return self._changed.wait_for(lambda: not self._admitted, within_s)

    def _put(self, job: TranslateJob | _CallJob) -> None:
        with self._changed:
            self._waiting.append(job)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="device", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _wait_for(self, job: TranslateJob | _CallJob) -> Any:
        try:
            return job.result.result(max(0.0, self._left_s(job.client)))
        except TimeoutError:
            job.result.cancel()
            raise self._late() from None

    def _left_s(self, client: Client) -> float:
        return client.since + self.deadline_s - time.monotonic()

    def _late(self) -> DeadlineExceeded:
        self._count_rejection("deadline")
        return DeadlineExceeded(f"The request was not finished within {self.deadline_s:g} s.")

    def _depth(self) -> int:
        """The number of jobs not cancelled; cancelled ones stay in the queue until the thread is free."""
        with self._changed:
            return sum(not job.result.done() for job in self._waiting)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                taken = self._take()
            if taken:
                self._serve(taken)

    def _take(self) -> list[TranslateJob | _CallJob]:
        """Removes the oldest job and those that fit into its batch; the others keep their order.

        Of calls, that of the oldest request comes first: one request may make many, one after the other.
        """
        calls = sorted(
            (job for job in self._waiting if isinstance(job, _CallJob)), key=lambda job: job.client.since
        )
        by_request = iter(calls)
        waiting = [next(by_request) if isinstance(job, _CallJob) else job for job in self._waiting]
        taken: list[TranslateJob | _CallJob] = []
        left: deque[TranslateJob | _CallJob] = deque()
        for job in waiting:
            if job.result.done():
                continue  # cancelled or superseded
            if job.client.gone():
                self._drop(job, "gone", "The client has disconnected.")
            elif not taken or _fits(job, taken):
                taken.append(job)
            else:
                left.append(job)
        self._waiting = left
        return [job for job in taken if job.result.set_running_or_notify_cancel()]

    def _serve(self, taken: list[TranslateJob | _CallJob]) -> None:
        """Gives every job a result or an exception, whatever happens: a client waits for each."""
        try:
            translations = [job for job in taken if isinstance(job, TranslateJob)]
            if translations:
                self._translate(translations)
            for job in taken:
                if isinstance(job, _CallJob):
                    job.result.set_result(job.call())
        except BaseException as error:
            # not SystemExit: it would end the client's thread
            failure = (
                error if isinstance(error, Exception) else RuntimeError(f"the device's thread: {error!r}")
            )
            for job in taken:
                if not job.result.done():
                    job.result.set_exception(failure)

    def _translate(self, jobs: list[TranslateJob]) -> None:
        began = time.monotonic()
        made = translate_jobs(jobs)
        inference_s = time.monotonic() - began
        count, name = sum(map(len, made)), jobs[0].translator.name
        self._photo_s += 0.1 * (inference_s / count - self._photo_s)
        self.observe("inference", name, inference_s)
        if self._metrics:
            self._metrics.observe_batch(name, count)
        for job, own in zip(jobs, made, strict=True):
            queue_s = began - job.queued
            self.observe("queue", name, queue_s)
            failure = next((one for one in own if isinstance(one, Exception)), None)
            if failure:
                job.result.set_exception(failure)
            else:
                photos, overlays = zip(*own, strict=True)
                stacked = np.stack(overlays) if job.realism else None
                job.result.set_result(Generated(np.stack(photos), stacked, queue_s, inference_s))

    def _drop(self, job: TranslateJob | _CallJob, reason: str, why: str) -> None:
        with suppress(InvalidStateError):  # cancelled a moment ago
            job.result.set_exception(Abandoned(why))
            self._count_rejection(reason)

    def _count_rejection(self, reason: str) -> None:
        if self._metrics:
            self._metrics.reject(reason)


def _same_stream(job: TranslateJob, other: TranslateJob) -> bool:
    """Whether two jobs are of one stream; names of streams belong to a client."""
    named = job.stream is not None and job.stream == other.stream
    return named and job.client.address == other.client.address


def _fits(job: TranslateJob | _CallJob, taken: list[TranslateJob | _CallJob]) -> bool:
    """Whether a job can be computed in one batch with the jobs `taken`."""
    if not isinstance(job, TranslateJob):
        return False
    photos = len(job.z)
    for other in taken:
        if (
            not isinstance(other, TranslateJob)
            or other.translator is not job.translator
            or (other.realism, other.transparent) != (job.realism, job.transparent)
        ):
            return False
        photos += len(other.z)
    return photos <= max_batch(job.translator)

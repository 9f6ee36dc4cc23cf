"""Questions of many clients, answered in batches by the one thread that the networks run on.

    batcher = Batcher()
    with batcher.admit(len(z)):                    # Saturated where too many are at it already
        answered = batcher.ask(Question(translator, sketch, z))

Nobody waits for a batch to fill: whatever waits when the thread is free, and is for the same model, is taken
together, up to what suits the device. A batch that fails is tried again in halves: out of memory, they fit;
and a question that cannot be answered fails alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from app.http.clients import MAX_PIXELS_AT_WORK, SMALL_PIXELS, Client, Room
from pix2pix.errors import Abandoned, DeadlineExceeded, Saturated, ShuttingDown

if TYPE_CHECKING:
    from app.http.metrics import Metrics
    from pix2pix.inference.translator import Translator

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BATCH = {"cpu": 8, "cuda": 64}  # photos; more on two cores is hardly quicker a photo, and all wait for it
MAX_ADMITTED = 64  # photos that are decoded, waited for, computed or encoded at a time
DEADLINE_S = 30.0
FIRST_GUESS_S = 0.05  # of what a photo takes, before any was made


@dataclass(eq=False)
class Question:
    """N photos are wanted: of a sketch (S, S) uint8 with z (N, Z), N > 0."""

    translator: Translator
    sketch: np.ndarray
    z: np.ndarray
    realism: bool = False
    stream: str | None = None  # of a client's questions of one stream only the newest is worth an answer
    client: Client = field(default_factory=Client)
    asked: float = field(default_factory=time.monotonic, init=False)
    answer: Future[Answered] = field(default_factory=Future, init=False)


@dataclass(eq=False)
class _Errand:
    """Anything else that needs the device."""

    call: Callable[[], Any]
    client: Client
    answer: Future[Any] = field(default_factory=Future, init=False)


@dataclass(frozen=True)
class Answered:
    """Photos (N, S, S, 3) uint8, and RGBA (N, S, S, 4) to lay over them where that was asked for."""

    photos: np.ndarray
    overlays: np.ndarray | None
    queue_s: float
    inference_s: float


class Batcher:
    """One thread that owns the device, and those who wait for it. Safe to use from many threads."""

    def __init__(
        self,
        metrics: Metrics | None = None,
        *,
        max_admitted: int = MAX_ADMITTED,
        max_pixels: int = MAX_PIXELS_AT_WORK,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """The thread begins with the first question."""
        self.max_admitted, self.deadline_s = max_admitted, deadline_s
        self._pixels = Room(max_pixels)
        self._metrics = metrics
        self._changed = threading.Condition()
        self._waiting: deque[Question | _Errand] = deque()
        self._admitted, self._photo_s, self.closing = 0, FIRST_GUESS_S, False
        self._thread: threading.Thread | None = None
        if metrics:
            metrics.watch_queue(self._depth)

    @contextmanager
    def admit(self, count: int) -> Iterator[None]:
        """Be at work on `count` photos, from sketch to files. Raises Saturated where that is too many."""
        with self._changed:
            if self.closing or (self._admitted and self._admitted + count > self.max_admitted):
                self._count_rejection("saturated")
                retry_after_s = max(1.0, self._admitted * self._photo_s)
                if self.closing:
                    raise ShuttingDown("The server is shutting down.", retry_after_s)
                raise Saturated("The server has as much to draw as it can hold.", retry_after_s)
            self._admitted += count
        try:
            yield
        finally:
            with self._changed:
                self._admitted -= count
                self._changed.notify_all()

    @contextmanager
    def room(self, pixels: int, client: Client) -> Iterator[None]:
        """Hold memory for a picture of so many pixels, once there is any. Raises DeadlineExceeded.

        A small one does not count: so many photos as are admitted are hardly one large picture.
        """
        pixels = 0 if pixels <= SMALL_PIXELS else pixels
        if not self._pixels.enter(pixels, self._left_s(client)):
            raise self._late()
        try:
            yield
        finally:
            self._pixels.leave(pixels)

    def check(self, client: Client) -> None:
        """Raise DeadlineExceeded where an answer would be too late, Abandoned where nobody waits for it."""
        if client.gone():
            self._count_rejection("gone")
            raise Abandoned("The client is gone.")
        if self._left_s(client) <= 0:
            raise self._late()

    def ask(self, question: Question) -> Answered:
        """Wait for the answer.

        Raises DeadlineExceeded, Abandoned where a newer question of its stream came or its client is gone,
        and whatever the model raises.
        """
        with self._changed:
            for other in self._waiting:
                if isinstance(other, Question) and _of_one_stream(question, other):
                    older = min(question, other, key=lambda one: one.client.since)  # decoding may overtake
                    self._drop(older, "superseded", "A newer question of this stream has come.")
            self._put(question)
        answered: Answered = self._wait_for(question)
        return answered

    def run(self, call: Callable[[], T], client: Client | None = None) -> T:
        """Call something on the device's thread, in turn, and wait for it. Raises as `ask`."""
        errand = _Errand(call, client or Client())
        self._put(errand)
        result: T = self._wait_for(errand)
        return result

    def observe(self, stage: str, model: str, seconds: float) -> None:
        """Count how long a stage of an answer took."""
        if self._metrics:
            self._metrics.observe_stage(stage, model, seconds)

    def close(self, within_s: float) -> bool:
        """Admit nothing more, and wait until all that was admitted is done; whether it is."""
        with self._changed:
            self.closing = True
            return self._changed.wait_for(lambda: not self._admitted, within_s)

    def _put(self, item: Question | _Errand) -> None:
        with self._changed:
            self._waiting.append(item)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="device", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _wait_for(self, item: Question | _Errand) -> Any:
        try:
            return item.answer.result(max(0.0, self._left_s(item.client)))
        except TimeoutError:
            item.answer.cancel()
            raise self._late() from None

    def _left_s(self, client: Client) -> float:
        return client.since + self.deadline_s - time.monotonic()

    def _late(self) -> DeadlineExceeded:
        self._count_rejection("deadline")
        return DeadlineExceeded(f"No answer came within {self.deadline_s:g} s.")

    def _depth(self) -> int:
        """How many are still waited for: what was given up lies there until the thread comes by."""
        with self._changed:
            return sum(not item.answer.done() for item in self._waiting)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                taken = self._take()
            if taken:
                self._serve(taken)

    def _take(self) -> list[Question | _Errand]:
        """The first that waits, and what may go with it; the rest stays in its order."""
        taken: list[Question | _Errand] = []
        left: deque[Question | _Errand] = deque()
        for item in self._waiting:
            if item.answer.done():
                continue  # given up
            if item.client.gone():
                self._drop(item, "gone", "The client is gone.")
            elif not taken or _goes_with(item, taken):
                taken.append(item)
            else:
                left.append(item)
        self._waiting = left
        return [item for item in taken if item.answer.set_running_or_notify_cancel()]

    def _serve(self, taken: list[Question | _Errand]) -> None:
        """Answer what was taken: with an error, if need be. Somebody waits for each."""
        try:
            questions = [item for item in taken if isinstance(item, Question)]
            if questions:
                self._answer(questions)
            for item in taken:
                if isinstance(item, _Errand):
                    item.answer.set_result(item.call())
        except BaseException as error:
            told = (
                error if isinstance(error, Exception) else RuntimeError(f"the device's thread met {error!r}")
            )
            for item in taken:
                if not item.answer.done():
                    item.answer.set_exception(told)

    def _answer(self, questions: list[Question]) -> None:
        began = time.monotonic()
        translator = questions[0].translator
        counts = [len(question.z) for question in questions]
        batch = Batch(
            translator,
            np.stack([question.sketch for question in questions]),
            np.concatenate([question.z for question in questions]),
            np.repeat(np.arange(len(questions)), counts),
            questions[0].realism,
        )
        made = batch.translate(np.arange(sum(counts)), most=most_at_once(translator))
        took = time.monotonic() - began
        self._photo_s += 0.1 * (took / sum(counts) - self._photo_s)
        self.observe("inference", translator.name, took)
        if self._metrics:
            self._metrics.observe_batch(translator.name, sum(counts))
        for question, end in zip(questions, np.cumsum(counts), strict=True):
            own = made[end - len(question.z) : end]
            waited = began - question.asked
            self.observe("queue", translator.name, waited)
            failed = next((row for row in own if isinstance(row, Exception)), None)
            if failed:
                question.answer.set_exception(failed)
            else:
                photos, overlays = zip(*own, strict=True)
                laid_over = np.stack(overlays) if question.realism else None
                question.answer.set_result(Answered(np.stack(photos), laid_over, waited, took))

    def _drop(self, item: Question | _Errand, reason: str, why: str) -> None:
        with suppress(InvalidStateError):  # given up a moment ago
            item.answer.set_exception(Abandoned(why))
            self._count_rejection(reason)

    def _count_rejection(self, reason: str) -> None:
        if self._metrics:
            self._metrics.reject(reason)


def most_at_once(translator: Translator) -> int:
    """How many photos its device computes in a batch."""
    return MAX_BATCH[translator.device.partition(":")[0]]


def _of_one_stream(question: Question, other: Question) -> bool:
    """Whether only one of them is worth an answer; other clients may call theirs the same."""
    named = question.stream is not None and question.stream == other.stream
    return named and question.client.address == other.client.address


def _goes_with(item: Question | _Errand, taken: list[Question | _Errand]) -> bool:
    """Whether it may be answered in one batch with those."""
    if not isinstance(item, Question):
        return False
    photos = len(item.z)
    for other in taken:
        if (
            not isinstance(other, Question)
            or other.translator is not item.translator
            or other.realism != item.realism
        ):
            return False
        photos += len(other.z)
    return photos <= most_at_once(item.translator)


@dataclass(frozen=True)
class Batch:
    """What one translator is asked: N photos of M sketches."""

    translator: Translator
    sketches: np.ndarray  # (M, S, S)
    z: np.ndarray  # (N, Z)
    sketch_of: np.ndarray  # (N,): index of each photo's sketch
    realism: bool

    def translate(self, at: np.ndarray, most: int) -> list[tuple[Any, Any] | Exception]:
        """Photo and overlay of those `at` (K,), `most` at a time, or why there are none."""
        if len(at) <= most:
            try:
                return self._at_once(at)
            except Exception as error:
                if len(at) == 1:
                    return [error]
                logger.warning("a batch of %d photos failed, going on with halves: %r", len(at), error)
        half = len(at) // 2
        return self.translate(at[:half], most) + self.translate(at[half:], most)

    def _at_once(self, at: np.ndarray) -> list[tuple[Any, Any] | Exception]:
        used, sketch_of = np.unique(self.sketch_of[at], return_inverse=True)
        sketches = self.sketches[used]
        photos = self.translator.translate_batch(sketches, self.z[at], sketch_of)
        overlays: Any = [None] * len(at)
        if self.realism:
            overlays = self.translator.realism(sketches, photos, sketch_of)
        return list(zip(photos, overlays, strict=True))

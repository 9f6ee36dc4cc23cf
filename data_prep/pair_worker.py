"""Makes pairs from sources, in this process or in several. The files do not depend on their number."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from data_prep.near_duplicates import Hashes, perceptual_hash
from data_prep.sources import KINDS, Kind, SourcePair, read_source
from pix2pix.errors import PairsError, UsageError
from pix2pix.images.framing import UInt8
from pix2pix.images.io import encode_jpeg, encode_png, read_photo, read_sketch
from pix2pix.images.mask import product_mask
from pix2pix.images.subject import FITS, Fit, squared


@dataclass(frozen=True)
class Recipe:
    """The settings of pairs; `edges` and `fit` apply to photos only."""

    kind: Kind
    size_px: int
    edges: str
    fit: Fit

    def __post_init__(self) -> None:
        """Raises UsageError for an unknown name and a size out of range."""
        if self.kind not in KINDS:
            raise UsageError(f"source kind {self.kind!r} is not one of: {', '.join(KINDS)}")
        if self.fit not in FITS:
            raise UsageError(f"fit {self.fit!r} is not one of: {', '.join(FITS)}")
        if self.kind == "photos":
            from data_prep.edges import edge_method

            edge_method(self.edges)
        if not 16 <= self.size_px <= 4096:
            raise UsageError(f"size {self.size_px} px is not in 16..4096")

    def __str__(self) -> str:
        """Returns the text for the manifest."""
        if self.kind != "photos":
            return self.kind
        from data_prep.edges import version

        return f"photos, {version(self.edges)} edges, {self.fit}"


@dataclass(frozen=True)
class Made:
    """The files of a pair (sketch and mask as PNG, photo as JPEG), and the photo's perceptual hash."""

    sketch: bytes
    photo: bytes
    mask: bytes
    likeness: Hashes


def make_pair(source: SourcePair, recipe: Recipe) -> Made:
    """Returns the pair of a source.

    Raises ImageError for a file that cannot be read, PairsError if a pair cannot be made.
    """
    with one_cv2_thread():
        if recipe.kind == "photos":
            sketch, photo = _draw(source, recipe)
        else:
            sketch, photo = read_source(source, recipe.size_px)
        return _with_mask(sketch, encode_png(sketch), encode_jpeg(photo))


def add_mask(sketch: Path, photo: Path) -> Made:
    """Returns the pair of two files that `make_pair` wrote, with its mask.

    Raises ImageError for a file that cannot be read.
    """
    with one_cv2_thread():
        return _with_mask(read_sketch(sketch), sketch.read_bytes(), photo.read_bytes())


@contextmanager
def makers(workers: int) -> Iterator[Executor]:
    """Yields an executor for `make_pair`: this process for one worker, else that many processes.

    On exit, jobs that have not started are cancelled, and running ones are waited for.
    """
    # spawn: a fork of a process with threads, such as the progress bar's, may hang
    spawn = multiprocessing.get_context("spawn")
    executor = _InProcess() if workers == 1 else _Processes(workers, spawn, initializer=_start_worker)
    try:
        yield executor
    finally:
        with _ctrl_c_ignored():  # a second one would leave the workers waiting for ever
            executor.shutdown(wait=True, cancel_futures=True)


def _with_mask(drawn: UInt8, sketch: bytes, photo: bytes) -> Made:
    """The mask is made from the encoded photo, so that it depends on the two files only."""
    stored = read_photo(photo)
    return Made(sketch, photo, encode_png(product_mask(drawn, stored)), perceptual_hash(stored))


def _draw(source: SourcePair, recipe: Recipe) -> tuple[UInt8, UInt8]:
    from data_prep.edges import edge_method

    photo = squared(read_photo(source.files[0]), recipe.fit, recipe.size_px)
    sketch = edge_method(recipe.edges)(photo)
    if sketch.min() == 255:
        raise PairsError(f"no subject found: {recipe.edges} edges drew nothing")
    return sketch, photo


@contextmanager
def one_cv2_thread() -> Iterator[None]:
    """Limits OpenCV to one thread: processes share the cores, and float sums do not depend on the threads."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


class _InProcess(Executor):
    """Runs jobs in this process, when they are submitted."""

    def submit(self, job: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(job(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


class _Processes(ProcessPoolExecutor):
    """Starts its processes, which `submit` does, while Ctrl-C is blocked."""

    def submit(self, job: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        with _ctrl_c_blocked():
            return super().submit(job, *arguments, **options)


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Delays Ctrl-C. Processes that start meanwhile inherit this: it cannot end them during their imports."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # others cannot set handlers
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _start_worker() -> None:
    """Ignores Ctrl-C, which the parent handles, and ends the worker if the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

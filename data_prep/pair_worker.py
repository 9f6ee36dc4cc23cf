"""Making pairs out of sources, in this process or in several. The same bytes come of any number of them."""

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
    """How the pairs are made; `edges` and `fit` only count for photos."""

    kind: Kind
    size_px: int
    edges: str
    fit: Fit

    def __post_init__(self) -> None:
        """Raises UsageError for what is not one of its kind, or out of range."""
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
        """As the manifest has it."""
        if self.kind != "photos":
            return self.kind
        from data_prep.edges import version

        return f"photos, {version(self.edges)} edges, {self.fit}"


@dataclass(frozen=True)
class Made:
    """A pair as files: sketch and mask are PNG, the photo is JPEG; with the photo's perceptual hash."""

    sketch: bytes
    photo: bytes
    mask: bytes
    likeness: Hashes


def make_pair(source: SourcePair, recipe: Recipe) -> Made:
    """Read a source and make its pair.

    Raises ImageError for a file that cannot be read, PairsError for one that makes no pair.
    """
    with one_cv2_thread():
        if recipe.kind == "photos":
            sketch, photo = _drawn(source, recipe)
        else:
            sketch, photo = read_source(source, recipe.size_px)
        return _made(sketch, encode_png(sketch), encode_jpeg(photo))


def add_mask(sketch: Path, photo: Path) -> Made:
    """The pair of two files that `make_pair` wrote, with its mask.

    Raises ImageError for a file that cannot be read.
    """
    with one_cv2_thread():
        return _made(read_sketch(sketch), sketch.read_bytes(), photo.read_bytes())


@contextmanager
def makers(workers: int) -> Iterator[Executor]:
    """What runs `make_pair`: this process for one worker, else so many others, begun with the first job.

    Left early, jobs not begun are dropped, and those under way waited for.
    """
    # spawned: a fork of a process with threads (the bar's, say) may hang
    spawn = multiprocessing.get_context("spawn")
    executor = _Here() if workers == 1 else ProcessPoolExecutor(workers, spawn, initializer=_begin)
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _made(drawn: UInt8, sketch: bytes, photo: bytes) -> Made:
    """The mask is of the photo as it is read back, so that it depends on the two files alone."""
    seen = read_photo(photo)
    return Made(sketch, photo, encode_png(product_mask(drawn, seen)), perceptual_hash(seen))


def _drawn(source: SourcePair, recipe: Recipe) -> tuple[UInt8, UInt8]:
    from data_prep.edges import edge_method

    photo = squared(read_photo(source.files[0]), recipe.fit, recipe.size_px)
    sketch = edge_method(recipe.edges)(photo)
    if sketch.min() == 255:
        raise PairsError(f"no subject found: {recipe.edges} edges drew nothing")
    return sketch, photo


@contextmanager
def one_cv2_thread() -> Iterator[None]:
    """Processes share the cores; and sums of floats do not depend on how they were split among threads."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


class _Here(Executor):
    """Runs a job when it comes."""

    def submit(self, job: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(job(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def _begin() -> None:
    """Leave Ctrl-C to the parent, which ends its workers; end where the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

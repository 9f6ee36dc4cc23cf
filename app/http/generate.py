"""A sketch and latents in, pictures out: what every route that answers a sketch does."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from app.http.batcher import Batcher, Question
from app.http.clients import Client
from app.http.requests import current_client
from pix2pix.errors import ImageTooLarge
from pix2pix.images.io import (
    MAX_PIXELS,
    WEB_FORMATS,
    Placement,
    count_pixels,
    encode_png,
    fit_sketch,
    read_sketch,
    restore_photo,
)

if TYPE_CHECKING:
    from app.http.payloads import SketchPayload
    from pix2pix.inference.translator import Translator

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """Photos as PNG files, with the z of each.

    `files` has for each photo "png", and "realism", to lay over it, where that was asked for.
    """

    files: list[dict[str, bytes]]
    z: np.ndarray
    timings_ms: dict[str, float]

    def images(self) -> list[dict[str, Any]]:
        """Build the JSON of each photo."""
        return [
            {"z": z.tolist()} | {name: base64.b64encode(file).decode("ascii") for name, file in files.items()}
            for z, files in zip(self.z, self.files, strict=True)
        ]

    def circumstances(self) -> dict[str, Any]:
        """Build the JSON of what holds for all photos."""
        return {"timings": self.timings_ms}


def answer_sketch(
    translator: Translator, file: bytes, z: np.ndarray, asked: SketchPayload, batcher: Batcher, noun: str
) -> Answer:
    """Translate the current request's sketch with each z (N, Z), as it asks, at its own size and place.

    `noun` is what a refusal calls the photos. Raises ImageError for a sketch that cannot be used,
    ImageTooLarge for more pixels than one picture may have, and as `Batcher.admit` and `Batcher.ask`.
    """
    timings_ms: dict[str, float] = {}
    client = current_client()

    def fit(file: bytes) -> tuple[np.ndarray, Placement]:
        sketch = read_sketch(file, WEB_FORMATS)
        bound_answer(sketch.shape, len(z), noun)
        return fit_sketch(sketch, translator.size_px)

    with batcher.admit(len(z)):
        with timed(timings_ms, "decode"):
            fitted, placement = decode(file, fit, batcher, client)
        answered = batcher.ask(Question(translator, fitted, z, asked.realism, asked.stream, client))
        timings_ms["queue"] = in_ms(answered.queue_s)
        timings_ms["inference"] = in_ms(answered.inference_s)
        with timed(timings_ms, "encode"), batcher.room(placement.height * placement.width, client):
            files = [{"png": encode_png(restore_photo(photo, placement))} for photo in answered.photos]
            if answered.overlays is not None:
                for one, overlay in zip(files, answered.overlays, strict=True):
                    one["realism"] = encode_png(restore_overlay(overlay, placement))
    batcher.observe("decode", translator.name, timings_ms["decode"] / 1000)
    batcher.observe("encode", translator.name, timings_ms["encode"] / 1000)
    return Answer(files, z, timings_ms)


def decode(file: bytes, read: Callable[[bytes], T], batcher: Batcher, client: Client) -> T:
    """What `read` makes of a picture that a client sent, once there is memory for its pixels.

    Raises ImageError for one that cannot be used, and as `Batcher.check`.
    """
    with batcher.room(count_pixels(file, WEB_FORMATS), client):
        batcher.check(client)
        made = read(file)
    batcher.check(client)
    return made


def restore_overlay(overlay: np.ndarray, placement: Placement) -> np.ndarray:
    """Put RGBA (S, S, 4) uint8 back where its photo is: (height, width, 4), clear outside of the square."""
    clear = restore_photo(np.repeat(255 - overlay[..., 3:], 3, axis=2), placement)
    return np.dstack([restore_photo(overlay[..., :3], placement), 255 - clear[..., :1]])


def bound_answer(shape: tuple[int, ...], count: int, noun: str, max_pixels: int = MAX_PIXELS) -> None:
    """Raise ImageTooLarge for an answer of more pixels in all, by default those that one picture may have."""
    height, width = shape[:2]
    if height * width * count > max_pixels:
        raise ImageTooLarge(
            f"{count} {noun} of {width} x {height} pixels are more than the {max_pixels:,} pixels "
            f"allowed in one answer: ask for fewer {noun}, or bring a smaller sketch."
        )


@contextmanager
def timed(timings_ms: dict[str, float], name: str) -> Iterator[None]:
    """Record how long the block took."""
    started = time.perf_counter()
    yield
    timings_ms[name] = in_ms(time.perf_counter() - started)


def in_ms(seconds: float) -> float:
    """Milliseconds, to a tenth."""
    return round(1000 * seconds, 1)

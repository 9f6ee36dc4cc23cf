"""Generates the photos of a request: decodes its sketch, runs the model, encodes the photos."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from app.http.batcher import Batcher, Client, TranslateJob
from app.http.requests import current_client
from pix2pix.errors import about
from pix2pix.images.io import (
    WEB,
    Notice,
    Placement,
    check_answer_size,
    count_pixels,
    encode_png,
    fit_hints,
    fit_sketch,
    inspect_sketch,
    read_hints,
    restore_photo,
)
from pix2pix.inference.enlarge import photo_of_size

if TYPE_CHECKING:
    from app.http.request_models import SketchPayload
    from pix2pix.inference.translator import Translator

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """Photos as PNG files, with the z (N, Z) of each.

    Each of `files` has "png" and, if requested, "realism", the map to lay over the photo.
    """

    files: list[dict[str, bytes]]
    z: np.ndarray
    timings_ms: dict[str, float]
    notices: tuple[Notice, ...] = ()

    def images(self) -> list[dict[str, Any]]:
        """Returns the JSON of each photo."""
        return [
            {"z": z.tolist()} | {name: base64.b64encode(file).decode("ascii") for name, file in files.items()}
            for z, files in zip(self.z, self.files, strict=True)
        ]

    def about(self) -> dict[str, Any]:
        """Returns the JSON of what all photos have in common."""
        return {"timings": self.timings_ms, "notices": describe_notices(self.notices)}


def generate(
    translator: Translator,
    file: bytes,
    z: np.ndarray,
    payload: SketchPayload,
    batcher: Batcher,
    noun: str,
    size_px: int | None = None,
) -> Answer:
    """Translates a sketch with each z (N, Z), for the current request; the photos get its size and position.

    With `size_px`, that is the length of their longer side, and a network enlarges them. `noun` names the
    photos in error messages. Raises ImageError for an invalid sketch and for hints that do not fit it,
    ImageTooLarge if the photos together have more pixels than one picture may have, and as `Batcher.admit`,
    `Batcher.translate` and `Batcher.aside`.
    """
    timings_ms: dict[str, float] = {}
    client = current_client()

    def fit(file: bytes) -> tuple[np.ndarray, Placement, tuple[Notice, ...]]:
        return read_and_fit(file, translator.size_px, len(z), noun, size_px)

    def fit_strokes(file: bytes) -> np.ndarray:
        return fit_hints(read_hints(file, WEB), placement, translator.size_px)

    def place(photo: np.ndarray) -> np.ndarray:
        if size_px is None:
            return restore_photo(photo, placement)
        batcher.check(client)
        return photo_of_size(photo, placement, size_px)

    with batcher.admit(len(z)):
        with timed(timings_ms, "decode"):
            fitted, placement, notices = decode(file, fit, batcher, client)
            strokes = None
            if payload.hints is not None:
                with about("hints"):
                    strokes = decode(payload.hints, fit_strokes, batcher, client)
        job = TranslateJob(
            translator, fitted, z, payload.realism, payload.stream, client, strokes, payload.transparent
        )
        generated = batcher.translate(job)
        timings_ms["queue"] = in_ms(generated.queue_s)
        timings_ms["inference"] = in_ms(generated.inference_s)
        page = placement.scaled(size_px)
        enlarging = nullcontext() if size_px is None else batcher.aside(client)
        with timed(timings_ms, "encode"), batcher.room(page.height * page.width, client), enlarging:
            files = [{"png": encode_png(place(photo))} for photo in generated.photos]
            if generated.overlays is not None:
                for one, overlay in zip(files, generated.overlays, strict=True):
                    one["realism"] = encode_png(restore_overlay(overlay, page))
    batcher.observe("decode", translator.name, timings_ms["decode"] / 1000)
    batcher.observe("encode", translator.name, timings_ms["encode"] / 1000)
    return Answer(files, z, timings_ms, notices)


def read_and_fit(
    file: bytes, size_px: int, count: int, noun: str, longer_px: int | None = None
) -> tuple[np.ndarray, Placement, tuple[Notice, ...]]:
    """Returns a sketch as the model's square (S, S), its place, and notices.

    Raises ImageError for an invalid sketch, ImageTooLarge if `count` photos of its size, or with `longer_px`
    as their longer side, are too many pixels.
    """
    sketch, notices = inspect_sketch(file, WEB)
    fitted, placement = fit_sketch(sketch, size_px)
    page = placement.scaled(longer_px)
    check_answer_size((page.height, page.width), count, noun)
    return fitted, placement, notices


def decode(file: bytes, read: Callable[[bytes], T], batcher: Batcher, client: Client) -> T:
    """Calls `read` on a client's picture when there is memory for its pixels, and returns the result.

    Raises ImageError for an invalid picture, and as `Batcher.check`.
    """
    with batcher.room(count_pixels(file, WEB), client):
        batcher.check(client)
        decoded = read(file)
    batcher.check(client)
    return decoded


def describe_notices(notices: tuple[Notice, ...]) -> list[dict[str, str]]:
    """Returns the JSON of notices about a sketch."""
    return [asdict(notice) for notice in notices]


def notice_headers(notices: tuple[Notice, ...]) -> dict[str, str]:
    """Returns the header of an answer to a sketch: the same JSON, in ASCII."""
    return {"X-Notices": json.dumps(describe_notices(notices))}


def restore_overlay(overlay: np.ndarray, placement: Placement) -> np.ndarray:
    """Puts RGBA (S, S, 4) uint8 where its photo is: (height, width, 4), transparent outside of the square."""
    transparency = restore_photo(np.repeat(255 - overlay[..., 3:], 3, axis=2), placement)
    return np.dstack([restore_photo(overlay[..., :3], placement), 255 - transparency[..., :1]])


@contextmanager
def timed(timings_ms: dict[str, float], name: str) -> Iterator[None]:
    """Records the duration of the block in ms."""
    started = time.perf_counter()
    yield
    timings_ms[name] = in_ms(time.perf_counter() - started)


def in_ms(seconds: float) -> float:
    """Returns milliseconds, rounded to a tenth."""
    return round(1000 * seconds, 1)

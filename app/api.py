"""Version 1 of the HTTP API.

    curl -F sketch=@shoe.png -H 'Accept: image/png' http://127.0.0.1:8000/api/v1/translate > photo.png

A JSON body carries the sketch in base64; a multipart body carries it as the file `sketch`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from flask import Blueprint, Response, g, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import ServiceUnavailable, UnsupportedMediaType

from app.payloads import TranslateRequest
from pix2pix.errors import ImageTooLarge, UsageError
from pix2pix.images import MAX_PIXELS, encode_png, fit_sketch, read_sketch, restore_photo

if TYPE_CHECKING:
    from pix2pix.translator import Translator

DEFAULT_SEED = 0
OPENED_SKETCH_PX = 512


def create_api(translators: Mapping[str, Translator]) -> Blueprint:
    """Build the routes under /api/v1 for `translators`; inference runs one request at a time."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    inference = Lock()

    @api.get("/models")
    def models() -> ResponseReturnValue:
        return {"models": [describe(name, translator) for name, translator in translators.items()]}

    @api.post("/sketch")
    def sketch() -> ResponseReturnValue:
        """Answer any picture with the sketch seen in it, black on white: what the canvas opens."""
        seen, _ = fit_sketch(read_sketch(uploaded_file("sketch")), OPENED_SKETCH_PX)
        return Response(encode_png(seen), content_type="image/png")

    @api.post("/translate")
    def translate() -> ResponseReturnValue:
        if not translators:
            raise ServiceUnavailable("No model is loaded.")
        asked = read_translate_request(translators)
        wants_picture = prefers_picture()
        if wants_picture and asked.variants != 1:
            raise UsageError("A plain picture holds one variant: ask for variants=1, or accept JSON.")
        name = asked.model or next(iter(translators))
        answer = translate_sketch(translators[name], asked, inference)
        if wants_picture:
            return Response(answer.pictures[0], content_type="image/png")
        return {"request_id": g.request_id, "model": name, **answer.as_json()}

    return api


def describe(name: str, translator: Translator) -> dict[str, Any]:
    """Say what a client needs to know to use `translator`."""
    return {
        "name": name,
        "title": translator.title,
        "size_px": translator.size_px,
        "latent_size": translator.latent_size,
        "takes_loose": translator.takes_loose,
        "device": translator.device,
    }


def read_translate_request(translators: Mapping[str, Translator]) -> TranslateRequest:
    """Read the current request's JSON or multipart body; raises pydantic's ValidationError."""
    context = {"translators": translators}
    if request.is_json:
        return TranslateRequest.model_validate_json(request.get_data(), strict=True, context=context)
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType(
            f"Content-Type is {request.mimetype or 'missing'}; "
            "application/json and multipart/form-data are allowed."
        )
    # a repeated field stays a list, which the field's own type then refuses
    fields: dict[str, Any] = {name: many if len(many) > 1 else many[0] for name, many in request.form.lists()}
    for name, files in request.files.lists():
        contents = [file.read() for file in files]
        fields[name] = contents if len(contents) > 1 else contents[0]
    return TranslateRequest.model_validate(fields, context=context)


def uploaded_file(name: str) -> bytes:
    """Read one file of the current multipart request."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType(
            f"Content-Type is {request.mimetype or 'missing'}; multipart/form-data is allowed."
        )
    if name not in request.files:
        raise UsageError(f"There is no file named {name!r}: send multipart/form-data with that file.")
    data: bytes = request.files[name].read()
    return data


def prefers_picture() -> bool:
    """Tell whether the client asked for a PNG rather than for JSON."""
    return request.accept_mimetypes.best_match(["application/json", "image/png"]) == "image/png"


@dataclass(frozen=True)
class Answer:
    """Photos as PNG files, with the z of each, and the seed it came from, if any.

    `loose` is the looseness they were made with; None for a model that knows none.
    """

    pictures: list[bytes]
    z: np.ndarray
    seeds: list[int | None]
    loose: float | None
    loose_guessed: bool
    timings_ms: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Build the members of the JSON body that depend on the sketch."""
        images = [
            {"seed": seed, "z": z.tolist(), "png": base64.b64encode(picture).decode("ascii")}
            for seed, z, picture in zip(self.seeds, self.z, self.pictures, strict=True)
        ]
        return {
            "images": images,
            "loose": self.loose,
            "loose_guessed": self.loose_guessed,
            "timings": self.timings_ms,
        }


def translate_sketch(translator: Translator, asked: TranslateRequest, inference: Lock) -> Answer:
    """Translate one sketch into the asked variants, each at the sketch's own size and place."""
    timings_ms: dict[str, float] = {}
    with timed(timings_ms, "decode"):
        sketch = read_sketch(asked.sketch)
        bound_answer(sketch.shape, asked.variants)
        fitted, placement = fit_sketch(sketch, translator.size_px)
    seeds, z = choose_latents(translator, asked)
    sketches = np.repeat(fitted[None], len(z), axis=0)  # (N, S, S)
    guessing = translator.takes_loose and asked.loose is None
    with inference, timed(timings_ms, "inference"):
        loose = float(translator.guess_loose(fitted[None])[0]) if guessing else asked.loose
        told = None if loose is None else np.full(len(z), loose, np.float32)
        photos = translator.translate_batch(sketches, z, told)
    with timed(timings_ms, "encode"):
        pictures = [encode_png(restore_photo(photo, placement)) for photo in photos]
    return Answer(pictures, z, seeds, loose, guessing, timings_ms)


def bound_answer(shape: tuple[int, ...], variants: int) -> None:
    """Refuse an answer that would hold more pixels than one picture may."""
    height, width = shape[:2]
    if height * width * variants > MAX_PIXELS:
        raise ImageTooLarge(
            f"{variants} variants of {width} x {height} pixels are more than the {MAX_PIXELS:,} pixels "
            "allowed in one answer: ask for fewer variants, or send a smaller sketch."
        )


def choose_latents(translator: Translator, asked: TranslateRequest) -> tuple[list[int | None], np.ndarray]:
    """Return the seeds (None where z was given) and z (N, Z) float32; variant i uses seed + i."""
    if asked.z is not None:
        return [None], np.array([asked.z], dtype=np.float32)
    first = DEFAULT_SEED if asked.seed is None else asked.seed
    seeds = range(first, first + asked.variants)
    return list(seeds), np.stack([translator.latent(seed) for seed in seeds])


@contextmanager
def timed(timings_ms: dict[str, float], name: str) -> Iterator[None]:
    """Record how long the block took."""
    started = time.perf_counter()
    yield
    timings_ms[name] = round((time.perf_counter() - started) * 1000, 1)

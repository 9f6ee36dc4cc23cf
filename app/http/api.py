"""Version 1 of the HTTP API.

    curl -F sketch=@shoe.png -H 'Accept: image/png' http://127.0.0.1:8000/api/v1/translate > photo.png

A JSON body carries the sketch in base64; a multipart body carries it as the file `sketch`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from flask import Blueprint, Response, g, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from app.http.batcher import Batcher
from app.http.first_seeds import FIRST_SEED, FirstSeeds
from app.http.generate import decode, generate, notice_headers
from app.http.models import OnnxFiles
from app.http.request_models import (
    MAX_Z,
    ArithmeticRequest,
    EncodeRequest,
    InterpolateRequest,
    Latent,
    SeedsRequest,
    TranslateRequest,
)
from app.http.requests import current_client, prefers_picture, read_payload, uploaded_file
from pix2pix.errors import UsageError
from pix2pix.images.io import WEB, Notice, encode_png, fit_sketch, inspect_sketch, read_photo
from pix2pix.model import latents

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

DEFAULT_SEED = 0
CANDIDATES_PER_SEED = 16
OPENED_SKETCH_PX = 512


def create_api(translators: Mapping[str, Translator], batcher: Batcher) -> Blueprint:
    """Returns the routes under /api/v1 for `translators`; their networks run in `batcher`."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    onnx_files, first_seeds = OnnxFiles(), FirstSeeds(batcher)

    @api.get("/models")
    def models() -> ResponseReturnValue:
        return {"models": [describe(name, translator) for name, translator in translators.items()]}

    @api.get("/models/<name>.onnx")
    def onnx_file(name: str) -> ResponseReturnValue:
        """Sends a model as an ONNX file, for drawing on the device; 304 if the browser has it."""
        translator = translators.get(name)
        if translator is None:
            raise NotFound(f"There is no model {name[:80]!r}; the models are: {', '.join(translators)}.")
        file = onnx_files.of(translator)
        response = Response(file.data, content_type="application/octet-stream")
        response.set_etag(file.etag)
        response.headers["Cache-Control"] = "private, no-cache"  # the browser keeps it and revalidates
        return response.make_conditional(request)

    @api.post("/sketch")
    def sketch() -> ResponseReturnValue:
        """Sends the sketch in any picture, black on white, for the canvas to open; notices in a header."""

        def extract(file: bytes) -> tuple[np.ndarray, tuple[Notice, ...]]:
            found, notices = inspect_sketch(file, WEB)
            return fit_sketch(found, OPENED_SKETCH_PX)[0], notices

        file = uploaded_file("sketch")
        with batcher.admit(1):
            found, notices = decode(file, extract, batcher, current_client())
        return Response(encode_png(found), content_type="image/png", headers=notice_headers(notices))

    @api.post("/translate")
    def translate() -> ResponseReturnValue:
        payload, name, translator = read_payload(TranslateRequest, translators)
        seeds, z = choose_latents(translator, payload)
        as_png = prefers_picture()
        if as_png and len(z) != 1:
            raise UsageError("A PNG answer has one photo: request variants=1, or accept JSON.")
        if as_png and payload.realism:
            raise UsageError("A PNG answer has no realism map: accept JSON.")
        answer = generate(translator, payload.sketch, z, payload, batcher, "variants", payload.size)
        headers = notice_headers(answer.notices)
        if as_png:
            return Response(answer.files[0]["png"], content_type="image/png", headers=headers)
        images = [{"seed": seed, **image} for seed, image in zip(seeds, answer.images(), strict=True)]
        return {"request_id": g.request_id, "model": name, "images": images, **answer.about()}, headers

    @api.post("/encode")
    def encode() -> ResponseReturnValue:
        """Sends the z of a photo, which gives the photo of another sketch the same look."""
        payload, name, translator = read_payload(EncodeRequest, translators)
        client = current_client()

        def find(file: bytes) -> np.ndarray:  # takes seconds for some photos: not on the device's thread
            photo = read_photo(file, WEB)
            return translator.subject(photo)

        with batcher.admit(1):
            subject = decode(payload.photo, find, batcher, client)
            z = batcher.run(lambda: translator.encode_subject(subject), client)
        return {"request_id": g.request_id, "model": name, "z": z.tolist()}

    @api.post("/seeds")
    def seeds() -> ResponseReturnValue:
        """Sends a seed and some of those after it, whose photos differ clearly."""
        payload, name, translator = read_payload(SeedsRequest, translators)
        if payload.seed == FIRST_SEED:
            with batcher.admit(1):
                chosen = first_seeds.of(translator, payload.count, current_client())
        else:
            candidates = latents.seeds_from(payload.seed, CANDIDATES_PER_SEED * payload.count)
            found = latents.spread(perceptual_points(candidates, translator), payload.count)
            chosen = [candidates[i] for i in found]
        return {"request_id": g.request_id, "model": name, "seeds": chosen}

    @api.post("/interpolate")
    def interpolate() -> ResponseReturnValue:
        """Sends the photos of the steps from one latent to another, both included."""
        payload, name, translator = read_payload(InterpolateRequest, translators)
        z = latents.walk([as_z(payload.start, translator), as_z(payload.end, translator)], payload.steps)
        answer = generate(translator, payload.sketch, z, payload, batcher, "steps")
        body = {"request_id": g.request_id, "model": name, "frames": answer.images(), **answer.about()}
        return body, notice_headers(answer.notices)

    @api.post("/arithmetic")
    def arithmetic() -> ResponseReturnValue:
        """Sends the z of a sum of latents, and its photo if there is a sketch."""
        payload, name, translator = read_payload(ArithmeticRequest, translators)
        if payload.hints is not None and payload.sketch is None:
            raise UsageError("The request has hints and no sketch: give the sketch that they belong to.")
        z = add_up(payload, translator)
        body: dict[str, Any] = {"request_id": g.request_id, "model": name, "z": z.tolist()}
        if payload.sketch is None:
            return body
        answer = generate(translator, payload.sketch, z[None], payload, batcher, "photos")
        return body | {"image": answer.images()[0], **answer.about()}, notice_headers(answer.notices)

    return api


def describe(name: str, translator: Translator) -> dict[str, Any]:
    """Returns the properties of a model that clients need."""
    return {
        "name": name,
        "title": translator.title,
        "size_px": translator.size_px,
        "latent_size": translator.latent_size,
        "encodes": translator.encodes,
        "judges": translator.judges,
        "takes_hints": translator.takes_strokes,
        "directions": [asdict(direction) for direction in translator.directions],
        "palette": list(translator.palette),
        "device": translator.device,
    }


def choose_latents(translator: Translator, payload: TranslateRequest) -> tuple[list[int | None], np.ndarray]:
    """Returns the seeds (None where z was given) and z (N, Z) float32; variant i has seed + i.

    Raises UsageError for variants beyond the largest seed.
    """
    if payload.latents is not None:
        return [one.seed for one in payload.latents], np.stack(
            [as_z(one, translator) for one in payload.latents]
        )
    if payload.z is not None:
        return [None], np.array([payload.z], dtype=np.float32)
    first = DEFAULT_SEED if payload.seed is None else payload.seed
    seeds = latents.seeds_from(first, payload.variants)
    return list(seeds), np.stack([translator.latent(seed) for seed in seeds])


def as_z(latent: Latent, translator: Translator) -> latents.Latent:
    """Returns the given z (Z,) float32, or that of the seed."""
    if latent.seed is not None:
        return translator.latent(latent.seed)
    return np.array(latent.z, np.float32)


def perceptual_points(seeds: Sequence[int], translator: Translator) -> np.ndarray:
    """Returns points (N, D) whose distances approximate how much the photos differ.

    Coordinates along the directions, weighted by their share of the change; z for a model without directions.
    """
    z = np.stack([translator.latent(seed) for seed in seeds])
    if not translator.directions:
        return z
    vectors = np.array([direction.vector for direction in translator.directions])
    shares = np.array([direction.share for direction in translator.directions])
    return np.asarray(z @ vectors.T * np.sqrt(shares))


def add_up(payload: ArithmeticRequest, translator: Translator) -> latents.Latent:
    """Returns the sum (Z,) float32. Raises UsageError without terms, and for a sum out of range."""
    plus, minus = ([as_z(term, translator) for term in terms] for terms in (payload.plus, payload.minus))
    z = latents.combine(plus, minus)
    largest = float(np.abs(z).max(initial=0))
    if largest > MAX_Z:
        raise UsageError(
            f"The sum has a number of magnitude {largest:g}; from {-MAX_Z:g} to {MAX_Z:g} is allowed: add "
            "fewer terms, or smaller ones."
        )
    return z

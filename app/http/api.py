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
from app.http.generate import answer_sketch, decode
from app.http.onnx_files import OnnxFiles
from app.http.payloads import (
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
from pix2pix.images.io import WEB_FORMATS, encode_png, fit_sketch, read_photo, read_sketch
from pix2pix.model import latents

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

DEFAULT_SEED = 0
DRAWN_PER_SEED = 16  # to choose one from
OPENED_SKETCH_PX = 512


def create_api(translators: Mapping[str, Translator], batcher: Batcher) -> Blueprint:
    """Build the routes under /api/v1 for `translators`, whose networks run in `batcher`."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    onnx_files = OnnxFiles()

    @api.get("/models")
    def models() -> ResponseReturnValue:
        return {"models": [describe(name, translator) for name, translator in translators.items()]}

    @api.get("/models/<name>.onnx")
    def onnx_file(name: str) -> ResponseReturnValue:
        """Answer a model as an ONNX file, for browsers that compute themselves; 304 to one that has it."""
        if name not in translators:
            raise NotFound(f"There is no model {name[:80]!r}; there is: {', '.join(translators)}.")
        file = onnx_files.of(translators[name])
        answer = Response(file.data, content_type="application/octet-stream")
        answer.set_etag(file.etag)
        answer.headers["Cache-Control"] = "private, no-cache"  # kept by the browser, asked for each time
        return answer.make_conditional(request)

    @api.post("/sketch")
    def sketch() -> ResponseReturnValue:
        """Answer any picture with the sketch seen in it, black on white: what the canvas opens."""

        def see(file: bytes) -> np.ndarray:
            return fit_sketch(read_sketch(file, WEB_FORMATS), OPENED_SKETCH_PX)[0]

        file = uploaded_file("sketch")
        with batcher.admit(1):
            seen = decode(file, see, batcher, current_client())
        return Response(encode_png(seen), content_type="image/png")

    @api.post("/translate")
    def translate() -> ResponseReturnValue:
        asked, name, translator = read_payload(TranslateRequest, translators)
        seeds, z = choose_latents(translator, asked)
        wants_picture = prefers_picture()
        if wants_picture and len(z) != 1:
            raise UsageError("A plain picture holds one variant: ask for variants=1, or accept JSON.")
        if wants_picture and asked.realism:
            raise UsageError("A plain picture holds no realism map: accept JSON.")
        answer = answer_sketch(translator, asked.sketch, z, asked, batcher, "variants")
        if wants_picture:
            return Response(answer.files[0]["png"], content_type="image/png")
        images = [{"seed": seed, **image} for seed, image in zip(seeds, answer.images(), strict=True)]
        return {"request_id": g.request_id, "model": name, "images": images, **answer.circumstances()}

    @api.post("/encode")
    def encode() -> ResponseReturnValue:
        """Answer a photo with its z: what makes another sketch look like it."""
        asked, name, translator = read_payload(EncodeRequest, translators)
        client = current_client()

        def find(file: bytes) -> np.ndarray:  # may take seconds: not on the device's thread
            photo = read_photo(file, WEB_FORMATS)
            return translator.subject(photo)

        with batcher.admit(1):
            subject = decode(asked.photo, find, batcher, client)
            z = batcher.run(lambda: translator.encode_subject(subject), client)
        return {"request_id": g.request_id, "model": name, "z": z.tolist()}

    @api.post("/seeds")
    def seeds() -> ResponseReturnValue:
        """Answer a seed with itself and some of those after it, whose pictures differ clearly."""
        asked, name, translator = read_payload(SeedsRequest, translators)
        drawn = latents.seeds_from(asked.seed, DRAWN_PER_SEED * asked.count)
        chosen = latents.spread(as_seen(drawn, translator), asked.count)
        return {"request_id": g.request_id, "model": name, "seeds": [drawn[i] for i in chosen]}

    @api.post("/interpolate")
    def interpolate() -> ResponseReturnValue:
        """Answer two latents with the photos on the way from one to the other, both included."""
        asked, name, translator = read_payload(InterpolateRequest, translators)
        z = latents.walk([as_z(asked.start, translator), as_z(asked.end, translator)], asked.steps)
        answer = answer_sketch(translator, asked.sketch, z, asked, batcher, "steps")
        frames = {"frames": answer.images(), **answer.circumstances()}
        return {"request_id": g.request_id, "model": name, **frames}

    @api.post("/arithmetic")
    def arithmetic() -> ResponseReturnValue:
        """Answer a sum of latents with its z, and with its photo if there is a sketch."""
        asked, name, translator = read_payload(ArithmeticRequest, translators)
        z = add_up(asked, translator)
        body: dict[str, Any] = {"request_id": g.request_id, "model": name, "z": z.tolist()}
        if asked.sketch is not None:
            answer = answer_sketch(translator, asked.sketch, z[None], asked, batcher, "photos")
            body |= {"image": answer.images()[0], **answer.circumstances()}
        return body

    return api


def describe(name: str, translator: Translator) -> dict[str, Any]:
    """Say what a client needs to know to use `translator`."""
    return {
        "name": name,
        "title": translator.title,
        "size_px": translator.size_px,
        "latent_size": translator.latent_size,
        "encodes": translator.encodes,
        "judges": translator.judges,
        "directions": [asdict(direction) for direction in translator.directions],
        "device": translator.device,
    }


def choose_latents(translator: Translator, asked: TranslateRequest) -> tuple[list[int | None], np.ndarray]:
    """Return the seeds (None where z was given) and z (N, Z) float32; variant i uses seed + i.

    Raises UsageError for variants beyond the largest seed.
    """
    if asked.latents is not None:
        return [one.seed for one in asked.latents], np.stack([as_z(one, translator) for one in asked.latents])
    if asked.z is not None:
        return [None], np.array([asked.z], dtype=np.float32)
    first = DEFAULT_SEED if asked.seed is None else asked.seed
    seeds = latents.seeds_from(first, asked.variants)
    return list(seeds), np.stack([translator.latent(seed) for seed in seeds])


def as_z(latent: Latent, translator: Translator) -> latents.Latent:
    """Return the z (Z,) float32 that is given, or that of the seed."""
    if latent.seed is not None:
        return translator.latent(latent.seed)
    return np.array(latent.z, np.float32)


def as_seen(seeds: Sequence[int], translator: Translator) -> np.ndarray:
    """Points (N, D) that lie apart as the answers look: along the directions, or in z if there are none."""
    z = np.stack([translator.latent(seed) for seed in seeds])
    if not translator.directions:
        return z
    vectors = np.array([direction.vector for direction in translator.directions])
    shares = np.array([direction.share for direction in translator.directions])
    return np.asarray(z @ vectors.T * np.sqrt(shares))


def add_up(asked: ArithmeticRequest, translator: Translator) -> latents.Latent:
    """Return the sum (Z,). Raises UsageError where there is nothing to add, or the sum is no usable z."""
    plus, minus = ([as_z(term, translator) for term in terms] for terms in (asked.plus, asked.minus))
    z = latents.combine(plus, minus)
    furthest = float(np.abs(z).max(initial=0))
    if furthest > MAX_Z:
        raise UsageError(
            f"The sum has a number {furthest:g} away from 0; a z of numbers from {-MAX_Z:g} to {MAX_Z:g} is "
            "allowed: add fewer terms, or smaller ones."
        )
    return z

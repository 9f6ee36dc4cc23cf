"""Version 1 of the HTTP API.

    curl -F sketch=@shoe.png -H 'Accept: image/png' http://127.0.0.1:8000/api/v1/translate > photo.png

A JSON body carries the sketch in base64; a multipart body carries it as the file `sketch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from flask import Blueprint, Response, g
from flask.typing import ResponseReturnValue

from app.answers import answer_sketch, decode
from app.batcher import Batcher
from app.latent_api import add_latent_routes, as_z
from app.onnx_api import add_onnx_route
from app.payloads import TranslateRequest
from app.requests import current_client, prefers_picture, read_payload, uploaded_file
from pix2pix.errors import UsageError
from pix2pix.images.io import WEB_FORMATS, encode_png, fit_sketch, read_sketch
from pix2pix.model.latents import seeds_from

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

DEFAULT_SEED = 0
OPENED_SKETCH_PX = 512


def create_api(translators: Mapping[str, Translator], batcher: Batcher) -> Blueprint:
    """Build the routes under /api/v1 for `translators`, whose networks run in `batcher`."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    add_latent_routes(api, translators, batcher)
    add_onnx_route(api, translators)

    @api.get("/models")
    def models() -> ResponseReturnValue:
        return {"models": [describe(name, translator) for name, translator in translators.items()]}

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
    seeds = seeds_from(first, asked.variants)
    return list(seeds), np.stack([translator.latent(seed) for seed in seeds])

"""The routes that play with z: read off a photo, drawn far apart, walked between, added and subtracted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from app.answers import answer_sketch, decode
from app.batcher import Batcher
from app.payloads import MAX_Z, ArithmeticRequest, EncodeRequest, InterpolateRequest, Latent, SeedsRequest
from app.requests import current_client, read_payload
from pix2pix.errors import UsageError
from pix2pix.images.io import WEB_FORMATS, read_photo
from pix2pix.model import latents

if TYPE_CHECKING:
    from pix2pix.inference.translator import Translator

DRAWN_PER_SEED = 16  # to choose one from


def add_latent_routes(api: Blueprint, translators: Mapping[str, Translator], batcher: Batcher) -> None:
    """Add the routes to `api`; the networks run in `batcher`."""

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

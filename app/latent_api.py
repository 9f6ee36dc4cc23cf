"""The routes that play with z: read off a photo, walked between, added and subtracted."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from app.answers import answer_sketch
from app.payloads import MAX_Z, ArithmeticRequest, EncodeRequest, InterpolateRequest, Latent
from app.requests import read_payload
from pix2pix import latents
from pix2pix.errors import UsageError

if TYPE_CHECKING:
    from pix2pix.translator import Translator


def add_latent_routes(api: Blueprint, translators: Mapping[str, Translator], inference: Lock) -> None:
    """Add the routes to `api`; the networks run while `inference` is held."""

    @api.post("/encode")
    def encode() -> ResponseReturnValue:
        """Answer a photo with its z: what makes another sketch look like it."""
        asked, name = read_payload(EncodeRequest, translators)
        with inference:
            z = translators[name].encode(asked.photo)
        return {"request_id": g.request_id, "model": name, "z": z.tolist()}

    @api.post("/interpolate")
    def interpolate() -> ResponseReturnValue:
        """Answer two latents with the photos on the way from one to the other, both included."""
        asked, name = read_payload(InterpolateRequest, translators)
        translator = translators[name]
        z = latents.walk([as_z(asked.start, translator), as_z(asked.end, translator)], asked.steps)
        answer = answer_sketch(translator, asked.sketch, z, asked.loose, inference, "steps")
        frames = {"frames": answer.images(), **answer.circumstances()}
        return {"request_id": g.request_id, "model": name, **frames}

    @api.post("/arithmetic")
    def arithmetic() -> ResponseReturnValue:
        """Answer a sum of latents with its z, and with its photo if there is a sketch."""
        asked, name = read_payload(ArithmeticRequest, translators)
        z = add_up(asked, translators[name])
        body: dict[str, Any] = {"request_id": g.request_id, "model": name, "z": z.tolist()}
        if asked.sketch is not None:
            answer = answer_sketch(translators[name], asked.sketch, z[None], asked.loose, inference, "photos")
            body |= {"image": answer.images()[0], **answer.circumstances()}
        return body


def as_z(latent: Latent, translator: Translator) -> latents.Latent:
    """Return the z (Z,) float32 that is given, or that of the seed."""
    if latent.seed is not None:
        return translator.latent(latent.seed)
    return np.array(latent.z, np.float32)


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

"""A model on a Ray cluster: replicas behind one address that come and go with the load, batched by Ray.

    serve run app.http.ray_serve:build model=shoes most=4

`POST /api/v1/translate` (JSON) and `GET /api/v1/models` are those of `pix2pix serve`; `/-/healthz` is Ray's.
The canvas, tokens and rates are not here: docs/scale.md says what belongs in front. Ray reads the
annotation of `build`: no `from __future__ import annotations` in this module.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.http import MAX_UPLOAD_BYTES
from app.http.api import choose_latents, describe
from app.http.batcher import DEADLINE_S, Batch, most_at_once
from app.http.clients import SMALL_PIXELS
from app.http.generate import Answer, bound_answer, restore_overlay
from app.http.payloads import TranslateRequest
from app.http.problems import describe_invalid, describe_known, describe_problem
from app.http.serving import give_memory_back
from pix2pix.errors import DeadlineExceeded, Pix2PixError
from pix2pix.images.io import WEB_FORMATS, count_pixels, encode_png, fit_sketch, read_sketch, restore_photo
from pix2pix.inference.translator import load

T = TypeVar("T")

BUSY_WITH = 8  # requests that a replica is at before another one is started
MOST_REQUESTS = 64  # that a replica takes; the rest wait with Ray's proxy


class Arguments(BaseModel):
    """What `serve run` may be given, as NAME=VALUE."""

    model_config = ConfigDict(extra="forbid")

    model: str = "shoes"
    models: Path | None = None  # folder, on every node
    device: str = "auto"
    engine: str = "auto"
    least: int = 1  # replicas
    most: int = 2
    cpus: float = 1  # of each replica: so many threads compute a photo
    gpus: float = 0


def build(arguments: Arguments) -> serve.Application:
    """The application."""
    deployment: Any = serve.deployment(Photos)
    scaled = deployment.options(
        ray_actor_options={"num_cpus": arguments.cpus, "num_gpus": arguments.gpus},
        max_ongoing_requests=MOST_REQUESTS,
        autoscaling_config={
            "min_replicas": arguments.least,
            "max_replicas": arguments.most,
            "target_ongoing_requests": BUSY_WITH,
        },
    )
    application: serve.Application = scaled.bind(arguments)
    return application


@dataclass(frozen=True)
class _Question:
    sketch: np.ndarray  # (S, S)
    z: np.ndarray  # (N, Z)
    realism: bool


class Photos:
    """One replica: a Translator."""

    def __init__(self, arguments: Arguments) -> None:
        """Loads the model, which says how many photos go together."""
        give_memory_back()
        self.translator = load(
            arguments.model, models=arguments.models, device=arguments.device, engine=arguments.engine
        )
        together: Any = self._compute
        together.set_max_batch_size(most_at_once(self.translator))
        self._large = ThreadPoolExecutor(1, "large")

    async def __call__(self, request: Request) -> Response:
        """Route a request."""
        match request.method, request.url.path:
            case "GET", "/api/v1/models":
                return JSONResponse({"models": [describe(self.translator.name, self.translator)]})
            case "POST", "/api/v1/translate":
                return await self._translate(request)
        there = "There are POST /api/v1/translate and GET /api/v1/models."
        return _problem(describe_problem(HTTPStatus.NOT_FOUND, there))

    async def _translate(self, request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_UPLOAD_BYTES:
                allowed = f"The request is larger than the {MAX_UPLOAD_BYTES} bytes allowed."
                return _problem(describe_problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, allowed))
        try:
            context = {"translators": {self.translator.name: self.translator}}
            asked = TranslateRequest.model_validate_json(bytes(body), strict=True, context=context)
            seeds, z = choose_latents(self.translator, asked)
            answer = await self._answer_in_time(asked, z)
        except ValidationError as error:
            return _problem(describe_invalid(error))
        except Pix2PixError as error:
            failed = describe_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed on this request.")
            return _problem(describe_known(error) or failed)
        images = [{"seed": seed, **image} for seed, image in zip(seeds, answer.images(), strict=True)]
        return JSONResponse({"model": self.translator.name, "images": images, **answer.circumstances()})

    async def _answer_in_time(self, asked: TranslateRequest, z: np.ndarray) -> Answer:
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._answer(asked, z)
        except TimeoutError:
            raise DeadlineExceeded(f"No answer came within {DEADLINE_S:g} s.") from None

    async def _answer(self, asked: TranslateRequest, z: np.ndarray) -> Answer:
        def fit() -> Any:
            sketch = read_sketch(asked.sketch, WEB_FORMATS)
            bound_answer(sketch.shape, len(z), "variants")
            return fit_sketch(sketch, self.translator.size_px)

        def encode(photo: np.ndarray, overlay: np.ndarray | None) -> dict[str, bytes]:
            file = {"png": encode_png(restore_photo(photo, placement))}
            if asked.realism and overlay is not None:
                file["realism"] = encode_png(restore_overlay(overlay, placement))
            return file

        fitted, placement = await self._work(count_pixels(asked.sketch, WEB_FORMATS), fit)
        rows: Any = await self._compute(_Question(fitted, z, asked.realism))
        if failed := next((row for row in rows if isinstance(row, Exception)), None):
            raise failed
        pixels = placement.height * placement.width
        files = [await self._work(pixels, partial(encode, photo, overlay)) for photo, overlay in rows]
        return Answer(files, z, {})

    async def _work(self, pixels: int, call: Callable[[], T]) -> T:
        """Call in a thread. Large pictures have one in common: memory for 40 megapixels is taken once.

        It is the thread that is waited for, not a lock: who gives up waiting leaves it to what it is at.
        """
        threads = None if pixels <= SMALL_PIXELS else self._large
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    @serve.batch(batch_wait_timeout_s=0.0)
    async def _compute(self, questions: list[_Question]) -> list[list[Any]]:
        """Photo and overlay of each answer to each question, or why there is none."""
        counts = [len(question.z) for question in questions]
        batch = Batch(
            self.translator,
            np.stack([question.sketch for question in questions]),
            np.concatenate([question.z for question in questions]),
            np.repeat(np.arange(len(questions)), counts),
            any(question.realism for question in questions),
        )
        rows = await asyncio.to_thread(batch.translate, np.arange(sum(counts)), most_at_once(self.translator))
        ends = np.cumsum(counts)
        return [rows[end - count : end] for end, count in zip(ends, counts, strict=True)]


def _problem(described: dict[str, Any]) -> Response:
    return JSONResponse(described, described["status"], media_type="application/problem+json")

"""Serves a model on a Ray cluster. Ray batches the requests, and adds replicas as the load grows.

    serve run app.http.ray_serve:build model=shoes most=4

`POST /api/v1/translate` (JSON) and `GET /api/v1/models` are those of `pix2pix serve`; `/-/healthz` is Ray's.
There is no canvas, token or rate limit: docs/scale.md describes what to put in front. Ray reads the
annotation of `build`, so this module cannot use `from __future__ import annotations`.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
from app.http.batcher import DEADLINE_S, SMALL_PIXELS, TranslateJob, translate_jobs
from app.http.generate import Answer, notice_headers, read_and_fit, restore_overlay
from app.http.problems import describe_invalid, describe_known, describe_problem
from app.http.request_models import TranslateRequest
from pix2pix.errors import DeadlineExceeded, Pix2PixError, about
from pix2pix.images.io import WEB, count_pixels, encode_png, fit_hints, read_hints
from pix2pix.inference.enlarge import photo_of_size
from pix2pix.inference.translator import load, max_batch
from pix2pix.memory import return_freed_memory

T = TypeVar("T")

TARGET_REQUESTS = 8  # of each replica; above it, Ray starts another one
MAX_REQUESTS = 64  # of each replica; further ones wait in Ray's proxy


class Arguments(BaseModel):
    """The arguments of `serve run`, as NAME=VALUE."""

    model_config = ConfigDict(extra="forbid")

    model: str = "shoes"
    models: Path | None = None  # folder, on every node
    device: str = "auto"
    engine: str = "auto"
    least: int = 1  # replicas
    most: int = 2
    cpus: float = 1  # of each replica: the threads that compute a photo
    gpus: float = 0


def build(arguments: Arguments) -> serve.Application:
    """Returns the application."""
    deployment: Any = serve.deployment(Photos)
    scaled = deployment.options(
        ray_actor_options={"num_cpus": arguments.cpus, "num_gpus": arguments.gpus},
        max_ongoing_requests=MAX_REQUESTS,
        autoscaling_config={
            "min_replicas": arguments.least,
            "max_replicas": arguments.most,
            "target_ongoing_requests": TARGET_REQUESTS,
        },
    )
    application: serve.Application = scaled.bind(arguments)
    return application


class Photos:
    """A replica."""

    def __init__(self, arguments: Arguments) -> None:
        """Loads the model, and sets the batch size for its device."""
        return_freed_memory()
        self.translator = load(
            arguments.model, models=arguments.models, device=arguments.device, engine=arguments.engine
        )
        compute: Any = self._compute
        compute.set_max_batch_size(max_batch(self.translator))
        self._large = ThreadPoolExecutor(1, "large")

    async def __call__(self, request: Request) -> Response:
        """Answers a request."""
        match request.method, request.url.path:
            case "GET", "/api/v1/models":
                return JSONResponse({"models": [describe(self.translator.name, self.translator)]})
            case "POST", "/api/v1/translate":
                return await self._translate(request)
        detail = "The routes are POST /api/v1/translate and GET /api/v1/models."
        return _problem(describe_problem(HTTPStatus.NOT_FOUND, detail))

    async def _translate(self, request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_UPLOAD_BYTES:
                detail = f"The body is larger than the {MAX_UPLOAD_BYTES} bytes allowed."
                return _problem(describe_problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail))
        try:
            context = {"translators": {self.translator.name: self.translator}}
            payload = TranslateRequest.model_validate_json(bytes(body), strict=True, context=context)
            seeds, z = choose_latents(self.translator, payload)
            answer = await self._answer_in_time(payload, z)
        except ValidationError as error:
            return _problem(describe_invalid(error))
        except Pix2PixError as error:
            failed = describe_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed on this request.")
            return _problem(describe_known(error) or failed)
        images = [{"seed": seed, **image} for seed, image in zip(seeds, answer.images(), strict=True)]
        content = {"model": self.translator.name, "images": images, **answer.about()}
        return JSONResponse(content, headers=notice_headers(answer.notices))

    async def _answer_in_time(self, payload: TranslateRequest, z: np.ndarray) -> Answer:
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._answer(payload, z)
        except TimeoutError:
            raise DeadlineExceeded(f"The request was not finished within {DEADLINE_S:g} s.") from None

    async def _answer(self, payload: TranslateRequest, z: np.ndarray) -> Answer:
        size_px = self.translator.size_px
        fit = partial(read_and_fit, payload.sketch, size_px, len(z), "variants", payload.size)

        def fit_strokes() -> np.ndarray:
            assert payload.hints is not None
            return fit_hints(read_hints(payload.hints, WEB), placement, self.translator.size_px)

        def encode(photo: np.ndarray, overlay: np.ndarray | None) -> dict[str, bytes]:
            file = {"png": encode_png(photo_of_size(photo, placement, payload.size))}
            if payload.realism and overlay is not None:
                file["realism"] = encode_png(restore_overlay(overlay, page))
            return file

        fitted, placement, notices = await self._work(count_pixels(payload.sketch, WEB), fit)
        strokes = None
        if payload.hints is not None:
            with about("hints"):
                strokes = await self._work(count_pixels(payload.hints, WEB), fit_strokes)
        job = TranslateJob(
            self.translator, fitted, z, payload.realism, strokes=strokes, transparent=payload.transparent
        )
        made: Any = await self._compute(job)
        if failure := next((one for one in made if isinstance(one, Exception)), None):
            raise failure
        page = placement.scaled(payload.size)
        pixels = page.height * page.width
        files = [await self._work(pixels, partial(encode, photo, overlay)) for photo, overlay in made]
        return Answer(files, z, {}, notices)

    async def _work(self, pixels: int, call: Callable[[], T]) -> T:
        """Calls a function in a thread. All large pictures share one: only one of them is in memory.

        Not a lock, which a request that is cancelled would release while its picture is still decoded.
        """
        threads = None if pixels <= SMALL_PIXELS else self._large
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    @serve.batch(batch_wait_timeout_s=0.0)
    async def _compute(self, jobs: list[TranslateJob]) -> list[list[Any]]:
        """Photo and overlay of each z of each job, or the exception."""
        made: list[list[Any]] = [[] for _ in jobs]
        for transparent in (False, True):
            at = [i for i, job in enumerate(jobs) if job.transparent == transparent]
            if at:
                together = await asyncio.to_thread(translate_jobs, [jobs[i] for i in at])
                for i, photos in zip(at, together, strict=True):
                    made[i] = photos
        return made


def _problem(described: dict[str, Any]) -> Response:
    return JSONResponse(described, described["status"], media_type="application/problem+json")

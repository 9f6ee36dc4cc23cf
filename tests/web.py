"""Asking the HTTP API as a client does, and reading what comes back."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image


def png(width=40, height=40, mode="L", save_as="PNG"):
    """A filled black square on white paper, in the left half."""
    image = Image.new(mode, (width, height), "white")
    image.paste("black", (2, height // 4, width // 2, 3 * height // 4))
    return encoded(image, save_as)


def encoded(image, save_as="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, save_as, **options)
    return buffer.getvalue()


def b64(data):
    return base64.b64encode(data).decode()


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def picture(image):
    """One of the images of an answer, (H, W, 3) int."""
    return pixels(base64.b64decode(image["png"])).astype(int)


def photos(body):
    """All images of an answer, (N, H, W, 3) int."""
    return np.stack([picture(image) for image in body["images"]])


def translate(client, **body):
    return client.post("/api/v1/translate", json={"sketch": b64(png()), **body})


def assert_problem(response, status):
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= response.json.keys()
    assert response.json["status"] == status
    assert response.json["request_id"] == response.headers["X-Request-ID"]
    return response.json

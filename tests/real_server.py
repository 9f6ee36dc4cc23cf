"""A real server in a process of its own, with a model that takes its time, and raw connections to it."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from web import b64, png

# A server whose only model takes a while, and whose patience is short.
SERVE = """
import json, os, sys, time
import numpy as np
from app.http import create_app
from app.http import serving
from pix2pix.model import latents

class Slow:
    name, title, device, size_px, latent_size = "slow", "Slow", "cpu", 32, 4
    encodes, judges, takes_strokes, directions, palette = False, False, False, (), ()
    latent = staticmethod(lambda seed: latents.draw(seed, 4))

    def translate_batch(self, sketches, z, sketch_of, strokes=None, *, transparent=False):
        time.sleep(float(sys.argv[1]))
        exec(sys.argv[3])
        return np.zeros((len(z), 32, 32, 3), np.uint8)

serving.REQUEST_TIMEOUT_S = 1.0
app, drain_s = create_app({"slow": Slow()}, **json.loads(sys.argv[4])), float(sys.argv[2])
serving.listen(app, "127.0.0.1", 0, lambda url: print(url, flush=True), drain_s=drain_s)
"""


@contextmanager
def server(
    takes_s: float = 0.0, drain_s: float = 10.0, fails: str = "pass", **options: object
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server whose photos take `takes_s`; `fails` is a statement that the model runs before each batch;
    `options` are those of `create_app`."""
    arguments = [sys.executable, "-c", SERVE, str(takes_s), str(drain_s), fails, json.dumps(options)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def ask(
    url: str, path: str = "api/v1/translate", body: dict | None = None, **headers: str
) -> tuple[int, bytes]:
    body = {"sketch": b64(png())} if path.endswith("translate") and body is None else body
    data = json.dumps(body).encode() if body else None
    all_headers = {"Content-Type": "application/json", **headers}
    try:
        with urlopen(Request(url + path, data, all_headers), timeout=20) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


def head(length: int) -> bytes:
    lines = ["POST /api/v1/translate HTTP/1.1", "Host: x", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {length}", "\r\n"]).encode()


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    return socket.create_connection((host, int(port)))

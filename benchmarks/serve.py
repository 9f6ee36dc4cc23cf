"""Measures the server with many browsers, against a plain Flask route that calls the model under a lock.

    python benchmarks/serve.py [--clients 1,8,32,128] [--seconds 15] [--think 0.1] [--requests 0]

Each browser sends one of the project's sketches over loopback, receives its photo, waits `--think` seconds (a
single browser does not wait), and sends the next. After a refusal it waits as `Retry-After` says. All servers
run the same bundle in a process of their own, on all cores: the plain route with PyTorch, and with the
server's engine. "bare" is the model alone with that engine, one photo after the other. `--requests N` sends N
requests with the largest number of clients, and prints the memory in between.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import click
import numpy as np

SKETCHES = sorted((Path(__file__).parents[1] / "docs" / "sketches").rglob("*.png"))

PLAIN = """
import base64, io, sys, threading
import pix2pix
from flask import Flask, request
from waitress import serve
from pix2pix.images.io import encode_png
import numpy as np

app, model, lock = Flask("plain"), pix2pix.load("shoes", engine=sys.argv[1]), threading.Lock()

@app.post("/api/v1/translate")
def translate():
    file = io.BytesIO(base64.b64decode(request.get_json()["sketch"]))
    with lock:
        photo = model.translate(file, seed=request.get_json()["seed"])
    return {"images": [{"png": base64.b64encode(encode_png(np.asarray(photo))).decode()}]}

print("http://127.0.0.1:8765/", flush=True)
serve(app, host="127.0.0.1", port=8765, threads=8)
"""
OURS = [
    str(Path(sys.executable).parent / "pix2pix"),
    "serve",
    "--port",
    "8766",
    "--rate",
    "100000 per second",
]


WIDTHS = (8, 8, 8, 9, 9, 7, 8)


class Tally:
    """What all clients saw."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.lock, self.latencies, self.turned_away, self.failed = threading.Lock(), list[float](), 0, 0

    def ask(self, connection: HTTPConnection, body: bytes) -> float:
        """Ask once; how long to wait before the next."""
        began = time.perf_counter()
        connection.request("POST", "/api/v1/translate", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        took = time.perf_counter() - began
        with self.lock:
            if answer.status == 200 and len(json.loads(content)["images"]) == 1:
                self.latencies.append(took)
                return 0.0
            if answer.status == 503:
                self.turned_away += 1
                return float(answer.headers["Retry-After"])
            self.failed += 1
            return 0.0


@contextmanager
def served(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server, once it answers."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                Tally().ask(HTTPConnection("127.0.0.1", port, timeout=60), question(0))
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def question(seed: int) -> bytes:
    """One sketch, one seed."""
    sketch = base64.b64encode(SKETCHES[seed % len(SKETCHES)].read_bytes()).decode()
    return json.dumps({"sketch": sketch, "seed": seed}).encode()


def load(
    port: int, clients: int, think_s: float, *, seconds: float = 0.0, requests: int = 0
) -> tuple[Tally, float]:
    """Let browsers draw, for some time or until so many requests were made; the tally and the seconds."""
    tally, began, asked = Tally(), time.perf_counter(), iter(range(requests or 10**9))

    def draw(i: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=120)
        for n in asked:
            if seconds and time.perf_counter() - began > seconds:
                return
            time.sleep(tally.ask(connection, question(i + n)) or think_s)

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally, time.perf_counter() - began


def resident_mib(process: subprocess.Popen[bytes]) -> float:
    """Memory that a process holds now."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def bare_ms(repeats: int = 40) -> float:
    """Median milliseconds of the model alone."""
    import pix2pix

    model = pix2pix.load("shoes")
    page, z = np.full((1, model.size_px, model.size_px), 255, np.uint8), model.latent(1)[None]
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        model.translate_batch(page, z)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times[5:]))


def row(name: str, clients: int, tally: Tally, took: float, process: subprocess.Popen[bytes]) -> str:
    """A line of the table."""
    p50, p95, p99 = np.percentile(np.array(tally.latencies) * 1000, (50, 95, 99))
    return (
        f"{name:18} {clients:7} {p50:8.0f} {p95:8.0f} {p99:8.0f} {len(tally.latencies) / took:9.1f} "
        f"{tally.turned_away:9} {tally.failed:7} {resident_mib(process):8.0f}"
    )


@click.command(help=__doc__)
@click.option("--clients", default="1,8,32,128", show_default=True, help="Numbers of browsers.")
@click.option("--seconds", default=15.0, show_default=True, help="Time of each row.")
@click.option(
    "--think", default=0.1, show_default=True, help="Seconds between an answer and the next question."
)
@click.option("--requests", default=0, show_default=True, help="Soak with so many requests instead.")
def main(clients: str, seconds: float, think: float, requests: int) -> None:
    """Print a table."""
    counts = [int(count) for count in clients.split(",")]
    if requests:
        with served(OURS, 8766) as process:
            print(f"{'requests':>9} {'answered':>9} {'failed':>7} {'MiB':>6}")
            for part in range(10):
                tally, _ = load(8766, counts[-1], 0.0, requests=requests // 10)
                row = f"{(part + 1) * (requests // 10):9} {len(tally.latencies):9} {tally.failed:7}"
                print(f"{row} {resident_mib(process):6.0f}", flush=True)
        return
    print(f"bare inference: {bare_ms():.1f} ms")
    columns = ("clients", "p50 ms", "p95 ms", "p99 ms", "photos/s", "503", "failed", "MiB")
    print(
        f"{'':18} {columns[0]:>7} " + " ".join(f"{c:>{w}}" for c, w in zip(columns[1:], WIDTHS, strict=True))
    )
    plain = [sys.executable, "-c", PLAIN]
    servers = (
        ("plain, PyTorch", [*plain, "torch"], 8765),
        ("plain, same engine", [*plain, "auto"], 8765),
        ("pix2pix serve", OURS, 8766),
    )
    for name, command, port in servers:
        with served(command, port) as process:
            for count in counts:
                tally, took = load(port, count, think if count > 1 else 0.0, seconds=seconds)
                print(row(name, count, tally, took, process), flush=True)


if __name__ == "__main__":
    main()

"""Measures a photo's time in the browser, with several threads and with one, and on the server.

    ./scripts/browser-engine
    python benchmarks/browser.py [--times 30]

Chromium translates as the canvas does: a drawing goes in as PNG, photos come out as PNG. Sizes are those of
the transferred data.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask
from playwright.sync_api import Page, sync_playwright
from waitress import create_server, wasyncore

import pix2pix
from app.http import create_app

DRAWINGS = {"a shoe across the page": 1.0, "one on a quarter of its width": 0.25}  # and their scale

# Medians in ms, after three that do not count.
MEASURE = """async ({ scale, times, threads }) => {
  const { Client } = await import("/static/js/client.js");
  const { Device } = await import("/static/js/device/device.js");
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 256;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, 256, 256);
  context.scale(scale, scale);
  context.lineWidth = 2 / scale;
  context.stroke(new Path2D("M23 110L31 138L23 169L77 187L230 184L225 156L154 128L118 92L87 105L46 102Z"));
  const [client, question] = [new Client(), { model: "shoes", sketch: canvas.toDataURL() }];
  const known = new Map();
  const device = new Device(async (model, seed) => {
    if (!known.has(seed)) known.set(seed, await client.z(model, seed));
    return known.get(seed);
  }, { threads });
  const [model] = await client.models();
  const began = performance.now();
  await device.load(model, 0, () => {});
  const found = { ready: performance.now() - began };
  for (const count of [1, 4]) {
    for (const [name, who] of Object.entries({ device, server: client })) {
      const latents = Array.from({ length: count }, (_, seed) => ({ seed }));
      const took = [];
      for (let i = -3; i < times; i++) {
        const { elapsedMs } = await who.translate({ ...question, latents });
        if (i >= 0) took.push(elapsedMs);
      }
      found[`${name} x${count}`] = took.sort((a, b) => a - b)[times >> 1];
      found[`${name} x${count}, quickest`] = took[0];
    }
  }
  device.close();
  return found;
}"""


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The app's address; the server is gone once the block ends."""
    server = create_server(app, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}/"
    finally:
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
        thread.join()
        server.task_dispatcher.shutdown()


def tell_sizes(app: Flask) -> None:
    """What a browser that takes brotli or gzip receives."""
    vendor = "/static/vendor/onnxruntime-web/"
    scripts = ("device", "worker", "slerp")
    paths = [f"/static/js/device/{name}.js" for name in scripts] + [
        f"{vendor}{name}" for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
    ]
    for how in ("identity", "gzip, deflate", "br"):
        client = app.test_client()
        sizes = {path: len(client.get(path, headers={"Accept-Encoding": how}).data) for path in paths}
        own = sum(size for path, size in sizes.items() if vendor not in path)
        engine = sum(size for path, size in sizes.items() if vendor in path)
        print(f"  {how}: own modules {own:,} bytes, engine {engine:,}")
    print(f"  model: {len(client.get('/api/v1/models/shoes.onnx').data):,}")


def measure(page: Page, url: str, times: int) -> None:
    """Print what was found, a line a drawing and number of threads."""
    for threads in (1, 2, 4):
        for drawing, scale in DRAWINGS.items():
            page.goto(url)
            found = page.evaluate(MEASURE, {"scale": scale, "times": times, "threads": threads})
            times = ", ".join(f"{name} {value:.0f}" for name, value in found.items())
            print(f"{drawing}, threads {threads}: {times}")


@click.command(help=__doc__)
@click.option("--times", default=30, show_default=True, help="Photos of which the median is taken.")
def main(times: int) -> None:
    """Measure both ways."""
    logging.getLogger("waitress").setLevel(logging.ERROR)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        app = create_app({"shoes": pix2pix.load("shoes")})
        with serving(app) as url:
            measure(browser.new_page(), url, times)
    tell_sizes(app)


if __name__ == "__main__":
    main()

"""Makes the pictures of README.md and docs/ that show the shipped models and the canvas.

    python benchmarks/pictures.py

Overwrites files in docs/images. Nothing is selected: the photos of the first picture have the seeds that the
canvas starts with, which differ clearly.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from browser import serving
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

import pix2pix
from app.http import create_app
from pix2pix.images.framing import UInt8, resized
from pix2pix.images.io import read_sketch
from pix2pix.inference.translator import Translator
from pix2pix.model import latents

DOCS = Path(__file__).parents[1] / "docs"
SKETCHES = {"shoes": ("boot", "pump", "sneaker"), "handbags": ("satchel", "tote")}
LARGE_PX, SMALL_PX = 224, 160


def main() -> None:
    """Draw all pictures."""
    translators = {name: pix2pix.load(name) for name in SKETCHES}
    drawings = [
        (translators[name], DOCS / "sketches" / name / f"{file}.png")
        for name in SKETCHES
        for file in SKETCHES[name]
    ]
    server = create_app(translators).test_client()
    seeds = {
        model: server.post("/api/v1/seeds", json={"model": name, "seed": 0, "count": 4}).get_json()["seeds"]
        for name, model in translators.items()
    }
    columns = [
        _tiles([_sketch(path), *_photos(model, path, seeds[model][:3])], LARGE_PX) for model, path in drawings
    ]
    _save("sketches-and-photos", np.concatenate([np.concatenate(column) for column in columns], 1))

    rows = [
        np.concatenate(_tiles([_sketch(path), *_photos(model, path, range(4))], SMALL_PX), 1)
        for model, path in drawings
    ]
    boot, _, sneaker, satchel, tote = rows
    _save(
        "four-answers",
        np.concatenate([np.concatenate([boot, satchel], 1), np.concatenate([sneaker, tote], 1)]),
    )

    walks = []
    for model, path in (drawings[2], drawings[3]):
        between = latents.walk([model.latent(3), model.latent(5)], 10)
        photos = model.translate_many(path, np.stack(list(between)))
        walks.append(np.concatenate(_tiles([np.asarray(photo) for photo in photos], SMALL_PX), 1))
    _save("morph", np.concatenate(walks))

    with serving(create_app(translators)) as url, _chromium() as browser:
        _canvas(browser, url, "canvas", "Boot", width=1280, height=900)
        _canvas(browser, url, "canvas-dark", "Boot", width=1280, height=900, scheme="dark")
        _canvas(browser, url, "canvas-phone", "Boot", width=390, height=844)
        _canvas(browser, url, "canvas-colours", "Sneaker", width=1280, height=900, palette=True)


def _photos(model: Translator, path: Path, seeds: range | list[int]) -> list[UInt8]:
    return [
        np.asarray(photo) for photo in model.translate_many(path, np.stack([model.latent(s) for s in seeds]))
    ]


def _sketch(path: Path) -> UInt8:
    return np.repeat(read_sketch(path)[..., None], 3, axis=2)


def _tiles(pictures: list[UInt8], side_px: int) -> list[UInt8]:
    return [resized(np.ascontiguousarray(picture), (side_px, side_px)) for picture in pictures]


def _save(name: str, picture: UInt8) -> None:
    Image.fromarray(picture).save(DOCS / "images" / f"{name}.png")


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        yield playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)


def _canvas(
    browser: Browser,
    url: str,
    name: str,
    example: str,
    *,
    width: int,
    height: int,
    scheme: str = "light",
    palette: bool = False,
) -> None:
    """Save the page with an example and a kept result."""
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(url)
    page.locator("#examples").get_by_role("button", name=example).click()
    _wait(page)
    page.locator("#keep").click()
    if palette:
        page.locator("#colours").click()
    page.mouse.move(2, 2)
    page.screenshot(path=DOCS / "images" / f"{name}.png")
    page.close()


def _wait(page: Page) -> None:
    expect(page.locator("#status")).to_have_attribute("data-state", "ready", timeout=30_000)
    expect(page.locator("#sharp")).to_be_visible(timeout=30_000)  # it comes last


if __name__ == "__main__":
    main()

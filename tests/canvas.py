"""Drawing on the canvas page: a real Chromium, the real app, small untrained models, the shipped shoes."""

from __future__ import annotations

import base64
import io
import re
import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import LITERAL, TINY, save_critic, save_untrained
from PIL import Image, ImageDraw
from playwright.sync_api import expect, sync_playwright
from waitress import create_server, wasyncore

import pix2pix
from app.http import create_app
from pix2pix.model.bundle import Direction

HERE = Path(__file__).parent
ARTIFACTS = HERE / "artifacts"
# the first, a Chromium without windows, opens a page in half the time
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)

# a sneaker from the side, in fractions of the canvas
OUTLINE = [
    (0.09, 0.43), (0.12, 0.54), (0.09, 0.66), (0.10, 0.72), (0.30, 0.73), (0.50, 0.72), (0.72, 0.73),
    (0.90, 0.72), (0.92, 0.66), (0.88, 0.61), (0.78, 0.58), (0.68, 0.55), (0.60, 0.50), (0.52, 0.43),
    (0.46, 0.36), (0.40, 0.35), (0.34, 0.41), (0.26, 0.42), (0.18, 0.40), (0.13, 0.38), (0.09, 0.43),
]  # fmt: skip
SOLE = [(0.10, 0.67), (0.35, 0.68), (0.60, 0.67), (0.91, 0.68)]
SCRIBBLE = [(0.20, 0.50), (0.70, 0.63), (0.25, 0.60), (0.60, 0.55), (0.30, 0.45), (0.50, 0.65)]

AS_LARGE_AS_THE_PAGE = replace(TINY, size_px=256, widths=(8, 8, 8, 8, 8))
COLOURS = ("#282221", "#ede6e0")
DIRECTIONS = (
    Direction(vector=(1.0, 0.0, 0.0, 0.0), attribute="lightness", effect=1.5, share=0.5, colours=COLOURS),
    Direction(vector=(0.0, 0.6, 0.0, 0.8), attribute="hue", effect=0.7, share=0.2),
)
PALETTE = ("#070606", "#981a29", "#8e5b4a", "#a0522d", "#f6f5f3")


@pytest.fixture(scope="session")
def translators(tmp_path_factory):
    """`shoes`, the default, and `shipped` have the page's size; `shipped` is the only trained model.

    `player` reads photos, has directions and a palette, `critic` judges, `literal` and `single` have one
    answer.
    """
    models = tmp_path_factory.mktemp("models")
    bundles = [
        save_untrained(models / "shoes.safetensors", AS_LARGE_AS_THE_PAGE, title="Shoes"),
        save_untrained(models / "literal.safetensors", LITERAL),
        save_untrained(models / "player.safetensors", TINY, directions=DIRECTIONS, palette=PALETTE),
        save_untrained(models / "single.safetensors", LITERAL, title="Single"),
        save_critic(models / "critic.safetensors", TINY),
    ]
    return {**{path.stem: pix2pix.load(path) for path in bundles}, "shipped": pix2pix.load("shoes")}


@contextmanager
def serving(translators, **options):
    """A server's address, with `options` of `create_app`; it is gone once the block ends."""
    # a model fits into memory: waitress leaves what it spools on disk to the garbage collector, which warns
    server = create_server(
        create_app(translators, **options), host="127.0.0.1", port=0, outbuf_overflow=2**25
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.effective_port}/"
    finally:
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
        thread.join()
        server.task_dispatcher.shutdown()


@pytest.fixture(scope="module")
def url(translators):
    with serving(translators) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.fail("Chromium is not installed. On Debian: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        # without the web pages of the address bar, which Chromium would load beside each page
        features = "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup"
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", features]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, url):
    """Open the canvas in a fresh window; whatever the page complains about fails the test."""
    contexts, complaints = [], []

    def open_page(link="", **window):
        contexts.append(browser.new_context(**{"reduced_motion": "reduce", **window}))
        page = contexts[-1].new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url + link)
        expect(page.locator("#model")).to_be_enabled()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page):
    return open_page(viewport={"width": 1280, "height": 800})


@pytest.fixture
def play(page):
    """A page with a drawing, and the model that reads photos and has directions."""
    page.locator("#model").select_option("player")
    draw(page, OUTLINE)
    photo(page)
    return page


def path_on_canvas(page, corners):
    """The corners in page coordinates."""
    box = page.locator("#sketch").bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]


def draw(page, corners):
    first, *rest = path_on_canvas(page, corners)
    page.mouse.move(*first)
    page.mouse.down()
    for point in rest:
        page.mouse.move(*point)
    page.mouse.up()


def set_seed(page, seed):
    page.locator("#seed").fill(str(seed))
    page.locator("#seed").press("Enter")


def photo(page):
    """Wait until the photo belongs to the drawing as it is; return its pixels (256, 256, 3)."""
    expect(page.locator("#status")).to_have_attribute("data-state", "ready", timeout=30_000)
    expect(page.locator("#picture")).to_be_visible()
    return pixels(page.locator("#picture"))


def pixels(image):
    """Of an <img> that shows a data: URL, (H, W, 3)."""
    data = base64.b64decode(image.get_attribute("src").partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)), dtype=float)


def answers(page):
    """Wait as `photo` does; return the pixels of the four small pictures."""
    photo(page)
    return [pixels(image) for image in page.locator(".answer .picture").all()]


def seeds_of(page):
    """The seeds of the answers, as screen readers say them."""
    names = page.locator(".answer input").evaluate_all("(inputs) => inputs.map((input) => input.ariaLabel)")
    return [int(re.search(r"seed (\d+)", name)[1]) for name in names]


def inside_outline():
    mask = Image.new("1", (256, 256))
    ImageDraw.Draw(mask).polygon([(x * 256, y * 256) for x, y in OUTLINE], fill=1)
    return np.asarray(mask)


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def translated(page, act):
    """What the page asked for and what it was told, after `act`, once the photo is up to date."""
    with page.expect_response(lambda response: follows_pen(response.request)) as answered:
        act()
    photo(page)
    return answered.value.request.post_data_json, answered.value.json()


def follows_pen(request):
    """Whether a request asks for photos, and not for the sharp copy of one."""
    return request.url.endswith("/translate") and "size" not in request.post_data_json


def latents_asked(page, act):
    """What answers the page asked for after `act`."""
    return translated(page, act)[0]["latents"]


def alike(a, b):
    """The same picture: in batches of different sizes sums are rounded differently, by one of 255 at most."""
    return np.abs(a - b).max() <= 1


def drop(page, target, image):
    """Drop a picture on an element, as from a folder."""
    transfer = transfer_of(page, image)
    for event in ("dragover", "drop"):
        page.locator(target).dispatch_event(event, {"dataTransfer": transfer})


def paste(page, target, image, text=""):
    """Paste a picture, and text with it, where an element has the focus."""
    page.locator(target).evaluate(
        """(element, [transfer, text]) => {
          if (text) transfer.setData("text/plain", text);
          element.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true }));
        }""",
        [transfer_of(page, image), text],
    )


def transfer_of(page, image):
    """What a browser gives to events for a picture that is dropped or pasted."""
    return page.evaluate_handle(
        """(base64) => {
          const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
          return transfer;
        }""",
        base64.b64encode(png(image)).decode(),
    )

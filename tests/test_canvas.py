"""The canvas page in a real Chromium, against the real app, the shipped shoes, and small untrained models."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LITERAL, TINY, make_generator, make_header, save_untrained
from PIL import Image, ImageDraw
from playwright.sync_api import expect, sync_playwright
from waitress import create_server, wasyncore

import pix2pix
from app import create_app
from pix2pix.bundle import save_bundle

HERE = Path(__file__).parent
ARTIFACTS = HERE / "artifacts"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
STEPS = 6  # mouse moves from one corner to the next

# a sneaker from the side, in fractions of the canvas
OUTLINE = [
    (0.09, 0.43), (0.12, 0.54), (0.09, 0.66), (0.10, 0.72), (0.30, 0.73), (0.50, 0.72), (0.72, 0.73),
    (0.90, 0.72), (0.92, 0.66), (0.88, 0.61), (0.78, 0.58), (0.68, 0.55), (0.60, 0.50), (0.52, 0.43),
    (0.46, 0.36), (0.40, 0.35), (0.34, 0.41), (0.26, 0.42), (0.18, 0.40), (0.13, 0.38), (0.09, 0.43),
]  # fmt: skip
SOLE = [(0.10, 0.67), (0.35, 0.68), (0.60, 0.67), (0.91, 0.68)]
SCRIBBLE = [(0.20, 0.50), (0.70, 0.63), (0.25, 0.60), (0.60, 0.55), (0.30, 0.45), (0.50, 0.65)]


def save_reader(path):
    """A model that takes looseness, and takes most sketches for careful ones."""
    reader = make_generator(TINY)
    with torch.no_grad():
        reader.guess.layers[-1].bias.fill_(-1.5)
    save_bundle(path, reader.state_dict(), make_header(TINY))
    return path


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    reader = save_reader(models / "reader.safetensors")
    literal = save_untrained(models / "literal.safetensors", LITERAL)
    loaded = {"shoes": "shoes", "reader": reader, "literal": literal}
    translators = {name: pix2pix.load(path) for name, path in loaded.items()}
    server = create_server(create_app(translators), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}/"
    server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
    thread.join()
    server.task_dispatcher.shutdown()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.fail("Chromium is not installed. On Debian or Ubuntu: apt-get install chromium")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, url):
    """Open the canvas in a fresh window; whatever the page complains about fails the test."""
    contexts, complaints = [], []

    def open_page(**window):
        contexts.append(browser.new_context(**window))
        page = contexts[-1].new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        expect(page.locator("#model")).to_be_enabled()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page):
    return open_page(viewport={"width": 1280, "height": 800})


def path_on_canvas(page, corners):
    """Many points along `corners`, in page coordinates."""
    box = page.locator("#sketch").bounding_box()
    corners = np.array(corners) * [box["width"], box["height"]] + [box["x"], box["y"]]
    legs = [np.linspace(a, b, STEPS, endpoint=False) for a, b in pairwise(corners)]
    return [(float(x), float(y)) for x, y in np.concatenate([*legs, corners[-1:]])]


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
    expect(page.locator("#photo img")).to_be_visible()
    data = base64.b64decode(page.locator("#photo img").get_attribute("src").partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)), dtype=float)


def inside_outline():
    mask = Image.new("1", (256, 256))
    ImageDraw.Draw(mask).polygon([(x * 256, y * 256) for x, y in OUTLINE], fill=1)
    return np.asarray(mask)


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_drawing_a_shoe_shows_a_photo_that_follows_the_drawing(page):
    expect(page.locator("#hint")).to_be_visible()
    draw(page, OUTLINE)
    first = photo(page)
    assert first.shape == (256, 256, 3)
    assert first[inside_outline()].std() > 8, "the photo is blank inside the outline"
    corners = [first[:24, :24], first[:24, -24:], first[-24:, :24], first[-24:, -24:]]
    assert min(corner.mean() for corner in corners) > 235, "the background should stay white"
    assert first[inside_outline()].mean() < first[~inside_outline()].mean() - 25, "the shoe should stand out"
    draw(page, SOLE)
    with_sole = photo(page)

    page.locator("#width").fill("12")
    draw(page, SCRIBBLE)
    scribbled = photo(page)
    assert np.abs(scribbled - with_sole).mean() > 1, "a big stroke changed nothing"

    page.locator("#undo").click()
    assert np.array_equal(photo(page), with_sole)
    page.keyboard.press("Control+z")
    assert np.array_equal(photo(page), first)
    page.keyboard.press("Control+Shift+z")
    assert np.array_equal(photo(page), with_sole)
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "canvas.png")


def test_another_seed_makes_another_photo_and_the_old_seed_the_old_one(page):
    draw(page, OUTLINE)
    first = photo(page)
    page.locator("#reroll").click()
    expect(page.locator("#seed")).not_to_have_value("0")
    assert not np.array_equal(photo(page), first)
    set_seed(page, 0)
    assert np.array_equal(photo(page), first)


def test_clear_goes_back_to_the_hint_and_can_be_undone(page):
    draw(page, OUTLINE)
    before = photo(page)
    page.locator("#clear").click()
    expect(page.locator("#status")).to_have_attribute("data-state", "empty")
    expect(page.locator("#photo img")).to_be_hidden()
    expect(page.locator("#hint")).to_be_visible()
    page.locator("#undo").click()
    assert np.array_equal(photo(page), before)


def test_erasing_everything_asks_for_no_photo(page):
    draw(page, [(0.5, 0.5), (0.6, 0.5)])
    photo(page)
    page.keyboard.press("e")
    expect(page.locator("#eraser")).to_have_attribute("aria-pressed", "true")
    draw(page, [(0.45, 0.5), (0.65, 0.5)])
    expect(page.locator("#status")).to_have_attribute("data-state", "empty")
    page.keyboard.press("b")
    page.keyboard.press("]")
    expect(page.locator("#width")).to_have_value("3")


def test_a_white_on_black_picture_opens_as_a_sketch(page):
    chalk = Image.new("RGB", (400, 300), "black")
    ImageDraw.Draw(chalk).line([(x * 400, y * 300) for x, y in OUTLINE], fill="white", width=4)
    page.locator("#file").set_input_files(
        {"name": "chalk.png", "mimeType": "image/png", "buffer": png(chalk)}
    )
    photo(page)
    shown = np.asarray(Image.open(io.BytesIO(page.locator("#sketch").screenshot())).convert("L"))
    assert np.median(shown) > 250 and shown.min() < 60, "the canvas should show dark lines on white paper"
    page.locator("#undo").click()
    expect(page.locator("#hint")).to_be_visible()


def test_save_downloads_the_photo(page):
    draw(page, OUTLINE)
    shown = photo(page)
    with page.expect_download() as download:
        page.locator("#save").click()
    assert download.value.suggested_filename == "shoes-seed-0.png"
    assert np.array_equal(np.asarray(Image.open(download.value.path())), shown)


def test_every_control_has_a_name(page):
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('button, input, select')].filter((control) =>"
        " !control.ariaLabel && !control.labels?.[0]?.textContent.trim() && !control.textContent.trim())"
        ".map((control) => control.outerHTML)"
    )
    assert nameless == []


def translated(page, act):
    """What the page asked for and what it was told, after `act`, once the photo is up to date."""
    with page.expect_response("**/api/v1/translate") as answered:
        act()
    photo(page)
    return answered.value.request.post_data_json, answered.value.json()


def test_looseness_is_the_models_until_somebody_says_and_again_when_asked(page):
    slider, auto = page.locator("#loose"), page.locator("#auto")
    page.locator("#model").select_option("reader")
    expect(auto).to_have_attribute("aria-pressed", "true")
    draw(page, OUTLINE)
    photo(page)
    asked, told = translated(page, lambda: set_seed(page, 7))
    guessed = photo(page)
    assert asked["loose"] is None and told["loose_guessed"] is True and told["loose"] < 0.4
    shown = float(slider.input_value())
    assert shown == pytest.approx(told["loose"], abs=0.025 + 1e-6)
    expect(slider).to_have_attribute("aria-valuetext", f"auto, {shown:g}")

    asked, told = translated(page, lambda: slider.fill("0.85"))
    assert (asked["loose"], told["loose"], told["loose_guessed"]) == (0.85, 0.85, False)
    expect(auto).to_have_attribute("aria-pressed", "false")
    expect(slider).to_have_value("0.85")
    expect(slider).to_have_attribute("aria-valuetext", "0.85")
    assert not np.array_equal(photo(page), guessed)

    asked, _ = translated(page, lambda: auto.click())
    assert asked["loose"] is None
    expect(auto).to_have_attribute("aria-pressed", "true")
    expect(slider).to_have_value(f"{shown:g}")
    assert np.array_equal(photo(page), guessed)


def test_looseness_works_from_the_keyboard(page):
    page.locator("#model").select_option("reader")
    draw(page, OUTLINE)
    photo(page)
    page.locator("#auto").focus()
    asked, _ = translated(page, lambda: page.keyboard.press("Space"))
    shown = float(page.locator("#loose").input_value())
    assert asked["loose"] == shown, "leaving auto keeps what was shown"
    page.keyboard.press("Tab")
    asked, _ = translated(page, lambda: page.keyboard.press("ArrowRight"))
    assert asked["loose"] == pytest.approx(shown + 0.05)
    slider = page.get_by_role("slider", name="Follow my lines or Fix them")
    expect(slider).to_be_focused()
    page.keyboard.press("b")
    expect(page.locator("#brush")).to_have_attribute("aria-pressed", "true")


def test_a_model_without_looseness_offers_none_and_the_paper_stays_where_it_is(page):
    page.locator("#model").select_option("reader")
    expect(page.locator("#looseness")).to_be_visible()
    place = page.locator("#sketch").bounding_box()
    page.locator("#loose").fill("0.6")
    page.locator("#model").select_option("literal")
    expect(page.locator("#looseness")).to_be_hidden()
    assert page.locator("#sketch").bounding_box() == place
    draw(page, OUTLINE)
    photo(page)
    asked, told = translated(page, lambda: set_seed(page, 7))
    assert (asked["loose"], told["loose"]) == (None, None)
    asked, _ = translated(page, lambda: page.locator("#model").select_option("reader"))
    assert asked["loose"] == 0.6, "what somebody said holds for the next model that listens"


def test_a_finger_draws_on_a_phone_and_the_page_stays_still(open_page):
    page = open_page(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, has_touch=True, is_mobile=True
    )
    finger = page.context.new_cdp_session(page)

    def touch(kind, *points):
        touches = [{"x": x, "y": y} for x, y in points]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    first, *rest = path_on_canvas(page, OUTLINE)
    touch("touchStart", first)
    for point in rest:
        touch("touchMove", point)
    touch("touchEnd")
    assert photo(page)[inside_outline()].std() > 8
    assert page.evaluate("[scrollX, scrollY]") == [0, 0]
    page.locator("#model").select_option("reader")
    slider = page.locator("#loose").bounding_box()
    page.touchscreen.tap(slider["x"] + 0.75 * slider["width"], slider["y"] + slider["height"] / 2)
    expect(page.locator("#auto")).to_have_attribute("aria-pressed", "false")
    assert 0.6 <= float(page.locator("#loose").input_value()) <= 0.9
    assert page.evaluate("[scrollX, scrollY]") == [0, 0]
    page.locator("#model").select_option("shoes")
    photo(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the page is wider than the phone"
    )
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "canvas-phone.png")


@pytest.mark.skipif(shutil.which("node") is None, reason="the JavaScript unit tests need node 20 or later")
def test_the_javascript_unit_tests_pass():
    files = sorted(str(file) for file in (HERE / "js").glob("*.test.js"))
    run = subprocess.run(["node", "--test", *files], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr

"""Drawing without the server: the browser frames a drawing once; both routes make the same photos of it."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from canvas import ARTIFACTS, HERE, OUTLINE, SCRIBBLE, SOLE, answers, draw, photo, serving, set_seed
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from app.http import ENGINE
from pix2pix.images import ink
from pix2pix.images.framing import padded_square
from pix2pix.images.io import fit_sketch, read_sketch
from pix2pix.model import latents

PAGE_PX = 256
TOLERANCE = 1  # level of 255: the two engines sum in another order

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node 20 or later")
HERE_NOW = re.compile(r"^\d+ ms · this device$")
SMALL = [(0.4, 0.4), (0.6, 0.42), (0.5, 0.6)]
DOT = [(0.7, 0.2), (0.702, 0.2)]


# ------------------------------------------------------------------------------------------- framing, in node


def pages() -> list[np.ndarray]:
    """Drawings of every size, place, width and grey, small and filled; a dot, a corner, none, no paper."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(40):
        page = Image.new("L", (4 * PAGE_PX, 4 * PAGE_PX), 255)
        pen = ImageDraw.Draw(page)
        centre, reach = rng.uniform(0, 4 * PAGE_PX, 2), rng.choice([20, 60, 120, 200, 300, 500])
        corners = [tuple(corner) for corner in rng.normal(centre, reach / 1.5, (rng.integers(2, 12), 2))]
        pen.line(corners, fill=int(rng.choice([0, 0, 0, 60, 140])), width=int(rng.choice([1, 4, 8, 30, 100])))
        if rng.random() < 0.3:
            pen.ellipse([*(centre - reach), *(centre + reach)], fill=int(rng.choice([0, 30, 200])))
        drawn.append(np.asarray(page.resize((PAGE_PX, PAGE_PX), Image.Resampling.BOX)))
    blank = np.full((PAGE_PX, PAGE_PX), 255, np.uint8)
    dot, corner = blank.copy(), blank.copy()
    dot[3, 5] = corner[250:, 250:] = 0
    shaded = np.tile(np.linspace(60, 200, PAGE_PX).astype(np.uint8), (PAGE_PX, 1))
    return [*drawn, blank, dot, corner, shaded]


def b64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array)).decode()


def compute(**requests: list) -> dict:
    run = subprocess.run(
        ["node", str(HERE / "js" / "device" / "compute.js")],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@needs_node
def test_a_page_that_the_browser_cleaned_passes_the_server_unchanged() -> None:
    """Paper that is nearly covered with ink is left out: the server takes it for a photographed page."""
    drawn = [page for page in pages() if ink._is_flat(page, ink._paper_colour(page))]
    found = compute(pages=[{"page": b64(page), "size": PAGE_PX} for page in drawn])["pages"]
    whole = padded_square(PAGE_PX, PAGE_PX)
    kinds = set()
    for page, framed in zip(drawn, found, strict=True):
        clean = np.frombuffer(base64.b64decode(framed["sketch"]), np.uint8).reshape(page.shape)
        assert np.array_equal(read_sketch(clean), clean)
        fitted, placement = fit_sketch(clean, PAGE_PX)
        square = framed["square"]
        if square is None:
            kinds.add("blank")
            assert clean.min() == 255
        elif square["side"] == PAGE_PX:
            kinds.add("filled")
            assert placement == whole and np.array_equal(fitted, clean)
        elif placement != whole and placement.side_px > PAGE_PX // 4:
            kinds.add("small")
            assert abs(square["left"] - placement.left) <= 1 and abs(square["top"] - placement.top) <= 1
            assert abs(square["side"] - placement.side_px) <= 1
    assert len(drawn) > 40 and kinds == {"blank", "filled", "small"}


@needs_node
def test_the_browser_interpolates_latents_as_the_server_does() -> None:
    ends = [latents.draw(seed, 16) for seed in (0, 3, 5)]
    paths = [(a, b) for a in ends for b in ends] + [(ends[1], -ends[1]), (ends[1], 2 * ends[1])]
    found = compute(paths=[{"from": a.tolist(), "to": b.tolist(), "steps": 5} for a, b in paths])["paths"]
    for (a, b), steps in zip(paths, found, strict=True):
        np.testing.assert_allclose(steps, latents.walk([a, b], 5), atol=1e-6)


# ------------------------------------------------------------------------------------------ in a real browser


@pytest.fixture(scope="module")
def engine() -> None:
    if not ENGINE.exists():
        pytest.fail("There is no engine for browsers: run ./scripts/browser-engine (from the npm registry)")


def press_on_device(page) -> None:
    page.locator("#more").click()
    page.locator("#on-device").click()


def drawn_here(page) -> list[np.ndarray]:
    """The four answers, once this device has made them."""
    made = answers(page)
    expect(page.locator("#latency")).to_have_text(HERE_NOW, timeout=60_000)
    made = answers(page)
    expect(page.locator("#save-large")).to_have_attribute("hidden", "")
    assert all(np.all(one[..., 3:] == 255) for one in made)
    return [one[..., :3] for one in made]


def on_white(photo: np.ndarray) -> np.ndarray:
    """Straight RGBA (H, W, 4) -> (H, W, 3)."""
    alpha = photo[..., 3:] / 255
    return photo[..., :3] * alpha + 255 * (1 - alpha)


def asked_of_the_api(page) -> list[str]:
    """What the page asks from now on, by the last part of its address."""
    asked: list[str] = []

    def note(request) -> None:
        if "/api/" in request.url:
            asked.append(request.url.rpartition("/")[2])

    page.on("request", note)
    return asked


NOTE_SKETCHES = """
  const post = Worker.prototype.postMessage;
  window.sketches = [];
  Worker.prototype.postMessage = function (message, ...rest) {
    if (message.kind === "generate") window.sketches.push(message.sketch);
    return post.call(this, message, ...rest);
  };
"""


def test_server_and_device_get_the_same_square_and_make_the_same_photos(browser, translators, engine) -> None:
    """Four answers to each drawing: the server's, then this device's, then this device's without a server."""
    complaints, sent = [], []
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(NOTE_SKETCHES)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: sent.append(request) if request.url.endswith("/translate") else None)
    drawings = [DOT, SMALL, OUTLINE, SOLE, SCRIBBLE]  # the first two are framed more closely
    with serving(translators) as address:
        page.goto(address)
        expect(page.locator("#model")).to_be_enabled()
        by_server, squares = [], []
        for corners in drawings:
            draw(page, corners)
            by_server.append(answers(page))
            squares.append(sent[-1].post_data_json["sketch"])
        for square in squares:
            sketch = np.asarray(Image.open(io.BytesIO(base64.b64decode(square.partition(",")[2]))))[..., 0]
            fitted, placement = fit_sketch(read_sketch(sketch), PAGE_PX)
            assert np.array_equal(fitted, sketch), "the server's own reading and framing change nothing"
            assert placement == padded_square(PAGE_PX, PAGE_PX)
        press_on_device(page)
        expect(page.locator("#latency")).to_have_text(HERE_NOW, timeout=60_000)
        expect(page.locator("#on-device")).to_have_attribute("aria-pressed", "true")
        asked = asked_of_the_api(page)
        for expected, square in zip(reversed(by_server), reversed(squares), strict=True):
            for one, other in zip(drawn_here(page), expected, strict=True):
                assert np.abs(one - other[..., :3]).max() <= TOLERANCE
            assert page.evaluate("sketches.at(-1)") == square
            page.locator("#undo").click()
        for _ in drawings[:2]:
            page.locator("#redo").click()
        assert asked == [], "a seed whose z is known needs no server"
        alone = drawn_here(page)
    draw(page, OUTLINE)
    without = drawn_here(page)
    assert all(np.abs(a - b).mean() > 1 for a, b in zip(alone, without, strict=True))
    for one, other in zip(without, by_server[2], strict=True):
        assert np.abs(one - other).max() <= TOLERANCE
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "on-device.png")
    assert complaints == [] and asked == []
    context.close()


def test_this_device_makes_the_same_photos_of_colours_with_the_same_transparency(page, engine) -> None:
    draw(page, OUTLINE)
    page.keyboard.press("c")
    draw(page, [(0.3, 0.6), (0.6, 0.6)])
    coloured = answers(page)
    page.locator("#transparent").click()
    expect(page.locator("#status")).to_have_attribute("data-state", "ready")
    transparent = answers(page)
    assert all(one.shape[2] == 4 and one[..., 3].min() < 255 for one in transparent)
    press_on_device(page)
    expect(page.locator("#latency")).to_have_text(HERE_NOW, timeout=60_000)
    for one, other in zip(answers(page), transparent, strict=True):
        assert np.abs(one[..., 3] - other[..., 3]).max() <= TOLERANCE
        assert (
            np.abs(on_white(one) - on_white(other)).max() <= 2 * TOLERANCE
        )  # browsers round colours by alpha
    page.locator("#transparent").click()
    for one, other in zip(drawn_here(page), coloured, strict=True):
        assert np.abs(one - other[..., :3]).max() <= TOLERANCE
    page.keyboard.press("h")
    assert all(np.abs(a - b[..., :3]).mean() > 0.1 for a, b in zip(drawn_here(page), coloured, strict=True))


def test_a_sheet_of_twelve_looks_is_drawn_here(page, engine) -> None:
    draw(page, OUTLINE)
    photo(page)
    press_on_device(page)
    drawn_here(page)
    asked = asked_of_the_api(page)
    page.locator("#more").click()
    with page.expect_download(timeout=60_000):
        page.get_by_role("button", name="Save a sheet of twelve looks").click()
    assert set(asked) == {"seeds", "arithmetic"}


def test_seeds_models_and_realism_are_the_servers(open_page, engine) -> None:
    """Of small models, whose squares are of 64 px."""
    page = open_page(viewport={"width": 1280, "height": 800})
    page.locator("#model").select_option("critic")
    draw(page, OUTLINE)
    photo(page)
    press_on_device(page)
    first = drawn_here(page)
    asked = asked_of_the_api(page)
    set_seed(page, 70)
    here = drawn_here(page)
    assert asked == ["arithmetic"] * 4, "the z of a seed is asked for, once"
    page.locator("#morph").fill("24")
    between = photo(page)[..., :3]
    assert asked == ["arithmetic"] * 4 and not np.array_equal(between, here[0])

    page.locator("#realism").click()
    expect(page.locator("#map")).to_be_visible()
    assert "translate" in asked, "the critic is the server's"
    expect(page.locator("#latency")).to_contain_text("cpu")
    page.locator("#realism").click()

    page.locator("#model").select_option("player")
    page.locator("#morph").fill("0")
    expect(page.locator("#latency")).to_have_text(HERE_NOW, timeout=60_000)
    assert "player.onnx" in asked
    page.locator("#model").select_option("critic")
    set_seed(page, 70)
    again = drawn_here(page)
    press_on_device(page)
    expect(page.locator("#on-device")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#latency")).to_contain_text("cpu")
    for one, other, server in zip(here, again, answers(page), strict=True):
        assert np.array_equal(one, other)
        assert np.abs(one - server[..., :3]).max() <= TOLERANCE
    assert not np.array_equal(first[0], here[0])


def test_without_the_server_the_page_names_the_missing_model_and_the_loaded_one_still_works(
    browser, translators, engine
) -> None:
    """The photo of the loaded model was once shown, and could be saved, under the name of the other."""
    page = browser.new_page()
    there = {name: translators[name] for name in ("critic", "player")}
    with serving(there) as address:
        page.goto(address)
        expect(page.locator("#model")).to_have_value("critic")
        draw(page, OUTLINE)
        photo(page)
        press_on_device(page)
        before = drawn_here(page)
    page.locator("#model").select_option("player")
    former, other = page.locator("#model option").all_inner_texts()
    expect(page.locator("#alert")).to_have_text(
        f"The server cannot be reached. {other} was not downloaded to this device. "
        f"Select {former} to draw without the server. Trying again…"
    )
    expect(page.locator("#status")).to_have_attribute("data-state", "waiting")
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator("#save")).to_be_disabled()
    page.locator("#model").select_option("critic")
    assert all(np.array_equal(a, b) for a, b in zip(before, drawn_here(page), strict=True))
    expect(page.locator("#alert")).to_be_hidden()
    page.close()


def test_the_menu_states_the_size_of_the_download(open_page, engine) -> None:
    page = open_page("#model=shipped", viewport={"width": 1280, "height": 800})
    sent: list = []
    page.on("requestfinished", lambda request: sent.append(request) if "onnx" in request.url else None)
    draw(page, OUTLINE)
    press_on_device(page)
    drawn_here(page)
    title = page.locator("#on-device").get_attribute("title")
    (stated_mb,) = re.findall(r"a download of (\d+) MB", title)
    sizes = [request.sizes()["responseBodySize"] for request in sent]
    assert sum(sizes) / 1e6 == pytest.approx(int(stated_mb), abs=0.6), sizes


def test_after_a_failed_download_the_server_makes_the_photos(browser, url, engine) -> None:
    page = browser.new_page()
    page.goto(url)
    expect(page.locator("#model")).to_be_enabled()
    draw(page, OUTLINE)
    before = photo(page)
    page.context.route("**/*.onnx", lambda route: route.abort())
    press_on_device(page)
    expect(page.locator("#alert")).to_contain_text(
        "This device cannot make photos, so the server makes them.", timeout=60_000
    )
    expect(page.locator("#on-device")).to_have_attribute("aria-pressed", "false")
    draw(page, SOLE)
    assert not np.array_equal(photo(page), before)
    expect(page.locator("#latency")).to_contain_text("cpu")
    page.close()


# ------------------------------------------------------------------------------------------------- the engine


FAKE_NPM = '#!/bin/sh\n[ "$1" = pack ] && shift 3 && {does}\n'


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("{ echo 'npm error network'; exit 1; }", "cannot be fetched from the npm registry"),
        ('echo other > "$1/onnxruntime-web-1.30.0.tgz"', "is not the package"),
    ],
)
def test_an_engine_that_cannot_be_had_or_is_another_is_refused(tmp_path: Path, does: str, told: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(HERE.parent / "scripts" / "browser-engine", tmp_path / "scripts")
    npm = tmp_path / "bin" / "npm"
    npm.write_text(FAKE_NPM.replace("{does}", does))
    npm.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    run = subprocess.run([script], capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert run.returncode == 2 and told in run.stderr, run.stderr
    assert not (tmp_path / "app" / "static" / "vendor").exists()

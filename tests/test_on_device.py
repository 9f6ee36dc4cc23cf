"""Drawing without the server: the browser reads, frames and draws as the server does."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from canvas import ARTIFACTS, HERE, OUTLINE, SCRIBBLE, SOLE, answers, draw, photo, serving, set_seed
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from app.http.views import ENGINE
from pix2pix.images import ink
from pix2pix.images.io import fit_sketch, read_sketch, restore_photo
from pix2pix.model import latents

PAGE_PX = 256
SIZES = (64, 128, 256, 512)  # of models
TOLERANCE = 2  # levels of 255: of the photo, and of its way back to the page; it was 1
RESIZED = 1  # level: OpenCV sums in another order
SKETCH_LEVELS = 4  # where the model is smaller than the page: lines are darkened by a gain

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs node 20 or later")
HERE_NOW = re.compile(r"^\d+ ms · this device$")


# --------------------------------------------------------------------------------- the same, number by number


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


def asked_of_node(**questions: list) -> dict:
    run = subprocess.run(
        ["node", str(HERE / "js" / "device" / "fit.js")], input=json.dumps(questions), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@needs_node
@pytest.mark.parametrize("size", SIZES)
def test_the_browser_reads_and_frames_a_drawing_as_the_server_does(size: int) -> None:
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (size // 4, size // 4, 3), dtype=np.uint8)
    made = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_LINEAR)
    drawn = pages()
    told = [{"page": b64(page), "side": PAGE_PX, "size": size, "photo": b64(made)} for page in drawn]
    found = asked_of_node(pages=told, walks=[])["pages"]
    for page, seen in zip(drawn, found, strict=True):
        if not ink._is_flat(page, ink._paper_colour(page)):
            assert seen is None, "only the server reads it"
            continue
        sketch = read_sketch(page)
        fitted, placement = fit_sketch(sketch, size)
        where = seen["placement"]
        assert (where["top"], where["left"]) == (placement.top, placement.left)
        assert where["square"] == placement.side_px
        exact = placement.side_px <= size
        assert apart(seen["sketch"], sketch) == 0
        assert apart(seen["fitted"], fitted) <= (0 if exact else SKETCH_LEVELS)
        assert apart(seen["restored"], restore_photo(made, placement)) <= RESIZED
    assert sum(seen is None for seen in found) < 3


def apart(text: str, expected: np.ndarray) -> int:
    found = np.frombuffer(base64.b64decode(text), np.uint8).reshape(expected.shape)
    return int(np.abs(found.astype(int) - expected).max())


@needs_node
def test_the_browser_walks_between_latents_as_the_server_does() -> None:
    ends = [latents.draw(seed, 16) for seed in (0, 3, 5)]
    walks = [(a, b) for a in ends for b in ends] + [(ends[1], -ends[1]), (ends[1], 2 * ends[1])]
    found = asked_of_node(
        pages=[], walks=[{"from": a.tolist(), "to": b.tolist(), "steps": 5} for a, b in walks]
    )["walks"]
    for (a, b), steps in zip(walks, found, strict=True):
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
    assert all(np.all(one[..., 3:] == 255) for one in made)
    return [one[..., :3] for one in made]


def asked_of_the_api(page) -> list[str]:
    """What the page asks from now on, by the last part of its address."""
    asked: list[str] = []

    def note(request) -> None:
        if "/api/" in request.url:
            asked.append(request.url.rpartition("/")[2])

    page.on("request", note)
    return asked


def test_the_browser_draws_what_the_server_draws_and_goes_on_without_it(browser, translators, engine) -> None:
    """Four answers to each drawing: the server's, then this device's, then this device's alone."""
    complaints = []
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    drawings = [[(0.4, 0.4), (0.6, 0.42), (0.5, 0.6)], OUTLINE, SOLE, SCRIBBLE]  # the first is framed anew
    with serving(translators) as address:
        page.goto(address)
        expect(page.locator("#model")).to_be_enabled()
        by_server = []
        for corners in drawings:
            draw(page, corners)
            by_server.append(answers(page))
        press_on_device(page)
        expect(page.locator("#latency")).to_have_text(HERE_NOW, timeout=60_000)
        expect(page.locator("#on-device")).to_have_attribute("aria-pressed", "true")
        asked = asked_of_the_api(page)
        for expected in reversed(by_server):
            for one, other in zip(drawn_here(page), expected, strict=True):
                assert np.abs(one - other).max() <= TOLERANCE
            page.locator("#undo").click()
        page.locator("#redo").click()
        assert asked == [], "a seed whose z is known needs no server"
        alone = drawn_here(page)
    draw(page, OUTLINE)
    without = drawn_here(page)
    assert all(np.abs(a - b).mean() > 1 for a, b in zip(alone, without, strict=True))
    for one, other in zip(without, by_server[1], strict=True):
        assert np.abs(one - other).max() <= TOLERANCE
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "on-device.png")
    assert complaints == [] and asked == []
    context.close()


def test_seeds_walks_models_and_realism_are_the_servers(open_page, engine) -> None:
    """Of small models, whose squares are of 64 px."""
    page = open_page(viewport={"width": 1280, "height": 800})
    page.locator("#model").select_option("critic")
    draw(page, OUTLINE)
    photo(page)
    press_on_device(page)
    first = drawn_here(page)
    asked = asked_of_the_api(page)
    set_seed(page, 7)
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
    set_seed(page, 7)
    again = drawn_here(page)
    press_on_device(page)
    expect(page.locator("#on-device")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#latency")).to_contain_text("cpu")
    # 64 px are enlarged fourfold by cubics, after lines were darkened: a level more than that of the shoes
    for one, other, server in zip(here, again, answers(page), strict=True):
        assert np.array_equal(one, other)
        assert np.abs(one - server).max() <= TOLERANCE + 1
    assert not np.array_equal(first[0], here[0])


def test_without_the_server_a_model_that_was_not_fetched_is_told_and_the_former_goes_on(
    browser, translators, engine
) -> None:
    """The photo of the former stood beside the name of the other, to be saved."""
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
        f"The server cannot be reached. {other} has not been fetched to this device: "
        f"choose {former} to draw without the server. Trying again…"
    )
    expect(page.locator("#status")).to_have_attribute("data-state", "waiting")
    expect(page.locator("#picture")).to_be_hidden()
    expect(page.locator("#save")).to_be_disabled()
    page.locator("#model").select_option("critic")
    assert all(np.array_equal(a, b) for a, b in zip(before, drawn_here(page), strict=True))
    expect(page.locator("#alert")).to_be_hidden()
    page.close()


def test_the_menu_says_how_much_is_sent(page, engine) -> None:
    sent: list = []
    page.on("requestfinished", lambda request: sent.append(request) if "onnx" in request.url else None)
    draw(page, OUTLINE)
    press_on_device(page)
    drawn_here(page)
    title = page.locator("#on-device").get_attribute("title")
    (said_mb,) = re.findall(r"once it has sent (\d+) MB", title)
    sizes = [request.sizes()["responseBodySize"] for request in sent]
    assert sum(sizes) / 1e6 == pytest.approx(int(said_mb), abs=0.6), sizes


def test_what_cannot_be_fetched_leaves_the_drawing_to_the_server(browser, url, engine) -> None:
    page = browser.new_page()
    page.goto(url)
    expect(page.locator("#model")).to_be_enabled()
    draw(page, OUTLINE)
    before = photo(page)
    page.context.route("**/*.onnx", lambda route: route.abort())
    press_on_device(page)
    expect(page.locator("#alert")).to_contain_text(
        "This device cannot draw, the server does.", timeout=60_000
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

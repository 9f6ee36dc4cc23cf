"""The paper of the canvas page: what helps to draw, and that nothing drawn is lost."""

from __future__ import annotations

import base64
import io
import re
import time

import numpy as np
import pytest
from canvas import (
    OUTLINE,
    SOLE,
    alike,
    answers,
    draw,
    follows_pen,
    path_on_canvas,
    photo,
    pixels,
    png,
    set_seed,
    translated,
)
from drawings import label_map
from PIL import Image
from playwright.sync_api import expect

LEFT = [(0.1, 0.3), (0.3, 0.2), (0.35, 0.6)]
ASSETS_LIMIT_BYTES = 76_000


def sketched(page, act):
    """The sketch (256, 256) that the model got for the photo that is shown after `act`."""
    sent = []
    page.on("request", lambda request: sent.append(request) if follows_pen(request) else None)
    with page.expect_request(follows_pen):
        act()
    photo(page)
    return decoded(sent[-1].post_data_json["sketch"])


def paper(page, act):
    """What is on the paper (256, 256) after `act`."""
    act()
    photo(page)
    url = page.locator("#sketch").evaluate(
        """(canvas) => {
          const small = document.createElement("canvas");
          small.width = small.height = 256;
          const context = small.getContext("2d");
          context.imageSmoothingQuality = "high";
          context.drawImage(canvas, 0, 0, 256, 256);
          return small.toDataURL();
        }"""
    )
    return decoded(url)


def decoded(url):
    data = io.BytesIO(base64.b64decode(url.partition(",")[2]))
    return np.asarray(Image.open(data).convert("L"), dtype=float)


def ink(sketch):
    return sketch < 128


def test_a_mirrored_stroke_appears_on_both_sides(page):
    page.keyboard.press("m")
    expect(page.locator("#guide")).to_be_visible()
    sketch = sketched(page, lambda: draw(page, LEFT))
    assert ink(sketch)[:, :128].sum() > 100
    assert np.abs(sketch - sketch[:, ::-1]).max() <= 40, "antialiased alike on both sides"
    page.locator("#mirror").click()
    expect(page.locator("#guide")).to_be_hidden()
    once = sketched(page, lambda: draw(page, [(0.05, 0.9), (0.3, 0.9)]))
    assert ink(once)[220:, :128].any() and not ink(once)[220:, 128:].any()
    page.locator("#undo").click()
    page.locator("#undo").click()
    expect(page.locator("#hint")).to_be_visible()


def test_a_pen_that_is_pressed_draws_wider(page):
    pen = page.context.new_cdp_session(page)

    def stroke(height, force):
        points = path_on_canvas(page, [(0.2, height), (0.8, height)])
        for i, (x, y) in enumerate(points):
            kind = "mousePressed" if i == 0 else "mouseMoved"
            event = {"x": x, "y": y, "button": "left", "buttons": 1, "pointerType": "pen", "force": force}
            pen.send("Input.dispatchMouseEvent", {"type": kind, **event})
        pen.send("Input.dispatchMouseEvent", {"type": "mouseReleased", **event, "buttons": 0})

    page.locator("#width").fill("8")
    sketch = paper(page, lambda: [stroke(0.3, 0.1), stroke(0.7, 0.9)])
    light, heavy = (
        (255 - sketch[rows, 100:150]).mean(1).sum() / 255 for rows in (slice(40, 110), slice(150, 220))
    )
    assert light == pytest.approx(8 * 0.6, abs=0.7) and heavy == pytest.approx(8 * 1.4, abs=0.7)


def test_smoothing_swallows_a_tremble(page):
    teeth = [(0.1 + 0.01 * i / 6, 0.5 + 0.012 * abs(i % 12 - 6) / 6) for i in range(36)]  # 0.01 wide

    def height_of_line():
        rows = np.flatnonzero(ink(sketched(page, lambda: draw(page, teeth)))[:, 27:80].any(1))
        page.locator("#clear").click()
        return rows[-1] - rows[0]

    smooth = height_of_line()
    page.keyboard.press("s")
    assert smooth < height_of_line()


def test_a_photo_to_trace_over_is_no_part_of_the_sketch(page):
    draw(page, OUTLINE)
    before = sketched(page, lambda: draw(page, SOLE))
    shown = page.locator("#paper").screenshot()
    page.locator("#trace-file").set_input_files(
        {"name": "shoe.png", "mimeType": "image/png", "buffer": png(Image.new("RGB", (300, 200), "red"))}
    )
    expect(page.locator("#trace")).to_be_visible()
    assert page.locator("#paper").screenshot() != shown
    page.locator("#strength").fill("0.9")
    assert page.locator("#trace").evaluate("image => image.style.opacity") == "0.9"
    asked, _ = translated(page, lambda: page.locator("#reroll").click())
    assert np.array_equal(decoded(asked["sketch"]), before)
    assert not np.array_equal(sketched(page, lambda: draw(page, LEFT)), before), "one draws on it"
    page.locator("#trace-remove").click()
    expect(page.locator("#trace")).to_be_hidden()
    expect(page.locator("#tracing")).to_be_hidden()


def test_what_is_no_picture_is_not_traced(page):
    file = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}
    page.locator("#trace-file").set_input_files(file)
    expect(page.locator("#alert")).to_contain_text("notes.txt could not be opened")
    expect(page.locator("#trace")).to_be_hidden()


def test_zoomed_in_a_stroke_lands_where_the_pointer_is(page):
    box = page.locator("#paper").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.25)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -70)
    page.keyboard.up("Control")
    expect(page.locator("#fit")).to_have_text("201 %")
    dot = [
        (0.75, 0.25),
        (0.751, 0.25),
    ]  # of the paper as it is shown: the point that the wheel kept in its place

    def draw_on_paper():
        page.mouse.move(box["x"] + dot[0][0] * box["width"], box["y"] + dot[0][1] * box["height"])
        page.mouse.down()
        page.mouse.up()

    page.locator("#width").fill("6")
    rows, columns = np.nonzero(ink(paper(page, draw_on_paper)))
    assert rows.mean() == pytest.approx(64, abs=1.5) and columns.mean() == pytest.approx(192, abs=1.5)
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.keyboard.down("Space")
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 100, steps=3)
    page.mouse.up()
    page.keyboard.up("Space")
    moved = page.locator("#sheet").bounding_box()
    page.keyboard.press("0")
    expect(page.locator("#fit")).to_have_text("100 %")
    fitted = page.locator("#sheet").bounding_box()
    assert fitted["x"] == pytest.approx(box["x"], abs=1.5) and moved["x"] < fitted["x"]
    page.locator("#undo").click()
    expect(page.locator("#hint")).to_be_visible()  # moving the paper drew nothing


def test_two_fingers_zoom_and_draw_nothing(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    touch = page.context.new_cdp_session(page)
    box = page.locator("#paper").bounding_box()

    def fingers(kind, *places):
        points = [{"x": box["x"] + x, "y": box["y"] + y, "id": i} for i, (x, y) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (150, 150))
    fingers("touchStart", (150, 150), (200, 150))
    for spread in (20, 40, 60):
        fingers("touchMove", (150 - spread, 150), (200 + spread, 150))
    fingers("touchEnd")
    expect(page.locator("#fit")).to_have_text("340 %")
    expect(page.locator("#hint")).to_be_visible()
    expect(page.locator("#undo")).to_be_disabled()
    page.locator("#fit").click()
    expect(page.locator("#zoom")).to_be_hidden()


@pytest.mark.parametrize("number", range(3))
def test_an_example_is_a_sketch_to_go_on_from(page, number):
    sketch = sketched(page, lambda: page.locator("#examples button").nth(number).click())
    assert 800 < ink(sketch).sum() < 6000
    expect(page.locator("#hint")).to_be_hidden()
    assert photo(page).std() > 20
    page.locator("#undo").click()
    expect(page.locator("#hint")).to_be_visible()


def test_a_model_of_other_things_has_no_examples(page):
    page.locator("#model").select_option("literal")
    expect(page.locator("#examples")).to_be_hidden()


def test_the_sketch_is_saved_as_png_and_as_svg(page):
    draw(page, OUTLINE)
    sketch = sketched(page, lambda: draw(page, SOLE))
    files = {}
    for kind in ("png", "svg"):
        page.locator("#more").click()
        with page.expect_download() as download:
            page.locator(f"#save-{kind}").click()
        assert download.value.suggested_filename == f"shoes-sketch.{kind}"
        files[kind] = download.value.path()
    saved = Image.open(files["png"]).convert("L")
    assert saved.size == (1024, 1024)
    assert np.abs(np.asarray(saved.resize((256, 256), Image.Resampling.BOX), float) - sketch).mean() < 1
    svg = files["svg"].read_text()
    assert svg.count("<path") == 3  # paper and two strokes
    other = page.context.new_page()
    other.set_viewport_size({"width": 256, "height": 256})
    other.set_content(f"<body style='margin:0'>{svg}")
    drawn = np.asarray(Image.open(io.BytesIO(other.screenshot())).convert("L"), float)
    assert np.abs(drawn - sketch).mean() < 1


def test_the_help_panel_opens_with_its_key_and_closes(page):
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    page.keyboard.press("b")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.locator("#more").click()
    page.locator("#help-open").click()
    page.locator("#help button").click()
    expect(page.locator("#help")).to_be_hidden()


def test_each_key_of_the_help_panel_does_something(page):
    """What the panel promises is what shortcuts.js binds."""
    told = page.locator("#help dt").evaluate_all("rows => rows.map(row => row.textContent)")
    single = {key for row in told for key in row.split(" / ") if len(key) == 1}
    source = page.request.get(page.url.split("#")[0] + "static/js/shortcuts.js").text()
    bound = {
        line.strip().split(":")[0].strip('"')
        for line in source.split("const WITHOUT_CONTROL = {")[1].split("}")[0].splitlines()
    }
    assert {key.lower().replace("−", "-") for key in single} == bound - {"", "="}


def test_a_reload_brings_everything_back(open_page):
    page = open_page(viewport={"width": 1280, "height": 800})
    page.locator("#model").select_option("player")
    page.keyboard.press("m")
    draw(page, LEFT)
    page.keyboard.press("m")
    draw(page, SOLE)
    page.locator("#width").fill("7")
    page.keyboard.press("2")
    page.keyboard.press("p")
    translated(page, lambda: page.locator("#reroll").click())
    before, large = answers(page), photo(page)
    page.reload()
    assert all(alike(a, b) for a, b in zip(answers(page), before, strict=True)) and alike(photo(page), large)
    expect(page.locator("#model")).to_have_value("player")
    expect(page.locator("#width")).to_have_value("7")
    expect(page.locator("#pin")).to_have_attribute("aria-pressed", "true")
    for _ in range(2):
        page.keyboard.press("Control+z")
    expect(page.locator("#hint")).to_be_visible()
    page.keyboard.press("Control+Shift+z")
    expect(page.locator("#hint")).to_be_hidden()


def test_an_opened_picture_and_a_photo_below_survive_a_reload(page):
    sketch = Image.new("L", (200, 200), "white")
    sketch.paste("black", (40, 90, 160, 96))
    page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png(sketch)})
    photo(page)
    page.locator("#trace-file").set_input_files(
        {"name": "b.png", "mimeType": "image/png", "buffer": png(sketch)}
    )
    expect(page.locator("#trace")).to_be_visible()
    before = photo(page)
    page.reload()
    assert alike(photo(page), before)
    expect(page.locator("#trace")).to_be_visible()


@pytest.mark.parametrize("width", [320, 1280])
def test_what_was_noticed_about_an_opened_picture_stays_with_it(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    file = {"name": "a.png", "mimeType": "image/png", "buffer": png(label_map())}
    page.locator("#file").set_input_files(file)
    expect(page.locator("#status")).to_have_text(
        "The picture has areas of colour; their borders are the strokes."
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.reload()
    expect(page.locator("#status")).to_have_text(
        "The picture has areas of colour; their borders are the strokes."
    )
    page.locator("#clear").click()
    draw(page, OUTLINE)
    expect(page.locator("#status")).to_have_text("Photo is up to date")


def wait_until_saved(page, steps):
    """Wait until a drawing of so many steps is saved, a moment after its last one."""
    saved = "JSON.parse(localStorage.getItem('sketch-to-photo'))"
    page.wait_for_function(f"(steps) => {saved}?.paper.done.length === steps", arg=steps)


def leave(page):
    """Have the page save its state at once, as when it is left."""
    page.evaluate("dispatchEvent(new Event('pagehide'))")


def test_each_tab_has_its_own_drawing_and_a_new_one_begins_with_the_last(page):
    draw(page, OUTLINE)
    first = photo(page)
    other = page.context.new_page()
    wait_until_saved(page, steps=1)
    other.goto(page.url.split("#")[0])
    assert alike(photo(other), first)
    other.locator("#clear").click()
    expect(other.locator("#hint")).to_be_visible()
    wait_until_saved(other, steps=2)
    page.reload()
    assert alike(photo(page), first)


def test_where_there_is_no_room_to_remember_one_can_draw_all_the_same(page):
    page.evaluate("""() => {
      for (const store of [localStorage, sessionStorage]) {
        let piece = "x".repeat(2 ** 20);
        while (piece) {
          try { store.setItem(`filled ${store.length}`, piece); }
          catch { piece = piece.slice(0, piece.length >> 1); }
        }
      }
    }""")
    draw(page, OUTLINE)
    photo(page)
    leave(page)
    expect(page.locator("#alert")).to_be_hidden()
    page.reload()
    expect(page.locator("#status")).to_have_attribute("data-state", "empty")


@pytest.mark.parametrize("left", ["{", '{"version": 1}', '{"version": 99, "model": "shoes"}', "[]"])
def test_what_cannot_be_read_is_as_if_there_were_none(browser, url, left):
    page, problems = browser.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(url + "healthz")  # it shares the storage, and saves nothing
    page.evaluate("left => localStorage.setItem('sketch-to-photo', left)", left)
    page.goto(url)
    expect(page.locator("#model")).to_be_enabled()
    draw(page, LEFT)
    photo(page)
    assert problems == []
    page.close()


def test_results_of_the_session_are_kept_and_come_back(page):
    draw(page, OUTLINE)
    set_seed(page, 3)
    first = photo(page)
    page.locator("#keep").click()
    page.keyboard.press("k")
    expect(page.locator("#shelf img")).to_have_count(1)
    page.locator("#clear").click()
    draw(page, SOLE)
    second = photo(page)
    page.locator("#clear").click()
    expect(page.locator("#shelf img")).to_have_count(2)
    page.reload()
    expect(page.locator("#shelf img")).to_have_count(2)
    page.get_by_role("button", name="Restore result 1").click()
    assert alike(photo(page), first)
    page.get_by_role("button", name="Restore result 2").click()
    assert alike(photo(page), second)
    thumbnail = page.locator("#shelf img").first
    assert pixels(thumbnail).shape == (96, 96, 3)


def test_what_an_earlier_version_kept_comes_back_as_far_as_it_fits(page):
    draw(page, OUTLINE)
    set_seed(page, 3)
    kept = photo(page)
    page.locator("#keep").click()
    expect(page.locator("#shelf img")).to_have_count(1)
    leave(page)
    page.evaluate("""() => {
      const left = JSON.parse(sessionStorage.getItem("sketch-to-photo"));
      const [seeded] = left.shelf.map((kept) => ({ ...kept, loose: 0.6 }));
      const shelf = [{ ...seeded, latent: { z: [1] } }, seeded];
      localStorage.setItem("sketch-to-photo", JSON.stringify({ ...left, loose: 0.6, shelf }));
    }""")
    other = page.context.new_page()
    other.goto(page.url.split("#")[0])
    assert alike(photo(other), kept)
    other.get_by_role("button", name="Restore result 1").click()
    assert alike(photo(other), kept)
    expect(other.locator("#alert")).to_be_hidden()
    other.locator("#clear").click()
    other.get_by_role("button", name="Restore result 2").click()
    expect(other.locator("#alert")).to_have_text("The look of this result cannot be used with this model.")
    assert alike(photo(other), kept), "the drawing comes back all the same"


def test_a_kept_result_takes_no_pinned_answers_place(page):
    draw(page, OUTLINE)
    photo(page)
    page.keyboard.press("k")
    set_seed(page, 500)
    page.locator(".answer").nth(1).click()
    page.keyboard.press("p")
    page.keyboard.press("1")
    photo(page)
    page.get_by_role("button", name="Restore result 1").click()
    expect(page.locator("#seed")).to_have_value("0")
    photo(page)
    page.keyboard.press("2")
    expect(page.locator("#seed")).to_have_value("501")
    expect(page.locator("#pin")).to_have_attribute("aria-pressed", "true")


def test_what_is_kept_and_saved_is_what_is_seen(lonely_page):
    """The server is gone, and drawing and seed are past the photo."""
    page = lonely_page
    draw(page, OUTLINE)
    first = photo(page)
    page.context.set_offline(True)
    draw(page, SOLE)
    set_seed(page, 7)
    expect(page.locator("#alert")).to_contain_text("offline")
    expect(page.locator("#status")).to_have_attribute("data-state", "waiting")
    with page.expect_download() as saved:
        page.locator("#save").click()
    assert saved.value.suggested_filename == "shoes-seed-0.png"
    expect(page.locator("#shelf img")).to_have_count(1)
    page.context.set_offline(False)
    assert not alike(photo(page), first)
    page.get_by_role("button", name="Restore result 1").click()
    expect(page.locator("#seed")).to_have_value("0")
    assert alike(photo(page), first)


@pytest.fixture
def lonely_page(browser, url):
    """A page whose server will be gone or busy: the browser logs that."""
    page = browser.new_page()
    page.goto(url)
    expect(page.locator("#model")).to_be_enabled()
    yield page
    page.close()


def test_what_is_replaced_by_a_kept_result_is_kept_as_it_was(page):
    draw(page, OUTLINE)
    first = photo(page)
    page.keyboard.press("k")
    draw(page, SOLE)
    set_seed(page, 5)
    second = photo(page)
    page.get_by_role("button", name="Restore result 1").click()
    assert alike(photo(page), first)
    expect(page.locator("#shelf img")).to_have_count(2)
    page.get_by_role("button", name="Restore result 2").click()
    assert alike(photo(page), second)
    expect(page.locator("#shelf img")).to_have_count(2)


def test_a_busy_server_is_told_and_asked_again_when_it_said(lonely_page):
    page = lonely_page
    busy = {"status": 503, "headers": {"Retry-After": "2"}, "json": {"detail": "busy"}}
    asked = []

    def refuse_once(route):
        asked.append(time.monotonic())
        if len(asked) == 1:
            route.fulfill(**busy)
        else:
            route.continue_()

    page.route("**/api/v1/translate", refuse_once)
    draw(page, [(0.2, 0.5), (0.8, 0.5)])
    expect(page.locator("#alert")).to_have_text("The server is busy. Trying again…")
    photo(page)
    expect(page.locator("#alert")).to_be_hidden()
    assert asked[1] - asked[0] >= 1.9


def test_offline_is_told_and_the_photo_comes_once_there_is_a_network(lonely_page):
    page = lonely_page
    page.context.set_offline(True)
    draw(page, OUTLINE)
    expect(page.locator("#alert")).to_have_text("You are offline. Trying again…")
    page.context.set_offline(False)
    photo(page)
    expect(page.locator("#alert")).to_be_hidden()


def test_a_picture_that_is_opened_offline_is_opened_once_there_is_a_network(lonely_page):
    page = lonely_page
    page.context.set_offline(True)
    sketch = Image.new("L", (99, 99), "white")
    sketch.paste("black", (20, 40, 80, 50))
    page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png(sketch)})
    expect(page.locator("#alert")).to_have_text("You are offline. Trying again…")
    page.context.set_offline(False)
    expect(page.locator("#undo")).to_be_enabled(timeout=20_000)
    photo(page)
    expect(page.locator("#alert")).to_be_hidden()


def test_how_long_it_took_and_on_what_is_told(page):
    draw(page, OUTLINE)
    photo(page)
    expect(page.locator("#latency")).to_have_text(re.compile(r"^\d+ ms · cpu$"))


def test_the_page_and_all_it_needs_are_small(page):
    """What goes over the wire, before any photo."""
    sizes = page.evaluate("""() => [...performance.getEntriesByType("navigation"),
        ...performance.getEntriesByType("resource").filter(({ name }) => name.includes("/static/"))]
        .map(({ name, encodedBodySize }) => [name, encodedBodySize])""")
    assert len(sizes) > 20
    assert all(size > 0 for _, size in sizes)
    assert sum(size for _, size in sizes) < ASSETS_LIMIT_BYTES, sizes
    later = ("/device/device.js", "/device/worker.js", "/vendor/")  # loaded when they are needed
    assert not any(part in name for name, _ in sizes for part in later)

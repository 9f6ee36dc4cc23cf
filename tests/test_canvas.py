"""The canvas page: a sketch, its photo, and the answers beside it."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess

import numpy as np
import pytest
from canvas import (
    ARTIFACTS,
    COLOURS,
    DIRECTIONS,
    HERE,
    OUTLINE,
    SCRIBBLE,
    SOLE,
    alike,
    answers,
    draw,
    drop,
    inside_outline,
    paste,
    path_on_canvas,
    photo,
    pixels,
    png,
    serving,
    set_seed,
    translated,
)
from conftest import TINY, draw_pair
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from app.http.request_models import MAX_Z
from pix2pix.inference.realism import MADE, REAL
from pix2pix.model.latents import MAX_SEED


def test_drawing_a_shoe_shows_a_photo_that_follows_the_drawing(open_page):
    page = open_page("#model=shipped", viewport={"width": 1280, "height": 800})
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
    expect(page.locator("#invitation")).to_contain_text("Your photo appears here")
    draw(page, OUTLINE)
    before = photo(page)
    page.locator("#clear").click()
    expect(page.locator("#status")).to_have_attribute("data-state", "empty")
    expect(page.locator("#picture")).to_be_hidden()
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


@pytest.mark.parametrize("target", ["body", "#seed"])
def test_a_picture_that_is_pasted_opens_as_a_sketch(page, target):
    chalk = Image.new("RGB", (400, 300), "black")
    ImageDraw.Draw(chalk).line([(x * 400, y * 300) for x, y in OUTLINE], fill="white", width=4)
    paste(page, target, chalk)
    photo(page)
    shown = np.asarray(Image.open(io.BytesIO(page.locator("#sketch").screenshot())).convert("L"))
    assert np.median(shown) > 250 and shown.min() < 60
    page.locator("#undo").click()
    expect(page.locator("#hint")).to_be_visible()


def test_text_that_is_pasted_into_a_field_is_no_picture(page):
    """Word processors copy text as a picture, too."""
    page.on("request", lambda request: pytest.fail(request.url) if "/sketch" in request.url else None)
    paste(page, "#seed", Image.new("L", (40, 40)), text="12")
    draw(page, OUTLINE)
    photo(page)


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "AVIF"])
def test_pictures_of_scanners_and_of_other_pages_open_as_sketches(page, kind):
    box = Image.new("L", (80, 80), 255)
    ImageDraw.Draw(box).rectangle((10, 20, 70, 60), outline=0, width=2)
    file = io.BytesIO()
    box.save(file, kind)
    page.locator("#file").set_input_files(
        {"name": "box", "mimeType": f"image/{kind.lower()}", "buffer": file.getvalue()}
    )
    photo(page)


def test_of_two_pictures_opened_the_newer_one_wins_though_the_older_is_read_last(page):
    """The server took longer over the first, which then took the place of the second."""
    pictures = []
    for top in (20, 90, 160):
        picture = Image.new("L", (256, 256), "white")
        ImageDraw.Draw(picture).rectangle((40, top, 200, top + 60), outline="black", width=4)
        pictures.append({"name": f"{top}.png", "mimeType": "image/png", "buffer": png(picture)})
    first, second, third = pictures
    held = []
    page.route("**/api/v1/sketch", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/api/v1/sketch"):
        page.locator("#file").set_input_files(first)
    page.locator("#file").set_input_files(second)
    newer = photo(page)
    with page.expect_response("**/api/v1/sketch"):
        held[0].continue_()
    translated(page, lambda: page.locator("#file").set_input_files(third))
    page.locator("#undo").click()
    assert alike(photo(page), newer), "what is below the third is the second"


def test_save_downloads_the_photo(page):
    draw(page, OUTLINE)
    shown = photo(page)
    with page.expect_download() as download:
        page.locator("#save").click()
    assert download.value.suggested_filename == "shoes-seed-0.png"
    assert np.array_equal(np.asarray(Image.open(download.value.path())), shown)


@pytest.mark.parametrize("scale", [1, 0.3])
def test_the_photo_is_saved_large_where_the_page_shows_it(page, scale):
    draw(page, [(0.3 + scale * (x - 0.3), 0.3 + scale * (y - 0.3)) for x, y in OUTLINE])
    shown = photo(page)
    page.locator("#more").click()
    with page.expect_download() as download:
        page.locator("#save-large").click()
    assert download.value.suggested_filename == "shoes-seed-0.png"
    large = Image.open(download.value.path()).convert("RGB")
    assert large.size == (1024, 1024)
    reduced = np.asarray(large.resize((256, 256), Image.Resampling.BOX)).astype(float)
    assert np.abs(reduced - shown[..., :3]).mean() < 6
    expect(page.locator("#status")).to_have_text("Photo is up to date")


def test_every_control_has_a_name(page):
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('button, input, select')].filter((control) =>"
        " !control.ariaLabel && !control.labels?.[0]?.textContent.trim() && !control.textContent.trim())"
        ".map((control) => control.outerHTML)"
    )
    assert nameless == []


def test_a_picture_that_cannot_be_read_is_told_in_sentences(browser, url):
    page = browser.new_page()  # its console names the status 400, as it should
    page.goto(url)
    expect(page.locator("#model")).to_be_enabled()
    page.locator("#file").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"text"})
    expect(page.locator("#alert")).to_contain_text(
        "notes.txt could not be opened. The image is not a picture"
    )
    page.close()


def test_where_a_model_is_gone_another_goes_on_and_it_is_asked_for_no_more(browser, translators):
    """Each stroke was refused, in words meant for programs, and the menu kept the model."""
    there = {"shoes": translators["shoes"], "player": translators["player"]}
    page = browser.new_page()  # its console names the status 422, as it should
    refused = []
    page.on("response", lambda response: refused.append(response) if response.status >= 400 else None)
    with serving(there) as address:
        page.goto(address + "#model=player")
        expect(page.locator("#model")).to_be_enabled()
        draw(page, OUTLINE)
        photo(page)
        del there["player"]
        draw(page, SOLE)
        title = translators["player"].title
        alert = f"The server no longer has the model {title}. Shoes is selected instead."
        expect(page.locator("#alert")).to_have_text(alert)
        expect(page.locator("#model")).to_have_value("shoes")
        expect(page.locator("#model option")).to_have_count(1)
        before = photo(page)
        expect(page.locator("#alert")).to_have_text(alert)
        asked = len(refused)
        draw(page, SCRIBBLE)
        assert not alike(photo(page), before)
        expect(page.locator("#alert")).to_be_hidden()
        assert len(refused) == asked <= 2  # while the stroke grew, and at its end
        page.close()


def test_another_models_photo_does_not_pass_for_one_of_the_model_that_is_picked(play):
    held = []
    play.route("**/api/v1/translate", lambda route: held.append(route))
    with play.expect_request("**/api/v1/translate"):
        play.locator("#model").select_option("literal")
    for id in ("#picture", "#invitation"):
        expect(play.locator(id)).to_be_hidden()
    for id in ("#save", "#keep", "#morph"):
        expect(play.locator(id)).to_be_disabled()
    held[0].continue_()
    play.unroute("**/api/v1/translate")
    photo(play)
    expect(play.locator("#save")).to_be_enabled()


def test_a_finger_draws_on_a_phone_and_the_page_stays_still(open_page):
    window = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}
    page = open_page("#model=shipped", **window, has_touch=True, is_mobile=True)
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
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "canvas-phone.png")
    morph = page.locator("#morph")
    morph.scroll_into_view_if_needed()
    scrolled = page.evaluate("[scrollX, scrollY]")
    slider = morph.bounding_box()
    page.touchscreen.tap(slider["x"] + 0.75 * slider["width"], slider["y"] + slider["height"] / 2)
    assert 0.6 <= float(morph.input_value()) / float(morph.get_attribute("max")) <= 0.9
    assert page.evaluate("[scrollX, scrollY]") == scrolled
    photo(page)


class Hand:
    """A pen and the touches of a palm or of fingers; places are fractions of the paper."""

    def __init__(self, page):
        self.page, self.session = page, page.context.new_cdp_session(page)
        self.box = page.locator("#sketch").bounding_box()

    def place(self, x, y):
        return {"x": self.box["x"] + x * self.box["width"], "y": self.box["y"] + y * self.box["height"]}

    def touch(self, kind, *places, **when):
        """All touches on the paper; `kind` is touchStart, touchMove, touchEnd or touchCancel."""
        points = [{**self.place(*place), "id": i} for i, place in enumerate(places)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points, **when})

    def pen(self, kind, place, **when):
        """`kind` is mousePressed, mouseMoved, mouseReleased or hover."""
        button = {} if kind == "hover" else {"button": "left", "buttons": 1, "clickCount": 1}
        event = {"type": "mouseMoved" if kind == "hover" else kind, "pointerType": "pen", **button, **when}
        self.session.send("Input.dispatchMouseEvent", {**event, **self.place(*place)})

    def line(self, start, end, during=lambda i: None, **when):
        """A stroke of the pen; calls `during` after each of its eight moves."""
        self.pen("mousePressed", start, **when)
        for i in range(1, 9):
            self.pen("mouseMoved", tuple(a + i / 8 * (b - a) for a, b in zip(start, end, strict=True)))
            during(i)
        self.pen("mouseReleased", end)

    def has_ink(self, x, y):
        """Whether there is ink within 0.04 of a place."""
        self.page.evaluate("() => new Promise(requestAnimationFrame)")
        shown = Image.open(io.BytesIO(self.page.locator("#sketch").screenshot())).convert("L")
        left, top = (round(at * size) for at, size in zip((x - 0.04, y - 0.04), shown.size, strict=True))
        side = round(0.08 * shown.width)
        return np.asarray(shown.crop((left, top, left + side, top + side))).min() < 128

    def undo_steps(self):
        """Undoes everything; returns the number of steps."""
        count = 0
        while self.page.locator("#undo").is_enabled():
            self.page.locator("#undo").click()
            count += 1
        return count


@pytest.fixture
def hand(open_page):
    return Hand(open_page(viewport={"width": 1280, "height": 800}, has_touch=True))


LEFT, RIGHT, PALM, PALM_2 = (0.2, 0.3), (0.6, 0.3), (0.8, 0.8), (0.7, 0.9)


def test_a_palm_that_rests_first_does_not_block_the_pen_and_draws_nothing(hand):
    hand.touch("touchStart", PALM)
    hand.touch("touchMove", (0.83, 0.82))
    hand.line(LEFT, RIGHT)
    hand.touch("touchMove", (0.8, 0.75))
    hand.touch("touchEnd")
    assert hand.has_ink(*LEFT) and hand.has_ink(*RIGHT) and not hand.has_ink(*PALM)
    assert hand.undo_steps() == 1
    expect(hand.page.locator("#hint")).to_be_visible()


def test_touches_beside_the_pen_do_not_end_its_stroke_nor_move_the_paper(hand):
    """Two touches discarded the pen's stroke, and zoomed."""

    def palm(i):
        if i == 2:
            hand.touch("touchStart", PALM)
        if i == 3:
            hand.touch("touchStart", PALM, PALM_2)
        if i == 4:
            hand.touch("touchMove", (0.85, 0.8), (0.6, 0.9))
        if i == 5:
            expect(hand.page.locator("#ring")).to_be_visible()
        if i == 6:
            hand.touch("touchEnd")

    hand.line(LEFT, RIGHT, palm)
    assert all(hand.has_ink(x, 0.3) for x in (0.2, 0.4, 0.6)) and not hand.has_ink(*PALM)
    expect(hand.page.locator("#fit")).to_have_text("100 %")
    assert hand.undo_steps() == 1


def test_a_palm_that_rests_with_two_touches_does_not_zoom_while_the_pen_draws(hand):
    hand.touch("touchStart", PALM)
    hand.touch("touchStart", PALM, PALM_2)
    hand.line(LEFT, RIGHT, lambda i: hand.touch("touchMove", PALM, (0.7 - 0.02 * i, 0.9)))
    hand.touch("touchMove", (0.9, 0.8), (0.5, 0.9))  # nor when the pen is lifted: it still rests
    hand.touch("touchEnd")
    expect(hand.page.locator("#fit")).to_have_text("100 %")
    assert hand.has_ink(*LEFT) and hand.has_ink(*RIGHT) and hand.undo_steps() == 1


def test_a_touch_that_the_browser_takes_for_a_palm_leaves_nothing(hand):
    hand.touch("touchStart", PALM)
    hand.touch("touchMove", (0.83, 0.82))
    hand.touch("touchCancel")
    expect(hand.page.locator("#hint")).to_be_visible()
    assert hand.undo_steps() == 0


@pytest.mark.parametrize(("before_s", "steps"), [(0.2, 1), (2, 3)])
def test_what_a_palm_drew_right_before_the_pen_is_taken_back_and_a_finger_keeps_its_strokes(
    hand, before_s, steps
):
    lifted_s = hand.page.evaluate("(performance.timeOrigin + performance.now()) / 1000")
    for _ in range(2):
        hand.touch("touchStart", PALM, timestamp=lifted_s - 0.1)
        hand.touch("touchMove", (0.83, 0.82), timestamp=lifted_s - 0.05)
        hand.touch("touchEnd", timestamp=lifted_s)
    hand.line(LEFT, RIGHT, timestamp=lifted_s + before_s)
    assert hand.has_ink(*LEFT) and hand.has_ink(*PALM) == (steps == 3)
    assert hand.undo_steps() == steps


@pytest.mark.parametrize("seen", ["drawing", "tapping", "above the paper"])
def test_beside_a_pen_one_finger_draws_nothing_two_zoom_and_a_mouse_draws(hand, seen):
    if seen == "drawing":
        hand.line(LEFT, RIGHT)
    elif seen == "tapping":
        hand.pen("mousePressed", LEFT)
        hand.pen("mouseReleased", LEFT)
    else:
        hand.pen("hover", LEFT)
    before = hand.has_ink(*LEFT)
    hand.touch("touchStart", PALM)
    hand.touch("touchMove", (0.7, 0.6))
    hand.touch("touchEnd")
    assert not hand.has_ink(*PALM) and hand.has_ink(*LEFT) == before
    hand.touch("touchStart", (0.4, 0.5))
    hand.touch("touchStart", (0.4, 0.5), (0.5, 0.5))
    hand.touch("touchMove", (0.35, 0.5), (0.55, 0.5))
    hand.touch("touchEnd")
    expect(hand.page.locator("#fit")).to_have_text("200 %")
    hand.page.locator("#fit").click()
    draw(hand.page, [(0.3, 0.7), (0.5, 0.7)])
    assert hand.has_ink(0.4, 0.7) and hand.undo_steps() == before + 1


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("model", ["shipped", "player", "single", "critic"])
def test_nothing_is_wider_than_a_phone(open_page, width, model):
    page = open_page(f"#model={model}", viewport={"width": width, "height": 640}, is_mobile=True)
    expect(page.locator("#model")).to_have_value(model)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    beyond = page.evaluate(
        "() => [...document.querySelectorAll('button, input, select, img, canvas')].filter((one) =>"
        " one.checkVisibility() && one.getBoundingClientRect().right > innerWidth).map((one) => one.id)"
    )
    assert beyond == []


@pytest.fixture
def play(page):
    """A page with a drawing, and the model that reads photos and has directions."""
    page.locator("#model").select_option("player")
    draw(page, OUTLINE)
    photo(page)
    return page


def latents_asked(page, act):
    """What answers the page asked for after `act`."""
    return translated(page, act)[0]["latents"]


def test_four_answers_to_one_sketch_stand_side_by_side_and_one_is_shown_large(play):
    draw(play, SOLE)
    photo(play)
    latents = latents_asked(play, play.locator("#undo").click)
    assert latents == [{"seed": seed} for seed in range(4)], "they come in one request"
    pictures = answers(play)
    assert len(pictures) == 4
    assert all(np.abs(a - b).mean() > 1 for i, a in enumerate(pictures) for b in pictures[:i])
    assert alike(photo(play), pictures[0])
    play.keyboard.press("3")
    assert alike(photo(play), pictures[2])
    expect(play.locator("#seed")).to_have_value("2")
    play.locator(".answer").nth(3).click()
    assert alike(photo(play), pictures[3])
    play.keyboard.press("ArrowUp")
    expect(play.get_by_role("radio", name="Answer 3: seed 2")).to_be_checked()
    with play.expect_download() as download:
        play.locator("#save").click()
    assert download.value.suggested_filename == "player-seed-2.png"
    assert alike(np.asarray(Image.open(download.value.path())), pictures[2])


def test_where_the_server_is_slow_one_answer_follows_the_pen_and_the_others_come_when_it_is_lifted(play):
    def asked(count):
        return lambda response: len(response.request.post_data_json["latents"]) == count

    play.evaluate("let now = 0; performance.now = () => (now += 1000)")  # every answer takes a second
    play.locator("#undo").click()
    play.locator("#redo").click()
    before = answers(play)
    first, second, *rest = path_on_canvas(play, SOLE)
    play.mouse.move(*first)
    play.mouse.down()
    with play.expect_response(asked(1)):
        play.mouse.move(*second)
    photo(play)
    expect(play.locator(".answer").nth(0)).not_to_have_class(re.compile("waiting"))
    expect(play.locator(".answer").nth(1)).to_have_class(re.compile("waiting"))
    for point in rest:
        play.mouse.move(*point)
    with play.expect_response(asked(4)):
        play.mouse.up()
    assert not any(alike(a, b) for a, b in zip(before, answers(play), strict=True))
    expect(play.locator(".answer").nth(1)).not_to_have_class(re.compile("waiting"))


def test_reroll_changes_all_answers_but_the_pinned_one(play):
    before = answers(play)
    play.keyboard.press("2")
    play.locator("#pin").click()
    expect(play.locator("#pin")).to_have_attribute("aria-pressed", "true")
    latents = latents_asked(play, lambda: play.keyboard.press("r"))
    seeds = [latent["seed"] for latent in latents]
    question = {"model": play.locator("#model").input_value(), "seed": seeds[0], "count": 4}
    apart = play.evaluate(
        """async (question) => (await fetch("/api/v1/seeds", {
            method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(question),
        })).json()""",
        question,
    )
    assert seeds == apart["seeds"][:3], "three are asked for anew, far apart"
    after = answers(play)
    assert [alike(a, b) for a, b in zip(before, after, strict=True)] == [False, True, False, False]
    assert alike(photo(play), before[1])
    expect(play.get_by_role("radio", name="Answer 2: seed 1, pinned")).to_be_checked()
    set_seed(play, 0)
    expect(play.locator(".answer").nth(0).get_by_role("radio")).to_be_checked()
    assert alike(photo(play), before[0]) and alike(answers(play)[2], before[1]), "the free ones count on"
    play.keyboard.press("2")
    play.keyboard.press("p")
    expect(play.locator("#pin")).to_have_attribute("aria-pressed", "false")


def test_where_all_answers_are_pinned_nothing_is_replaced_and_the_page_says_so(play):
    for key in "2p3p4p1p":
        play.keyboard.press(key)
    before = answers(play)
    play.locator("#morph").fill("24")
    mix = photo(play)

    def refused(act):
        act()
        expect(play.locator("#alert")).to_contain_text("All answers are pinned")
        assert all(alike(a, b) for a, b in zip(before, answers(play), strict=True))

    refused(lambda: play.keyboard.press("p"))
    assert alike(photo(play), mix), "the mix is not lost"
    for act in (lambda: play.keyboard.press("r"), lambda: set_seed(play, 99)):
        refused(act)
        play.keyboard.press("1")
    drop(play, "#picture", Image.fromarray(draw_pair(0, 48)[1]))
    refused(lambda: None)
    play.locator("#morph").fill("0")
    play.locator("#pin").click()
    expect(play.locator("#alert")).to_be_hidden()
    assert len(latents_asked(play, lambda: play.keyboard.press("r"))) == 1


def test_undo_takes_back_a_reroll_before_it_takes_back_a_stroke(play):
    before = answers(play)
    latents_asked(play, lambda: play.keyboard.press("r"))
    play.keyboard.press("2")
    latents_asked(play, lambda: play.keyboard.press("Control+z"))
    assert all(alike(a, b) for a, b in zip(before, answers(play), strict=True))
    play.keyboard.press("Control+z")
    expect(play.locator("#hint")).to_be_visible()
    play.keyboard.press("r")
    expect(play.locator("#seed")).not_to_have_value("1")
    play.locator("#undo").click()
    expect(play.locator("#seed")).to_have_value("1")
    expect(play.locator("#undo")).to_be_disabled()


def test_the_slider_morphs_from_the_chosen_answer_to_another_one(play, translators):
    ends = answers(play)
    slider = play.locator("#morph")
    expect(slider).to_have_accessible_name("From answer 1 to answer 2")
    with play.expect_response("**/api/v1/interpolate") as answered:
        slider.fill("24")
    frames = answered.value.json()["frames"]
    half = photo(play)
    assert min(np.abs(half - end).mean() for end in ends[:2]) > 0.3
    expect(slider).to_have_attribute("aria-valuetext", "50 % of the way")
    slider.fill("48")
    assert alike(photo(play), ends[1])
    slider.fill("0")
    assert alike(photo(play), ends[0])
    assert np.allclose(frames[-1]["z"], translators["player"].latent(1))

    slider.fill("24")
    assert alike(photo(play), half), "fetched once, shown again"
    z = latents_asked(play, lambda: draw(play, SOLE))[0]["z"]
    assert z in [frame["z"] for frame in frames], "between two answers, drawing goes on"
    mix = photo(play)
    assert not alike(mix, half)
    play.keyboard.press("p")
    expect(play.get_by_role("radio", name="Answer 4: mix, pinned")).to_be_checked()
    assert alike(photo(play), mix) and alike(answers(play)[3], mix)
    expect(slider).to_have_value("0")
    play.locator("#morph-to").click()
    expect(slider).to_have_accessible_name("From answer 4 to answer 2")


def test_a_photo_dropped_beside_the_paper_lends_its_look(play, translators):
    red = Image.fromarray(draw_pair(0, 48)[1])
    before = answers(play)
    (latent,) = latents_asked(play, lambda: drop(play, "#picture", red))
    assert latent["z"] == translators["player"].encode(red).tolist()
    expect(play.get_by_role("radio", name="Answer 4: from photo, pinned")).to_be_checked()
    small = pixels(play.locator(".answer .look").nth(3))
    assert np.abs(small.mean(axis=(0, 1))[:3] - np.asarray(red).mean(axis=(0, 1))).max() < 10, (
        "the photo, small"
    )
    expect(play.locator("#seed")).to_have_attribute("placeholder", "from photo")
    borrowed = photo(play)
    assert not any(alike(borrowed, one) for one in before)
    latents_asked(play, lambda: play.keyboard.press("r"))
    assert alike(answers(play)[3], borrowed), "it is pinned"


def test_a_photo_can_be_chosen_before_anything_is_drawn(page, translators):
    page.locator("#model").select_option("player")
    expect(page.locator("#look-hint")).to_be_visible()
    blue = Image.fromarray(draw_pair(1, 48)[1])
    with page.expect_file_chooser() as chooser:
        page.locator("#look").click()
    chooser.value.set_files({"name": "blue.png", "mimeType": "image/png", "buffer": png(blue)})
    expect(page.get_by_role("radio", name="Answer 4: from photo, pinned")).to_be_checked()
    expect(page.locator("#status")).to_have_attribute("data-state", "empty")
    first = latents_asked(page, lambda: draw(page, OUTLINE))[0]
    assert first["z"] == translators["player"].encode(blue).tolist()


def test_a_picture_dropped_on_the_paper_is_a_sketch_and_anywhere_where_no_look_is_borrowed(play):
    black = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(black).rectangle((8, 8, 56, 56), outline="black", width=2)
    before = photo(play)
    latents = latents_asked(play, lambda: drop(play, "#sketch", black))
    assert latents == [{"seed": seed} for seed in range(4)]
    assert not alike(photo(play), before)
    play.locator("#undo").click()
    assert alike(photo(play), before)
    play.locator("#model").select_option("literal")
    expect(play.locator("#look")).to_be_hidden()
    before = photo(play)
    translated(play, lambda: drop(play, "#picture", black))
    assert not alike(photo(play), before)


def test_a_photo_that_cannot_be_read_is_told_in_words(browser, url):
    page = browser.new_page()  # its console names the status 400, as it should
    page.goto(url + "#model=player")
    expect(page.locator("#look")).to_be_visible()
    page.locator("#look-file").set_input_files(
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not a photo"}
    )
    expect(page.locator("#alert")).to_contain_text("The look of notes.txt could not be read.")
    page.context.close()


def test_a_direction_moves_the_chosen_answer_and_only_it(play, translators):
    before = answers(play)
    play.keyboard.press("2")
    (latent,) = latents_asked(play, lambda: play.get_by_role("slider", name="Lightness").fill("-1.5"))
    moved = translators["player"].latent(1) - 1.5 * np.array(DIRECTIONS[0].vector)
    assert np.allclose(latent["z"], moved)
    after = answers(play)
    assert [alike(a, b) for a, b in zip(before, after, strict=True)] == [True, False, True, True]
    assert alike(photo(play), after[1])
    (latent,) = latents_asked(play, lambda: play.get_by_role("slider", name="Hue").fill("-2"))
    assert np.allclose(latent["z"], moved - 2 * np.array(DIRECTIONS[1].vector))
    play.keyboard.press("1")
    expect(play.get_by_role("slider", name="Lightness")).to_have_value("0")
    play.keyboard.press("2")
    expect(play.get_by_role("slider", name="Lightness")).to_have_value("-1.5")
    for name in ("Lightness", "Hue"):
        play.get_by_role("slider", name=name).dblclick()
    assert alike(photo(play), before[1]), "a double-click takes it back"
    play.locator("#model").select_option("literal")
    expect(play.locator("#directions")).to_be_hidden()


def test_answers_of_a_model_are_there_when_it_is_picked_again(play):
    drop(play, "#picture", Image.fromarray(draw_pair(0, 48)[1]))
    photo(play)
    before, chosen = answers(play), play.locator("#seed").get_attribute("placeholder")
    assert chosen == "from photo"
    play.locator("#model").select_option("critic")
    expect(play.locator("#seed")).to_have_value("0")
    photo(play)
    play.locator("#model").select_option("player")
    expect(play.locator("#seed")).to_have_attribute("placeholder", chosen)
    assert all(alike(a, b) for a, b in zip(answers(play), before, strict=True))


def test_what_an_answer_comes_from_fits_its_field(play):
    bar = play.locator(".result .bar")
    height = bar.bounding_box()["height"]
    drop(play, "#picture", Image.fromarray(draw_pair(0, 48)[1]))
    photo(play)
    play.get_by_role("slider", name="Lightness").fill("1.5")
    expect(play.locator("#seed")).to_have_attribute("placeholder", "from photo, moved")
    room, text = play.locator("#seed").evaluate(
        """(field) => {
          const box = getComputedStyle(field);
          const pen = document.createElement("canvas").getContext("2d");
          pen.font = getComputedStyle(field, "::placeholder").font;
          const room = field.clientWidth - parseFloat(box.paddingLeft) - parseFloat(box.paddingRight);
          return [room, pen.measureText(field.placeholder).width];
        }"""
    )
    assert text <= room
    assert bar.bounding_box()["height"] == height, "and the bar stays one line"


@pytest.mark.parametrize("colours", ["none", "active"])
def test_a_direction_shows_the_colours_that_it_leads_to(open_page, colours):
    page = open_page("#model=player", color_scheme="dark", forced_colors=colours)
    draw(page, OUTLINE)
    photo(page)

    def track(name):
        slider = page.get_by_role("slider", name=name)
        slider.fill("2")
        photo(page)
        image = np.asarray(Image.open(io.BytesIO(slider.screenshot())).convert("RGB"), dtype=int)
        return image[len(image) // 2]

    row = track("Lightness")
    for end, colour in zip(row[[6, -7]], COLOURS, strict=True):
        assert np.abs(end - [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).max() <= 2
    middle = row[len(row) // 2 - 2 : len(row) // 2 + 2]
    assert np.abs(middle - row[len(row) // 2 - 6]).max() > 90, "a mark where the answer is as it was"
    plain = track("Hue")  # of an older bundle
    assert np.abs(plain[6] - plain[-7]).max() == 0


def test_what_is_dropped_hides_the_answers_wholly(play):
    play.locator("#picture").dispatch_event(
        "dragover", {"dataTransfer": play.evaluate_handle("new DataTransfer()")}
    )
    expect(play.locator(".result .drop")).to_be_visible()
    edge = np.asarray(Image.open(io.BytesIO(play.locator(".show").screenshot())).convert("L"))[20:-20, -9:]
    assert edge.min() == 255, "a sliver of the chosen answer's frame was left"


def test_the_photo_stays_in_sight_above_the_sliders_of_a_small_phone(open_page):
    page = open_page("#model=player", viewport={"width": 390, "height": 440}, has_touch=True, is_mobile=True)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    shown, sliders = page.locator(".show").bounding_box(), page.locator("#directions").bounding_box()
    assert shown["y"] >= 0
    assert sliders["y"] >= shown["y"] + shown["height"] and sliders["y"] + sliders["height"] <= 440


@pytest.mark.parametrize("size", [(390, 844), (390, 814), (360, 640), (320, 568), (1280, 860)])
def test_answers_are_squares_and_their_ring_hides_nothing_of_them(open_page, size):
    """On a phone they were twice as high as wide, and the ring lay over toe and heel."""
    page = open_page("#model=player", viewport=dict(zip(("width", "height"), size, strict=True)))
    draw(page, OUTLINE)
    photo(page)
    places = [place.bounding_box() for place in page.locator(".answer").all()]
    pictures = [picture.bounding_box() for picture in page.locator(".answer .picture").all()]
    ring_px = 4
    for place, picture in zip(places, pictures, strict=True):
        assert place["width"] == pytest.approx(place["height"], abs=1)
        assert picture["width"] == pytest.approx(picture["height"], abs=1)
        assert min(picture[side] - place[side] for side in "xy") >= ring_px
        assert place["width"] - picture["width"] >= 2 * ring_px
    shown = page.locator(".show").bounding_box()
    assert max(place["x"] + place["width"] for place in places) <= shown["x"] + shown["width"] + 0.5
    assert max(place["y"] + place["height"] for place in places) <= shown["y"] + shown["height"] + 0.5


@pytest.mark.parametrize("size", [(390, 844), (390, 640), (320, 568)])
def test_how_the_photo_stands_is_in_sight_on_a_phone(open_page, size):
    page = open_page(viewport=dict(zip(("width", "height"), size, strict=True)), is_mobile=True)
    expect(page.locator("#status")).to_be_in_viewport(ratio=1)
    assert page.evaluate("scrollY") == 0
    header, state = page.locator("header").bounding_box(), page.locator(".state").bounding_box()
    assert header["y"] + header["height"] <= state["y"]
    assert state["y"] + state["height"] <= page.locator(".drawing").bounding_box()["y"]


@pytest.mark.parametrize("size", [(1280, 860), (1366, 680), (1280, 720)])
def test_the_results_of_the_session_are_in_sight_on_a_desk(open_page, size):
    page = open_page(viewport=dict(zip(("width", "height"), size, strict=True)))
    draw(page, OUTLINE)
    photo(page)
    page.keyboard.press("k")
    for id in ("#keep", "#shelf button", "#status", "#latency"):
        expect(page.locator(id)).to_be_in_viewport(ratio=1)


def test_the_menu_leads_to_the_api(page):
    page.locator("#more").click()
    page.get_by_role("link", name="API documentation").click()
    expect(page.get_by_text("/api/v1/translate", exact=True)).to_be_visible(timeout=30_000)


def test_the_address_names_the_answer_and_a_link_brings_it_back(play, open_page):
    play.keyboard.press("3")
    set_seed(play, 41)
    play.locator(".answer").nth(1).click()
    play.wait_for_url(re.compile("#model=player&seed=42$"))
    seeded = photo(play)
    window = {"viewport": play.viewport_size}  # the same corners of the outline are the same drawing
    other = open_page("#" + play.url.partition("#")[2], **window)
    expect(other.locator("#model")).to_have_value("player")
    expect(other.locator("#seed")).to_have_value("42")
    expect(other.locator("#invitation")).to_contain_text("Draw: this look will be used")
    draw(other, OUTLINE)
    assert alike(photo(other), seeded)
    other.get_by_role("slider", name="Lightness").fill("2")
    other.wait_for_url(re.compile("#model=player&z="))
    moved = photo(other)
    assert not alike(moved, seeded)

    third = open_page("#" + other.url.partition("#")[2], **window)
    expect(third.locator("#seed")).to_have_attribute("placeholder", "from link")
    latent = latents_asked(third, lambda: draw(third, OUTLINE))[0]
    assert len(latent["z"]) == TINY.latent_size
    assert np.abs(photo(third) - moved).max() <= 2, "z is told to three decimals"
    third.evaluate("location.hash = '#model=player&seed=42'")
    expect(third.locator("#seed")).to_have_value("42")
    assert alike(photo(third), seeded)


def test_what_a_link_may_name_and_a_direction_reach_is_what_the_server_takes(open_page):
    page = open_page(f"#model=player&z={MAX_Z - 1:g},0,0,{-MAX_Z:g}")
    told = page.evaluate("import('./static/js/client.js').then(({ MAX_SEED, MAX_Z }) => [MAX_SEED, MAX_Z])")
    assert told == [MAX_SEED, MAX_Z]
    expect(page.locator("#seed")).to_have_attribute("max", str(MAX_SEED))
    draw(page, OUTLINE)
    photo(page)
    (latent,) = latents_asked(page, lambda: page.get_by_role("slider", name="Lightness").fill("-2.5"))
    assert latent["z"] == [MAX_Z - 3.5, 0, 0, -MAX_Z]
    page.evaluate(f"location.hash = '#seed={MAX_SEED}'")
    expect(page.locator("#seed")).to_have_value(str(MAX_SEED))
    photo(page)


@pytest.mark.parametrize("link", ["#model=boots&seed=7", "#model=player&z=1,2", "#model=player&seed=abc"])
def test_a_link_that_does_not_fit_is_told_and_the_page_works(open_page, link):
    page = open_page(link)
    expect(page.locator("#alert")).to_contain_text("This link")
    expect(page.locator("#seed")).to_have_value("0")
    draw(page, OUTLINE)
    photo(page)
    expect(page.locator("#alert")).to_be_hidden()
    page.wait_for_url(lambda url: not url.endswith(link))  # it names what is shown, after a moment
    page.evaluate(f"location.hash = '{link}'")
    expect(page.locator("#alert")).to_contain_text("This link")
    photo(page)
    expect(page.locator("#alert")).to_contain_text("This link")  # a photo that comes says nothing of it


def test_a_model_without_z_has_one_answer(page):
    page.locator("#model").select_option("single")
    for id in ("#answers", "#seed", "#reroll", "#pin", "#morphing", "#directions", "#look"):
        expect(page.locator(id)).to_be_hidden()
    draw(page, OUTLINE)
    first = photo(page)
    for key in "2rp":
        page.keyboard.press(key)
    assert latents_asked(page, lambda: draw(page, SOLE)) == [{"seed": 0}]
    assert not alike(photo(page), first)
    page.locator("#model").select_option("player")
    assert len(answers(page)) == 4


def realism(page):
    """Wait as `photo` does; return the pixels of what is laid over the photo, (H, W, 4)."""
    photo(page)
    expect(page.locator("#map")).to_be_visible()
    assert page.locator("#map").bounding_box() == page.locator("#picture").bounding_box()
    return pixels(page.locator("#map"))


def enlarged(page, png):
    """A picture of a small model, in base64, at the size of the paper, as the browser enlarges it."""
    url = page.evaluate(
        """async (png) => {
          const { putBack, wholePaper } = await import("./static/js/drawing/framing.js");
          return putBack(`data:image/png;base64,${png}`, wholePaper(64));
        }""",
        png,
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))), dtype=float)


def test_a_realism_map_lies_over_the_photo_while_it_is_wanted(open_page):
    page = open_page("#model=critic", viewport={"width": 1280, "height": 800})
    button, overlay, legend = (page.locator(id) for id in ("#realism", "#map", "#legend"))
    draw(page, OUTLINE)
    plain = photo(page)
    expect(button).to_have_attribute("aria-pressed", "false")
    asked, _ = translated(page, lambda: set_seed(page, 7))
    assert "realism" not in asked
    set_seed(page, 0)
    photo(page)
    expect(overlay).to_be_hidden()
    expect(legend).to_be_hidden()

    asked, told = translated(page, button.click)
    assert asked["realism"] is True
    expect(button).to_have_attribute("aria-pressed", "true")
    first = realism(page)
    assert first.shape == (256, 256, 4) and first[..., 3].std() > 5
    assert alike(first, enlarged(page, told["images"][0]["realism"]))
    assert alike(photo(page), plain), "the photo itself is as it was"
    expect(legend).to_have_text("looks madelooks realblank paper included")
    swatches = legend.locator("span").evaluate_all(
        "(spans) => spans.map((span) => getComputedStyle(span, '::before').backgroundColor)"
    )
    assert swatches == [f"rgb({', '.join(str(round(255 * part)) for part in one)})" for one in (MADE, REAL)]

    translated(page, lambda: draw(page, SOLE))
    assert not alike(realism(page), first), "it follows the drawing"
    page.locator("#undo").click()
    assert alike(realism(page), first)
    page.keyboard.press("3")
    third = enlarged(page, told["images"][2]["realism"])
    assert alike(realism(page), third) and not alike(third, first), "and the chosen answer"

    page.keyboard.press("d")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(overlay).to_be_hidden()
    expect(legend).to_be_hidden()
    asked, _ = translated(page, lambda: draw(page, SOLE))
    assert "realism" not in asked


def test_a_walk_between_two_answers_is_judged_on_the_way(open_page):
    page = open_page("#model=critic", viewport={"width": 1280, "height": 800})
    draw(page, OUTLINE)
    photo(page)
    page.keyboard.press("d")
    start = realism(page)
    with page.expect_response("**/api/v1/interpolate") as answered:
        page.locator("#morph").fill("24")
    assert answered.value.request.post_data_json["realism"] is True
    half = realism(page)
    assert not alike(half, start)
    page.keyboard.press("d")
    expect(page.locator("#map")).to_be_hidden()
    expect(page.locator("#morph")).to_have_value("24")
    asked, _ = translated(page, lambda: page.keyboard.press("d"))
    assert "z" in asked["latents"][0], "the photo between is asked for, too"
    assert np.abs(realism(page) - half).max() <= 2


def test_a_model_without_critic_offers_no_realism_map(open_page):
    page = open_page("#model=critic", viewport={"width": 1280, "height": 800})
    draw(page, OUTLINE)
    photo(page)
    page.locator("#realism").click()
    realism(page)
    asked, _ = translated(page, lambda: page.locator("#model").select_option("player"))
    assert "realism" not in asked
    for id in ("#realism", "#map", "#legend"):
        expect(page.locator(id)).to_be_hidden()
    page.keyboard.press("d")
    asked, _ = translated(page, lambda: page.locator("#model").select_option("critic"))
    assert asked["realism"] is True, "what somebody wanted holds for the next model that can"
    realism(page)


@pytest.mark.parametrize("width", [320, 1000])
def test_the_legend_of_the_realism_map_stays_within_the_photo(open_page, width):
    page = open_page("#model=critic", viewport={"width": width, "height": 640})
    draw(page, OUTLINE)
    photo(page)
    page.locator("#realism").click()
    realism(page)
    box, legend = page.locator("#photo").bounding_box(), page.locator("#legend").bounding_box()
    assert legend["x"] >= box["x"] and legend["y"] >= box["y"]
    assert legend["x"] + legend["width"] <= box["x"] + box["width"]
    assert page.locator("#legend").evaluate("(legend) => legend.scrollWidth <= legend.clientWidth")


@pytest.mark.skipif(shutil.which("node") is None, reason="the JavaScript unit tests need node 20 or later")
def test_the_javascript_unit_tests_pass():
    files = sorted(str(file) for file in (HERE / "js").rglob("*.test.js"))
    run = subprocess.run(["node", "--test", *files], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr

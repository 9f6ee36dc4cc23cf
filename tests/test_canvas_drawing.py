"""Drawing on the canvas page: strokes, undo, a finger, and a pen beside a palm."""

from __future__ import annotations

import io

import numpy as np
import pytest
from canvas import ARTIFACTS, OUTLINE, SCRIBBLE, SOLE, draw, inside_outline, path_on_canvas, photo, set_seed
from PIL import Image
from playwright.sync_api import expect


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

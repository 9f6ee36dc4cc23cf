"""The layout of the canvas page: what is in sight and what fits, on desks and phones."""

from __future__ import annotations

import io

import numpy as np
import pytest
from canvas import COLOURS, OUTLINE, draw, drop, photo
from conftest import draw_pair
from PIL import Image
from playwright.sync_api import expect


def sized(page, sizes):
    """Give the window each of the sizes (width, height) in turn."""
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        yield width, height


def test_every_control_has_a_name(page):
    nameless = page.evaluate(
        "() => [...document.querySelectorAll('button, input, select')].filter((control) =>"
        " !control.ariaLabel && !control.labels?.[0]?.textContent.trim() && !control.textContent.trim())"
        ".map((control) => control.outerHTML)"
    )
    assert nameless == []


@pytest.mark.parametrize("model", ["shipped", "player", "single", "critic"])
def test_nothing_is_wider_than_a_phone(open_page, model):
    page = open_page(f"#model={model}", viewport={"width": 320, "height": 640}, is_mobile=True)
    expect(page.locator("#model")).to_have_value(model)
    for width, _ in sized(page, [(320, 640), (390, 640)]):
        assert page.evaluate("document.documentElement.scrollWidth") == width
        beyond = page.evaluate(
            "() => [...document.querySelectorAll('button, input, select, img, canvas')].filter((one) =>"
            " one.checkVisibility() && one.getBoundingClientRect().right > innerWidth).map((one) => one.id)"
        )
        assert beyond == [], width


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


def test_a_direction_shows_the_colours_that_it_leads_to(open_page):
    page = open_page("#model=player", color_scheme="dark")
    draw(page, OUTLINE)
    photo(page)

    def track(name):
        slider = page.get_by_role("slider", name=name)
        slider.fill("2")
        photo(page)
        image = np.asarray(Image.open(io.BytesIO(slider.screenshot())).convert("RGB"), dtype=int)
        return image[len(image) // 2]

    for forced in ("none", "active"):
        page.emulate_media(forced_colors=forced)
        row = track("Lightness")
        for end, colour in zip(row[[6, -7]], COLOURS, strict=True):
            assert np.abs(end - [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).max() <= 2, forced
        middle = row[len(row) // 2 - 2 : len(row) // 2 + 2]
        assert np.abs(middle - row[len(row) // 2 - 6]).max() > 90, "a mark where the answer is as it was"
        plain = track("Hue")  # of an older bundle
        assert np.abs(plain[6] - plain[-7]).max() == 0, forced


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


def test_answers_are_squares_and_their_ring_hides_nothing_of_them(open_page):
    """On a phone they were twice as high as wide, and the ring lay over toe and heel."""
    page = open_page("#model=player", viewport={"width": 390, "height": 844})
    draw(page, OUTLINE)
    photo(page)
    for size in sized(page, [(390, 844), (390, 814), (360, 640), (320, 568), (1280, 860)]):
        assert_squares_in_rings(page, size)


def assert_squares_in_rings(page, size):
    places = [place.bounding_box() for place in page.locator(".answer").all()]
    pictures = [picture.bounding_box() for picture in page.locator(".answer .picture").all()]
    ring_px = 4
    for place, picture in zip(places, pictures, strict=True):
        assert place["width"] == pytest.approx(place["height"], abs=1), size
        assert picture["width"] == pytest.approx(picture["height"], abs=1), size
        assert min(picture[side] - place[side] for side in "xy") >= ring_px, size
        assert place["width"] - picture["width"] >= 2 * ring_px, size
    shown = page.locator(".show").bounding_box()
    assert max(place["x"] + place["width"] for place in places) <= shown["x"] + shown["width"] + 0.5, size
    assert max(place["y"] + place["height"] for place in places) <= shown["y"] + shown["height"] + 0.5, size


def test_how_the_photo_stands_is_in_sight_on_a_phone(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, is_mobile=True)
    for size in sized(page, [(390, 844), (390, 640), (320, 568)]):
        expect(page.locator("#status")).to_be_in_viewport(ratio=1)
        assert page.evaluate("scrollY") == 0
        header, state = page.locator("header").bounding_box(), page.locator(".state").bounding_box()
        assert header["y"] + header["height"] <= state["y"], size
        assert state["y"] + state["height"] <= page.locator(".drawing").bounding_box()["y"], size


def test_the_results_of_the_session_are_in_sight_on_a_desk(page):
    draw(page, OUTLINE)
    photo(page)
    page.keyboard.press("k")
    for _ in sized(page, [(1280, 860), (1366, 680), (1280, 720)]):
        for id in ("#keep", ".kept", "#status", "#latency"):
            expect(page.locator(id)).to_be_in_viewport(ratio=1)


def test_the_drawing_tools_stand_on_one_line_on_a_phone(open_page):
    page = open_page(viewport={"width": 320, "height": 640}, is_mobile=True)
    expect(page.locator("#colours")).to_be_visible()
    for size in sized(page, [(320, 640), (361, 640), (375, 640)]):
        tools = page.locator(".drawing .bar > .group").all()
        assert len({tool.bounding_box()["y"] for tool in tools}) == 1, size


def test_all_of_a_menu_can_be_reached_on_a_phone(open_page):
    """Its first entries were above the window."""
    page = open_page(viewport={"width": 390, "height": 440}, is_mobile=True, has_touch=True)
    for (_, height), scrolled in zip(sized(page, [(390, 440), (390, 640)]), (0, 1000), strict=True):
        page.evaluate(f"scrollTo(0, {scrolled})")
        for button, menu in (("#more", "#menu"), ("#colours", "#palette")):
            page.locator(button).evaluate("(button) => button.click()")
            box = page.locator(menu).bounding_box()
            assert box["y"] >= 0 and box["y"] + box["height"] <= height, (menu, height)
            page.keyboard.press("Escape")
            expect(page.locator(menu)).to_be_hidden()


def test_the_menu_leads_to_the_api(page):
    page.locator("#more").click()
    page.get_by_role("link", name="API documentation").click()
    expect(page.get_by_text("/api/v1/translate", exact=True)).to_be_visible(timeout=30_000)

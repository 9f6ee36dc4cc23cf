"""Colours on the canvas page: pens and fills under the ink, a dropper, saved layers, transparent photos."""

from __future__ import annotations

import base64
import io
from itertools import pairwise

import numpy as np
import pytest
from canvas import draw, follows_pen, photo, translated
from PIL import Image
from playwright.sync_api import expect

RED, NAVY = (184, 35, 47), (38, 54, 94)


def along(*corners, steps=8):
    """Points along straight lines: smoothing would round the corners off."""
    sides = pairwise(corners)
    return [
        (a + (c - a) * i / steps, b + (d - b) * i / steps)
        for (a, b), (c, d) in sides
        for i in range(steps + 1)
    ]


BOX = along((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.2))
MIDDLE = (0.5, 0.5)


def choose(page, colour):
    page.locator("#colours").click()
    page.locator("#swatches").get_by_role("button", name=colour, exact=True).click()
    expect(page.locator("#palette")).to_be_hidden()


def tap(page, x, y, square="#sketch"):
    box = page.locator(square).bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def decoded(url, mode):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert(mode), int)


def asked(page, act):
    """Sketch (256, 256) and hints (256, 256, 4), None without, of the photo that is shown after `act`."""
    sent = []
    page.on("request", lambda request: sent.append(request) if follows_pen(request) else None)
    with page.expect_request(follows_pen):
        act()
    photo(page)
    body = sent[-1].post_data_json
    return decoded(body["sketch"], "L"), decoded(body["hints"], "RGBA") if "hints" in body else None


def shown(page):
    """The paper on the screen, (H, W, 3)."""
    page.evaluate("() => new Promise(requestAnimationFrame)")
    page.mouse.move(2, 2)
    return np.asarray(Image.open(io.BytesIO(page.locator("#sketch").screenshot())).convert("RGB"), int)


def at(picture, x, y):
    return tuple(int(level) for level in picture[int(y * len(picture)), int(x * len(picture))])


def near(colour, other, levels=3):
    return np.abs(np.subtract(colour[:3], other)).max() <= levels


@pytest.fixture
def boxed(page):
    """A page with a square of ink that the model sees where it is."""
    draw(page, [(x * 1.5 - 0.25, y * 1.5 - 0.25) for x, y in BOX])
    photo(page)
    return page


def test_colours_are_under_the_ink_and_no_part_of_the_sketch(boxed):
    before, nothing = asked(boxed, lambda: draw(boxed, [(0.4, 0.6), (0.6, 0.6)]))
    assert nothing is None
    choose(boxed, "Red")
    sketch, hints = asked(boxed, lambda: draw(boxed, [MIDDLE, (0.5, 0.8)]))
    assert np.array_equal(sketch, before)
    assert near(at(hints, 0.5, 0.55), RED) and at(hints, 0.5, 0.55)[3] == 255
    assert set(np.unique(hints[..., 3])) == {0, 255}
    assert at(hints, 0.3, 0.6)[3] == 0
    widths = (hints[int(0.7 * 256), :, 3] > 0).sum()
    assert 12 <= widths <= 16  # the pen is wide
    assert near(at(shown(boxed), 0.5, 0.7), RED) and at(shown(boxed), 0.5, 0.6) == (0, 0, 0)


def test_colours_are_framed_as_the_sketch_is(page):
    """A small drawing is seen from close by, and its colours are where they belong."""
    draw(page, [(0.4 + 0.2 * x, 0.4 + 0.2 * y) for x, y in BOX])
    choose(page, "Dark blue")
    sketch, hints = asked(page, lambda: draw(page, [MIDDLE, MIDDLE]))
    rows, columns = np.nonzero(sketch < 128)
    covered = np.argwhere(hints[..., 3] > 0)
    assert rows.min() < 20 and rows.max() > 236
    assert np.abs(covered.mean(axis=0) - [rows.mean(), columns.mean()]).max() < 3
    assert np.ptp(covered, axis=0).max() > 80  # 14 of 256, enlarged as the box is


def test_undo_eraser_and_mirror_work_on_colours(boxed):
    choose(boxed, "Red")
    boxed.locator("#mirror").click()
    draw(boxed, [(0.3, 0.3), (0.3, 0.7)])
    boxed.locator("#mirror").click()
    assert near(at(shown(boxed), 0.3, 0.5), RED) and near(at(shown(boxed), 0.7, 0.5), RED)
    boxed.locator("#eraser").click()
    expect(boxed.locator("#eraser")).to_have_attribute("aria-label", "Eraser of colours")
    _, hints = asked(boxed, lambda: draw(boxed, [(0.05, 0.5), (0.5, 0.5)]))
    assert at(hints, 0.3, 0.5)[3] == 0 and at(hints, 0.3, 0.6)[3] == 255 and at(hints, 0.7, 0.5)[3] == 255
    assert at(shown(boxed), 0.3, 0.5) == (255, 255, 255)
    assert min(min(at(shown(boxed), 0.05 + i / 500, 0.5)) for i in range(5)) < 64  # the line is still there
    boxed.keyboard.press("Control+z")
    assert near(at(shown(boxed), 0.3, 0.5), RED)
    boxed.keyboard.press("b")
    expect(boxed.locator("#eraser")).to_have_attribute("aria-label", "Eraser")
    boxed.keyboard.press("Control+z")
    _, hints = asked(boxed, lambda: draw(boxed, [(0.4, 0.4), (0.6, 0.4)]))
    assert hints is None


def test_the_eraser_of_lines_leaves_colours(boxed):
    choose(boxed, "Red")
    draw(boxed, [(0.2, 0.05), (0.8, 0.05)])
    boxed.keyboard.press("b")
    boxed.keyboard.press("e")
    draw(boxed, [(0.4, 0.05), (0.6, 0.05)])
    assert near(at(shown(boxed), 0.5, 0.05), RED)


def test_a_reload_brings_colours_back(boxed):
    choose(boxed, "Dark blue")
    _, hints = asked(boxed, lambda: draw(boxed, [(0.3, 0.5), (0.7, 0.5)]))
    boxed.reload()
    body = boxed.wait_for_event("request", follows_pen).post_data_json
    assert np.array_equal(decoded(body["hints"], "RGBA"), hints)
    boxed.keyboard.press("c")
    draw(boxed, [(0.5, 0.3), (0.5, 0.4)])
    assert near(at(shown(boxed), 0.5, 0.35), NAVY)


def test_a_key_hides_the_colours_and_the_photo_is_made_without_them(boxed):
    choose(boxed, "Red")
    _, hints = asked(boxed, lambda: draw(boxed, [(0.3, 0.5), (0.7, 0.5)]))
    assert asked(boxed, lambda: boxed.keyboard.press("h"))[1] is None
    assert at(shown(boxed), 0.5, 0.5) == (255, 255, 255)
    expect(boxed.locator("#brush")).to_have_attribute("aria-pressed", "true")  # no pen draws what is hidden
    assert np.array_equal(asked(boxed, lambda: boxed.keyboard.press("h"))[1], hints)


def test_a_reload_with_hidden_colours_brings_everything_back(boxed):
    """The page failed at each load, and lost what was kept."""
    choose(boxed, "Red")
    asked(boxed, lambda: draw(boxed, [(0.3, 0.5), (0.7, 0.5)]))
    boxed.locator("#keep").click()
    asked(boxed, lambda: boxed.keyboard.press("h"))
    boxed.reload()
    photo(boxed)
    expect(boxed.locator("#alert")).to_be_hidden()
    expect(boxed.locator("#shelf img")).to_have_count(1)
    assert at(shown(boxed), 0.5, 0.5) == (255, 255, 255)
    assert asked(boxed, lambda: boxed.keyboard.press("h"))[1] is not None


def test_colours_alone_ask_for_lines(page):
    choose(page, "Red")
    draw(page, [(0.3, 0.5), (0.7, 0.5)])
    expect(page.locator("#status")).to_have_text("Now draw the lines with the brush")


def test_a_free_colour_and_keys_alone(boxed):
    boxed.locator("#colours").focus()
    boxed.keyboard.press("Enter")
    expect(boxed.locator("#palette")).to_be_visible()
    boxed.locator("#custom").evaluate(
        "(input) => { input.value = '#12ab34'; for (const type of ['input', 'change'])"
        " input.dispatchEvent(new Event(type, { bubbles: true })); }"
    )
    expect(boxed.locator("#palette")).to_be_hidden()
    draw(boxed, [(0.3, 0.5), (0.7, 0.5)])
    assert near(at(shown(boxed), 0.5, 0.5), (0x12, 0xAB, 0x34))


@pytest.mark.parametrize("by", ["mouse", "keys"])
def test_the_dropper_takes_a_colour_of_the_photo(boxed, by):
    boxed.locator("#colours").click()
    boxed.locator("#dropper").click()
    expect(boxed.locator("#taken")).to_be_focused()
    if by == "mouse":
        tap(boxed, 0.25, 0.75, "#photo")
        x, y = 0.25, 0.75
    else:
        for key in ["ArrowLeft"] * 8 + ["ArrowDown"] * 4 + ["Enter"]:
            boxed.keyboard.press(key)
        x, y = 0.375, 0.5625
    expect(boxed.locator("#taken")).to_be_hidden()
    made = photo(boxed)
    row, column = int(y * len(made)), int(x * len(made))
    wanted = made[row - 2 : row + 3, column - 2 : column + 3, :3].mean(axis=(0, 1))
    draw(boxed, [(0.3, 0.5), (0.7, 0.5)])
    assert near(at(shown(boxed), 0.5, 0.5), wanted, 8)  # a pixel beside it may be taken


def test_a_tap_fills_an_area_though_its_line_has_a_gap(page):
    gap = 5 / 256
    draw(page, along((0.5 + gap, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9), (0.1, 0.1), (0.5, 0.1)))
    draw(page, [(0.1, 0.6), (0.9, 0.6)])
    photo(page)
    page.keyboard.press("f")
    choose(page, "Dark blue")
    _, hints = asked(page, lambda: tap(page, 0.4, 0.3))
    assert near(at(hints, 0.5, 0.5), NAVY) and near(at(hints, 0.13, 0.13), NAVY)
    assert at(hints, 0.5, 0.7)[3] == at(hints, 0.5, 0.05)[3] == 0
    assert near(at(shown(page), 0.85, 0.55), NAVY)
    page.keyboard.press("Control+z")
    assert at(shown(page), 0.85, 0.55) == (255, 255, 255)


def test_an_open_area_is_not_filled_and_the_page_says_why(page):
    draw(page, [(0.1, 0.3), (0.9, 0.3)])
    photo(page)
    page.keyboard.press("f")
    tap(page, 0.5, 0.6)
    expect(page.locator("#alert")).to_contain_text("This area is open")
    assert at(shown(page), 0.5, 0.6) == (255, 255, 255)


@pytest.fixture
def coloured(boxed):
    """A page with lines, a stroke of colour that is partly erased, and a filled area."""
    draw(boxed, [(0.05, 0.6), (0.95, 0.6)])
    choose(boxed, "Red")
    draw(boxed, [(0.2, 0.3), (0.8, 0.3)])
    boxed.keyboard.press("e")
    draw(boxed, [(0.5, 0.1), (0.5, 0.5)])
    boxed.keyboard.press("f")
    return boxed


def saved(page, kind):
    page.locator("#more").click()
    with page.expect_download() as download:
        page.locator(f"#save-{kind}").click()
    page.locator("#clear").click()
    expect(page.locator("#hint")).to_be_visible()
    return download.value.path().read_bytes()


def opened(page, kind, data):
    """What `asked` returns after a file is opened."""
    file = {
        "name": f"drawing.{kind}",
        "mimeType": {"png": "image/png", "svg": "image/svg+xml"}[kind],
        "buffer": data,
    }
    return asked(page, lambda: page.locator("#file").set_input_files(file))


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_saved_drawing_opens_as_it_was_with_its_colours(coloured, kind):
    sketch, hints = asked(coloured, lambda: tap(coloured, 0.5, 0.8))
    before = shown(coloured)
    again, restored = opened(coloured, kind, saved(coloured, kind))
    assert np.array_equal(again, sketch) and np.array_equal(restored, hints)
    assert np.abs(shown(coloured) - before).mean() < 0.2
    coloured.keyboard.press("Control+z")  # the file
    coloured.keyboard.press("Control+z")  # and what cleared the paper
    assert np.abs(shown(coloured) - before).mean() < 0.2


def test_an_svg_without_colours_opens_as_it_was(boxed):
    """It was refused, even with a byte order mark and an empty line before it."""
    sketch, _ = asked(boxed, lambda: draw(boxed, [(0.1, 0.6), (0.9, 0.6)]))
    again, nothing = opened(boxed, "svg", b"\xef\xbb\xbf\n" + saved(boxed, "svg"))
    assert np.array_equal(again, sketch) and nothing is None
    boxed.keyboard.press("Control+z")  # the file
    undone, _ = asked(boxed, lambda: boxed.keyboard.press("Control+z"))  # and what cleared the paper
    assert np.array_equal(undone, sketch)


def test_an_svg_of_another_program_opens_with_its_red_lines(page):
    box = '<path fill="none" stroke="red" stroke-width="4" d="M40 40H360V360H40z"/>'
    svg = f'\n<!-- drawn --><svg xmlns="http://www.w3.org/2000/svg" width="400" height="400">{box}</svg>'
    sketch, _ = opened(page, "svg", svg.encode())
    inked = sketch < 128
    assert 0.02 < inked.mean() < 0.06 and inked[:, 128].any() and inked[128].any()


def test_colours_of_an_svg_that_another_program_has_changed_are_a_layer(coloured):
    sketch, _ = asked(coloured, lambda: tap(coloured, 0.5, 0.8))
    text = saved(coloured, "svg").decode()
    assert 0 < text.index('<g class="colours">') < text.index('stroke="#000" stroke-width="2"')
    changed = text.replace("#b8232f", "#26365e")
    again, restored = opened(coloured, "svg", changed.encode())
    assert np.abs(again - sketch).mean() < 2
    assert near(at(restored, 0.3, 0.3), NAVY) and near(at(restored, 0.5, 0.75), NAVY)
    assert at(restored, 0.5, 0.3)[3] == at(restored, 0.5, 0.5)[3] == at(restored, 0.02, 0.98)[3] == 0


def test_a_transparent_photo_is_on_chequers_and_saved_with_alpha(boxed, tmp_path):
    opaque = photo(boxed)
    body, _ = translated(boxed, lambda: boxed.locator("#transparent").click())
    assert body["transparent"] is True
    made = photo(boxed)
    assert made.shape == (256, 256, 4) and made[..., 3].min() < 255
    alpha = made[..., 3:] / 255
    assert np.abs(made[..., :3] * alpha + 255 * (1 - alpha) - opaque[..., :3]).max() <= 2
    assert "conic-gradient" in boxed.locator("#photo").evaluate(
        "(photo) => getComputedStyle(photo).backgroundImage"
    )
    with boxed.expect_download() as download:
        boxed.locator("#save").click()
    assert np.array_equal(np.asarray(Image.open(download.value.path())), made)
    body, _ = translated(boxed, boxed.reload)
    assert body["transparent"] is True and photo(boxed).shape[2] == 4
    translated(boxed, lambda: boxed.keyboard.press("t"))
    assert photo(boxed).shape[2] == 3


def test_the_photo_is_copied_with_its_alpha(open_page):
    page = open_page(
        viewport={"width": 1280, "height": 800}, permissions=["clipboard-read", "clipboard-write"]
    )
    draw(page, [(0.2, 0.2), (0.8, 0.8)])
    translated(page, lambda: page.locator("#transparent").click())
    made = photo(page)
    page.keyboard.press("Control+c")
    expect(page.locator("#status")).to_have_text("The photo was copied")
    url = page.evaluate(
        """async () => {
          const [item] = await navigator.clipboard.read();
          const reader = new FileReader();
          reader.readAsDataURL(await item.getType("image/png"));
          await new Promise((resolve) => (reader.onload = resolve));
          return reader.result;
        }"""
    )
    copied = decoded(url, "RGBA")
    assert np.abs(copied[..., 3] - made[..., 3]).max() <= 1


def test_an_example_shows_a_red_upper_on_a_white_sole(page):
    _, hints = asked(page, lambda: page.get_by_role("button", name="Sneaker").click())
    covered = hints[hints[..., 3] > 0][:, :3]
    is_red = np.abs(covered - RED).max(axis=1) < 5
    is_white = covered.min(axis=1) > 215
    assert is_red.sum() > 500 and is_white.sum() > 300 and (is_red | is_white).all()
    page.locator("#undo").click()
    expect(page.locator("#hint")).to_be_visible()


def test_a_model_without_colours_offers_none_and_is_sent_none(boxed):
    choose(boxed, "Red")
    draw(boxed, [(0.3, 0.5), (0.7, 0.5)])
    photo(boxed)
    body, _ = translated(boxed, lambda: boxed.locator("#model").select_option("literal"))
    assert "hints" not in body
    for control in ("#colours", "#transparent"):
        expect(boxed.locator(control)).to_be_hidden()
    boxed.keyboard.press("c")
    expect(boxed.locator("#brush")).to_have_attribute("aria-pressed", "true")


def swatches(page):
    """The labels of the colours that are offered, and which of them is chosen."""
    labels = "(buttons) => buttons.map((button) => button.ariaLabel)"
    both = ("#swatches button", "#swatches [aria-pressed=true]")
    return tuple(page.locator(which).evaluate_all(labels) for which in both)


def test_the_colours_are_those_of_the_model_and_the_chosen_one_stays(boxed):
    greys = ["Light grey", "Grey", "Dark grey"]
    usual = ["Black", "Dark blue", "Brown", "Red", "Green", "Purple", "Orange", "Yellow", "White", *greys]
    assert swatches(boxed) == (usual, ["Red"])
    translated(boxed, lambda: boxed.locator("#model").select_option("player"))
    assert swatches(boxed) == (["Black", "Dark red", "Brown", "Brown 2", "White", *greys], [])
    boxed.keyboard.press("c")
    _, hints = asked(boxed, lambda: draw(boxed, [(0.3, 0.6), (0.5, 0.6)]))
    assert near(at(hints, 0.4, 0.6), RED)
    choose(boxed, "Dark red")
    _, hints = asked(boxed, lambda: draw(boxed, [(0.3, 0.4), (0.5, 0.4)]))
    assert near(at(hints, 0.4, 0.4), (0x98, 0x1A, 0x29))
    translated(boxed, lambda: boxed.locator("#model").select_option("shoes"))
    assert swatches(boxed) == (usual, [])
    expect(boxed.locator("#custom")).to_have_value("#981a29")


def test_two_fingers_zoom_and_fill_nothing(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    draw(page, BOX)
    photo(page)
    page.keyboard.press("f")
    fingers, box = page.context.new_cdp_session(page), page.locator("#sketch").bounding_box()

    def touch(kind, *xs):
        places = [{"x": box["x"] + x * box["width"], "y": box["y"] + box["height"] / 2} for x in xs]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    touch("touchStart", 0.4)
    touch("touchStart", 0.4, 0.6)
    touch("touchMove", 0.35, 0.65)
    touch("touchEnd")
    expect(page.locator("#fit")).to_have_text("150 %")
    page.locator("#fit").click()
    assert at(shown(page), *MIDDLE) == (255, 255, 255)
    touch("touchStart", 0.5)
    touch("touchEnd")
    assert near(at(shown(page), *MIDDLE), RED)

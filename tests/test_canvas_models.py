"""Models on the canvas page: changing them, those that are gone, and those that judge photos."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from canvas import (
    OUTLINE,
    SCRIBBLE,
    SOLE,
    alike,
    answers,
    draw,
    drop,
    follows_pen,
    latents_asked,
    photo,
    pixels,
    serving,
    set_seed,
    translated,
)
from conftest import draw_pair
from PIL import Image
from playwright.sync_api import expect

from pix2pix.inference.realism import MADE, REAL


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
    with play.expect_request(follows_pen):
        play.locator("#model").select_option("literal")
    for id in ("#picture", "#invitation"):
        expect(play.locator(id)).to_be_hidden()
    for id in ("#save", "#keep", "#morph"):
        expect(play.locator(id)).to_be_disabled()
    held[0].continue_()
    play.unroute("**/api/v1/translate")
    photo(play)
    expect(play.locator("#save")).to_be_enabled()


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
    expect(legend).to_have_text("looks generatedlooks realincluding blank paper")
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

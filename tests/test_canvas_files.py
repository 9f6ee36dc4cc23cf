"""Files and links on the canvas page: sketches that are opened, photos that are saved, and the address."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from canvas import (
    OUTLINE,
    alike,
    draw,
    drop,
    follows_pen,
    latents_asked,
    paste,
    photo,
    png,
    seeds_of,
    set_seed,
    translated,
)
from conftest import TINY
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from app.http.request_models import MAX_Z
from pix2pix.model.latents import MAX_SEED


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


def test_a_picture_that_cannot_be_read_is_told_in_sentences(browser, url):
    page = browser.new_page()  # its console names the status 400, as it should
    page.goto(url)
    expect(page.locator("#model")).to_be_enabled()
    page.locator("#file").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"text"})
    expect(page.locator("#alert")).to_contain_text(
        "notes.txt could not be opened. The image is not a picture"
    )
    page.close()


def test_a_picture_dropped_on_the_paper_is_a_sketch_and_anywhere_where_no_look_is_borrowed(play):
    black = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(black).rectangle((8, 8, 56, 56), outline="black", width=2)
    before = photo(play)
    latents = latents_asked(play, lambda: drop(play, "#sketch", black))
    assert latents == [{"seed": seed} for seed in seeds_of(play)]
    assert not alike(photo(play), before)
    play.locator("#undo").click()
    assert alike(photo(play), before)
    play.locator("#model").select_option("literal")
    expect(play.locator("#look")).to_be_hidden()
    before = photo(play)
    translated(play, lambda: drop(play, "#picture", black))
    assert not alike(photo(play), before)


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


def test_a_sheet_shows_the_drawing_and_its_colours_in_twelve_looks(page):
    """Of the trained model, as looks of others may be alike; the colour fills the part left of a line."""
    page.locator("#model").select_option("shipped")
    draw(page, OUTLINE)
    draw(page, [(0.45, 0.37), (0.45, 0.72)])
    page.keyboard.press("c")
    draw(page, [(0.2, 0.6), (0.3, 0.6)])
    photo(page)
    set_seed(page, 7)
    chosen = photo(page)
    asked = []
    page.on("request", lambda request: asked.append(request) if follows_pen(request) else None)
    page.locator("#more").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save a sheet of twelve looks").click()
    assert download.value.suggested_filename == "shipped-sheet.png"
    sheet = np.asarray(Image.open(download.value.path()).convert("RGB"), dtype=float)
    assert sheet.shape == (3 * 280, 4 * 256, 3)
    questions = [request.post_data_json for request in asked]
    seeds = [latent["seed"] for question in questions for latent in question["latents"]]
    assert len(questions) == 2 and len(set(seeds)) == 12 and seeds[0] == 7
    assert all(question["hints"] for question in questions)
    tiles = [sheet[280 * row :, 256 * column :][:280, :256] for row in range(3) for column in range(4)]
    assert alike(tiles[0][:256], chosen)
    assert not any(alike(a[:256], b[:256]) for i, a in enumerate(tiles) for b in tiles[:i])
    assert all(tile[256:].min() < 128 for tile in tiles), "each has its seed below it"
    set_seed(page, seeds[11])
    assert alike(photo(page), tiles[11][:256])
    expect(page.locator("#alert")).to_be_hidden()


def test_where_there_is_no_photo_there_is_no_sheet(page):
    expect(page.locator("#save-sheet")).to_be_disabled()
    draw(page, OUTLINE)
    photo(page)
    expect(page.locator("#save-sheet")).to_be_enabled()
    page.locator("#model").select_option("single")
    page.locator("#more").click()
    expect(page.locator("#save-sheet")).to_be_hidden()


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
    expect(other.locator("#invitation")).to_contain_text("Draw: the photo will have this look")
    assert seeds_of(other) == [42, 43, 44, 45]
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

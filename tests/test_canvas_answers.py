"""The answers to a sketch on the canvas page: choosing, pinning, rerolling, mixing and moving them."""

from __future__ import annotations

import re

import numpy as np
from canvas import (
    DIRECTIONS,
    OUTLINE,
    SCRIBBLE,
    SOLE,
    alike,
    answers,
    draw,
    drop,
    follows_pen,
    latents_asked,
    path_on_canvas,
    photo,
    pixels,
    png,
    seeds_of,
    set_seed,
    translated,
)
from conftest import draw_pair
from PIL import Image
from playwright.sync_api import expect


def test_four_answers_to_one_sketch_stand_side_by_side_and_one_is_shown_large(play):
    draw(play, SOLE)
    photo(play)
    seeds = seeds_of(play)
    latents = latents_asked(play, play.locator("#undo").click)
    assert latents == [{"seed": seed} for seed in seeds], "they come in one request"
    pictures = answers(play)
    assert len(pictures) == 4
    assert all(np.abs(a - b).mean() > 1 for i, a in enumerate(pictures) for b in pictures[:i])
    assert alike(photo(play), pictures[0])
    play.keyboard.press("3")
    assert alike(photo(play), pictures[2])
    expect(play.locator("#seed")).to_have_value(str(seeds[2]))
    play.locator(".answer").nth(3).click()
    assert alike(photo(play), pictures[3])
    play.keyboard.press("ArrowUp")
    expect(play.get_by_role("radio", name=f"Answer 3: seed {seeds[2]}")).to_be_checked()
    with play.expect_download() as download:
        play.locator("#save").click()
    assert download.value.suggested_filename == f"player-seed-{seeds[2]}.png"
    assert alike(np.asarray(Image.open(download.value.path())), pictures[2])


def spread_seeds(page, seed):
    """Four seeds whose answers the server finds far apart, `seed` first."""
    return page.evaluate(
        """async (question) => (await (await fetch("/api/v1/seeds", {
            method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(question),
        })).json()).seeds""",
        {"model": page.locator("#model").input_value(), "seed": seed, "count": 4},
    )


def expect_seeds(page, seeds):
    for place, seed in zip(page.locator(".answer input").all(), seeds, strict=True):
        expect(place).to_have_accessible_name(f"Answer {seeds.index(seed) + 1}: seed {seed}")


def test_once_the_drawing_rests_a_sharp_copy_covers_the_photo(page):
    """The copy goes as soon as the drawing changes."""
    draw(page, OUTLINE)
    small = photo(page)
    copy = page.locator("#sharp")
    expect(copy).to_be_visible()
    large = pixels(copy)
    assert large.shape == (512, 512, 3)
    halved = large.reshape(256, 2, 256, 2, 3).mean((1, 3))
    assert np.abs(halved - small).mean() < 10, "it is the same photo"
    start, *rest = path_on_canvas(page, SCRIBBLE)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*rest[0])
    expect(copy).to_be_hidden()
    page.mouse.up()
    expect(copy).to_be_visible()


def test_the_first_answers_of_each_model_differ_clearly(open_page):
    """They were the seeds 0 to 3, which often look alike."""
    page = open_page("#model=player")
    first = spread_seeds(page, 0)
    assert first[0] == 0 and len(set(first)) == 4 and first != [0, 1, 2, 3]
    expect_seeds(page, first)
    expect(page.locator("#undo")).to_be_disabled()
    for model in ("critic", "shoes"):
        page.locator("#model").select_option(model)
        expect_seeds(page, spread_seeds(page, 0))
    page.wait_for_url(re.compile("#model=shoes&seed=0$"))
    page.locator("#model").select_option("player")
    expect_seeds(page, first)


def hold_seeds(page):
    """Select a model and hold back the request for its seeds; returns it."""
    held = []
    page.route("**/api/v1/seeds", lambda route: held.append(route), times=1)
    page.locator("#model").select_option("player")
    while not held:  # the event "request" may come before the route's handler is called
        page.wait_for_timeout(10)
    return held[0]


def test_the_first_photo_does_not_wait_for_the_seeds_of_the_others(page):
    held = hold_seeds(page)
    under_way: list[str] = []
    page.on("request", lambda request: follows_pen(request) and under_way.append(request.url))
    page.on("requestfinished", lambda request: follows_pen(request) and under_way.pop())
    with page.expect_request(follows_pen) as asked:
        draw(page, OUTLINE)
    assert asked.value.post_data_json["latents"] == [{"seed": 0}]
    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator("#status")).to_have_attribute("data-state", "working")
    first = asked.value.post_data_json["latents"]  # asked for again after each stroke
    quiet = 0
    while quiet < 5:  # until the last stroke has its photo, too
        page.wait_for_timeout(50)
        quiet = 0 if under_way else quiet + 1

    def is_rest(request):
        return follows_pen(request) and request.post_data_json["latents"] != first

    with page.expect_request(is_rest) as rest:
        held.continue_()
    assert rest.value.post_data_json["latents"] == [{"seed": seed} for seed in spread_seeds(page, 0)[1:]]
    assert len(answers(page)) == 4
    page.keyboard.press("Control+z")
    expect(page.locator("#hint")).to_be_visible()


def test_answers_that_were_chosen_from_meanwhile_stay(page):
    held = hold_seeds(page)
    page.keyboard.press("2")
    with page.expect_response("**/api/v1/seeds"):
        held.continue_()
    draw(page, OUTLINE)
    photo(page)
    assert seeds_of(page) == [0, 1, 2, 3]


def test_where_the_server_chooses_no_seeds_they_are_the_first_ones(browser, url):
    page = browser.new_page()  # its console names the failure, as it should
    page.route("**/api/v1/seeds", lambda route: route.abort())
    page.goto(url + "#model=player")
    expect(page.locator("#model")).to_have_value("player")
    draw(page, OUTLINE)
    photo(page)
    assert seeds_of(page) == [0, 1, 2, 3]
    expect(page.locator("#alert")).to_be_hidden()
    page.context.close()


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
    kept = seeds_of(play)[1]
    play.keyboard.press("2")
    play.locator("#pin").click()
    expect(play.locator("#pin")).to_have_attribute("aria-pressed", "true")
    latents = latents_asked(play, lambda: play.keyboard.press("r"))
    seeds = [latent["seed"] for latent in latents]
    assert seeds == spread_seeds(play, seeds[0])[:3], "three are asked for anew, far apart"
    after = answers(play)
    assert [alike(a, b) for a, b in zip(before, after, strict=True)] == [False, True, False, False]
    assert alike(photo(play), before[1])
    expect(play.get_by_role("radio", name=f"Answer 2: seed {kept}, pinned")).to_be_checked()
    set_seed(play, 0)
    expect(play.locator(".answer").nth(0).get_by_role("radio")).to_be_checked()
    assert alike(photo(play), before[0]) and seeds_of(play) == [0, kept, 1, 2], "the free ones count on"
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
    second = str(seeds_of(play)[1])
    latents_asked(play, lambda: play.keyboard.press("r"))
    play.keyboard.press("2")
    latents_asked(play, lambda: play.keyboard.press("Control+z"))
    assert all(alike(a, b) for a, b in zip(before, answers(play), strict=True))
    play.keyboard.press("Control+z")
    expect(play.locator("#hint")).to_be_visible()
    play.keyboard.press("r")
    expect(play.locator("#seed")).not_to_have_value(second)
    play.locator("#undo").click()
    expect(play.locator("#seed")).to_have_value(second)
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
    assert np.allclose(frames[-1]["z"], translators["player"].latent(seeds_of(play)[1]))

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
    second = seeds_of(play)[1]
    play.keyboard.press("2")
    (latent,) = latents_asked(play, lambda: play.get_by_role("slider", name="Lightness").fill("-1.5"))
    moved = translators["player"].latent(second) - 1.5 * np.array(DIRECTIONS[0].vector)
    assert np.allclose(latent["z"], moved)
    after = answers(play)
    assert [alike(a, b) for a, b in zip(before, after, strict=True)] == [True, False, True, True]
    assert alike(photo(play), after[1])
    (latent,) = latents_asked(play, lambda: play.get_by_role("slider", name="Hue").fill("0.5"))
    assert np.allclose(latent["z"], moved + 0.5 * np.array(DIRECTIONS[1].vector))
    play.keyboard.press("1")
    expect(play.get_by_role("slider", name="Lightness")).to_have_value("0")
    play.keyboard.press("2")
    expect(play.get_by_role("slider", name="Lightness")).to_have_value("-1.5")
    for name in ("Lightness", "Hue"):
        play.get_by_role("slider", name=name).dblclick()
    assert alike(photo(play), before[1]), "a double-click takes it back"
    play.locator("#model").select_option("literal")
    expect(play.locator("#directions")).to_be_hidden()


def look_of(page, number):
    return page.get_by_role("button", name=f"Use the look of result {number}")


def test_a_click_on_a_kept_result_uses_its_look_for_the_drawing_as_it_is(play):
    third = seeds_of(play)[2]
    play.keyboard.press("3")
    play.keyboard.press("k")
    (moved,) = latents_asked(play, lambda: play.get_by_role("slider", name="Lightness").fill("1.5"))
    play.keyboard.press("k")
    draw(play, SOLE)
    photo(play)
    sketch = translated(play, lambda: set_seed(play, 70))[0]["sketch"]
    before = answers(play)
    asked, _ = translated(play, look_of(play, 2).click)
    assert asked["latents"] == [moved] and asked["sketch"] == sketch
    expect(play.get_by_role("radio", name="Answer 4: from shelf")).to_be_checked()
    after = answers(play)
    assert [alike(a, b) for a, b in zip(before, after, strict=True)] == [True, True, True, False]
    assert alike(photo(play), after[3])
    assert latents_asked(play, look_of(play, 1).click) == [{"seed": third}]
    expect(play.locator("#seed")).to_have_value(str(third))
    look_of(play, 2).press("Enter")
    expect(play.get_by_role("radio", name="Answer 4: from shelf")).to_be_checked()  # still there
    expect(play.locator("#pin")).to_have_attribute("aria-pressed", "false")
    expect(play.locator("#shelf img")).to_have_count(2)


def test_the_look_of_another_models_result_selects_that_model(play):
    set_seed(play, 41)
    kept = photo(play)
    play.locator("#keep").click()
    set_seed(play, 0)
    play.locator("#model").select_option("shoes")
    photo(play)
    look_of(play, "1 (player)").click()
    expect(play.locator("#model")).to_have_value("player")
    expect(play.locator("#seed")).to_have_value("41")
    assert alike(photo(play), kept)


def test_a_kept_look_waits_on_blank_paper_for_the_next_sketch(play):
    second = seeds_of(play)[1]
    play.keyboard.press("2")
    play.locator("#clear").click()
    play.keyboard.press("1")
    look_of(play, 1).click()
    expect(play.locator("#invitation")).to_contain_text("Draw: the photo will have this look")
    draw(play, SOLE)
    photo(play)
    expect(play.locator("#seed")).to_have_value(str(second))

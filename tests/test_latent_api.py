"""Latent play over HTTP, with real, untrained models: codes of photos, walks, sums, many answers at once."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import pytest
from conftest import LITERAL, TINY, draw_pair, save_untrained
from PIL import Image
from web import assert_problem, b64, encoded, photos, picture, png, translate

import pix2pix
from app.http import create_app
from pix2pix.model import latents
from pix2pix.model.bundle import Direction

Z = TINY.latent_size
DIRECTIONS = (
    Direction(vector=(1.0, 0.0, 0.0, 0.0), attribute="lightness", effect=1.5, share=0.5),
    Direction(vector=(0.0, 0.6, 0.0, 0.8), attribute="saturation", effect=-0.7, share=0.2),
)
PALETTE = ("#1d1b1c", "#e4ddd4")


@pytest.fixture(scope="module")
def translators(tmp_path_factory):
    """`tiny` reads photos, has directions and a palette; `literal` has none of them."""
    folder = tmp_path_factory.mktemp("models")
    tiny = save_untrained(folder / "tiny.safetensors", TINY, directions=DIRECTIONS, palette=PALETTE)
    literal = save_untrained(folder / "literal.safetensors", LITERAL)
    return {path.stem: pix2pix.load(path, device="cpu") for path in (tiny, literal)}


@pytest.fixture
def client(translators):
    return create_app(translators).test_client()


def photo_file(seed):
    return encoded(Image.fromarray(draw_pair(seed, 48)[1]))


def interpolate(client, **body):
    request = {"sketch": b64(png()), "from": {"seed": 3}, "to": {"seed": 4}, **body}
    return client.post("/api/v1/interpolate", json=request)


def arithmetic(client, **body):
    return client.post("/api/v1/arithmetic", json=body)


def assert_alike(images, others):
    """The same but for the one level of 255 that pictures of batches of other sizes may be off."""
    assert [image["z"] for image in images] == [other["z"] for other in others]
    for image, other in zip(images, others, strict=True):
        assert np.abs(picture(image) - picture(other)).max() <= 1


def assert_differ(first, second):
    """The products of two photos, which are small here, differ."""
    product = np.minimum(first, second).min(-1) < 250
    assert np.abs(first - second)[product].mean() > 1


def assert_only_wrong(response, pointer):
    (error,) = assert_problem(response, 422)["errors"]
    assert error["pointer"] == pointer and error["message"]
    return error


def test_the_list_of_models_says_which_read_photos_and_where_their_answers_can_be_moved(client):
    tiny, literal = client.get("/api/v1/models").json["models"]
    assert (tiny["encodes"], literal["encodes"]) == (True, False)
    assert tiny["directions"] == json.loads(json.dumps([asdict(direction) for direction in DIRECTIONS]))
    assert literal["directions"] == []


def test_the_list_of_models_has_their_palettes(client):
    palettes = [model["palette"] for model in client.get("/api/v1/models").json["models"]]
    assert palettes == [list(PALETTE), []]


def test_a_photo_is_answered_with_its_z_uploaded_or_in_json(client, translators):
    red, blue = photo_file(0), photo_file(1)
    uploaded = client.post("/api/v1/encode", data={"photo": (io.BytesIO(red), "red.png")}).json
    as_json = client.post("/api/v1/encode", json={"model": "tiny", "photo": b64(red)}).json
    other = client.post("/api/v1/encode", json={"photo": b64(blue)}).json
    assert uploaded.keys() == {"request_id", "model", "z"} and uploaded["model"] == "tiny"
    assert uploaded["z"] == as_json["z"] == translators["tiny"].encode(red).tolist()
    assert np.abs(np.subtract(as_json["z"], other["z"])).max() > 0.01


def test_a_photo_may_be_the_whole_body(client):
    sent = {"data": photo_file(0), "content_type": "image/png"}
    by_json = client.post("/api/v1/encode", json={"photo": b64(photo_file(0))}).json
    assert client.post("/api/v1/encode?model=tiny", **sent).json["z"] == by_json["z"]
    assert_only_wrong(client.post("/api/v1/encode?model=literal", **sent), "#/model")


def test_the_z_of_a_photo_can_be_translated_with(client):
    z = client.post("/api/v1/encode", json={"photo": b64(photo_file(0))}).json["z"]
    (image,) = translate(client, z=z).json["images"]
    assert image["z"] == z


@pytest.mark.parametrize("loaded", [("tiny", "literal"), ("literal",)])
def test_a_model_without_an_encoder_says_so_and_names_those_that_have_one(translators, loaded):
    client = create_app({name: translators[name] for name in loaded}).test_client()
    response = client.post("/api/v1/encode", json={"model": "literal", "photo": b64(photo_file(0))})
    error = assert_only_wrong(response, "#/model")
    assert "has no encoder" in error["message"]
    assert error["message"].endswith("tiny" if "tiny" in loaded else "none")
    if len(loaded) == 1:
        by_default = client.post("/api/v1/encode", data={"photo": (io.BytesIO(photo_file(0)), "x.png")})
        assert "has no encoder" in assert_only_wrong(by_default, "#/model")["message"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/photo"),
        ({"photo": 5}, "#/photo"),
        ({"photo": "not base64!"}, "#/photo"),
        ({"photo": "", "model": "boots"}, "#/model"),
        ({"photo": "", "sketch": ""}, "#/sketch"),
    ],
)
def test_a_wrong_field_of_encode_is_named(client, body, pointer):
    assert_only_wrong(client.post("/api/v1/encode", json=body), pointer)


@pytest.mark.parametrize(("data", "status"), [(b"", 400), (b"text", 400), (b"<svg/>", 415)])
def test_a_photo_that_cannot_be_read_is_the_clients_problem(client, data, status):
    assert_problem(client.post("/api/v1/encode", json={"photo": b64(data)}), status)


def test_a_photo_is_decoded_while_others_are_drawn_for(translators):
    """Regression: 40 megapixels were decoded while everybody's drawing waited."""
    drawing, decoded = threading.Event(), threading.Event()

    class Busy:
        name, device, size_px, latent_size, encodes = "busy", "cpu", 64, Z, True
        latent = staticmethod(lambda seed: latents.draw(seed, Z))

        def translate_batch(self, sketches, z, sketch_of, strokes=None, *, transparent=False):
            drawing.set()
            assert decoded.wait(timeout=20)
            return translators["tiny"].translate_batch(sketches, z, sketch_of)

    app = create_app({"busy": Busy()})
    with ThreadPoolExecutor(2) as pool:
        drawn = pool.submit(lambda: translate(app.test_client()).status_code)
        assert drawing.wait(timeout=20)
        broken = {"photo": b64(b"no picture")}
        refused = pool.submit(lambda: app.test_client().post("/api/v1/encode", json=broken).status_code)
        try:
            assert refused.result(timeout=10) == 400
        finally:
            decoded.set()
        assert drawn.result() == 200


@pytest.mark.parametrize("path", ["translate", "encode", "interpolate", "arithmetic"])
def test_what_was_begun_is_answered_by_the_model_it_was_checked_against(translators, path):
    """Regression: a bundle that was removed or replaced while its question waited made that one a 500."""

    class Passing(dict):
        def items(self):
            there = dict(self)
            self.clear()  # a moment after it was looked at
            return there.items()

    client = create_app(Passing(translators)).test_client()
    sketch = {"sketch": b64(png())}
    bodies = {
        "translate": {**sketch, "seed": 3},
        "encode": {"photo": b64(photo_file(0))},
        "interpolate": {**sketch, "from": {"seed": 3}, "to": {"seed": 4}, "steps": 2},
        "arithmetic": {**sketch, "plus": [{"seed": 3}]},
    }
    answer = client.post(f"/api/v1/{path}", json=bodies[path])
    assert answer.status_code == 200 and answer.json["model"] == "tiny"


def test_a_photo_is_squared_while_others_are_drawn_for(translators, monkeypatch):
    """Regression: the subject of a large photo was looked for on the device's thread."""
    tiny, threads = translators["tiny"], {}

    def noted(name):
        real = getattr(tiny, name)

        def call(*given):
            threads[name] = threading.current_thread().name
            return real(*given)

        return call

    for name in ("subject", "encode_subject"):
        monkeypatch.setattr(tiny, name, noted(name))
    assert create_app(translators).test_client().post("/api/v1/encode", json={"photo": b64(photo_file(0))})
    assert threads["encode_subject"] == "device" != threads["subject"]


def seeds(client, **body):
    return client.post("/api/v1/seeds", json=body)


def test_seeds_are_far_apart_in_what_the_directions_see(client):
    body = seeds(client, seed=100, count=4).json
    assert body.keys() == {"request_id", "model", "seeds"} and body["model"] == "tiny"
    assert body["seeds"][0] == 100 and len(set(body["seeds"])) == 4
    assert all(100 <= seed < 164 for seed in body["seeds"])

    def nearest(chosen):
        z = np.stack([latents.draw(seed, Z) for seed in chosen])
        at = np.stack([0.5**0.5 * z[:, 0], 0.2**0.5 * (0.6 * z[:, 1] + 0.8 * z[:, 3])], axis=1)
        apart = np.linalg.norm(at[:, None] - at[None], axis=2)
        return apart[~np.eye(len(chosen), dtype=bool)].min()

    rng = np.random.default_rng(0)
    by_chance = [nearest([100, *(101 + rng.permutation(63)[:3])]) for _ in range(200)]
    assert nearest(body["seeds"]) > np.quantile(by_chance, 0.99)


def test_the_first_seeds_have_photos_of_colours_that_differ(translators, monkeypatch):
    """All are black but four; the photos are made once."""
    client = create_app(translators).test_client()
    colours = {3: (255, 255, 255), 7: (250, 20, 20), 12: (20, 20, 250), 20: (255, 250, 250)}
    of_z = {latents.draw(seed, Z).tobytes(): colour for seed, colour in colours.items()}
    made = []

    def translate_batch(sketches, z):
        assert (sketches == 0).any() and (sketches == 255).any()
        made.append(len(z))
        return np.stack([np.full((64, 64, 3), of_z.get(one.tobytes(), (0, 0, 0)), np.uint8) for one in z])

    monkeypatch.setattr(translators["tiny"], "translate_batch", translate_batch)
    chosen = seeds(client, seed=0, count=4).json["seeds"]
    assert chosen[0] == 0 and sorted(chosen[1:]) == [3, 7, 12]
    assert sum(made) == 24
    assert seeds(client).json["seeds"] == chosen and sum(made) == 24


def test_seeds_need_no_directions_and_are_the_same_each_time(client):
    first, again = (seeds(client, model="literal", seed=7, count=8).json["seeds"] for _ in range(2))
    assert first == again and first[0] == 7 and len(set(first)) == 8
    assert seeds(client, count=1).json["seeds"] == [0] and len(seeds(client).json["seeds"]) == 4


def test_sixteen_seeds_fill_two_requests(client):
    assert len(set(seeds(client, count=16).json["seeds"])) == 16


def test_seeds_are_never_looked_for_beyond_the_largest(client):
    first = latents.MAX_SEED - 31
    assert max(seeds(client, seed=first, count=2).json["seeds"]) <= latents.MAX_SEED
    refused = assert_problem(seeds(client, seed=first + 1, count=2), 422)
    assert f"beyond {latents.MAX_SEED}" in refused["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"seed": -1}, "#/seed"),
        ({"seed": 2**31}, "#/seed"),
        ({"count": 0}, "#/count"),
        ({"count": 17}, "#/count"),
        ({"model": "boots"}, "#/model"),
        ({"sketch": ""}, "#/sketch"),
    ],
)
def test_a_wrong_field_of_seeds_is_named(client, body, pointer):
    assert_only_wrong(seeds(client, **body), pointer)


def test_a_walk_begins_and_ends_with_the_two_answers_and_moves_on_an_arc(client, translators):
    body = interpolate(client, steps=5).json
    assert body.keys() == {"request_id", "model", "frames", "timings", "notices"}
    frames = body["frames"]
    assert len(frames) == 5 and frames[0].keys() == {"z", "png"}
    ends = [translate(client, seed=seed).json["images"][0] for seed in (3, 4)]
    assert_alike([frames[0], frames[-1]], ends)
    walked = latents.walk([translators["tiny"].latent(3), translators["tiny"].latent(4)], 5)
    assert np.allclose([frame["z"] for frame in frames], walked)
    assert_differ(picture(frames[2]), picture(frames[0]))
    assert_alike([frames[2]], translate(client, z=frames[2]["z"]).json["images"])


def test_a_walk_takes_z_and_seeds(client):
    z = [0.5, -1.0, 0.25, 2.0]
    body = interpolate(client, **{"from": {"z": z}, "to": {"seed": 0}}, steps=2).json
    assert [frame["z"] for frame in body["frames"]] == [z, [0.0] * Z]
    assert len(interpolate(client).json["frames"]) == 9


def test_a_form_may_hold_lists_and_objects_as_json(client):
    """Regression: OpenAPI offers forms, in which `from` and `to` were text that no model takes."""
    z = [0.5, -1.0, 0.25, 2.0]
    form = {"from": json.dumps({"z": z}), "to": '{"seed": 0}', "steps": "2", "model": "tiny"}
    response = client.post("/api/v1/interpolate", data=form | {"sketch": (io.BytesIO(png()), "a.png")})
    assert [frame["z"] for frame in response.json["frames"]] == [z, [0.0] * Z]
    form = {"from": "{7", "to": '{"seed": 0}', "sketch": (io.BytesIO(png()), "a.png")}
    assert_only_wrong(client.post("/api/v1/interpolate", data=form), "#/from")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"from": None}, "#/from"),
        ({"to": 7}, "#/to"),
        ({"to": {}}, "#/to/z"),
        ({"to": {"seed": 1, "z": [0.0] * Z}}, "#/to/z"),
        ({"from": {"seed": -1}}, "#/from/seed"),
        ({"from": {"z": [0.0] * (Z + 1)}}, "#/from/z"),
        ({"from": {"z": [0.0, 0.0, 0.0, 101.0]}}, "#/from/z/3"),
        ({"from": {"seed": 1, "colour": 2}}, "#/from/colour"),
        ({"steps": 1}, "#/steps"),
        ({"steps": 33}, "#/steps"),
        ({"steps": "9"}, "#/steps"),
        ({"start": {"seed": 1}}, "#/start"),
        ({"variants": 2}, "#/variants"),
    ],
)
def test_a_wrong_field_of_a_walk_is_named(client, body, pointer):
    assert_only_wrong(interpolate(client, **body), pointer)


def test_a_walk_over_a_large_sketch_is_refused(client):
    large = b64(encoded(Image.new("1", (4000, 2000), 1)))
    assert "fewer steps" in assert_problem(interpolate(client, sketch=large, steps=6), 413)["detail"]


def test_latents_are_added_and_subtracted(client, translators):
    seven, eight = (translators["tiny"].latent(seed) for seed in (7, 8))
    z = [1.0, 2.0, 3.0, -4.0]
    body = arithmetic(client, plus=[{"z": z}, {"seed": 7}], minus=[{"seed": 8}]).json
    assert body.keys() == {"request_id", "model", "z"}
    assert np.allclose(body["z"], z + seven - eight)
    assert arithmetic(client, plus=[{"z": z}, {"seed": 7}], minus=[{"seed": 7}]).json["z"] == pytest.approx(z)
    assert arithmetic(client, minus=[{"z": z}]).json["z"] == [-1.0, -2.0, -3.0, 4.0]


def test_with_a_sketch_a_sum_is_answered_with_its_photo(client):
    sketch = b64(png())
    body = arithmetic(client, sketch=sketch, plus=[{"seed": 7}, {"seed": 8}]).json
    assert body.keys() == {"request_id", "model", "z", "image", "timings", "notices"}
    (image,) = translate(client, z=body["z"]).json["images"]
    assert body["image"] == {"z": image["z"], "png": image["png"]}


@pytest.mark.parametrize("body", [{}, {"plus": [], "minus": []}])
def test_a_sum_of_nothing_is_refused(client, body):
    assert "nothing to add" in assert_problem(arithmetic(client, **body), 422)["detail"]


def test_a_sum_may_not_leave_the_bounds_of_z(client):
    near = {"z": [0.0, -60.0, 0.0, 0.0]}
    assert "magnitude 120" in assert_problem(arithmetic(client, plus=[near, near]), 422)["detail"]
    assert arithmetic(client, plus=[near, near], minus=[near]).json["z"] == near["z"]
    edge = {"z": [50.0, 0.0, 0.0, 0.0]}
    assert arithmetic(client, plus=[edge, edge]).json["z"][0] == 100.0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"plus": {"seed": 1}}, "#/plus"),
        ({"plus": [{"seed": 1}] * 33}, "#/plus"),
        ({"plus": [{"seed": 1}, {"z": [0.0]}]}, "#/plus/1/z"),
        ({"minus": [{}]}, "#/minus/0/z"),
        ({"minus": [7]}, "#/minus/0"),
        ({"plus": [{"seed": 1}], "sketch": "not base64!"}, "#/sketch"),
        ({"plus": [{"seed": 1}], "realism": 1}, "#/realism"),
        ({"plus": [{"seed": 1}], "times": []}, "#/times"),
    ],
)
def test_a_wrong_field_of_a_sum_is_named(client, body, pointer):
    assert_only_wrong(arithmetic(client, **body), pointer)


def test_several_seeds_and_z_are_translated_in_one_request_each_as_if_alone(client):
    z = [0.5, -1.0, 0.25, 2.0]
    body = translate(client, latents=[{"seed": 9}, {"z": z}, {"seed": 0}]).json
    assert [image["seed"] for image in body["images"]] == [9, None, 0]
    alone = [translate(client, **one).json for one in ({"seed": 9}, {"z": z}, {"seed": 0})]
    assert_alike(body["images"], [one["images"][0] for one in alone])
    first, second, third = photos(body)
    assert_differ(first, second)
    assert_differ(second, third)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"latents": []}, "#/latents"),
        ({"latents": [{"seed": 1}] * 9}, "#/latents"),
        ({"latents": [{"seed": 1}], "seed": 1}, "#/latents"),
        ({"latents": [{"seed": 1}], "z": [0.0] * Z}, "#/latents"),
        ({"latents": [{"seed": 1}], "variants": 2}, "#/latents"),
        ({"latents": [{"seed": 1}, {"z": [0.0]}]}, "#/latents/1/z"),
        ({"latents": [{"seed": 1.5}]}, "#/latents/0/seed"),
    ],
)
def test_wrong_latents_are_named(client, body, pointer):
    assert_only_wrong(translate(client, **body), pointer)


@pytest.mark.parametrize("route", ["encode", "seeds", "interpolate", "arithmetic"])
def test_latent_play_without_a_model_or_with_another_content_type_is_a_problem(client, route):
    assert_problem(create_app({}).test_client().post(f"/api/v1/{route}", json={}), 503)
    assert_problem(client.post(f"/api/v1/{route}", data=b"x", content_type="text/plain"), 415)
    assert_problem(client.get(f"/api/v1/{route}"), 405)

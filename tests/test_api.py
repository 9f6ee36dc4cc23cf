"""The HTTP API, with a tiny deterministic translator in place of a network."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import logging
import re
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import TINY, save_critic
from PIL import Image
from web import assert_problem, b64, encoded, picture, pixels, png, translate

import pix2pix
from app.http import create_app
from app.http.batcher import SMALL_PIXELS, Client
from pix2pix.errors import BundleError
from pix2pix.inference.realism import OPACITY, REAL
from pix2pix.model import latents

SIZE_PX = 32
Z = 4


class InkBlot:
    """Translates ink to black, and paper to a colour made from z."""

    title, size_px, latent_size, device = "Blots", SIZE_PX, Z, "cpu"
    encodes, judges, takes_strokes, directions, palette = False, False, False, (), ()

    def __init__(self, name="blots"):
        self.name = name

    def latent(self, seed):
        return latents.draw(seed, Z)

    def translate_batch(self, sketches, z, sketch_of, strokes=None, *, transparent=False):
        assert sketches.shape[1:] == (SIZE_PX, SIZE_PX) and sketches.dtype == np.uint8
        assert z.shape[1:] == (Z,) and z.dtype == np.float32
        colours = np.clip(150 + 40 * z[:, :3], 60, 250).astype(np.uint8)
        return np.where(sketches[sketch_of, ..., None] < 128, np.uint8(0), colours[:, None, None, :])


class Failing(InkBlot):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def translate_batch(self, sketches, z, sketch_of, strokes=None, *, transparent=False):
        raise self.error


@pytest.fixture
def client():
    return create_app({"blots": InkBlot(), "spots": InkBlot("spots")}).test_client()


def upload(client, data, accept="application/json", **fields):
    form = {"sketch": (io.BytesIO(data), "sketch.png"), **fields}
    return client.post("/api/v1/translate", data=form, headers={"Accept": accept})


def test_a_sketch_becomes_a_picture_of_its_own_size_with_the_subject_in_its_own_place(client):
    body = translate(client, sketch=b64(png(90, 60)), seed=7).json
    assert body["model"] == "blots" and body.keys() == {
        "request_id",
        "model",
        "images",
        "timings",
        "notices",
    }
    assert body["timings"].keys() == {"decode", "queue", "inference", "encode"}
    (image,) = body["images"]
    photo = pixels(base64.b64decode(image["png"]))
    assert photo.shape == (60, 90, 3)
    assert photo[30, 20].max() < 40 and photo[30, 80].min() > 50
    assert image["seed"] == 7 and len(image["z"]) == Z


def test_variant_i_is_the_picture_of_seed_plus_i(client):
    several = translate(client, seed=5, variants=3).json["images"]
    assert [image["seed"] for image in several] == [5, 6, 7]
    assert several[2] == translate(client, seed=7).json["images"][0]
    assert several[0]["png"] != several[2]["png"]


def test_variants_beyond_the_largest_seed_are_refused_not_answered_with_seeds_that_are(client):
    last = translate(client, seed=latents.MAX_SEED - 1, variants=2).json["images"][1]
    assert last == translate(client, seed=latents.MAX_SEED).json["images"][0]
    refused = assert_problem(translate(client, seed=latents.MAX_SEED - 1, variants=3), 422)
    assert f"beyond {latents.MAX_SEED}" in refused["detail"]


def test_the_returned_z_makes_the_same_picture_again(client):
    first = translate(client, seed=3).json["images"][0]
    again = translate(client, z=first["z"]).json["images"][0]
    assert again == {**first, "seed": None}


def test_the_first_model_and_seed_0_are_the_defaults(client):
    assert translate(client).json["images"] == translate(client, model="blots", seed=0).json["images"]
    assert translate(client, model="spots").json["model"] == "spots"


@pytest.mark.parametrize("prefix", ["data:image/png;base64,", "data:image/png;charset=x;base64,"])
def test_a_data_url_is_accepted(client, prefix):
    assert translate(client, sketch=prefix + b64(png())).json["images"] == translate(client).json["images"]


def test_base64_broken_into_lines_is_accepted(client):
    assert translate(client, sketch=base64.encodebytes(png()).decode()).status_code == 200


def test_an_upload_answers_the_picture_itself_when_asked_for_png(client):
    response = upload(client, png(90, 60), accept="image/png", seed="4")
    assert response.content_type == "image/png" and response.headers["X-Request-ID"]
    expected = translate(client, sketch=b64(png(90, 60)), seed=4).json["images"][0]["png"]
    assert response.data == base64.b64decode(expected)


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html", ""])
def test_an_upload_answers_json_otherwise(client, accept):
    response = upload(client, png(), accept=accept, model="spots")
    assert response.is_json and response.json["model"] == "spots"


def test_a_plain_picture_of_several_variants_is_refused(client):
    assert "variants" in assert_problem(upload(client, png(), "image/png", variants="2"), 422)["detail"]


def post_picture(client, data, query="", kind="image/png", accept="application/json", route="translate"):
    return client.post(f"/api/v1/{route}?{query}", data=data, content_type=kind, headers={"Accept": accept})


@pytest.mark.parametrize("save_as", ["PNG", "JPEG", "WEBP"])
def test_a_picture_as_the_body_is_the_sketch_and_the_query_has_the_other_fields(client, save_as):
    data = png(90, 60, save_as=save_as)
    response = post_picture(client, data, "seed=5&variants=2&model=spots", f"image/{save_as.lower()}")
    assert response.json["model"] == "spots"
    uploaded = upload(client, data, seed="5", variants="2", model="spots")
    assert response.json["images"] == uploaded.json["images"]
    plain = post_picture(client, data, "z=[0.5,-1,0,2]", accept="image/png")
    assert plain.content_type == "image/png"
    z = translate(client, sketch=b64(data), z=[0.5, -1, 0, 2]).json["images"][0]
    assert plain.data == base64.b64decode(z["png"])


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("seed=-1", "#/seed"),
        ("seed=1&seed=2", "#/seed"),
        ("model=boots", "#/model"),
        ("z=[1,", "#/z"),
        ("sketch=abcd", "#/sketch"),
        ("sead=1", "#/sead"),
    ],
)
def test_a_wrong_field_in_the_query_is_named(client, query, pointer):
    (error,) = assert_problem(post_picture(client, png(), query), 422)["errors"]
    assert error["pointer"] == pointer


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [(b"", "image/png", 400), (b"text", "image/png", 400), (b"<svg/>", "image/svg+xml", 415)],
)
def test_a_body_that_is_no_picture_is_refused_whatever_its_content_type_says(client, data, kind, status):
    assert_problem(post_picture(client, data, kind=kind), status)


def test_a_picture_as_the_body_has_the_limit_of_every_body():
    small = create_app({"blots": InkBlot()}, max_upload_bytes=100).test_client()
    assert_problem(post_picture(small, png(90, 60)), 413)


@pytest.mark.parametrize("route", ["seeds", "interpolate", "arithmetic"])
def test_a_picture_is_no_body_of_a_request_that_needs_more_or_none(client, route):
    detail = assert_problem(post_picture(client, png(), route=route), 415)["detail"]
    assert "image/png" in detail and "application/json and multipart/form-data are allowed" in detail


def test_a_field_in_the_query_is_not_ignored_where_the_body_has_the_fields(client):
    """`curl -F sketch=@shoe.png '…/translate?seed=7'` gave the photo of seed 0."""
    form = {"sketch": (io.BytesIO(png()), "x.png")}
    for body in ({"data": form}, {"json": {"sketch": b64(png())}}):
        refused = client.post("/api/v1/translate?seed=7&variants=2", **body)
        assert "seed and variants" in assert_problem(refused, 422)["detail"]
    assert client.post("/api/v1/translate?_=123", json={"sketch": b64(png())}).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"sketch": 5}, "#/sketch"),
        ({"sketch": "not base64!"}, "#/sketch"),
        ({"sketch": "data:image/png,abcd"}, "#/sketch"),
        ({"sketch": None}, "#/sketch"),
        ({"model": "boots"}, "#/model"),
        ({"seed": -1}, "#/seed"),
        ({"seed": 2**31}, "#/seed"),
        ({"seed": 10**400}, "#/seed"),
        ({"seed": 1.5}, "#/seed"),
        ({"seed": "7"}, "#/seed"),
        ({"seed": True}, "#/seed"),
        ({"variants": 0}, "#/variants"),
        ({"variants": 9}, "#/variants"),
        ({"size": 255}, "#/size"),
        ({"size": 1025}, "#/size"),
        ({"z": [0.0] * (Z - 1)}, "#/z"),
        ({"z": []}, "#/z"),
        ({"z": [0.0] * Z, "seed": 1}, "#/z"),
        ({"z": [0.0] * Z, "variants": 2}, "#/variants"),
        ({"z": [0, 0, float("nan"), 0]}, "#/z/2"),
        ({"z": [0, 0, 0, float("inf")]}, "#/z/3"),
        ({"z": [0, 1e300, 0, 0]}, "#/z/1"),
        ({"colour/tint": "red"}, "#/colour~1tint"),
    ],
)
def test_a_wrong_field_is_named_with_what_came(client, body, pointer):
    (error,) = assert_problem(translate(client, **body), 422)["errors"]
    assert error["pointer"] == pointer
    assert error["message"]
    assert 0 < len(error["received"]) <= 80


@pytest.fixture
def judging(tiny_bundle):
    """A client of two real models: `critic` holds a D that takes everything for real, `tiny` holds none."""
    critic = save_critic(tiny_bundle.parent / "critic.safetensors", TINY, bias=50.0)
    translators = {path.stem: pix2pix.load(path, device="cpu") for path in (critic, tiny_bundle)}
    return create_app(translators).test_client()


def overlay(image):
    """The realism map of one of the images of an answer, (H, W, 4)."""
    return pixels(base64.b64decode(image["realism"]))


@pytest.mark.parametrize(
    ("width", "height", "box", "covered"),
    [
        (90, 60, (50, 20, 70, 40), (slice(19, 41), slice(49, 71))),  # a small drawing has a square of its own
        (90, 60, (0, 20, 20, 40), (slice(19, 41), slice(0, 21))),  # which may reach over the edge
        (30, 120, (2, 2, 28, 118), (slice(0, 120), slice(0, 30))),  # the square round the page
    ],
)
def test_a_realism_map_lies_over_the_photo_and_is_clear_outside(judging, width, height, box, covered):
    page = Image.new("L", (width, height), "white")
    page.paste("black", box)
    outside = np.ones((height, width), bool)
    outside[covered] = False
    body = translate(judging, sketch=b64(encoded(page)), variants=2, realism=True).json
    for image in body["images"]:
        rgba, photo = overlay(image), picture(image)
        assert rgba.shape == (height, width, 4)
        assert (rgba[covered] == [round(255 * part) for part in (*REAL, OPACITY)]).all()
        assert (rgba[outside][:, 3] == 0).all() and (photo[outside] == 255).all()
        assert photo[covered].min() < 250, "the photo lies there, too"


def test_a_photo_of_a_size_has_its_subject_and_its_realism_map_in_their_places(judging):
    page = Image.new("L", (60, 40), "white")
    page.paste("black", (5, 10, 25, 30))
    body = {"sketch": b64(encoded(page)), "realism": True}
    small, large = (translate(judging, **body, **size).json["images"][0] for size in ({}, {"size": 300}))
    for name in ("png", "realism"):
        before, after = (pixels(base64.b64decode(image[name])) for image in (small, large))
        assert after.shape == (200, 300, before.shape[2])
        reduced = Image.fromarray(after[..., -1]).resize((60, 40), Image.Resampling.BOX)  # blue; alpha
        assert np.abs(np.asarray(reduced) - before[..., -1].astype(float)).mean() < 6


def test_a_realism_map_comes_only_where_it_is_asked_for_and_the_photos_are_the_same(judging):
    mapped, plain = (translate(judging, seed=3, variants=2, **more).json for more in ({"realism": True}, {}))
    assert [image.keys() for image in plain["images"]] == 2 * [{"seed", "z", "png"}]
    assert [image.keys() for image in mapped["images"]] == 2 * [{"seed", "z", "png", "realism"}]
    assert [{**image, "realism": None} for image in mapped["images"]] == [
        {**image, "realism": None} for image in plain["images"]
    ]
    assert translate(judging, seed=3, variants=2, realism=False).json["images"] == plain["images"]
    assert upload(judging, png(), seed="3", realism="true").json["images"] == mapped["images"][:1]


def test_what_is_walked_or_added_is_judged_too(judging):
    ends = {"from": {"seed": 1}, "to": {"seed": 2}, "steps": 3}
    body = {"sketch": b64(png()), "realism": True}
    frames = judging.post("/api/v1/interpolate", json=body | ends).json["frames"]
    assert [overlay(frame).shape for frame in frames] == 3 * [(40, 40, 4)]
    added = judging.post("/api/v1/arithmetic", json={**body, "plus": [{"seed": 1}]}).json
    assert overlay(added["image"]).shape == (40, 40, 4)


def test_a_model_without_discriminator_says_so_and_names_those_that_have_one(judging):
    listed = {model["name"]: model["judges"] for model in judging.get("/api/v1/models").json["models"]}
    assert listed == {"critic": True, "tiny": False}
    for refused in (
        translate(judging, model="tiny", realism=True),
        upload(judging, png(), model="tiny", realism="true"),
    ):
        (error,) = assert_problem(refused, 422)["errors"]
        assert error["pointer"] == "#/realism"
        assert error["message"].endswith(
            "no discriminator, which a realism map needs. Models that support it: critic"
        )
    assert "realism" not in translate(judging, model="tiny", realism=False).json["images"][0]


def test_no_model_may_be_able_to_judge(client):
    (error,) = assert_problem(translate(client, realism=True), 422)["errors"]
    assert error["message"].endswith("Models that support it: none")


@pytest.mark.parametrize("realism", [1, "true", None, []])
def test_a_wrong_wish_for_realism_is_named(judging, realism):
    (error,) = assert_problem(translate(judging, realism=realism), 422)["errors"]
    assert error["pointer"] == "#/realism"


def test_a_plain_picture_holds_no_realism_map(judging):
    refused = assert_problem(upload(judging, png(), "image/png", realism="true"), 422)
    assert refused["detail"] == "A PNG answer has no realism map: accept JSON."
    assert upload(judging, png(), "image/png", realism="false").content_type == "image/png"


def test_an_unknown_model_is_the_only_thing_wrong(client):
    body = {"model": "boots", "z": [0.0]}
    (error,) = assert_problem(translate(client, **body), 422)["errors"]
    assert error["pointer"] == "#/model"


def test_an_unknown_model_is_answered_with_the_known_ones(client):
    (error,) = assert_problem(translate(client, model="boots"), 422)["errors"]
    assert error["received"] == "'boots'" and "blots, spots" in error["message"]


def test_a_missing_sketch_is_named(client):
    for response in (
        client.post("/api/v1/translate", json={}),
        client.post("/api/v1/translate", data={"seed": "1"}, content_type="multipart/form-data"),
    ):
        assert assert_problem(response, 422)["errors"][0]["pointer"] == "#/sketch"


def test_what_is_wrong_with_a_form_is_said_without_its_files(client):
    """Regression: the error of a missing field quoted all others, such as b'\\x89PNG...'."""
    form = {"photo": (io.BytesIO(png()), "photo.png")}
    errors = assert_problem(client.post("/api/v1/translate", data=form), 422)["errors"]
    received = {error["pointer"]: error["received"] for error in errors}
    assert received == {"#/sketch": "nothing", "#/photo": f"<{len(png()):,} bytes>"}


@pytest.mark.parametrize("path", ["translate", "sketch"])
def test_a_sketch_as_text_beside_one_as_file_is_refused(client, path):
    """Regression: the text was dropped without a word."""
    form = {"sketch": [b64(png()), (io.BytesIO(png()), "sketch.png")]}
    assert "sketch" in assert_problem(client.post(f"/api/v1/{path}", data=form), 422)["detail"]


@pytest.mark.parametrize("field", ["z", "sketch", "seed"])
def test_a_form_field_of_endless_brackets_is_refused(client, field):
    """Regression: json gave up with a RecursionError, which was a 500."""
    form = {"sketch": b64(png())} | {field: "[" * 100_000}
    response = client.post("/api/v1/translate", data=form, content_type="multipart/form-data")
    assert assert_problem(response, 422)["errors"][0]["pointer"] == f"#/{field}"


@pytest.mark.parametrize("fields", [{"seed": "x"}, {"seed": ["1", "2"]}, {"z": "0"}, {"colour": "red"}])
def test_wrong_form_fields_are_refused(client, fields):
    (error,) = assert_problem(upload(client, png(), **fields), 422)["errors"]
    assert error["pointer"] == "#/" + next(iter(fields))


def test_an_unknown_file_is_refused(client):
    extra = {"mask": (io.BytesIO(png()), "mask.png")}
    (error,) = assert_problem(upload(client, png(), **extra), 422)["errors"]
    assert error["pointer"] == "#/mask"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 5000, b"null", b"[]", b'"sketch"'])
def test_a_body_that_is_no_json_object_is_refused(client, body):
    response = client.post("/api/v1/translate", data=body, content_type="application/json")
    assert_problem(response, response.status_code)
    assert response.status_code in (400, 422)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_other_content_types_are_refused(client, content_type):
    response = client.post("/api/v1/translate", data=b"x", content_type=content_type)
    assert "multipart/form-data" in assert_problem(response, 415)["detail"]


def bomb():
    """A PNG of a few bytes whose header claims 50,000 x 50,000 pixels."""
    data = bytearray(encoded(Image.new("1", (8, 8))))
    data[16:24] = (50_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def animation():
    frames = [Image.new("L", (8, 8), level) for level in (0, 255)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("data", "status", "title"),
    [
        (b"", 400, "Unreadable image"),
        (b"hello, this is text", 400, "Unreadable image"),
        (png()[:60], 400, "Unreadable image"),
        (png(save_as="JPEG")[:-200], 400, "Unreadable image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "Unsupported image"),
        (animation(), 415, "Unsupported image"),
        (bomb(), 413, "Image too large"),
        (encoded(Image.new("1", (8000, 5001), 1)), 413, "Image too large"),
    ],
    ids=["empty", "text", "truncated png", "truncated jpeg", "svg", "animation", "bomb", "40.008 megapixels"],
)
@pytest.mark.parametrize("way", ["json", "upload", "open"])
def test_a_picture_that_cannot_be_used_is_the_clients_problem(client, data, status, title, way):
    if way == "json":
        response = translate(client, sketch=b64(data))
    elif way == "upload":
        response = upload(client, data, accept="image/png")
    else:
        response = client.post("/api/v1/sketch", data={"sketch": (io.BytesIO(data), "x.png")})
    assert assert_problem(response, status)["title"] == title


def test_a_damaged_picture_never_makes_a_500(client):
    whole = png(mode="RGB")
    rng = np.random.default_rng(0)
    for _ in range(150):
        data = bytearray(whole)
        for position in rng.integers(0, len(data), 3):
            data[position] = rng.integers(256)
        assert translate(client, sketch=b64(bytes(data))).status_code in (200, 400, 413, 415, 422)


def test_many_variants_of_a_large_sketch_are_refused(client):
    large = b64(encoded(Image.new("1", (4000, 2000), 1)))
    assert "variants" in assert_problem(translate(client, sketch=large, variants=8), 413)["detail"]


def test_photos_of_a_size_count_with_that_size(client):
    large = b64(encoded(Image.new("1", (4000, 2000), 1)))
    response = translate(client, sketch=large, variants=8, size=256)
    assert response.status_code == 200 and len(response.json["images"]) == 8


def test_an_opened_sketch_comes_alone(client):
    for other in ({"seed": "1"}, {"photo": (io.BytesIO(png()), "b.png")}):
        response = client.post("/api/v1/sketch", data={"sketch": (io.BytesIO(png()), "a.png"), **other})
        assert "one file named 'sketch' and nothing else" in assert_problem(response, 422)["detail"]


@pytest.mark.parametrize("field", ["file", "form field", "json"])
def test_a_request_over_the_limit_is_refused(field):
    client = create_app({"blots": InkBlot()}, max_upload_bytes=1000).test_client()
    if field == "file":
        response = upload(client, bytes(2000))
    elif field == "form field":
        response = upload(client, png(), model="x" * 2000)
    else:
        response = translate(client, sketch="A" * 2000)
    assert "1000 bytes" in assert_problem(response, 413)["detail"]


def test_opening_a_picture_shows_the_sketch_seen_in_it(client):
    chalk = Image.new("RGB", (300, 100), "black")
    chalk.paste("white", (20, 45, 280, 55))
    response = client.post("/api/v1/sketch", data={"sketch": (io.BytesIO(encoded(chalk)), "chalk.png")})
    seen = pixels(response.data)
    assert response.content_type == "image/png"
    assert seen.shape[0] == seen.shape[1] and seen[5, 5] > 250 and seen[seen.shape[0] // 2, 250] < 50


def test_opening_without_a_file_says_so(client):
    form = {"other": "x"}
    response = client.post("/api/v1/sketch", data=form, content_type="multipart/form-data")
    assert "'sketch'" in assert_problem(response, 422)["detail"]


def test_the_models_are_listed(client):
    models = client.get("/api/v1/models").json["models"]
    assert [model["name"] for model in models] == ["blots", "spots"]
    assert models[0] == {
        "name": "blots",
        "title": "Blots",
        "size_px": 32,
        "latent_size": 4,
        "encodes": False,
        "judges": False,
        "takes_hints": False,
        "directions": [],
        "palette": [],
        "device": "cpu",
    }


def test_alive_and_ready(client):
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_without_models_the_app_is_alive_but_not_ready():
    client = create_app({}).test_client()
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert client.get("/api/v1/models").json == {"models": []}
    assert_problem(translate(client), 503)


def test_unknown_routes_and_methods_under_api_are_problems(client):
    assert assert_problem(client.get("/api/v2/nothing%0a"), 404)["instance"] == "/api/v2/nothing%0A"
    refused = client.get("/api/v1/translate")
    assert assert_problem(refused, 405)["detail"] == "GET is not allowed here; allowed: POST."
    assert "POST" in refused.headers["Allow"]
    assert client.get("/nothing").content_type.startswith("text/html")


@pytest.mark.parametrize("error", [RuntimeError("/secret/path"), BundleError("/secret/path")])
def test_our_own_bug_is_a_500_that_leaks_nothing_and_is_logged(error, caplog):
    response = translate(create_app({"blots": Failing(error)}).test_client())
    body = assert_problem(response, 500)
    assert "secret" not in response.text and "Traceback" not in response.text
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.exc_info and record.exc_info[1] is error
    assert body["request_id"] in record.getMessage()


def test_the_server_goes_on_after_a_failure():
    translators = {"failing": Failing(RuntimeError()), "blots": InkBlot()}
    client = create_app(translators).test_client()
    assert translate(client).status_code == 500
    assert translate(client, model="blots").status_code == 200


def test_a_sane_request_id_is_kept_in_header_body_and_log(client, caplog):
    caplog.set_level(logging.INFO, "app")
    body = {"sketch": b64(png())}
    response = client.post("/api/v1/translate", json=body, headers={"X-Request-ID": "trace-1.a_B"})
    assert response.headers["X-Request-ID"] == response.json["request_id"] == "trace-1.a_B"
    assert any("200" in line and "request_id=trace-1.a_B" in line for line in caplog.messages)


@pytest.mark.parametrize("offered", ["", "a b", "x" * 65, "<script>", "é"])
def test_another_request_id_is_replaced(client, offered):
    response = client.get("/healthz", headers={"X-Request-ID": offered})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])


def test_a_path_cannot_forge_a_log_line(client, caplog):
    caplog.set_level(logging.INFO, "app")
    client.get("/x%0aGET / 200")
    assert all("\n" not in line for line in caplog.messages)


@pytest.mark.parametrize("path", ["/", "/api/v1/models", "/api/nothing", "/static/style.css", "/healthz"])
def test_every_answer_carries_the_security_headers(client, path):
    with client.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"


def test_the_page_loads_local_files_only_and_has_no_inline_code(client):
    page = client.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|https?://", page)
    for url in re.findall(r'(?:src|href)="([^"]+)"', page):
        with client.get(url) as response:
            assert response.status_code == 200


def test_inference_runs_one_request_at_a_time():
    meeting = threading.Barrier(2)
    met = []

    class Watched(InkBlot):
        def translate_batch(self, sketches, z, sketch_of, strokes=None, *, transparent=False):
            with contextlib.suppress(threading.BrokenBarrierError):  # nobody else came in
                met.append(meeting.wait(timeout=0.3))
            return super().translate_batch(sketches, z, sketch_of)

    app = create_app({"blots": Watched()})
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: translate(app.test_client()).status_code, range(2)))
    assert answers == [200, 200]
    assert met == []


def test_the_app_needs_no_torch():
    code = "import sys, app.http; app.http.create_app({}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "sketch",
    [r'"\udcff"', r'"\u0000\u2028<b>"', "9" * 5000, "[" * 50 + "]" * 50, "[0" + ",0" * 100_000 + "]"],
)
def test_a_problem_document_stays_short_and_valid_for_strange_values(client, sketch):
    body = f'{{"sketch": {sketch}}}'.encode()
    response = client.post("/api/v1/translate", data=body, content_type="application/json")
    assert json.loads(response.data)["status"] in (400, 422)
    assert len(response.data) < 2000


def test_thousands_of_wrong_fields_are_not_all_named(client):
    response = translate(client, **{f"field{i}": i for i in range(5000)})
    assert len(assert_problem(response, 422)["errors"]) == 20


def test_a_flood_of_errors_is_counted_and_none_is_built(client, monkeypatch):
    """Regression: a body of 6 MB with two million wrong numbers held the server up for ten seconds."""
    problem = assert_problem(translate(client, z=[""] * 300_000), 422)
    assert len(problem["errors"]) == 1 and problem["errors"][0]["pointer"] == "#/z/0"
    assert "4096" in assert_problem(translate(client, z=[0.5] * 300_000), 422)["detail"]
    monkeypatch.setattr("app.http.problems.as_errors", lambda _: pytest.fail("built"))
    fields = {f"field{i}": i for i in range(20_000)}
    assert "20,000 errors" in assert_problem(translate(client, **fields), 422)["detail"]


def test_two_files_of_one_name_are_refused_like_any_repeated_field(client):
    data = {"sketch": [(io.BytesIO(png()), "a.png"), (io.BytesIO(png()), "b.png")]}
    assert_problem(client.post("/api/v1/translate", data=data), 422)


def test_too_many_form_parts_are_called_that(client):
    data = {f"field{i}": "x" for i in range(1001)}
    response = client.post("/api/v1/translate", data=data, content_type="multipart/form-data")
    assert_problem(response, 413)
    assert "parts" in response.get_json()["detail"]


def test_opening_a_sketch_takes_a_form_and_says_so(client):
    response = client.post("/api/v1/sketch", data=png(), content_type="image/png")
    assert_problem(response, 415)
    assert "multipart/form-data" in response.get_json()["detail"]


PICTURE_ROUTES = [("translate", "sketch"), ("sketch", "sketch"), ("encode", "photo")]


class Reader(InkBlot):
    """Also reads photos."""

    encodes = True

    def subject(self, photo):
        return photo

    def encode_subject(self, subject):
        return np.zeros(Z, np.float32)


def send(app, path, name, data=None, **environ):
    files = {name: (io.BytesIO(data or png()), "a picture")}
    return app.test_client().post(f"/api/v1/{path}", data=files, environ_base=environ)


@pytest.mark.parametrize(("path", "name"), PICTURE_ROUTES)
def test_whatever_decodes_is_admitted_and_turned_away_at_the_end(path, name):
    """Regression: `sketch` took on any number of pictures, and more when the server was to end."""
    app = create_app({"blots": Reader()}, max_admitted=1)
    with app.extensions["batcher"].admit(1):
        assert assert_problem(send(app, path, name), 503)["type"] == "urn:pix2pix:problem:saturated"
    assert send(app, path, name).status_code == 200
    app.extensions["batcher"].close(0)
    problem = assert_problem(send(app, path, name), 503)
    assert problem["title"] == "Shutting down" and problem["type"] == "urn:pix2pix:problem:shutting-down"


@pytest.mark.parametrize(("path", "name"), PICTURE_ROUTES)
def test_large_pictures_are_decoded_one_after_the_other(path, name):
    """Regression: sixty-four pictures of 40 megapixels were decoded side by side, in 40 GB."""
    large = encoded(Image.new("L", (600, 600), "white"))
    app = create_app({"blots": Reader()}, max_pixels=600 * 600, deadline_s=0.5)
    with app.extensions["batcher"].room(SMALL_PIXELS + 1, Client()):
        assert_problem(send(app, path, name, large), 504)
        assert send(app, path, name).status_code == 200
    assert send(app, path, name, large).status_code == 200


@pytest.mark.parametrize(("path", "name"), PICTURE_ROUTES)
def test_the_deadline_counts_while_a_picture_is_decoded(path, name, monkeypatch):
    """Regression: it began with the question, after minutes of decoding."""
    late = threading.Event()
    app = create_app({"blots": Reader()}, deadline_s=0.2)
    page = np.full((9, 9), 255, np.uint8)
    for reader, read in (
        ("app.http.generate.inspect_sketch", (page, ())),
        ("app.http.api.inspect_sketch", (page, ())),
        ("app.http.api.read_photo", page),
    ):
        monkeypatch.setattr(reader, lambda *_, read=read: late.wait(0.25) or read)
    assert "0.2 s" in assert_problem(send(app, path, name), 504)["detail"]


@pytest.mark.parametrize(("path", "name"), PICTURE_ROUTES)
def test_the_picture_of_a_client_that_is_gone_is_not_decoded(path, name, monkeypatch):
    app = create_app({"blots": Reader()})
    for reader in (
        "app.http.generate.inspect_sketch",
        "app.http.api.inspect_sketch",
        "app.http.api.read_photo",
    ):
        monkeypatch.setattr(reader, lambda *_: pytest.fail("decoded"))
    assert_problem(send(app, path, name, **{"waitress.client_disconnected": lambda: True}), 409)


def scans(count):
    """A progressive JPEG with its last scan again and again."""
    whole = encoded(Image.new("L", (64, 64), "white"), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * (count - whole.count(b"\xff\xda")) + whole[-2:]


def test_a_jpeg_of_thousands_of_scans_is_refused_and_one_of_many_is_not(client):
    """Regression: 2 MB of a progressive JPEG kept a thread busy for minutes."""
    assert upload(client, scans(100)).status_code == 200
    problem = assert_problem(upload(client, scans(101)), 415)
    assert "more than 100 scans" in problem["detail"]
    began = time.monotonic()
    comments = b"\xff\xfe\x00\x02" * 200_000
    for bomb in (scans(100_000), scans(9)[:2] + comments + scans(9)[2:]):
        assert_problem(translate(client, sketch=base64.b64encode(bomb).decode()), 415)
    assert time.monotonic() - began < 5


def test_what_looks_like_a_scan_in_metadata_is_none(client):
    exif = b"\xff\xe1" + (2 + 60_000).to_bytes(2, "big") + b"\xff\xda" * 30_000
    jpeg = encoded(Image.new("L", (64, 64), "white"), "JPEG")
    assert upload(client, jpeg[:2] + exif + jpeg[2:] + b"\xff\xda" * 1000).status_code == 200

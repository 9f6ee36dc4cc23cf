"""One drawing through every door: `convert`, `prepare`, the HTTP API, and the page's route for opening."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from drawings import clip_art, filled, label_map, on_paper, printed, product_photo, shoe, side_by_side
from PIL import Image
from web import b64, encoded

import pix2pix
from app.cli.main import main
from app.http import create_app
from pix2pix.images.framing import fit_sketch, padded_square, place_sketch
from pix2pix.images.io import read_sketch

HEIGHT, WIDTH = 600, 600


def page(kind: str, degrees: float, is_photo: bool) -> Image.Image:
    ink = shoe(HEIGHT, WIDTH, 5)
    return Image.fromarray(on_paper(ink, printed(kind, HEIGHT, WIDTH, 24, degrees), is_photo=is_photo))


STRONG_RULES = on_paper(
    shoe(HEIGHT, WIDTH, 4),
    printed("ruled", HEIGHT, WIDTH, 24, 0),
    colour=(90, 90, 90),
    rule_colour=(90, 90, 90),
)


def black_product(pair: np.ndarray) -> np.ndarray:
    """The pair with a photo without colour."""
    drawn, photo = np.split(pair, 2, axis=1)
    grey = np.where((photo < 255).any(axis=2), np.maximum(photo.min(axis=2), 4), 255).astype(np.uint8)
    return np.concatenate([drawn, np.repeat(grey[..., None], 3, axis=2) - np.uint8([4, 2, 0])], axis=1)


BROUGHT: dict[str, tuple[Image.Image, list[str]]] = {
    "white filling, thin lines": (filled(1024, 2), []),
    "ruled scan": (page("ruled", 1, False), ["ruled-paper"]),
    "squared photo": (page("squared", -3, True), ["ruled-paper"]),
    "dotted scan": (page("dotted", 0, False), ["ruled-paper"]),
    "rules as strong as strokes": (Image.fromarray(STRONG_RULES), ["ruled-paper-kept"]),
    "label map": (label_map(), ["areas"]),
    "coloured drawing": (clip_art((0, 0, 0)), ["areas"]),
    "photograph": (Image.fromarray(product_photo(HEIGHT, WIDTH)), ["photograph"]),
    "training pair": (Image.fromarray(side_by_side(256)), ["pair"]),
    "training pair, black": (Image.fromarray(black_product(side_by_side(256))), ["pair"]),
}


def test_a_blank_sketch_is_told_by_every_route_that_takes_one(tiny_bundle: Path) -> None:
    """They answered with the photo of nothing, without a word."""
    client = create_app({"tiny": pix2pix.load(tiny_bundle, device="cpu")}).test_client()
    data = encoded(Image.new("L", (60, 40), 255))
    form = {"sketch": (io.BytesIO(data), "a.png")}
    both = {"sketch": b64(data), "from": {"seed": 1}, "to": {"seed": 2}, "steps": 2}
    for answer in (
        client.post("/api/v1/sketch", data=form),
        client.post("/api/v1/translate", json={"sketch": b64(data)}),
        client.post("/api/v1/translate", json={"sketch": b64(data)}, headers={"Accept": "image/png"}),
        client.post("/api/v1/interpolate", json=both),
        client.post("/api/v1/arithmetic", json={"sketch": b64(data), "plus": [{"seed": 1}]}),
    ):
        assert answer.status_code == 200
        (notice,) = json.loads(answer.headers["X-Notices"])
        assert notice == {"name": "blank", "message": "The picture is blank."}
    without = client.post("/api/v1/arithmetic", json={"plus": [{"seed": 1}]})
    assert "notices" not in without.json and "X-Notices" not in without.headers


@pytest.mark.parametrize("kind", BROUGHT)
def test_every_door_reads_a_drawing_alike_and_tells_the_same(
    kind: str, tmp_path: Path, tiny_bundle: Path
) -> None:
    picture, expected = BROUGHT[kind]
    data = encoded(picture) if picture.mode == "RGBA" else encoded(picture, "JPEG", quality=92)
    sketch = read_sketch(data)
    client = create_app({"tiny": pix2pix.load(tiny_bundle, device="cpu")}).test_client()

    opened = client.post("/api/v1/sketch", data={"sketch": (io.BytesIO(data), "a.png")})
    assert (np.asarray(Image.open(io.BytesIO(opened.data))) == fit_sketch(sketch, 512)[0]).all()
    notices = json.loads(opened.headers["X-Notices"])
    assert [notice["name"] for notice in notices] == expected

    form = {"sketch": (io.BytesIO(data), "a.png")}
    answered = client.post("/api/v1/translate", data=form, headers={"Accept": "application/json"})
    assert answered.json["notices"] == notices
    form = {"sketch": (io.BytesIO(data), "a.png")}
    photo = client.post("/api/v1/translate", data=form, headers={"Accept": "image/png"})
    assert json.loads(photo.headers["X-Notices"]) == notices

    body = {"sketch": b64(data), "from": {"seed": 1}, "to": {"seed": 2}, "steps": 2}
    walk = client.post("/api/v1/interpolate", json=body)
    sums = client.post("/api/v1/arithmetic", json={"sketch": b64(data), "plus": [{"seed": 1}]})
    for answer in (answered, walk, sums):
        assert answer.json["notices"] == notices == json.loads(answer.headers["X-Notices"])

    for folder in ("sketches", "photos"):
        (tmp_path / "src" / folder).mkdir(parents=True)
        (tmp_path / f"src/{folder}/a.png").write_bytes(data)
    arguments = [
        str(tmp_path / "src/sketches"),
        str(tmp_path / "out"),
        "--model",
        str(tiny_bundle),
        "--device",
        "cpu",
    ]
    converted = CliRunner().invoke(main, ["convert", *arguments])
    assert converted.exit_code == 0, converted.output
    assert (
        np.asarray(Image.open(tmp_path / "out/a.png")) == np.asarray(Image.open(io.BytesIO(photo.data)))
    ).all()
    for notice in notices:
        assert f"{notice['name']}: {tmp_path / 'src/sketches/a.png'}: {notice['message']}" in converted.stderr
    assert json.loads((tmp_path / "out/manifest.jsonl").read_text())["notices"] == notices

    arguments = ["--from", "folders", "--val-fraction", "0", "--workers", "1"]
    prepared = CliRunner().invoke(
        main, ["prepare", str(tmp_path / "src"), str(tmp_path / "pairs"), *arguments]
    )
    assert prepared.exit_code == 0, prepared.output
    stored = np.asarray(Image.open(tmp_path / "pairs/train/sketches/a.png"))
    assert (stored == place_sketch(sketch, padded_square(*sketch.shape), 256)).all()

"""Colour strokes on a sketch ("hints"), and photos with alpha: through the library and the API."""

from __future__ import annotations

import base64
import io
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, save_critic
from PIL import Image
from web import assert_problem, b64, encoded, photos, picture, pixels, png, translate

import pix2pix
from app.http import create_app
from pix2pix.errors import ImageError, UsageError
from pix2pix.images.framing import Placement, fit_hints, fit_sketch, padded_square, resized
from pix2pix.images.io import read_hints, read_photo, restore_photo
from pix2pix.images.transparency import WHITE, cut_out, over, without_fringe
from pix2pix.inference.translator import Translator

ROOT = Path(__file__).parent.parent
RED = (220, 20, 30)


def hints(width: int = 40, height: int = 40, colour: tuple[int, int, int] = RED) -> bytes:
    """A filled rectangle on a transparent page whose transparent pixels are green."""
    page = Image.new("RGBA", (width, height), (0, 255, 0, 0))
    page.paste((*colour, 255), (4, height // 3, width // 2 - 2, 2 * height // 3))
    return encoded(page)


def test_hints_are_framed_as_their_sketch() -> None:
    """A small drawing in a corner gets a square of its own; so do the strokes on it."""
    sketch = np.full((1000, 1400), 255, np.uint8)
    sketch[600:800, 900:1100] = 0
    rgba = np.zeros((1000, 1400, 4), np.uint8)
    rgba[600:800, 900:1100] = (*RED, 255)
    fitted, placement = fit_sketch(sketch, 64)
    strokes = fit_hints(rgba, placement, 64)
    assert strokes.shape == (32, 32, 4)
    inked = fitted.reshape(32, 2, 32, 2).mean(axis=(1, 3)) < 128
    assert np.count_nonzero(inked != (strokes[..., 3] > 0)) <= 2 * 4 * 30  # within a pixel of the border
    assert (strokes[4:28, 4:28] == (*RED, 255)).all()


@pytest.mark.parametrize("side_px", [256, 32, 17, 8])
def test_no_colour_of_transparent_pixels_comes_into_hints(side_px: int) -> None:
    rgba = np.zeros((side_px, side_px, 4), np.uint8)
    rgba[...] = (0, 255, 0, 0)
    rgba[side_px // 3 : side_px // 2 + 1, 1:-1] = (*RED, 255)
    strokes = fit_hints(rgba, padded_square(side_px, side_px), 64)
    covered = strokes[..., 3] > 0
    assert covered.any() and set(np.unique(strokes[..., 3])) == {0, 255}
    assert (np.abs(strokes[covered][:, :3].astype(int) - RED) <= 2).all()
    assert not strokes[~covered].any()


def test_hints_beyond_the_page_are_transparent() -> None:
    rgba = np.full((20, 60, 4), 255, np.uint8)
    strokes = fit_hints(rgba, padded_square(20, 60), 60)
    assert (strokes[10:20, :, 3] == 255).all() and not strokes[:10].any() and not strokes[20:].any()


def test_hints_of_another_size_are_refused() -> None:
    with pytest.raises(ImageError, match="30 x 20 pixels, the sketch has 40 x 20"):
        fit_hints(np.zeros((20, 30, 4), np.uint8), padded_square(20, 40), 64)


@pytest.mark.parametrize("save_as", ["PNG", "WEBP"])
def test_hints_are_any_picture_with_transparency(save_as: str) -> None:
    page = Image.open(io.BytesIO(hints()))
    lossless = {"lossless": True} if save_as == "WEBP" else {}
    read = read_hints(encoded(page, save_as, **lossless))
    solid = np.asarray(page)[..., 3] == 255
    assert (read[solid] == (*RED, 255)).all() and not read[~solid][:, 3].any()
    assert (read_hints(np.asarray(page)) == np.asarray(page)).all()
    palette = page.quantize(4)
    assert (read_hints(encoded(palette))[solid][:, 3] == 255).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_hints_without_transparency_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match="no transparent pixels"):
        read_hints(encoded(Image.new("RGB", (8, 8), RED).convert(mode)))


def test_a_photo_with_alpha_lies_on_its_page_as_without() -> None:
    """Transparent pixels have no part in its colours, at any size."""
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[16:48, 10:50] = (*RED, 255)
    for side in (64, 150, 33):
        placement = Placement(side + 10, side + 20, 5, 12, side)
        page = restore_photo(rgba, placement)
        assert page.shape == (side + 10, side + 20, 4)
        assert not page[:5, :, 3].any() and not page[:, :12, 3].any() and not page[:, 12 + side :, 3].any()
        opaque = restore_photo(over(rgba, WHITE), placement)
        assert np.abs(over(page, WHITE).astype(int) - opaque).max() <= 1
        on_black = over(page, np.zeros(3, np.uint8))
        assert (on_black.astype(int) <= np.array(RED) + 1).all()


def generated(colour: tuple[int, int, int], rim: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A disc with a light spot as a network draws it: photo on white (256, 256, 3), and alpha (256, 256).

    Its colour becomes `rim` where its alpha fades.
    """
    y, x = np.mgrid[:256, :256]
    outside_px = np.hypot(y - 128, x - 128) - 80
    alpha = np.clip(0.5 - outside_px / 4, 0, 1)[..., None]
    share = np.clip((outside_px + 1.5) / 2, 0, 1)[..., None]
    rgb = (1 - share) * colour + share * np.array(rim)
    rgb[(np.hypot(y - 100, x - 100) < 6)] = 250
    photo = alpha * rgb + 255 * (1 - alpha)
    return photo.round().astype(np.uint8), np.round(255 * alpha[..., 0]).astype(np.uint8)


@pytest.mark.parametrize("size", [256, 400, 150])
@pytest.mark.parametrize("colour", [(60, 40, 30), (200, 30, 40), (250, 250, 248)])
def test_a_transparent_answer_has_no_light_fringe(colour: tuple[int, int, int], size: int) -> None:
    photo, alpha = generated(colour, rim=(250, 250, 250))
    rgba = cut_out(photo, without_fringe(photo, alpha))
    shown = resized(rgba, (size, size))
    black, grey, white = (over(shown, np.full(3, level, np.uint8)).astype(int) for level in (0, 128, 255))
    y, x = np.mgrid[:size, :size] * 256 / size
    outside_px = np.hypot(y - 128, x - 128) - 80
    rim = np.abs(outside_px) < 6
    assert (black[rim] <= np.array(colour) + 2).all()
    assert (grey[rim] <= np.maximum(colour, 128) + 2).all()
    assert np.abs(white - resized(photo, (size, size))).max() <= (1 if size == 256 else 2)
    spot = np.hypot(y - 100, x - 100) < 4
    assert (black[spot] > 240).all(), "highlights inside stay"
    assert (shown[outside_px < -8][:, 3] > 250).all()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    bundle = save_critic(tmp_path_factory.mktemp("models") / "tiny.safetensors", TINY)
    return pix2pix.load(bundle, device="cpu")


def test_python_takes_hints_of_any_kind(tiny: Translator, tmp_path: Path) -> None:
    sketch, file = np.asarray(Image.open(io.BytesIO(png()))), tmp_path / "a.hints.png"
    file.write_bytes(hints())
    plain, hinted = (np.asarray(tiny.translate(sketch, hints=one), int) for one in (None, file))
    assert np.abs(hinted - plain).max() > 10
    for one in (hints(), str(file), Image.open(file), np.asarray(Image.open(file))):
        assert (np.asarray(tiny.translate(sketch, hints=one)) == hinted).all()
    z = np.stack([tiny.latent(seed) for seed in range(10)])
    many = tiny.translate_many(sketch, z, hints=file)
    assert len(many) == 10 and np.abs(np.asarray(many[0], int) - hinted).max() <= 1
    with pytest.raises(ImageError, match=r"^hints: the image is not a picture"):
        tiny.translate(sketch, hints=b"hello")


def test_python_makes_photos_with_alpha_of_the_sketchs_size(tiny: Translator) -> None:
    sketch = Image.open(io.BytesIO(png(90, 60)))
    opaque, cut = (tiny.translate(sketch, transparent=one) for one in (False, True))
    assert (opaque.mode, cut.mode, cut.size) == ("RGB", "RGBA", (90, 60))
    assert np.asarray(cut)[..., 3].min() == 0
    assert np.abs(over(np.asarray(cut), WHITE).astype(int) - np.asarray(opaque)).max() <= 2


def test_hints_for_a_model_that_takes_none_are_refused(literal_bundle: Path) -> None:
    literal = pix2pix.load(literal_bundle, device="cpu")
    with pytest.raises(UsageError, match="literal does not support colour strokes"):
        literal.translate(png(), hints=hints())


@pytest.fixture
def client(tiny: Translator, literal_bundle: Path):
    literal = pix2pix.load(literal_bundle, device="cpu")
    return create_app({"tiny": tiny, "literal": literal}).test_client()


def on_white(photo: np.ndarray) -> np.ndarray:
    """A photo (H, W, 3 or 4) int on white: where alpha is low, a level of it is many levels of colour."""
    return read_photo(Image.fromarray(photo.astype(np.uint8))).astype(int)


def test_hints_change_the_photo_in_json_and_in_a_form(client) -> None:
    plain = photos(translate(client).json)
    answer = translate(client, hints=b64(hints()), variants=2)
    hinted = photos(answer.json)
    assert np.abs(hinted[0] - plain[0]).max() > 10
    by_url = translate(client, hints="data:image/png;base64," + b64(hints()), variants=2)
    assert (photos(by_url.json) == hinted).all()
    form = {"sketch": (io.BytesIO(png()), "a.png"), "hints": (io.BytesIO(hints()), "b.png"), "variants": "2"}
    assert (photos(client.post("/api/v1/translate", data=form).json) == hinted).all()
    other = translate(client, hints=b64(hints(colour=(20, 40, 230))), variants=2)
    assert np.abs(photos(other.json) - hinted).max() > 5


def test_wherever_there_is_a_sketch_there_may_be_hints_and_transparency(client, tiny: Translator) -> None:
    body = {"sketch": b64(png()), "hints": b64(hints()), "transparent": True}
    image = translate(client, **body, seed=3).json["images"][0]
    walk = {"from": {"seed": 3}, "to": {"seed": 4}, "steps": 2}
    frame = client.post("/api/v1/interpolate", json=body | walk).json["frames"][0]
    added = client.post("/api/v1/arithmetic", json={**body, "plus": [{"seed": 3}]}).json["image"]
    expected = pixels(base64.b64decode(image["png"])).astype(int)
    assert expected.shape == (40, 40, 4)
    for other in (frame, added):
        assert np.abs(on_white(picture(other)) - on_white(expected)).max() <= 2


def test_a_transparent_photo_is_a_png_with_alpha_that_looks_the_same_on_white(client) -> None:
    opaque = photos(translate(client, sketch=b64(png(90, 60)), seed=2).json)[0]
    form = {"sketch": (io.BytesIO(png(90, 60)), "a.png"), "seed": "2", "transparent": "true"}
    answer = client.post("/api/v1/translate", data=form, headers={"Accept": "image/png"})
    rgba = pixels(answer.data)
    assert answer.content_type == "image/png" and rgba.shape == (60, 90, 4)
    assert rgba[..., 3].min() == 0
    assert np.abs(over(rgba, WHITE).astype(int) - opaque).max() <= 2


def test_the_realism_map_is_that_of_the_opaque_photo(client) -> None:
    body = {"sketch": b64(png()), "realism": True}
    opaque, transparent = (translate(client, **body, transparent=one).json for one in (False, True))
    maps = [
        pixels(base64.b64decode(one["images"][0]["realism"])).astype(int) for one in (opaque, transparent)
    ]
    assert np.abs(maps[0] - maps[1]).max() <= 8


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"hints": b64(hints(30, 40))}, "hints: The hints have 30 x 40 pixels, the sketch has 40 x 40"),
        ({"hints": b64(png())}, "hints: The hints have no transparent pixels"),
    ],
)
def test_hints_that_do_not_fit_are_the_clients_problem(client, body, detail) -> None:
    assert detail in assert_problem(translate(client, **body), 422)["detail"]


def test_the_example_of_the_documentation_has_its_files_and_is_answered(client) -> None:
    """It named files that are not part of the repository."""
    text = (ROOT / "docs/api.md").read_text()
    files = {name: ROOT / path for name, path in re.findall(r"-F (sketch|hints)=@(\S+)", text)}
    assert not [path for path in re.findall(r"@(\S+\.png)", text) if not (ROOT / path).is_file()]
    form = {name: (io.BytesIO(path.read_bytes()), path.name) for name, path in files.items()}
    answer = client.post(
        "/api/v1/translate", data={**form, "transparent": "true"}, headers={"Accept": "image/png"}
    )
    assert form.keys() == {"sketch", "hints"} and pixels(answer.data).shape == (256, 256, 4)


def test_hints_that_are_no_picture_are_refused(client) -> None:
    """The message did not say which of the two pictures it was."""
    for data, status, why in ((b"hello", 400, "not a picture"), (b"<svg/>", 415, "an SVG")):
        detail = assert_problem(translate(client, hints=b64(data)), status)["detail"]
        assert detail.startswith("hints: ") and why in detail
    (error,) = assert_problem(translate(client, hints="not base64!"), 422)["errors"]
    assert error["pointer"] == "#/hints"


def test_a_model_that_takes_no_strokes_says_so_and_names_those_that_do(client) -> None:
    listed = {model["name"]: model["takes_hints"] for model in client.get("/api/v1/models").json["models"]}
    assert listed == {"tiny": True, "literal": False}
    refused = translate(client, model="literal", hints=b64(hints()))
    (error,) = assert_problem(refused, 422)["errors"]
    assert error["pointer"] == "#/hints"
    assert error["message"] == "This model does not support colour strokes. Models that support it: tiny"


def test_hints_need_a_sketch(client) -> None:
    body = {"plus": [{"seed": 3}], "hints": b64(hints())}
    refused = client.post("/api/v1/arithmetic", json=body)
    assert "give the sketch" in assert_problem(refused, 422)["detail"]


def test_an_answer_does_not_depend_on_hints_and_transparency_of_its_batch_mates(
    client, tiny, monkeypatch
) -> None:
    bodies = [
        {"seed": 1},
        {"seed": 2, "hints": b64(hints())},
        {"seed": 3, "transparent": True},
        {"seed": 4, "hints": b64(hints(colour=(20, 40, 230))), "transparent": True},
    ]
    alone = [picture(translate(client, **body).json["images"][0]) for body in bodies]
    sizes, gate, real = [], threading.Event(), tiny.translate_batch

    def held(sketches, z, *rest, **options):
        sizes.append(len(z))
        assert gate.wait(20)
        return real(sketches, z, *rest, **options)

    monkeypatch.setattr(tiny, "translate_batch", held)
    app = client.application
    with ThreadPoolExecutor(9) as pool:
        mixed = [pool.submit(lambda body=body: translate(app.test_client(), **body)) for body in 2 * bodies]
        waiting = app.extensions["batcher"]._waiting
        until = time.monotonic() + 20
        while sum(sizes) + len(waiting) < len(mixed) and time.monotonic() < until:
            time.sleep(0.001)
        gate.set()
        answers = [picture(one.result(20).json["images"][0]) for one in mixed]
    assert max(sizes) > 2
    for one, other in zip(2 * alone, answers, strict=True):
        assert one.shape == other.shape and np.abs(on_white(one) - on_white(other)).max() <= 2

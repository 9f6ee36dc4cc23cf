"""`pix2pix morph`, `arithmetic`, `encode`, `directions`, `convert --style` on an untrained model."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import TINY, draw_pair, save_untrained
from PIL import Image

import pix2pix
from app.cli import main
from pix2pix.bundle import Direction
from pix2pix.latents import slerp

ALONG = (Direction((1.0, 0.0, 0.0, 0.0), "lightness", 0.9, 0.7), Direction((0, 0.6, 0.8, 0), "hue", 0.4, 0.2))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_untrained(tmp_path / "models" / "walker.safetensors", TINY, directions=ALONG)


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    Image.fromarray(draw_pair(1, 48)[0]).save(tmp_path / "sketch.png")
    return tmp_path / "sketch.png"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(draw_pair(3, 48)[1]).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_a_strip_begins_and_ends_with_the_answers_of_its_stops(
    model: Path, sketch: Path, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "strip.png"
    done = run("morph", sketch, out, "--through", 3, "--through", photo, "--steps", 5, "--model", model)
    assert done.exit_code == 0 and done.stdout.strip() == str(out), done.stderr
    frames = np.split(picture(out), 5, axis=1)
    translator = pix2pix.load(model, device="cpu")
    stops = translator.latent(3), translator.encode(photo)
    for frame, t in ((frames[0], 0), (frames[2], 0.5), (frames[4], 1)):
        expected = np.asarray(translator.translate(sketch, z=slerp(*stops, t))).astype(int)
        assert frame.shape == expected.shape and np.abs(frame - expected).max() <= 1
    assert np.abs(frames[0] - frames[4]).mean() > 1


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_an_animation_holds_every_frame(model: Path, sketch: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / "new folder" / f"walk{suffix}"
    done = run("morph", sketch, out, "--steps", 6, "--model", model)
    assert done.exit_code == 0, done.stderr
    if suffix == ".mp4":
        film = cv2.VideoCapture(str(out))
        count, first = int(film.get(cv2.CAP_PROP_FRAME_COUNT)), film.read()[1]
        assert first.shape == (48, 48, 3)
    else:
        with Image.open(out) as animation:
            count = animation.n_frames
            assert animation.size == (48, 48)
    assert count == 6
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_arithmetic_draws_the_sum(model: Path, sketch: Path, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "sum.png"
    done = run("arithmetic", sketch, out, "--plus", 5, "--plus", photo, "--minus", 6, "--model", model)
    assert done.exit_code == 0, done.stderr
    translator = pix2pix.load(model, device="cpu")
    z = translator.latent(5) + translator.encode(photo) - translator.latent(6)
    assert np.abs(picture(out) - np.asarray(translator.translate(sketch, z=z)).astype(int)).max() <= 1
    assert np.abs(picture(out) - np.asarray(translator.translate(sketch, seed=5)).astype(int)).mean() > 1


def test_encode_prints_a_line_a_photo_and_names_what_is_none(
    model: Path, photo: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    done = run("encode", photo, broken, "--model", model)
    assert done.exit_code == 1 and "broken.png" in done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["z"] == pytest.approx(pix2pix.load(model, device="cpu").encode(photo), abs=1e-4)


def test_convert_gives_every_sketch_the_look_of_a_photo(
    model: Path, sketch: Path, photo: Path, tmp_path: Path
) -> None:
    done = run("convert", sketch, tmp_path / "out", "--style", photo, "--model", model)
    assert done.exit_code == 0, done.stderr
    translator = pix2pix.load(model, device="cpu")
    expected = np.asarray(translator.translate(sketch, z=translator.encode(photo))).astype(int)
    assert np.abs(picture(tmp_path / "out" / "sketch.png") - expected).max() <= 1
    for contradiction in (("--seed", 3), ("--variants", 2)):
        refused = run("convert", sketch, tmp_path / "no", "--style", photo, "--model", model, *contradiction)
        assert refused.exit_code == 2 and "--style" in refused.stderr
    assert not (tmp_path / "no").exists()


def test_directions_are_printed_and_drawn(model: Path, sketch: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = run("directions", model, "--sketch", sketch, "--sheet", sheet, "--seed", 2)
    assert done.exit_code == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "lightness" in first and "70%" in first and "hue" in second
    translator = pix2pix.load(model, device="cpu")
    z = translator.latent(2) + 2 * np.array(ALONG[1].vector, np.float32)
    expected = np.asarray(translator.translate(sketch, z=z)).astype(int)
    assert np.abs(picture(sheet)[48:96, -48:] - expected).max() <= 1


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["morph", "SKETCH", "OUT.bmp"], ".gif"),
        (["morph", "SKETCH", "OUT.gif", "--through", "1"], "at least 2 stops"),
        (["morph", "SKETCH", "OUT.gif", "--through", "nobody.jpg"], "neither a seed"),
        (["arithmetic", "SKETCH", "OUT.png"], "at least one"),
        (["arithmetic", "SKETCH", "OUT.txt", "--plus", "1"], ".png"),
        (["directions", "MODEL", "--sketch", "SKETCH"], "go together"),
    ],
)
def test_what_cannot_be_done_is_said_and_writes_nothing(
    model: Path, sketch: Path, tmp_path: Path, command: list[str], reason: str
) -> None:
    names = {"SKETCH": str(sketch), "MODEL": str(model)}
    words = [names.get(word, word.replace("OUT", str(tmp_path / "out"))) for word in command]
    done = run(*words, *(["--model", model] if command[0] != "directions" else []))
    assert done.exit_code == 2 and reason in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out*"))


def test_a_model_without_encoder_says_so(
    literal_bundle: Path, sketch: Path, photo: Path, tmp_path: Path
) -> None:
    for words in (
        ("encode", photo),
        ("morph", sketch, tmp_path / "out.gif", "--through", 1, "--through", photo),
        ("convert", sketch, tmp_path / "out", "--style", photo),
    ):
        done = run(*words, "--model", literal_bundle)
        assert done.exit_code == 2 and "no encoder" in done.stderr
    assert not list(tmp_path.glob("out*"))
    none = run("directions", literal_bundle)
    assert none.exit_code == 0 and "has none" in none.stderr

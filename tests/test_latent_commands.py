"""`pix2pix morph`, `arithmetic`, `encode`, `directions`, `convert --style` on an untrained model."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import TINY, draw_pair, save_untrained
from PIL import Image

import pix2pix
from app.cli.main import main
from pix2pix.model.bundle import Direction
from pix2pix.model.latents import slerp

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
    done = run("morph", sketch, out, "--through", 8, "--through", photo, "--steps", 5, "--model", model)
    assert done.exit_code == 0 and done.stdout.strip() == str(out), done.stderr
    frames = np.split(picture(out), 5, axis=1)
    translator = pix2pix.load(model, device="cpu")
    stops = translator.latent(8), translator.encode(photo)
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
    head, first, second, written = done.stdout.splitlines()
    assert head.startswith("effect: ") and "share: of all changes" in head and written == str(sheet)
    assert "lightness" in first and "70%" in first and "hue" in second
    translator = pix2pix.load(model, device="cpu")
    z = translator.latent(2) + 2 * np.array(ALONG[1].vector, np.float32)
    expected = np.asarray(translator.translate(sketch, z=z)).astype(int)
    assert np.abs(picture(sheet)[48:96, -48:] - expected).max() <= 1


def test_pictures_of_new_folders_make_them(model: Path, sketch: Path, tmp_path: Path) -> None:
    strip, total, sheet = (tmp_path / name / "a.png" for name in ("strip", "sum", "sheet"))
    for words in (
        ("morph", sketch, strip, "--steps", 2, "--model", model),
        ("arithmetic", sketch, total, "--plus", 1, "--model", model),
        ("directions", model, "--sketch", sketch, "--sheet", sheet),
    ):
        assert run(*words).exit_code == 0
    assert strip.is_file() and total.is_file() and sheet.is_file()


REFUSED = [
    ("morph SKETCH OUT.bmp", ".gif"),
    ("morph SKETCH OUT.gif --through 1", "--through at least twice"),
    ("morph SKETCH OUT.gif --through nobody.jpg", "neither a seed"),
    ("morph SKETCH OUT.gif --through 1 --through 2147483648", "above 2147483647"),
    ("morph SKETCH OUT.gif --through 1 --through " + 5000 * "9", "above 2147483647"),
    ("morph SKETCH FOLDER.png", "FOLDER.png is a folder"),
    ("morph SKETCH SKETCH", "SKETCH is an input"),
    ("morph SKETCH LINK", "SKETCH is an input"),
    ("morph SKETCH PHOTO --through 1 --through PHOTO", "PHOTO is an input"),
    ("morph LARGE OUT.gif --steps 101", "101 steps of 2000 x 2000 pixels exceed the 400,000,000"),
    ("morph BROKEN OUT.gif", "broken.png is not a picture"),
    ("arithmetic SKETCH OUT.png", "at least one --plus or --minus"),
    ("arithmetic SKETCH OUT.txt --plus 1", ".png"),
    ("arithmetic SKETCH OUT.png --minus " + 5000 * "9", "above 2147483647"),
    ("arithmetic SKETCH FOLDER.png --plus 1", "FOLDER.png is a folder"),
    ("arithmetic SKETCH SKETCH --plus 1", "SKETCH is an input"),
    ("arithmetic SKETCH PHOTO --plus 1 --minus PHOTO", "PHOTO is an input"),
    ("directions shoes --sketch SKETCH", "together, or neither"),
    ("directions shoes --sheet OUT.png", "together, or neither"),
    ("directions shoes --sketch SKETCH --sheet OUT.txt", ".png"),
    ("directions shoes --sketch SKETCH --sheet FOLDER.png", "FOLDER.png is a folder"),
    ("directions shoes --sketch SKETCH --sheet SKETCH", "SKETCH is an input"),
    ("convert SKETCH OUT --style PHOTO --variants 2", "--style"),
    ("convert SKETCH OUT --style PHOTO --seed 2", "--style"),
    ("convert SKETCH OUT --seed 2147483648", "2147483647"),
]


def test_mistakes_are_named_at_once_and_change_nothing(sketch: Path, photo: Path, tmp_path: Path) -> None:
    """They were named once PyTorch and the model were loaded, or the input was overwritten without a word."""
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").hardlink_to(sketch)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("1", (2000, 2000), 1).save(tmp_path / "large.png")
    names = {"SKETCH": str(sketch), "PHOTO": str(photo), "OUT": str(tmp_path / "out")}
    names |= {name: str(tmp_path / f"{name.lower()}.png") for name in ("LINK", "LARGE", "BROKEN")}
    names["FOLDER.png"] = str(tmp_path / "folder.png")

    def named(text: str) -> str:
        for name, there in names.items():
            text = text.replace(name, there)
        return text

    commands = [named(command).split() for command, _ in REFUSED]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    script = (
        "import json, sys; from click.testing import CliRunner; from app.cli.main import main\n"
        "done = [CliRunner().invoke(main, words) for words in json.load(sys.stdin)]\n"
        "print(json.dumps([[one.exit_code, one.stderr] for one in done]))\n"
        "sys.exit('torch' in sys.modules)"
    )
    completed = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(commands), capture_output=True, text=True, check=True
    )
    for (command, reason), (exit_code, stderr) in zip(REFUSED, json.loads(completed.stdout), strict=True):
        assert exit_code == 2 and named(reason) in " ".join(stderr.split()), (command, stderr)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


def test_a_sheet_of_too_many_pixels_is_refused(
    model: Path, sketch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = tmp_path / "sheet.png"
    for allowed, exit_code in ((10 * 48 * 48 - 1, 2), (10 * 48 * 48, 0)):
        monkeypatch.setattr("app.cli.directions.MAX_PIXELS_IN_ALL", allowed)
        done = run("directions", model, "--sketch", sketch, "--sheet", sheet)
        assert done.exit_code == exit_code and sheet.exists() == (exit_code == 0)
        assert ("10 pictures of 48 x 48" in done.stderr) == (exit_code == 2)


def test_a_photo_that_cannot_be_read_is_named_once(model: Path, sketch: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    done = run("arithmetic", sketch, tmp_path / "out.png", "--plus", tmp_path / "bad.png", "--model", model)
    assert done.exit_code == 2 and done.stderr.count("bad.png") == 1


def test_leading_zeros_of_a_seed_mean_nothing(model: Path, sketch: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "7"), ("b", 5000 * "0" + "7")):
        done = run("arithmetic", sketch, tmp_path / f"{name}.png", "--plus", seed, "--model", model)
        assert done.exit_code == 0, done.stderr
    assert np.array_equal(picture(tmp_path / "a.png"), picture(tmp_path / "b.png"))


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
    assert none.exit_code == 0 and "has no directions" in none.stderr

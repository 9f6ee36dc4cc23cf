"""`pix2pix convert --colours` and `--transparent`: colours of sketches, and photos with alpha."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from sketches import save_sketch

import pix2pix
from app.cli.main import main
from pix2pix.convert import pipeline
from pix2pix.images.io import read_photo
from pix2pix.images.transparency import WHITE, over

RED, BLUE = (220, 20, 30), (20, 40, 230)


@pytest.fixture
def convert(tmp_path: Path, tiny_bundle: Path):
    """Runs `pix2pix convert in out` with more arguments."""

    def run(*more: str, sources: tuple[str, ...] = ("in", "out"), model: Path = tiny_bundle) -> Result:
        paths = [str(tmp_path / source) for source in sources]
        common = ["--model", str(model), "--device", "cpu"]
        return CliRunner().invoke(main, ["convert", *paths, *common, *more])

    return run


def save_hints(path: Path, colour: tuple[int, int, int] = RED, width: int = 64, height: int = 64) -> None:
    page = Image.new("RGBA", (width, height))
    page.paste((*colour, 255), (16, 24, 48, 40))
    page.save(path)


def status(result: Result) -> str:
    return result.stderr.strip().splitlines()[-1]


def test_transparent_photos_look_the_same_on_white(convert, tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png", 60, 90)
    assert convert().exit_code == 0
    opaque = read_photo(tmp_path / "out/a.png").astype(int)
    for suffix in ("png", "webp"):
        to = f"cut-{suffix}"
        result = convert("--transparent", "--format", suffix, sources=("in", to))
        assert result.exit_code == 0, result.output
        rgba = np.asarray(Image.open(tmp_path / to / f"a.{suffix}"))
        assert rgba.shape == (60, 90, 4) and rgba[..., 3].min() < 60
        assert np.abs(over(rgba, WHITE).astype(int) - opaque).max() <= 2
    sized = convert("--transparent", "--size", "45", sources=("in", "sized"))
    assert sized.exit_code == 0 and np.asarray(Image.open(tmp_path / "sized/a.png")).shape == (30, 45, 4)


def test_a_format_without_transparency_is_refused(convert, tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    for more, sources in ((["--format", "jpg"], ("in", "out")), ([], ("in/a.png", "photo.jpg"))):
        result = convert("--transparent", *more, sources=sources)
        assert result.exit_code == 2
        assert ".jpg files have no transparency: use one of .png, .webp" in result.stderr
    assert not (tmp_path / "out").exists() and not (tmp_path / "photo.jpg").exists()


def test_a_format_of_the_sketch_that_has_no_transparency_becomes_png(convert, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.webp"):
        save_sketch(tmp_path / "in" / name)
    assert convert("--transparent", "--format", "source").exit_code == 0
    assert {path.name for path in (tmp_path / "out").glob("*.*")} == {"a.png", "b.webp", "manifest.jsonl"}


def test_hints_beside_a_sketch_are_used_and_are_no_sketches(convert, tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    save_hints(tmp_path / "in/a.hints.png")
    result = convert("--colours")
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == [str(tmp_path / "out/a.png")]
    assert status(result) == "1 converted"
    tiny = pix2pix.load(tmp_path / "models/tiny.safetensors", device="cpu")
    expected = tiny.translate(tmp_path / "in/a.png", hints=tmp_path / "in/a.hints.png")
    assert np.abs(read_photo(tmp_path / "out/a.png").astype(int) - np.asarray(expected)).max() <= 1
    without = tiny.translate(tmp_path / "in/a.png")
    assert np.abs(np.asarray(without, int) - np.asarray(expected)).max() > 10


def test_hints_without_a_sketch_are_named(convert, tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    save_hints(tmp_path / "in/b.hints.png")
    result = convert("--colours")
    assert status(result) == "1 ignored, 1 converted"
    assert "b.hints.png: has no sketch in the same folder" in result.stderr


def test_changed_added_and_removed_hints_renew_the_photo(convert, tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    photo, file = tmp_path / "out/a.png", tmp_path / "in/a.hints.png"
    photos = []
    for change in (
        lambda: None,
        lambda: save_hints(file),
        lambda: save_hints(file, BLUE),
        lambda: file.unlink(),
    ):
        change()
        assert "1 converted" in status(convert("--colours"))
        photos.append(photo.read_bytes())
        assert "1 skipped" in status(convert("--colours"))
        (tmp_path / "out/manifest.jsonl").unlink()  # the note in the photo says the same
        assert "1 skipped" in status(convert("--colours"))
    assert len(set(photos)) == 3 and photos[0] == photos[3]


def test_empty_hints_fail_and_are_not_taken_for_none(convert, tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    (tmp_path / "in/a.hints.png").touch()
    result = convert("--colours")
    assert status(result) == "1 failed" and "a.png: a.hints.png: the image is empty" in result.stderr


@pytest.mark.parametrize(
    "content, why", [(b"hello", "is not a picture"), (b"<svg/>", "is an SVG"), (b"x" * 2000, "2,000 bytes")]
)
def test_errors_of_hints_name_their_file(
    convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, why: str
) -> None:
    """They named the sketch alone, which is a good picture."""
    monkeypatch.setattr(pipeline, "MAX_BYTES", 1000)
    save_sketch(tmp_path / "in/a.png")
    (tmp_path / "in/a.hints.png").write_bytes(content)
    result = convert("--colours")
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("failed: ")]
    assert "a.png: a.hints.png: " in line and why in line


def test_hints_that_the_system_does_not_give_are_named(
    convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_sketch(tmp_path / "in/a.png")
    save_hints(tmp_path / "in/a.hints.png")
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "a.hints.png":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "a.hints.png cannot be read: Permission denied" in convert("--colours").stderr


def test_hints_that_are_a_link_to_nothing_fail_and_are_not_taken_for_none(convert, tmp_path: Path) -> None:
    """The photo was made without colours, and nothing was said."""
    save_sketch(tmp_path / "in/a.png")
    (tmp_path / "in/a.hints.png").symlink_to("moved.png")
    result = convert("--colours")
    assert status(result) == "1 failed"
    assert "a.png: a.hints.png is a link to a missing file" in result.stderr
    assert "1 converted" in status(convert(sources=("in/a.png", "without")))


def test_hints_are_not_replaced(convert, tmp_path: Path) -> None:
    """By a contact sheet, or by a photo."""
    save_sketch(tmp_path / "in/a.png")
    save_hints(tmp_path / "in/a.hints.png")
    before = (tmp_path / "in/a.hints.png").read_bytes()
    sheet = convert("--colours", "--sheet", str(tmp_path / "in/a.hints.png"), sources=("in/a.png", "out"))
    photo = convert("--colours", "--overwrite", sources=("in/a.png", "in/a.hints.png"))
    for result in (sheet, photo):
        assert result.exit_code == 2 and "colour strokes" in result.stderr
    assert (tmp_path / "in/a.hints.png").read_bytes() == before


def test_without_the_option_a_file_of_hints_is_a_sketch_as_ever(convert, tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    save_sketch(tmp_path / "in/a.hints.png")
    assert len(convert().stdout.split()) == 2


@pytest.mark.parametrize("option", ["--transparent", "--colours"])
def test_photos_of_other_options_stay_until_overwrite(convert, tmp_path: Path, option: str) -> None:
    save_sketch(tmp_path / "in/a.png")
    assert "1 converted" in status(convert())
    result = convert(option)
    assert "1 skipped" in status(result) and "made with other settings" in result.stderr
    assert "1 converted" in status(convert(option, "--overwrite"))
    lines = (tmp_path / "out/manifest.jsonl").read_text().splitlines()
    settings = [json.loads(line)["settings"] for line in lines]
    name = option.removeprefix("--")
    assert name not in settings[0] and settings[-1][name] is True


def test_coloured_strokes_of_the_sketch_itself_are_hints(convert, tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/lines.png", 96, 96)
    page = Image.open(tmp_path / "in/lines.png").convert("RGB")
    page.paste(RED, (30, 40, 60, 52))
    page.save(tmp_path / "in/both.png")
    save_sketch(tmp_path / "in/apart.png", 96, 96)
    hints = Image.new("RGBA", page.size)
    hints.paste((*RED, 255), (30, 40, 60, 52))
    hints.save(tmp_path / "in/apart.hints.png")
    assert convert("--colours").exit_code == 0
    lines, both, apart = (
        read_photo(tmp_path / f"out/{name}.png").astype(int) for name in ("lines", "both", "apart")
    )
    assert np.abs(both - lines).max() > 10
    assert np.abs(both - apart).max() <= 2


def test_colours_taken_for_ink_are_told_once_a_job(convert, tmp_path: Path, literal_bundle: Path) -> None:
    """Nothing said that a coloured sketch could have given its photo its colours."""
    save_sketch(tmp_path / "in/lines.png", 96, 96)
    for name in ("a", "b"):
        page = Image.open(tmp_path / "in/lines.png").convert("RGB")
        page.paste(RED, (30, 40, 60, 52))
        page.save(tmp_path / f"in/{name}.png")
    blue = np.where(np.asarray(Image.open(tmp_path / "in/lines.png"))[..., None] < 128, BLUE, 255)
    Image.fromarray(blue.astype(np.uint8)).save(tmp_path / "in/blue-pen.png")  # --colours would find no lines
    told = "Coloured strokes of 2 sketches were taken for ink; with --colours they give"
    result = convert()
    assert result.stderr.count("oloured strokes") == 1 and told in result.stderr
    lines = [json.loads(line) for line in (tmp_path / "out/manifest.jsonl").read_text().splitlines()]
    noticed = {line["source"] for line in lines if "colours" in [n["name"] for n in line["notices"]]}
    assert noticed == {"a.png", "b.png"}
    for more in (
        convert("--colours", sources=("in/a.png", "c")),
        convert(model=literal_bundle, sources=("in", "d")),
    ):
        assert more.exit_code == 0 and "oloured strokes" not in more.stderr


def test_a_contact_sheet_of_coloured_drawings_shows_their_colours(convert, tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    page = Image.open(tmp_path / "in/a.png").convert("RGB")
    page.paste(RED, (20, 20, 40, 30))
    page.save(tmp_path / "in/a.png")
    assert convert("--colours", "--sheet", str(tmp_path / "sheet.png")).exit_code == 0
    assert read_photo(tmp_path / "sheet.png")[4 + 25, 4 + 30].tolist() == list(RED)


def test_hints_that_do_not_fit_fail_with_the_reason_and_the_rest_is_done(convert, tmp_path: Path) -> None:
    for name in "abc":
        save_sketch(tmp_path / f"in/{name}.png")
    save_hints(tmp_path / "in/a.hints.png", width=80)
    save_sketch(tmp_path / "in/b.hints.png")
    result = convert("--colours")
    assert result.exit_code == 1 and result.stdout.split() == [str(tmp_path / "out/c.png")]
    assert "a.png: a.hints.png: The hints have 80 x 64 pixels, the sketch has 64 x 64" in result.stderr
    assert "b.png: b.hints.png: The hints have no transparent pixels" in result.stderr


def test_a_contact_sheet_shows_a_sketch_in_twelve_looks(convert, tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    result = convert("--variants", "12", "--sheet", str(tmp_path / "sheet.png"), "--transparent")
    assert result.exit_code == 0, result.output
    sheet, (cell, gap) = read_photo(tmp_path / "sheet.png"), (64, 4)
    assert sheet.shape == (cell + 14 + 2 * gap, 13 * (cell + gap) + gap, 3)
    looks = [sheet[gap : gap + cell, gap + i * (cell + gap) :][:, :cell] for i in range(13)]
    assert len({look.tobytes() for look in looks}) == 13
    assert np.abs(looks[12].astype(int) - read_photo(tmp_path / "out/a-12.png")).max() <= 1


def test_a_model_that_takes_no_colours_is_refused(convert, tmp_path: Path, literal_bundle: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    result = convert("--colours", model=literal_bundle)
    assert result.exit_code == 2 and "does not support colour strokes" in result.stderr

"""`pix2pix evaluate` on tiny models: what it prints, what it writes, how it exits."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from conftest import LITERAL, framed_pair, needs_features, save_framed, save_untrained
from PIL import Image

from app.cli.main import main
from pix2pix.evaluate.metrics import METRICS

INCEPTION_MODULE = "torch_fidelity.feature_extractor_inceptionv3"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments), "--device", "cpu"])


@pytest.fixture
def drawn(four: Path, tmp_path: Path) -> list[str | Path]:
    """Every one of the four drawn twice more, alike, by `people`: the options that say so."""
    sketches, photos = tmp_path / "drawings", tmp_path / "drawn-photos"
    for folder in (sketches, photos):
        folder.mkdir()
    for seed in range(4):
        sketch, photo = (Image.fromarray(array) for array in framed_pair(seed))
        photo.save(photos / f"{seed}.png")
        for number in (1, 2):
            sketch.save(sketches / f"{seed}-{number}.png")
    return ["--sketches", sketches, "--photos", photos]


@needs_features
def test_the_command_measures_everything_it_can_and_names_the_rest(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, INCEPTION_MODULE, None)
    three = save_framed(tmp_path / "three", 3)
    result = run(tiny_bundle, three, "--subject", "shoes", "--json", tmp_path / "figures.json")
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["format"] == "pix2pix-evaluation/2"
    assert written["bundle"] == {"name": "tiny", "data_hash": "0" * 16, "steps": 3}
    made = {f["metric"]: f for f in written["figures"] if f["photos"] == "made"}
    assert set(made) == set(METRICS) - {"fid"}
    assert [f["metric"] for f in written["left_out"]] == ["fid"]
    assert all(f["n"] == 3 and f["error"] >= 0 for f in made.values())
    assert made["lpips_best"]["value"] < made["lpips"]["value"]
    assert made["diversity"]["value"] > 0 and made["smoothness"]["value"] >= 1
    rows = [line.split("|")[1].strip() for line in result.stdout.splitlines()]
    assert rows == ["metric", "-" * max(map(len, METRICS)), *(name for name in METRICS if name != "fid")]
    lpips = made["lpips"]
    assert f"{lpips['value']:.3f} ± {lpips['error']:.3f} (3)" in result.stdout
    assert "left out: fid: " in result.stderr
    assert written["unreadable"] == {}
    assert [path.name for path in tmp_path.glob(".*")] == [], "no temporary file is left"


@needs_features
def test_the_same_twice_on_edges_and_drawings(
    four: Path, drawn: list[str | Path], tiny_bundle: Path, tmp_path: Path
) -> None:
    options = [*drawn, "--metrics", "lpips,kid,sharpness"]
    files = [tmp_path / name for name in ("first.json", "second.json")]
    first, second = (run(tiny_bundle, four, *options, "--json", file) for file in files)
    assert first.exit_code == 0, first.output
    assert first.stdout == second.stdout and files[0].read_bytes() == files[1].read_bytes()
    head, _, *rows = first.stdout.splitlines()
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    assert columns == ["metric", "real photos of drawings", "edges", "drawings"]
    lpips, kid = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows[:2])
    assert lpips[2].split()[0] == lpips[3].split()[0], "LPIPS of the same sketches to the same photos"
    assert lpips[2].endswith("(4)") and lpips[3].endswith("(8)") and lpips[1] == "–"
    assert kid[1].endswith("(4)")
    assert sum(row.startswith("KID on drawings / on edges") for row in rows) == 1


def test_a_part_of_the_drawings(
    four: Path, drawn: list[str | Path], literal_bundle: Path, tmp_path: Path
) -> None:
    options = [*drawn, "--metrics", "sharpness", "--part", "2/4", "--json", tmp_path / "f.json"]
    result = run(literal_bundle, four, *options)
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "f.json").read_text())
    assert written["part"] == "2/4"
    made = {f["input"]: f for f in written["figures"] if f["photos"] == "made"}
    assert (made["edges"]["n"], made["drawings"]["n"]) == (4, 2), "both drawings of one photo"


@pytest.mark.parametrize(
    "options, words",
    [
        (["--metrics", "lpips,beauty"], "no metric 'beauty'; metrics are: lpips, lpips_best, kid"),
        (["--metrics", ""], "no metric ''; metrics are: lpips"),
        (["--part", "3/2"], "--part '3/2' is not K/N with K from 1 to N"),
        (["--part", "0/2"], "--part '0/2' is not"),
        (["--json", "no/such/folder.json"], "folder.json cannot be written"),
        (["--photos", "."], "--photos needs --sketches"),
        (["--part", "1/2"], "--part needs --sketches"),
        (["--subject", "hats"], "'hats' is not one of"),
    ],
)
def test_wrong_usage_exits_2_before_anything_is_measured(
    four: Path, tiny_bundle: Path, options: list[str], words: str
) -> None:
    result = run(tiny_bundle, four, *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_a_metric_asked_for_by_name_that_cannot_be_measured_exits_1(
    four: Path, literal_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, INCEPTION_MODULE, None)
    result = run(literal_bundle, four, "--metrics", "sharpness,fid,recognised,reconstruction")
    assert result.exit_code == 1
    assert "sharpness" in result.stdout
    left_out = [line for line in result.stderr.splitlines() if line.startswith("left out: ")]
    assert left_out == [
        "left out: fid: FID needs the extra `eval`: .venv/bin/pip install -e '.[eval]'",
        "left out: recognised: the subject is not known: give --subject shoes or handbags",
        "left out: reconstruction: literal has no encoder for photos",
    ]


def test_a_metric_that_cannot_be_measured_on_one_input_exits_1(
    four: Path, drawn: list[str | Path], literal_bundle: Path
) -> None:
    """KID of the two drawings of a quarter was left out with exit code 0, because edges had one."""
    result = run(literal_bundle, four, *drawn, "--metrics", "kid", "--part", "2/4")
    assert result.exit_code == 1, result.output
    assert "left out: kid on drawings: KID needs at least 3 pictures" in result.stderr
    assert "| kid " in result.stdout


@pytest.mark.parametrize("metrics", ["recognised", "reconstruction,recognised"])
def test_nothing_measured_at_all_exits_2(four: Path, literal_bundle: Path, metrics: str) -> None:
    result = run(literal_bundle, four, "--metrics", metrics)
    assert result.exit_code == 2
    assert "left out: recognised: the subject is not known" in result.stderr
    assert result.stdout == ""


def test_pictures_that_cannot_be_read_are_named_and_the_rest_is_measured(
    four: Path, drawn: list[str | Path], literal_bundle: Path, tmp_path: Path
) -> None:
    """The first of them ended the evaluation."""
    broken = [
        four / "val" / "photos" / "0.png",
        Path(drawn[1]) / "1-2.png",
        Path(drawn[3]) / "2.png",
    ]
    for path in broken:
        path.write_bytes(path.read_bytes()[:60])
    figures = tmp_path / "figures.json"
    result = run(literal_bundle, four, *drawn, "--metrics", "sharpness", "--json", figures)
    assert result.exit_code == 1, result.output
    left_out = [line for line in result.stderr.splitlines() if line.startswith("left out: ")]
    assert [line.removeprefix("left out: ").split(": ")[0] for line in left_out] == list(map(str, broken))
    assert all("is damaged or truncated" in line for line in left_out)
    written = json.loads(figures.read_text())
    made = {f["input"]: f["n"] for f in written["figures"] if f["photos"] == "made"}
    assert made == {"edges": 3, "drawings": 5}, "a sketch goes with its photo"
    assert "| sharpness " in result.stdout
    assert list(written["unreadable"]) == list(map(str, broken))


@pytest.mark.parametrize(
    "damaged, exit_code, measured", [("drawings", 1, {"edges"}), ("four/val/sketches", 2, set())]
)
def test_an_input_of_which_nothing_can_be_read_has_no_figures(
    four: Path,
    drawn: list[str | Path],
    literal_bundle: Path,
    tmp_path: Path,
    damaged: str,
    exit_code: int,
    measured: set[str],
) -> None:
    """Without edges there are no real photos to compare drawings with, either."""
    for path in (tmp_path / damaged).glob("*.png"):
        path.write_bytes(b"")
    figures = tmp_path / "figures.json"
    result = run(literal_bundle, four, *drawn, "--metrics", "kid", "--json", figures)
    assert result.exit_code == exit_code, result.output
    written = json.loads(figures.read_text())
    assert {f["input"] for f in written["figures"] if f["photos"] == "made"} == measured


def test_blank_real_photos_leave_sharpness_out_of_table_and_json(
    four: Path, literal_bundle: Path, tmp_path: Path
) -> None:
    for path in (four / "val" / "photos").iterdir():
        Image.new("RGB", (64, 64), "white").save(path)
    figures = tmp_path / "figures.json"
    result = run(literal_bundle, four, "--metrics", "sharpness,frechet", "--json", figures)
    assert result.exit_code == 1, result.output
    assert "left out: sharpness: the real photos, or all but a few of them, are blank" in result.stderr
    written = json.loads(figures.read_text())
    assert {f["metric"] for f in written["figures"]} == {"frechet"}


def test_a_model_without_z_is_said_to_have_none(four: Path, tmp_path: Path) -> None:
    flat = save_untrained(tmp_path / "models" / "flat.safetensors", replace(LITERAL, latent_size=0))
    result = run(flat, four, "--metrics", "sharpness,diversity")
    assert result.exit_code == 1, result.output
    assert "left out: diversity: this model has no latent: one photo per sketch" in result.stderr


def test_the_subject_is_the_bundles_name_where_it_is_one(four: Path, tmp_path: Path) -> None:
    bundle = save_untrained(tmp_path / "models" / "handbags.safetensors", LITERAL)
    result = run(bundle, four, "--metrics", "recognised", "--json", tmp_path / "figures.json")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "figures.json").read_text())["subject"] == "handbags"


def test_drawings_without_a_photo_are_named(four: Path, drawn: list[str | Path], tiny_bundle: Path) -> None:
    (Path(drawn[3]) / "2.png").unlink()
    result = run(tiny_bundle, four, *drawn)
    assert result.exit_code == 2
    assert "2 drawings have no photo" in result.stderr
    assert "2-1.png, 2-2.png" in result.stderr


def test_figures_of_before_outlive_a_write_that_fails(
    four: Path, literal_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "figures.json").write_text("before")

    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    result = run(literal_bundle, four, "--metrics", "sharpness", "--json", tmp_path / "figures.json")
    assert result.exit_code == 2 and "No space left" in result.stderr
    assert (tmp_path / "figures.json").read_text() == "before"
    assert "sharpness" in result.stdout, "the table was printed all the same"

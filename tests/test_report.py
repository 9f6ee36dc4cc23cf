"""The report of a run folder that the test writes: complete, just begun, damaged or hostile."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import math
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pix2pix.errors import RunError
from pix2pix.training.config import train_config
from pix2pix.training.report.curves import HEIGHT, POINTS, WIDTH, draw, thin, ticks
from pix2pix.training.report.page import duration, remaining_s, settings, write_report
from pix2pix.training.run_folder import read_lines

SECTIONS = [
    "Diagnosis",
    "Curves",
    "Samples over time",
    "Realism map",
    "Hardest pairs",
    "Configuration",
]
CHARTS = [
    "Accuracy of the discriminators",
    "The discriminator on pixels",
    "Gradients at the picture",
    "Gradients at the picture now",  # a table beside that chart
    "Loss of the picture generator",
    "Loss of the layout generator",
    "Loss of the discriminators",
    "Gradients of the networks",
    "Score: lpips",
    "Overfitting",
    "Training speed",
    "Waiting for data",
]
VOID = {"meta", "img", "br"}
HOSTILE = '</td><script>alert("1")</script><img src=x onerror=alert(2)>\u202e'


class Page(HTMLParser):
    """Checks that every element is closed in its turn, and records elements, headings and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h2", "h3"):
            self.headings.append(data)
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def sheet(path: Path, rows: int, columns: int, side: int, seed: int = 0) -> None:
    """Noise, which no format makes small, in the cells of a torchvision grid."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((rows * (side + 2) + 2, columns * (side + 2) + 2, 3), np.uint8)
    for r in range(rows):
        for c in range(columns):
            cell = rng.integers(0, 256, (side, side, 3))
            picture[2 + r * (side + 2) :, 2 + c * (side + 2) :][:side, :side] = cell
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, compress_level=0)  # quickly, where it is a PNG


def stats_line(i: int) -> dict[str, float]:
    kinds = ("_layout", "_pixels", "_coarse")
    values = {"p_real": 0.47, "p_fake": 0.43, "accuracy": 0.61}
    statistics = {f"{name}{kind}": value for kind in kinds for name, value in values.items()}
    return {
        "step": 50 * (i + 1),
        "images": 400 * (i + 1),
        "seconds": 60.0 * (i + 1),
        "images_per_s": 6.4,
        "data_wait": 0.07,
        "progress": 0.001 * (i + 1),
        **statistics,
        "d": 1.9,
        "layout_d": 1.3,
        "layout_mask": 0.2,
        "g_reconstruction": 1 / (i + 1),
        "g_pixels": math.sin(i),
        "d_gradient": 2.0,
        "g_gradient": 3.0,
        "layout_g_gradient": 4.0,
        "at_picture_g_reconstruction": 1.5,
        "at_picture_g_perceptual": 6.0 if i == 499 else 5.0,
    }


def write_jsonl(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def hard(name: Any, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "difficulty": 0.512,
        "times_typical": 3.4,
        "measured": 17,
        "suspect": False,
        **fields,
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Half of a run: 500 lines, 25 scores of which step 10,000's is best, 25 sample sheets."""
    folder = tmp_path / "sneakers"
    folder.mkdir()
    write_jsonl(folder / "stats.jsonl", [stats_line(i) for i in range(500)])
    scores = [
        {"step": 1000 * i, "lpips": 0.3 + 0.001 * abs(i - 10), "p_train": 0.5, "p_val": 0.5, "p_made": 0.4}
        | {"across": 0.4, "spread": 0.1, "best": i <= 10}
        for i in range(1, 26)
    ]
    write_jsonl(folder / "scores.jsonl", scores)
    for i in range(1, 26):
        sheet(folder / "samples" / f"{1000 * i:07d}.png", 8, 4, 64, seed=i)
    sheet(folder / "realism.jpg", 4, 2, 256)
    sheet(folder / "hardest.jpg", 24, 3, 128)
    hardest = [hard(f"shoe-{i}", suspect=i == 0) for i in range(24)]
    (folder / "hardest.json").write_text(json.dumps(hardest))
    config = dataclasses.asdict(train_config("default", title="My sneakers", discriminator_lr=1e-4))
    (folder / "config.json").write_text(json.dumps({"train": config, "data_hash": "58bd7c3d4b949b90"}))
    return folder


def page_of(folder: Path) -> Page:
    return Page(write_report(folder).read_text(encoding="utf-8"))


def test_the_report_has_all_its_parts_in_order(run: Path) -> None:
    page = page_of(run)
    assert page.headings == [*SECTIONS[:2], *CHARTS, *SECTIONS[2:]]
    labels = [svg["aria-label"] or "" for svg in page.all("svg") if svg.get("role") == "img"]
    assert len(labels) == len(CHARTS) - 1
    assert "of layouts from 0.61 to 0.61" in labels[0]
    assert "p_real_pixels from 0.47 to 0.47" in labels[1]
    for expected in (
        *("My sneakers", "sneakers", "25,000", "200,000", "50 %", "8 h 20 min", "8.33 device-hours", "7 %"),
        *("Balanced", "58bd7c3d4b949b90", "best 0.3 at 10,000", "shoe-23", "0.512", "3.4 times", "17 times"),
        "discriminator_lr0.00010.0004",  # field, value, and the preset's
        *("g_perceptual6", "g_reconstruction1.5"),  # term, gradient norm
    ):
        assert expected in page.text, expected
    assert page.text.count("suspect: ") == 1


def test_the_report_needs_no_other_file_and_is_small(run: Path) -> None:
    report = write_report(run)
    assert report == run / "report.html"
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    addresses = [a for _, attributes in page.elements for a in ("src", "href") if a in attributes]
    assert addresses
    assert all((image["src"] or "").startswith("data:image/webp;base64,") for image in page.all("img"))
    assert {"script", "link", "iframe"}.isdisjoint(tag for tag, _ in page.elements)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert report.stat().st_size < 3_000_000  # of noise; photos take less


def test_ten_steps_are_shown_with_the_first_and_the_last(run: Path) -> None:
    page = page_of(run)
    labels = [image["alt"] for image in page.all("img") if "Sample at" in (image["alt"] or "")]
    assert len(labels) == 40
    assert labels[0] == "Sample at step 1000"
    assert labels[9] == "Sample at step 25000"


def test_the_samples_are_the_cells_of_the_sheets(run: Path) -> None:
    """Sketch, sample of seed 0 and real photo: cells 0, 1 and 3 of a row, without the frame around them."""
    for sample in (run / "samples").iterdir():
        sample.unlink()
    levels = [[40 + 60 * row + 15 * column for column in range(4)] for row in range(2)]
    picture = np.full((2 * 34 + 2, 4 * 34 + 2, 3), 255, np.uint8)
    for row in range(2):
        for column in range(4):
            picture[2 + 34 * row :, 2 + 34 * column :][:32, :32] = levels[row][column]
    Image.fromarray(picture).save(run / "samples" / "0000500.png")
    shown = [decoded(image["src"] or "") for image in page_of(run).all("img")[:6]]
    for cell, level in zip(shown, [row[column] for row in levels for column in (0, 1, 3)], strict=True):
        assert cell.shape == (32, 32, 3)
        assert np.abs(cell - float(level)).max() <= 3  # WebP loses a little


def decoded(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_a_run_that_has_just_begun_has_a_report(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert page.headings == SECTIONS
    assert "Too few numbers" in page.text and "this run has none." in page.text


def test_a_short_run_that_has_ended_has_not_just_begun(run: Path) -> None:
    """Regression: numbers come every 50 steps; a run of 13 was said to have none above its score."""
    (run / "stats.jsonl").unlink()
    write_jsonl(run / "scores.jsonl", [{"step": 13, "seconds": 30.0, "lpips": 0.3}])
    scored = page_of(run)
    assert "just begun" not in scored.text and "30 s" in scored.text
    (run / "scores.jsonl").unlink()
    assert "just begun" not in page_of(run).text and "There are no numbers yet" in page_of(run).text


@pytest.mark.parametrize("missing", ["stats.jsonl", "scores.jsonl", "samples", "realism.jpg", "config.json"])
def test_a_missing_file_costs_only_its_own_part(run: Path, missing: str) -> None:
    (run / missing).rename(run.parent / missing)
    assert [heading for heading in page_of(run).headings if heading in SECTIONS] == SECTIONS


def test_a_pair_that_was_measured_once_is_told_so(run: Path) -> None:
    """It said "measured 1 times"."""
    (run / "hardest.json").write_text(json.dumps([hard("a", measured=1), hard("b", measured=2)]))
    text = page_of(run).text
    assert "measured once" in text and "measured 2 times" in text and "1 times" not in text


def test_torn_and_foreign_files_are_passed_over(run: Path) -> None:
    with (run / "stats.jsonl").open("a") as file:
        file.write(
            '[1]\nnull\n{"step": "x"}\n{"step": 99999, "d": NaN, "p_real_pixels": null}\n'
            '{"step": 123456, "d": 1.'
        )
    (run / "samples" / "0099000.png").write_bytes((run / "samples" / "0001000.png").read_bytes()[:300])
    (run / "samples" / "notes.png").write_text("no picture")
    (run / "hardest.json").write_text('[3, {"name": 7, "difficulty": "x"}, {}]')
    (run / "hardest.jpg").write_bytes(b"")
    (run / "realism.jpg").write_bytes(b"\xff\xd8\xff")
    (run / "config.json").write_text('{"train": [')
    page = page_of(run)
    assert "99,999" in page.text
    assert "123456" not in page.text
    assert "99,000" not in page.text


def test_names_are_text_and_nothing_else(run: Path) -> None:
    config = dataclasses.asdict(train_config("default", title=HOSTILE, licence=HOSTILE))
    written = {"train": {**config, HOSTILE: HOSTILE}, "data_hash": HOSTILE}
    (run / "config.json").write_text(json.dumps(written))
    (run / "hardest.json").write_text(json.dumps([hard(HOSTILE), hard("\ud800")]))
    with (run / "stats.jsonl").open("a") as file:
        file.write(json.dumps({**stats_line(500), f"g_{HOSTILE}": 1.0}) + "\n")
    hostile = run.rename(run.with_name("<script>alert(1)<"))
    page = page_of(hostile)
    assert page.all("script") == []
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert page.text.count(r'alert("1")') >= 5
    assert "\u202e" not in page.text


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no-run"):
        write_report(tmp_path / "no-run")


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ({"progress": 0.25, "seconds": 900.0}, 2700.0),
        ({"progress": 1.0, "seconds": 900.0}, 0.0),
        ({"progress": 1.02, "seconds": 900.0}, 0.0),
        ({"progress": 0.0, "seconds": 0.0}, None),
        ({"progress": 0.5}, None),
        ({}, None),
    ],
)
def test_the_time_left_goes_on_as_the_run_did(line: dict[str, float], left: float | None) -> None:
    assert remaining_s(line) == (None if left is None else pytest.approx(left))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (89, "89 s"), (720, "12 min"), (11100, "3 h 05 min"), (187200, "2 d 4 h")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_only_fields_that_are_not_the_presets_are_marked() -> None:
    config = dataclasses.asdict(train_config("paper", batch_size=4))
    config["model"]["dropout"] = 0.25
    read_back = json.loads(json.dumps(config))
    assert [row for row in settings(read_back) if row[2]] == [
        ("model.dropout", "0.25", "0.5"),
        ("batch_size", "4", "1"),
    ]
    assert all(usual is None for _, _, usual in settings({"preset": "mine", "batch_size": 4}))


def test_lines_without_a_step_are_no_lines(tmp_path: Path) -> None:
    (tmp_path / "stats.jsonl").write_text('{"step": 50, "d": 1.5, "note": "x"}\n{"d": 2}\n\n{"ste')
    assert list(read_lines(tmp_path / "stats.jsonl")) == [{"step": 50, "d": 1.5, "note": "x"}]
    assert list(read_lines(tmp_path / "scores.jsonl")) == []


def coordinates(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([-\d.]+) ([-\d.]+)", path)]


def test_a_curve_runs_from_corner_to_corner() -> None:
    chart = draw("d", "D", "loss", {"d": [(0.0, 1.0), (50.0, 2.0), (100.0, 3.0)]})
    assert chart is not None
    places = [(0.0, HEIGHT), (WIDTH / 2, HEIGHT / 2), (WIDTH, 0.0)]
    assert coordinates(chart.curves[0].path)[:3] == places
    assert [label for _, label in chart.x_ticks] == ["0", "20", "40", "60", "80", "100"]


def test_a_logarithmic_axis_gives_each_power_of_ten_the_same_room() -> None:
    points = [(0.0, 0.1), (1.0, 10.0), (2.0, 1000.0), (3.0, 0.0)]
    chart = draw("n", "Norms", "norm", {"g": points}, log=True)
    assert chart is not None
    assert [y for _, y in coordinates(chart.curves[0].path)[:3]] == [HEIGHT, HEIGHT / 2, 0]
    assert [label for _, label in chart.y_ticks] == ["0.1", "1", "10", "100", "1,000"]


def test_one_point_and_no_point_can_be_drawn() -> None:
    assert draw("d", "D", "loss", {"d": []}) is None
    assert draw("d", "D", "norm", {"d": [(1.0, 0.0)]}, log=True) is None
    chart = draw("d", "D", "loss", {"d": [(50.0, 0.0)]}, level=0.5, shaded=1)
    assert chart is not None
    assert all(math.isfinite(v) for place in coordinates(chart.curves[0].path) for v in place)


def test_one_point_of_a_distance_has_no_axis_below_zero() -> None:
    """Regression: the axis of one LPIPS of 0.3 went down to -0.2."""
    for value in (0.3, 0.0, 41.3):
        chart = draw("score", "Score", "lower is better", {"lpips": [(13.0, value)]})
        assert chart is not None and min(float(label) for _, label in chart.y_ticks) == 0


def test_long_curves_are_thinned_to_means() -> None:
    points = [(float(i), float(i % 2)) for i in range(10 * POINTS)]
    thinned = thin(points)
    assert len(thinned) == POINTS
    assert thinned[0] == (4.5, 0.5)
    assert len(thin(points[: POINTS + 1])) <= POINTS
    assert thin(points[:3]) == points[:3]


@pytest.mark.parametrize(
    ("low", "high", "log", "expected"),
    [
        (0, 1, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (50, 25000, False, [5000, 10000, 15000, 20000, 25000]),
        (-0.3, 0.3, False, [-0.2, 0, 0.2]),
        (1.5, 30, True, [2, 5, 10, 20]),
        (3.1, 4.2, True, [3.5, 4]),
    ],
)
def test_ticks_are_round(low: float, high: float, log: bool, expected: list[float]) -> None:
    assert ticks(low, high, log=log) == pytest.approx(expected)


def charts_of(stats: dict[str, float], folder: Path) -> dict[str, list[str]]:
    """The names of the curves of each chart of a run with these numbers."""
    write_jsonl(folder / "stats.jsonl", [{"step": 50, **stats}])
    labels = [svg["aria-label"] or "" for svg in page_of(folder).all("svg") if svg.get("role") == "img"]
    return {label.partition(",")[0]: re.findall(r"[:;] (.+?) from", label) for label in labels}


def test_each_number_is_drawn_in_the_chart_of_its_network(tmp_path: Path) -> None:
    charts = charts_of(stats_line(0), tmp_path)
    assert charts["Loss of the picture generator"] == ["g_pixels", "g_reconstruction"]
    assert charts["Loss of the layout generator"] == ["layout_mask"]
    assert charts["Loss of the discriminators"] == ["d", "layout_d"]
    assert charts["Gradients at the picture"] == ["g_perceptual", "g_reconstruction"]
    assert charts["Gradients of the networks"] == ["g_gradient", "d_gradient", "layout_g_gradient"]
    assert len(charts["Accuracy of the discriminators"]) == 3


def test_a_run_of_the_papers_architecture_has_its_one_discriminator(tmp_path: Path) -> None:
    only = {"p_real_pixels": 0.5, "p_fake_pixels": 0.4, "accuracy_pixels": 0.6, "g_pixels": 0.7}
    charts = charts_of(only, tmp_path)
    assert charts["Accuracy of the discriminators"] == ["on pixels"]
    assert charts["Loss of the picture generator"] == ["g_pixels"]
    assert "Loss of the layout generator" not in charts


def test_a_report_needs_no_torch() -> None:
    modules = "pix2pix.training.report.page, pix2pix.training.report.diagnosis, pix2pix.training.run_folder"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Writes the report of a run as one page, from the files of its folder alone. It does not import torch.

report = write_report(Path("runs/shoes"))      # runs/shoes/report.html, which needs no other file
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from pix2pix.errors import ImageError, RunError
from pix2pix.files import printable, write_atomically
from pix2pix.images.framing import UInt8, resized
from pix2pix.images.io import read_photo
from pix2pix.training.config import PRESETS
from pix2pix.training.report.curves import HEIGHT, WIDTH, Chart, Points, draw
from pix2pix.training.report.diagnosis import (
    AT_PICTURE,
    PIXELS,
    Line,
    diagnose,
    discriminators_in,
    distance_from_half,
    gradients_at_picture,
    is_number,
    metric_of,
)
from pix2pix.training.run_folder import read_lines

STEPS_SHOWN, INPUTS_SHOWN = 10, 4  # largest numbers of columns and rows of samples
CELL_PX, HARDEST_PX, REALISM_PX = 160, 128, 224  # sides of thumbnails
GAP_PX = 2  # between the cells of a sheet


def write_report(run: Path) -> Path:
    """Writes report.html into a run folder, from the files that exist; returns its path.

    Raises RunError if `run` is not a folder.
    """
    if not run.is_dir():
        raise RunError(f"{run} is not a run folder")
    stats, scores = _lines(run / "stats.jsonl"), _lines(run / "scores.jsonl")
    recorded = _json(run / "config.json", dict)
    config = recorded.get("train") if isinstance(recorded.get("train"), dict) else {}
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["plain"] = lambda value: printable(str(value))
    environment.tests["number"] = is_number
    now = (stats or scores or [{}])[-1]  # a short run has only scores
    gradients = gradients_at_picture(stats)
    template = environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    page = template.render(
        name=run.resolve().name,
        config=config,
        settings=list(settings(config)),
        data_hash=recorded.get("data_hash"),
        now=now,
        remaining=remaining_s(stats[-1]) if stats else None,
        duration=duration,
        findings=diagnose(stats, scores),
        distances=distance_from_half(stats[-1]) if stats else {},
        gradients=gradients,
        charts=[chart for chart in _charts(stats, scores) if chart],
        width=WIDTH,
        height=HEIGHT,
        samples=_samples(run / "samples"),
        cell_px=CELL_PX,
        realism=[_data_uri(*row) for row in _cells(run / "realism.jpg", 2, REALISM_PX)],
        hardest=_hardest(run),
    )
    report = run / "report.html"
    write_atomically(report, page.encode())
    return report


def _lines(path: Path) -> list[Line]:
    """Returns the numbers of each line that has a step."""
    return [
        {key: value for key, value in line.items() if is_number(value)}
        for line in read_lines(path)
        if is_number(line["step"])
    ]


def remaining_s(line: Line) -> float | None:
    """Returns the time left after a line of the stats, at the speed so far; None if unknown."""
    progress, seconds = line.get("progress", 0.0), line.get("seconds")
    return seconds * max(0.0, 1 - progress) / progress if progress > 0 and seconds is not None else None


def duration(seconds: float) -> str:
    """Returns a duration as text: "40 s", "12 min", "3 h 05 min", "2 d 4 h"."""
    minutes = round(seconds / 60)
    hours = round(seconds / 3600)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def settings(config: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Yields each field, its value, and the preset's value if that differs."""
    preset = PRESETS.get(str(config.get("preset")))
    usual = dict(_flat(json.loads(json.dumps(dataclasses.asdict(preset))))) if preset else {}
    for name, value in _flat(config):
        yield name, value, usual[name] if usual.get(name, value) != value else None


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, str) else json.dumps(value)


def _json(path: Path, kind: type[Any]) -> Any:
    """Returns the content of a JSON file, or an empty `kind` if it is not one."""
    with suppress(OSError, ValueError, RecursionError):
        content = json.loads(path.read_text())
        if isinstance(content, kind):
            return content
    return kind()


def _charts(stats: Sequence[Line], scores: Sequence[Line]) -> Iterator[Chart | None]:
    """Yields the charts, None where there are no numbers; the template has an explanation of each."""

    def of(keys: Iterable[str], lines: Sequence[Line] = stats) -> dict[str, Points]:
        return {key: [(line["step"], line[key]) for line in lines if key in line] for key in keys}

    def named(prefix: str) -> list[str]:
        return sorted({key for line in stats for key in line if key.startswith(prefix)})

    bounds = (0.0, 1.0)
    accuracy = {one.label: of([one.accuracy])[one.accuracy] for one in discriminators_in(stats)}
    title = "Accuracy of the discriminators"
    yield draw("accuracy", title, "share of right answers", accuracy, bounds=bounds, level=0.5)
    probabilities = of((PIXELS.p_real, PIXELS.p_fake))
    title = f"The discriminator {PIXELS.label}"
    yield draw("pixels", title, "probability", probabilities, bounds=bounds, level=0.5, shaded=2)
    norms = {key.removeprefix(AT_PICTURE): points for key, points in of(named(AT_PICTURE)).items()}
    yield draw("picture", "Gradients at the picture", "gradient norm, logarithmic", norms, log=True)
    terms = of(key for key in named("g_") if key != "g_gradient")
    yield draw("g", "Loss of the picture generator", "weighted terms", terms)
    of_discriminator = ("layout_d", "layout_d_penalty", "layout_d_gradient", "layout_g_gradient")
    terms = of(key for key in named("layout_") if key not in of_discriminator)
    yield draw("layout", "Loss of the layout generator", "weighted terms", terms)
    terms = of(("d", "d_penalty", "layout_d", "layout_d_penalty"))
    yield draw("d", "Loss of the discriminators", "loss", terms)
    networks = of(f"{part}{which}_gradient" for part in ("", "layout_") for which in "gd")
    yield draw("gradients", "Gradients of the networks", "gradient norm, logarithmic", networks, log=True)
    if metric := metric_of(scores):
        points = of((metric, f"{metric}_train"), scores)
        best = of([metric], [line for line in scores if line.get("best")]).get(metric)
        mark = best[-1] if best else None  # what the best bundle holds; finished copies begin anew
        yield draw("score", f"Score: {metric}", "lower is better", points, mark=mark)
    probabilities = of(("p_train", "p_val", "p_made"), scores)
    yield draw("overfitting", "Overfitting", "probability", probabilities, bounds=bounds)
    yield draw("speed", "Training speed", "images a second", of(["images_per_s"]), bounds=(0.0, None))
    yield draw("waiting", "Waiting for data", "share of the time", of(["data_wait"]), bounds=bounds)


def _samples(folder: Path) -> dict[str, Any]:
    """Returns samples of seed 0 at evenly spaced steps, from the first to the last."""
    files = sorted((p for p in folder.glob("*.png") if p.stem.isdecimal()), key=lambda p: int(p.stem))
    last = len(files) - 1
    chosen = sorted({round(i * last / (STEPS_SHOWN - 1)) for i in range(STEPS_SHOWN)}) if files else []
    sheets = [(int(files[i].stem), _cells(files[i], 4, CELL_PX)[:INPUTS_SHOWN]) for i in chosen]
    sheets = [(step, cells) for step, cells in sheets if cells]
    rows = min((len(cells) for _, cells in sheets), default=0)
    return {
        "steps": [step for step, _ in sheets],
        "rows": [
            [
                _data_uri(cell)
                for cell in (sheets[-1][1][r][0], *(c[r][1] for _, c in sheets), sheets[-1][1][r][3])
            ]
            for r in range(rows)
        ],
    }


def _hardest(run: Path) -> list[dict[str, Any]]:
    pairs = [one for one in _json(run / "hardest.json", list) if isinstance(one, dict)]
    rows = _cells(run / "hardest.jpg", 3, HARDEST_PX)
    return [{**one, "src": _data_uri(*rows[i]) if i < len(rows) else None} for i, one in enumerate(pairs)]


def _cells(sheet: Path, columns: int, side_px: int) -> list[list[UInt8]]:
    """Returns the square pictures of a sheet by row, of `side_px` at most; none if it cannot be read."""
    try:
        picture = read_photo(sheet)
    except ImageError:
        return []
    height, width = picture.shape[:2]
    pitch = (width - GAP_PX) // columns
    side = pitch - GAP_PX
    if side < 1:
        return []
    small = (min(side, side_px),) * 2
    corners = range(GAP_PX, height - side + 1, pitch)
    return [
        [resized(picture[y : y + side, x : x + side], small) for x in range(GAP_PX, columns * pitch, pitch)]
        for y in corners
    ]


def _data_uri(*cells: UInt8) -> str:
    """Returns pictures side by side, as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(cells, axis=1)).save(buffer, "WEBP", quality=75)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()

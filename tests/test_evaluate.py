"""Metrics on made-up models whose figures are known, and the command on a tiny one."""

from __future__ import annotations

import json
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from conftest import LITERAL, draw_pair, save_untrained
from PIL import Image

from app.cli import main
from pix2pix.errors import UsageError
from pix2pix.evaluate.answers import Answers, Photo
from pix2pix.evaluate.estimates import kernel_distance, of_subject
from pix2pix.evaluate.figures import count_sketches, measure
from pix2pix.evaluate.inputs import Input, drawings, edges
from pix2pix.evaluate.judges import Judges, describe, perceptual_code
from pix2pix.evaluate.metrics import METRICS
from pix2pix.features import ObjectFeatures, PerceptualDistance

needs_features = pytest.mark.skipif(
    not os.environ.get("PIX2PIX_FEATURES"), reason="PIX2PIX_FEATURES is not set"
)


def framed_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`draw_pair` in a frame that fills the page of 64 x 64, so that it is left where it is."""
    pair = draw_pair(seed, 64)
    for picture in pair:
        cv2.rectangle(picture, (2, 2), (61, 61), (0, 0, 0), 1)
    return pair


A, B = (framed_pair(seed)[1] for seed in (1, 2))


class Painter:
    """A model that paints what a rule says. Its z has one number: the seed."""

    size_px, latent_size, takes_loose, name = 64, 1, False, "painter"

    def __init__(self, paint: Callable[[float, np.ndarray], np.ndarray]) -> None:
        self.paint = paint

    def latent(self, seed: int) -> np.ndarray:
        return np.array([seed], np.float32)

    def translate_batch(self, sketches: np.ndarray, z: np.ndarray, loose: np.ndarray | None) -> np.ndarray:
        page_of_each = np.broadcast_to(sketches, (len(z), *sketches.shape[1:]))  # one sketch may have many z
        return np.stack(
            [self.paint(float(number), sketch) for sketch, (number,) in zip(page_of_each, z, strict=True)]
        )

    def encode_batch(self, photos: np.ndarray) -> np.ndarray:
        return photos.mean((1, 2, 3))[:, None].astype(np.float32)


@pytest.fixture(scope="module")
def judges() -> Judges:
    return Judges(torch.device("cpu"), "shoes")


def save_pairs(folder: Path, count: int = 4) -> Path:
    """Validation pairs that fill a page of 64 x 64."""
    for kind in ("sketches", "photos"):
        (folder / "val" / kind).mkdir(parents=True)
    for seed in range(count):
        sketch, photo = framed_pair(seed)
        Image.fromarray(sketch).save(folder / "val" / "sketches" / f"{seed}.png")
        Image.fromarray(photo).save(folder / "val" / "photos" / f"{seed}.png")
    return folder


@pytest.fixture
def four(tmp_path: Path) -> Path:
    return save_pairs(tmp_path / "four")


def answers_of(painter: Painter, pairs: Path, judges: Judges, index: int = 0) -> Answers:
    given = edges(pairs)
    assert given.photos
    return Answers(painter, judges, given.sketches[0], given.photos[0], index)  # type: ignore[arg-type]


def figures_of(painter: Painter, inputs: list[Input], judges: Judges, *names: str) -> dict[str, Any]:
    """Estimates of the made photos, or the reason why there is none."""
    found = measure(painter, inputs, judges, names)  # type: ignore[arg-type]
    return {f.metric: f.estimate.value if f.estimate else f.reason for f in found if f.photos == "made"}


def real_of(sketch: np.ndarray) -> np.ndarray:
    """The photo that belongs to this sketch."""
    return next(photo for seed in range(9) for drawn, photo in [framed_pair(seed)] if (drawn == sketch).all())


def blurred(photo: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(photo, (0, 0), 3)


@needs_features
def test_answers_that_are_all_alike_have_no_diversity_and_no_smoothness(
    tmp_path: Path, judges: Judges
) -> None:
    two = save_pairs(tmp_path / "two", 2)
    ignores = Painter(lambda z, sketch: A)
    answers = answers_of(ignores, two, judges)
    assert METRICS["diversity"].of(answers) == 0
    assert METRICS["lpips"].of(answers) == METRICS["lpips_best"].of(answers)
    found = figures_of(ignores, [edges(two)], judges, "smoothness")
    assert found == {"smoothness": "an average needs at least 2 pictures; there are 0"}


@needs_features
def test_diversity_is_the_distance_of_neighbouring_seeds(four: Path, judges: Judges) -> None:
    answers = answers_of(Painter(lambda z, sketch: (A, B)[int(z) % 2]), four, judges)
    a, b = (as_tensor(photo.pixels) for photo in answers.of_seeds([1, 2]))
    expected = float(judges.perceptual(a, b))
    assert METRICS["diversity"].of(answers) == pytest.approx(expected, rel=1e-4)
    assert expected > 0.01


@needs_features
def test_smoothness_is_1_for_equal_steps_and_16_for_one_jump(four: Path, judges: Judges) -> None:
    """From seed 1 to seed 2 in 16 steps; `even` takes turns, which makes all steps alike."""
    even = Painter(lambda z, sketch: (A, B)[round((z - 1) * 16) % 2])
    jump = Painter(lambda z, sketch: A if z < 1.5 else B)
    smoothness = METRICS["smoothness"].of
    assert smoothness(answers_of(even, four, judges)) == pytest.approx(1)
    assert smoothness(answers_of(jump, four, judges)) == pytest.approx(16)


@needs_features
def test_diversity_and_smoothness_are_of_the_first_sketches_only(four: Path, judges: Judges) -> None:
    painter = Painter(lambda z, sketch: A)
    assert METRICS["diversity"].of(answers_of(painter, four, judges, index=99)) == 0
    assert METRICS["diversity"].of(answers_of(painter, four, judges, index=100)) is None
    assert METRICS["smoothness"].of(answers_of(painter, four, judges, index=20)) is None


@needs_features
def test_the_best_of_twenty_is_the_one_that_is_right(four: Path, judges: Judges) -> None:
    right_once = Painter(lambda z, sketch: real_of(sketch) if z == 20 else A)
    answers = answers_of(right_once, four, judges)
    assert METRICS["lpips_best"].of(answers) == pytest.approx(0, abs=1e-6)
    assert METRICS["lpips"].of(answers) > 0.1  # type: ignore[operator]


@needs_features
def test_reconstruction_has_the_z_of_the_photo(tmp_path: Path, judges: Judges) -> None:
    """The painter's encoder is the mean, by which this decoder knows the photo."""
    three = save_pairs(tmp_path / "three", 3)
    reals = [framed_pair(seed)[1] for seed in range(3)]
    decodes = Painter(lambda z, sketch: min(reals, key=lambda real: abs(real.mean() - z)))
    found = figures_of(decodes, [edges(three)], judges, "reconstruction", "lpips")
    assert found["reconstruction"] == pytest.approx(0, abs=1e-6)
    assert found["lpips"] > 0.01


def test_sharpness_is_1_for_real_photos_and_below_a_half_for_blurred_ones(four: Path, judges: Judges) -> None:
    sharp = Painter(lambda z, sketch: real_of(sketch))
    soft = Painter(lambda z, sketch: blurred(real_of(sketch)))
    assert figures_of(sharp, [edges(four)], judges, "sharpness") == {"sharpness": pytest.approx(1)}
    assert 0 < figures_of(soft, [edges(four)], judges, "sharpness")["sharpness"] < 0.5


def test_the_average_of_many_answers_is_not_sharp(judges: Judges) -> None:
    """The blur that L1 alone gives: answers of twelve places, and their average everywhere."""
    photos = np.stack([draw_pair(seed, 64)[1] for seed in range(12)])
    averages = np.repeat(photos.mean(0).round().astype(np.uint8)[None], 12, axis=0)
    sharpness = METRICS["sharpness"]
    assert sharpness.of_photo
    of_averages, of_photos = ([sharpness.of_photo(Photo(p, judges)) for p in s] for s in (averages, photos))
    assert sharpness.estimate(of_photos, of_photos).value == 1
    assert sharpness.estimate(of_averages, of_photos).value < 0.5


def test_a_set_of_photos_has_another_seed_for_every_sketch(four: Path, judges: Judges) -> None:
    asked: list[float] = []
    painter = Painter(lambda z, sketch: asked.append(z) or real_of(sketch))  # type: ignore[func-returns-value]
    found = figures_of(painter, [edges(four)], judges, "kid", "frechet")
    assert asked == [1, 2, 3, 4], "made once for both metrics"
    assert found["frechet"] == pytest.approx(0, abs=1e-6), "the real photos themselves"
    real = np.concatenate([Photo.read(p, judges).description.features for p in edges(four).photos or ()])
    assert found["kid"] == pytest.approx(1000 * kernel_distance(real, real).value)


def test_every_answer_is_made_once(four: Path, judges: Judges) -> None:
    asked: list[float] = []
    answers = answers_of(Painter(lambda z, sketch: asked.append(z) or A), four, judges)  # type: ignore[func-returns-value]
    first, again = answers.of_seeds([0, 3]), answers.of_seeds([3, 4, 0])
    assert asked == [0, 3, 4]
    assert again[0] is first[1] and again[2] is first[0]


def test_a_sketch_is_seen_as_convert_writes_it(tmp_path: Path, judges: Judges) -> None:
    """A small drawing on a wide page is enlarged for the model, and put back to its place."""
    page = np.full((128, 256), 255, np.uint8)
    page[90:110, 200:230] = 0
    Image.fromarray(page).save(tmp_path / "page.png")
    fills = Painter(lambda z, sketch: np.repeat(sketch[:, :, None], 3, axis=2))
    answers = Answers(fills, judges, tmp_path / "page.png", None, 0)  # type: ignore[arg-type]
    seen = answers.of_seeds([0])[0].pixels
    assert seen.shape == (256, 256, 3)
    assert (seen[190:210, 205:225] < 60).all() and (seen[:, :180] == 255).all() and (seen[:160] == 255).all()


def test_what_cannot_be_measured_is_left_out_for_a_reason(four: Path) -> None:
    painter = Painter(lambda z, sketch: A)
    given = Input("edges", edges(four).sketches, None)
    nobody = Judges(torch.device("cpu"), None)
    found = figures_of(painter, [given], nobody, "lpips", "recognised", "kid")
    assert found["lpips"] == "these sketches have no real photos"
    assert "say --subject shoes or handbags" in found["recognised"]
    assert found["kid"] == "KID needs at least 3 pictures on both sides; there are 4 and 0"


def test_progress_is_told_of_every_sketch_at_every_looseness(four: Path, judges: Judges) -> None:
    told: list[int] = []
    painter = Painter(lambda z, sketch: A)
    painter.takes_loose = True
    looses = ["guess", 0.5, 0.5]
    list(measure(painter, [edges(four)], judges, ["sharpness"], loose=looses, advance=lambda: told.append(1)))  # type: ignore[arg-type]
    assert len(told) == count_sketches(painter, [edges(four)], looses) == 8  # type: ignore[arg-type]


@needs_features
def test_the_squared_distance_of_codes_is_lpips() -> None:
    """Against the lpips package itself."""
    network = PerceptualDistance("alex")
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 96, 64, 3), dtype=np.uint8)
    apart = float((perceptual_code(a, network) - perceptual_code(b, network)).square().sum())
    assert apart == pytest.approx(float(network(as_tensor(a), as_tensor(b))), rel=1e-4)


def test_parts_share_no_thing_and_leave_none_out(tmp_path: Path) -> None:
    for name in ("1-1", "1-2", "2-1", "3", "10-1", "10-12", "more/1-1"):
        (tmp_path / f"{name}.png").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.png").touch()
    parts = [
        [
            path.relative_to(tmp_path).with_suffix("").as_posix()
            for path in drawings(tmp_path, part=(k, 2)).sketches
        ]
        for k in (1, 2)
    ]
    assert parts == [["1-1", "1-2", "2-1", "more/1-1"], ["10-1", "10-12", "3"]]
    with pytest.raises(UsageError, match="no drawings in part 6/6"):
        drawings(tmp_path, part=(6, 6))


def test_drawings_belong_to_the_photo_of_their_name(tmp_path: Path) -> None:
    """`4-1` is the first drawing of 4, unless there is a photo 4-1."""
    for name in ("sketches/3-1.png", "sketches/4-1.png", "photos/3.jpg", "photos/4.jpg", "photos/4-1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    photos = drawings(tmp_path / "sketches", tmp_path / "photos").photos
    assert [path.name for path in photos or ()] == ["3.jpg", "4-1.jpg"]


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(UsageError, match="EfficientNet-Lite0 needs the extra `eval`"):
        ObjectFeatures()


def official_photos(archive: Path, count: int) -> np.ndarray:
    """The first `count` validation photos of a tar of pairs."""
    with tarfile.open(archive) as tar:
        members = sorted(
            (m for m in tar.getmembers() if "val/" in m.name and m.isfile()), key=lambda m: m.name
        )
        files = [tar.extractfile(member) for member in members[:count]]
        return np.stack([np.asarray(Image.open(file).convert("RGB"))[:, 256:] for file in files if file])


@pytest.mark.parametrize("subject", ["shoes", "handbags"])
def test_real_photos_are_seen_for_what_they_are(real_data: Path, subject: str) -> None:
    """The known scale is 0.89 of all; with wrong preprocessing fewer are seen."""
    photos = official_photos(real_data / f"edges2{subject}.tar", 24)
    network = ObjectFeatures()
    seen = describe(photos, network)
    other = {"shoes": "handbags", "handbags": "shoes"}[subject]
    assert of_subject(seen.classes, subject).mean() >= 0.79
    assert of_subject(seen.classes, other).mean() <= 0.09
    assert seen.features.shape == (24, 1280)

    alone = describe(photos[17:18], network)
    assert alone.classes[0] == seen.classes[17]
    np.testing.assert_allclose(alone.features[0], seen.features[17], atol=1e-4)


def test_blurred_photos_are_farther_from_real_ones_than_real_ones_are(real_data: Path) -> None:
    photos = official_photos(real_data / "edges2shoes.tar", 32)
    some, others = photos[::2], photos[1::2]
    blurred = np.stack(
        [np.asarray(Image.fromarray(photo).resize((24, 24)).resize((256, 256))) for photo in some]
    )
    network = ObjectFeatures()
    reference = describe(others, network).features
    sharp, soft = (kernel_distance(describe(each, network).features, reference) for each in (some, blurred))
    assert soft.value > sharp.value + 3 * np.hypot(sharp.error, soft.error)


def as_tensor(photo: np.ndarray) -> torch.Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(photo).permute(2, 0, 1)[None] / 127.5 - 1


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
def test_the_command_measures_everything_it_can_and_names_the_rest(tiny_bundle: Path, tmp_path: Path) -> None:
    three = save_pairs(tmp_path / "three", 3)
    result = run(tiny_bundle, three, "--subject", "shoes", "--json", tmp_path / "figures.json")
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "figures.json").read_text())
    assert told["format"] == "pix2pix-evaluation/1"
    assert told["bundle"] == {"name": "tiny", "data_hash": "0" * 16, "steps": 3}
    made = {f["metric"]: f for f in told["figures"] if f["photos"] == "made"}
    assert set(made) == set(METRICS) - {"fid"}
    assert [f["metric"] for f in told["left_out"]] == ["fid"]
    assert all(f["n"] == 3 and f["error"] >= 0 and f["loose"] == "guess" for f in made.values())
    assert made["lpips_best"]["value"] < made["lpips"]["value"]
    assert made["diversity"]["value"] > 0 and made["smoothness"]["value"] >= 1
    rows = [line.split("|")[1].strip() for line in result.stdout.splitlines()]
    assert rows == ["metric", "-" * 14, *(name for name in METRICS if name != "fid")]
    lpips = made["lpips"]
    assert f"{lpips['value']:.3f} ± {lpips['error']:.3f} (3)" in result.stdout
    assert "left out: fid: " in result.stderr
    assert [path.name for path in tmp_path.glob(".*")] == [], "no temporary file is left"


@needs_features
def test_the_same_twice_on_edges_and_drawings_at_each_looseness(
    four: Path, drawn: list[str | Path], tiny_bundle: Path, tmp_path: Path
) -> None:
    options = [*drawn, "--metrics", "lpips,kid,sharpness", "--loose", "guess", "--loose", "0"]
    files = [tmp_path / name for name in ("first.json", "second.json")]
    first, second = (run(tiny_bundle, four, *options, "--json", file) for file in files)
    assert first.exit_code == 0, first.output
    assert first.stdout == second.stdout and files[0].read_bytes() == files[1].read_bytes()
    head, _, *rows = first.stdout.splitlines()
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    assert columns == [
        "metric",
        "real photos of drawings",
        "edges",
        "drawings",
        "edges, loose 0",
        "drawings, loose 0",
    ]
    lpips, kid = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows[:2])
    assert lpips[2].split()[0] == lpips[3].split()[0], "LPIPS of the same sketches to the same photos"
    assert lpips[2].endswith("(4)") and lpips[3].endswith("(8)") and lpips[1] == "–"
    assert lpips[2] != lpips[4], "looseness reached the model"
    assert kid[1].endswith("(4)")
    assert sum(row.startswith("KID on drawings / on edges") for row in rows) == 2


def test_a_part_of_the_drawings(four: Path, drawn: list[str | Path], tmp_path: Path) -> None:
    literal = save_untrained(tmp_path / "models" / "literal.safetensors", LITERAL)
    result = run(
        literal, four, *drawn, "--metrics", "sharpness", "--part", "2/4", "--json", tmp_path / "f.json"
    )
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "f.json").read_text())
    assert told["part"] == "2/4"
    made = {f["input"]: f for f in told["figures"] if f["photos"] == "made"}
    assert (made["edges"]["n"], made["drawings"]["n"]) == (4, 2), "both drawings of one photo"
    assert made["edges"]["loose"] is None, "the model knows none"


@pytest.mark.parametrize(
    "options, words",
    [
        (["--metrics", "lpips,beauty"], "no metric 'beauty'; there is: lpips, lpips_best, kid"),
        (["--metrics", ""], "no metric ''; there is: lpips"),
        (["--loose", "2"], "--loose '2' is neither guess nor a number from 0 to 1"),
        (["--loose", "nan"], "--loose 'nan' is neither"),
        (["--loose", "much"], "--loose 'much' is neither"),
        (["--part", "3/2"], "--part '3/2' is not K/N with K from 1 to N"),
        (["--part", "0/2"], "--part '0/2' is not"),
        (["--json", "no/such/folder.json"], "folder.json cannot be written"),
        (["--photos", "."], "give the drawings with --sketches"),
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
    four: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    literal = save_untrained(tmp_path / "models" / "literal.safetensors", LITERAL)
    result = run(literal, four, "--metrics", "sharpness,fid,recognised,reconstruction")
    assert result.exit_code == 1
    assert "sharpness" in result.stdout
    left_out = [line for line in result.stderr.splitlines() if line.startswith("left out: ")]
    assert left_out == [
        "left out: fid: FID needs torch-fidelity: .venv/bin/pip install torch-fidelity",
        "left out: recognised: what is to be recognised is not known: say --subject shoes or handbags",
        "left out: reconstruction: literal has no encoder: it cannot read a z off a photo",
    ]


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
    four: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    literal = save_untrained(tmp_path / "models" / "literal.safetensors", LITERAL)
    (tmp_path / "figures.json").write_text("before")

    def full(path: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    result = run(literal, four, "--metrics", "sharpness", "--json", tmp_path / "figures.json")
    assert result.exit_code == 2 and "No space left" in result.stderr
    assert (tmp_path / "figures.json").read_text() == "before"
    assert "sharpness" in result.stdout, "the table was printed all the same"

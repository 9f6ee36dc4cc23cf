"""Figures of quality, against values worked out by hand and against real photos."""

from __future__ import annotations

import os
import runpy
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import LITERAL, draw_pair, save_untrained
from PIL import Image
from torchvision.models import AlexNet_Weights

from pix2pix.errors import UsageError
from pix2pix.evaluate import (
    SUBJECTS,
    average,
    describe,
    jackknife,
    kernel_distance,
    perceptual_distances,
    recognised,
)
from pix2pix.features import ObjectFeatures, PerceptualDistance

needs_features = pytest.mark.skipif(
    not os.environ.get("PIX2PIX_FEATURES"), reason="PIX2PIX_FEATURES is not set"
)
QUALITY = Path(__file__).parents[1] / "benchmarks" / "quality.py"


def features(seed: int, count: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, (count, 8))


def test_kernel_distance_equals_the_formula() -> None:
    """(xy + 1)^3 between {0, 1, 2} and {1, 2, 3}, by hand."""
    distance = kernel_distance(np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [2.0], [3.0]]))
    within = (1 + 1 + 27) / 3 + (27 + 64 + 343) / 3
    across = (1 + 1 + 1 + 8 + 27 + 64 + 27 + 125 + 343) / 9
    assert distance.value == pytest.approx(within - 2 * across)


def test_two_pictures_are_too_few_for_a_kernel_distance() -> None:
    with pytest.raises(UsageError, match="at least 3 pictures on both sides; there are 2 and 9"):
        kernel_distance(features(0, 2), features(1, 9))


def test_kernel_distance_is_zero_on_average_between_halves_of_one_distribution() -> None:
    found = [kernel_distance(features(2 * i, 60), features(2 * i + 1, 90)) for i in range(60)]
    values = np.array([estimate.value for estimate in found])
    assert abs(values.mean()) < 3 * values.std() / 60**0.5
    assert (values < 0).any(), "an unbiased estimate falls on both sides of zero"


def test_kernel_distance_sees_a_shift_and_grows_with_it() -> None:
    real = features(0, 200)
    near, far = (kernel_distance(features(1, 100, shift), real) for shift in (0.5, 1.0))
    assert near.value > 3 * near.error
    assert far.value > near.value + 3 * far.error


def test_the_stated_error_is_how_far_repeated_measurements_scatter() -> None:
    found = [kernel_distance(features(2 * i, 60, 0.5), features(2 * i + 1, 90)) for i in range(80)]
    scatter = np.std([estimate.value for estimate in found])
    stated = np.mean([estimate.error for estimate in found])
    assert 0.75 * scatter < stated < 1.35 * scatter


def test_error_of_an_average_is_the_textbook_one() -> None:
    values = features(0, 30)[:, 0]
    estimate = average(values)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.error == pytest.approx(values.std(ddof=1) / 30**0.5)


def test_three_drawings_of_one_photo_do_not_count_as_three_photos() -> None:
    """Copies side by side tell nothing new: 40 photos, three times each, are known as well as 40."""
    values = features(0, 40)[:, 0]
    assert average(np.repeat(values, 3)).error == pytest.approx(average(values).error)


def test_jackknife_leaves_out_every_picture_once() -> None:
    left_out = np.zeros(101, int)

    def note(kept: np.ndarray) -> float:
        left_out[~kept] += 1
        return 0.0

    assert jackknife(note, 101) == 0.0
    assert (left_out == 1).all()


def test_subjects_are_the_classes_they_are_called() -> None:
    names = AlexNet_Weights.IMAGENET1K_V1.meta["categories"]
    for classes in SUBJECTS.values():
        assert classes == {index: names[index] for index in classes}


def test_recognised_is_the_share_of_the_subject() -> None:
    assert recognised(np.array([502, 514, 636, 0]), "shoes").value == 0.5
    assert recognised(np.array([502, 514, 636, 0]), "handbags").value == 0.25


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
    assert recognised(seen.classes, subject).value >= 0.79
    assert recognised(seen.classes, other).value <= 0.09
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


@needs_features
def test_perceptual_distance_pairs_photos_in_order() -> None:
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (18, 64, 64, 3), dtype=np.uint8)  # more than one batch
    real = photos.copy()
    real[17] = 255
    distances = perceptual_distances(photos, real, PerceptualDistance("alex"))
    assert distances[:17] == pytest.approx(0, abs=1e-6)
    assert distances[17] > 0.3


@needs_features
def test_quality_prints_a_row_for_every_input_and_the_same_twice(
    pairs: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """Four validation pairs; every one drawn twice more, alike, by `people`."""
    literal = save_untrained(tmp_path / "models" / "literal.safetensors", LITERAL)
    drawings, photos = tmp_path / "drawings", tmp_path / "drawn-photos"
    for folder in (drawings, photos):
        folder.mkdir()
    for seed in range(6, 10):
        sketch, photo = (Image.fromarray(array) for array in draw_pair(seed))
        sketch.save(pairs / "val" / "sketches" / f"{seed}.png")
        photo.save(pairs / "val" / "photos" / f"{seed}.png")
        photo.save(photos / f"{seed}.png")
        for number in (1, 2):
            sketch.save(drawings / f"{seed}-{number}.png")
    arguments = [
        str(tiny_bundle),
        str(literal),
        "--subject",
        "shoes",
        "--pairs",
        str(pairs),
        "--device",
        "cpu",
    ]
    arguments += ["--sketches", str(drawings), "--photos", str(photos), "--loose", "guess", "--loose", "0"]
    command = runpy.run_path(str(QUALITY))["main"]
    first, second = (CliRunner().invoke(command, arguments) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    lines = first.output.splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:8]]
    assert [row[:4] for row in rows] == [
        ["real photos", "of val", "–", "4"],
        ["real photos", "of the drawings", "–", "4"],
        ["tiny", "edges", "guess", "4"],
        ["tiny", "drawings", "guess", "8"],
        ["tiny", "edges", "0", "4"],
        ["tiny", "drawings", "0", "8"],
        ["literal", "edges", "–", "4"],
        ["literal", "drawings", "–", "8"],
    ]
    for edges, drawn in zip(rows[2::2], rows[3::2], strict=True):
        assert edges[4].split()[0] == drawn[4].split()[0] != "–", (
            "LPIPS of the same sketches to the same photos"
        )
    assert rows[2][5] != rows[4][5], "looseness reached the model"
    assert len(lines) == 12, "a ratio for each of the three, after an empty line"


@pytest.mark.parametrize("loose", ["2", "nan", "much"])
def test_quality_refuses_a_looseness_that_is_none(pairs: Path, loose: str) -> None:
    arguments = ["tiny", "--subject", "shoes", "--pairs", str(pairs), "--loose", loose]
    result = CliRunner().invoke(runpy.run_path(str(QUALITY))["main"], arguments)
    assert result.exit_code == 2
    assert f"'{loose}' is neither guess nor a number from 0 to 1" in result.output


def test_quality_names_drawings_without_a_photo(pairs: Path, tiny_bundle: Path) -> None:
    """Training sketches are 0 to 5, validation photos 6 and 7."""
    arguments = [str(tiny_bundle), "--subject", "shoes", "--pairs", str(pairs), "--device", "cpu"]
    arguments += ["--sketches", str(pairs / "train/sketches"), "--photos", str(pairs / "val/photos")]
    result = CliRunner().invoke(runpy.run_path(str(QUALITY))["main"], arguments)
    assert result.exit_code == 1
    assert "6 drawings have no photo" in result.output
    assert "0.png" in result.output

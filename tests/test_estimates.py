"""Arithmetic of figures, against values worked out by hand and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from torchvision.models import AlexNet_Weights

from pix2pix.errors import UsageError
from pix2pix.evaluate.estimates import (
    SUBJECTS,
    average,
    cosine,
    families_reached,
    frechet_distance,
    gradient_energy,
    jackknife,
    kernel_distance,
    of_subject,
    ratio,
    ratio_of_logs,
)


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


def test_a_class_is_of_one_subject_or_none() -> None:
    assert [of_subject(kind, "shoes") for kind in (502, 514, 636, 0)] == [1, 1, 0, 0]
    assert [of_subject(kind, "handbags") for kind in (502, 514, 636, 0)] == [0, 0, 1, 0]


def test_frechet_distance_of_two_gaussians_by_hand() -> None:
    """Covariances diag(4, 9) and diag(1, 1), means 3 apart: 9 + (2 - 1)^2 + (3 - 1)^2."""
    cross = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]) * np.sqrt(1.5)  # covariance 1
    assert frechet_distance(cross * [2, 3], cross + np.array([0, 3])).value == pytest.approx(14)


@pytest.mark.parametrize("counts", [(40, 50), (5, 6), (40, 5)], ids=["many", "few", "many and few"])
def test_frechet_distance_equals_the_formula_with_fewer_and_more_samples_than_dimensions(
    counts: tuple[int, int],
) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(count, 12)) @ rng.normal(size=(12, 12)) for count in counts)
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    apart = a.mean(0) - b.mean(0)
    # A little on the diagonal: sqrtm is not defined on every singular matrix.
    common = sqrtm((covariances[0] + 1e-9 * np.eye(12)) @ (covariances[1] + 1e-9 * np.eye(12)))
    expected = apart @ apart + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.trace(common).real
    assert frechet_distance(a, b).value == pytest.approx(expected, rel=1e-3)


def test_frechet_distance_of_a_set_to_itself_is_zero() -> None:
    assert frechet_distance(features(0, 20), features(0, 20)).value == pytest.approx(0, abs=1e-9)


def test_frechet_distance_is_biased_upwards_by_few_samples() -> None:
    few, many = (frechet_distance(features(1, n), features(2, n)).value for n in (10, 1000))
    assert few > 10 * many > 0


def test_ratio_is_of_the_means_and_its_error_is_that_of_both() -> None:
    values, reference = features(0, 30, 5.0)[:, 0], features(1, 30, 10.0)[:, 0]
    found = ratio(values, reference)
    assert found.value == pytest.approx(values.mean() / reference.mean())
    relative = np.hypot(
        values.std(ddof=1) / values.mean() / 30**0.5, reference.std(ddof=1) / reference.mean() / 30**0.5
    )
    assert found.error == pytest.approx(found.value * relative, rel=0.02)


@pytest.mark.parametrize("reference", [[0, 0, 0], [0, 0, 1]], ids=["blank", "blank without the last"])
def test_there_is_no_ratio_to_blank_photos(reference: list[float]) -> None:
    """Without the last the mean is 0, so that the jackknife has no error to tell."""
    with pytest.raises(UsageError, match="the real photos, or all but a few of them, are blank"):
        ratio(np.array([1.0, 2.0]), np.array(reference, np.float64))


def test_one_value_has_no_error() -> None:
    with pytest.raises(UsageError, match="an average needs at least 2 pictures; there are 1"):
        average(np.array([1.0]))


def test_ratio_of_logs_is_that_of_geometric_means_averaged() -> None:
    """Geometric means 2 and 6 over 1 and 4, by hand: (2 + 1.5) / 2. One textured photo weighs little."""
    values, reference = np.log([[1, 4], [4, 9]]), np.log([[1, 1], [1, 16]])
    assert ratio_of_logs(values, reference).value == pytest.approx((2 + 1.5) / 2)
    assert ratio_of_logs(values, values).value == pytest.approx(1)


def one_of(kinds: list[int], count: int) -> np.ndarray:
    """(N, count): 1 at the kind, all 0 for -1."""
    return (np.array(kinds)[:, None] == np.arange(count)).astype(np.float64)


def test_families_reached_are_those_that_photos_have() -> None:
    """Of 100 photos 50 are grey, 40 of kind 0, 6 of kind 1, 2 of kind 2, 2 of kind 3."""
    photos = one_of([-1] * 50 + [0] * 40 + [1] * 6 + [2] * 2 + [3] * 2, 4)
    assert families_reached(photos, photos).value == 1
    assert families_reached(one_of([0] * 100, 4), photos).value == 0.5, "kinds 2 and 3 are too rare to count"
    assert families_reached(one_of([2] * 100, 4), photos).value == 0
    hardly = np.repeat([[0.9, 0.01, 0.0, 0.0]], 100, axis=0)
    assert families_reached(hardly, photos).value == 1
    assert families_reached(hardly * [1, 0.5, 1, 1], photos).value == 0.5


def test_grey_photos_have_no_hue_to_reach() -> None:
    with pytest.raises(UsageError, match="the real photos, or all but a few of them, are grey"):
        families_reached(one_of([0, 1, 1], 2), one_of([-1, -1, -1], 2))


def test_cosine_by_hand() -> None:
    a = np.array([3.0, 4.0])
    assert cosine(a, np.array([6.0, 8.0])) == pytest.approx(1)
    assert cosine(a, np.array([4.0, -3.0])) == 0
    assert cosine(a, np.array([-1.0, 0.0])) == pytest.approx(-0.6)
    assert cosine(a, np.zeros(2)) == 0


def test_gradient_energy_by_hand() -> None:
    """A black and a white half: of three steps across one is 1, down there is none."""
    photo = np.zeros((5, 4, 3), np.uint8)
    photo[:, 2:] = 255
    assert gradient_energy(photo) == pytest.approx(1 / 3)
    assert gradient_energy(photo // 2) == pytest.approx((127 / 255) ** 2 / 3)

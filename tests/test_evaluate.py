"""Metrics of synthetic models whose figures are known, and the sketches that they are measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import draw_pair, framed_pair, needs_features, save_framed
from PIL import Image

from pix2pix.errors import UsageError
from pix2pix.evaluate.answers import Answers, Photo
from pix2pix.evaluate.estimates import kernel_distance
from pix2pix.evaluate.features import FeatureNetworks
from pix2pix.evaluate.figures import measure
from pix2pix.evaluate.inputs import Input, drawings, edges, leave_out_unreadable
from pix2pix.evaluate.metrics import METRICS
from pix2pix.images.io import read_photo
from pix2pix.pairs import list_pairs

A, B = (framed_pair(seed)[1] for seed in (1, 2))


class Painter:
    """A model that paints by a function of z and sketch. Its z has one number: the seed."""

    size_px, latent_size, name = 64, 1, "painter"

    def __init__(self, paint: Callable[[float, np.ndarray], np.ndarray]) -> None:
        self.paint = paint

    def latent(self, seed: int) -> np.ndarray:
        return np.array([seed], np.float32)

    def translate_batch(self, sketches: np.ndarray, z: np.ndarray) -> np.ndarray:
        page_of_each = np.broadcast_to(sketches, (len(z), *sketches.shape[1:]))  # one sketch may have many z
        return np.stack(
            [self.paint(float(number), sketch) for sketch, (number,) in zip(page_of_each, z, strict=True)]
        )

    def encode(self, photo: Path) -> np.ndarray:
        return np.array([read_photo(photo).mean()], np.float32)


@pytest.fixture(scope="module")
def networks() -> FeatureNetworks:
    return FeatureNetworks(torch.device("cpu"), "shoes")


def val_of(pairs: Path) -> Input:
    return edges(list_pairs(pairs, "val"))


def answers_of(painter: Painter, pairs: Path, networks: FeatureNetworks, index: int = 0) -> Answers:
    sketch, photo = val_of(pairs).pairs[0]
    return Answers(painter, networks, sketch, photo, index)  # type: ignore[arg-type]


def figures_of(painter: Painter, given: Input, networks: FeatureNetworks, *names: str) -> dict[str, Any]:
    """Estimates of the made photos, or the reason why there is none."""
    found = measure(painter, [given], networks, names)  # type: ignore[arg-type]
    return {f.metric: f.estimate.value if f.estimate else f.reason for f in found if f.photos == "made"}


def real_of(sketch: np.ndarray) -> np.ndarray:
    """The photo that belongs to this sketch."""
    return next(photo for seed in range(9) for drawn, photo in [framed_pair(seed)] if (drawn == sketch).all())


def blurred(photo: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(photo, (0, 0), 3)


@needs_features
def test_answers_that_are_all_alike_have_no_diversity_and_no_smoothness(
    tmp_path: Path, networks: FeatureNetworks
) -> None:
    two = save_framed(tmp_path / "two", 2)
    ignores = Painter(lambda z, sketch: A)
    answers = answers_of(ignores, two, networks)
    assert METRICS["diversity"].of_answers(answers) == 0
    assert METRICS["lpips"].of_answers(answers) == METRICS["lpips_best"].of_answers(answers)
    found = figures_of(ignores, val_of(two), networks, "smoothness")
    assert found == {"smoothness": "all photos of a sketch are equal"}


@needs_features
def test_one_sketch_whose_answers_are_alike_is_no_hindrance(four: Path, networks: FeatureNetworks) -> None:
    """A blank one, say: smoothness is that of the others."""
    first = np.asarray(Image.open(val_of(four).pairs[0][0]))
    jump = Painter(lambda z, sketch: A if (sketch == first).all() or z % 2 < 0.5 else B)
    (figure,) = measure(jump, [val_of(four)], networks, ["smoothness"])  # type: ignore[arg-type]
    assert figure.estimate and figure.n == 3


def test_a_model_without_z_has_no_figures_of_many_answers(four: Path, networks: FeatureNetworks) -> None:
    """Its smoothness was left out for "an average needs at least 2 pictures; there are 0"."""
    flat = Painter(lambda z, sketch: A)
    flat.latent_size = 0
    found = figures_of(flat, val_of(four), networks, "lpips_best", "diversity", "smoothness", "arithmetic")
    why = "this model has no latent: one photo per sketch"
    assert found == {"lpips_best": why, "diversity": why, "smoothness": why, "arithmetic": why}


@needs_features
def test_diversity_is_the_distance_of_neighbouring_seeds(four: Path, networks: FeatureNetworks) -> None:
    answers = answers_of(Painter(lambda z, sketch: (A, B)[int(z) % 2]), four, networks)
    first, second = answers.of_seeds([1, 2])
    expected = first.distance_to(second)
    assert METRICS["diversity"].of_answers(answers) == pytest.approx(expected, rel=1e-4)
    assert expected > 0.01


@needs_features
def test_smoothness_is_1_for_equal_steps_and_16_for_one_jump(four: Path, networks: FeatureNetworks) -> None:
    """From seed 1 to seed 2 in 16 steps; `even` takes turns, which makes all steps alike."""
    even = Painter(lambda z, sketch: (A, B)[round((z - 1) * 16) % 2])
    jump = Painter(lambda z, sketch: A if z < 1.5 else B)
    smoothness = METRICS["smoothness"].of_answers
    assert smoothness(answers_of(even, four, networks)) == pytest.approx(1)
    assert smoothness(answers_of(jump, four, networks)) == pytest.approx(16)


@needs_features
def test_diversity_and_smoothness_are_of_the_first_sketches_only(
    four: Path, networks: FeatureNetworks
) -> None:
    painter = Painter(lambda z, sketch: A)
    assert METRICS["diversity"].of_answers(answers_of(painter, four, networks, index=99)) == 0
    assert METRICS["diversity"].of_answers(answers_of(painter, four, networks, index=100)) is None
    assert METRICS["smoothness"].of_answers(answers_of(painter, four, networks, index=20)) is None


@needs_features
def test_the_best_of_twenty_is_the_one_that_is_right(four: Path, networks: FeatureNetworks) -> None:
    right_once = Painter(lambda z, sketch: real_of(sketch) if z == 20 else A)
    answers = answers_of(right_once, four, networks)
    assert METRICS["lpips_best"].of_answers(answers) == pytest.approx(0, abs=1e-6)
    assert METRICS["lpips"].of_answers(answers) > 0.1  # type: ignore[operator]


@needs_features
def test_reconstruction_has_the_z_of_the_photo(tmp_path: Path, networks: FeatureNetworks) -> None:
    """The painter's encoder is the mean, by which this decoder knows the photo."""
    three = save_framed(tmp_path / "three", 3)
    reals = [framed_pair(seed)[1] for seed in range(3)]
    decodes = Painter(lambda z, sketch: min(reals, key=lambda real: abs(real.mean() - z)))
    found = figures_of(decodes, val_of(three), networks, "reconstruction", "lpips")
    assert found["reconstruction"] == pytest.approx(0, abs=1e-6)
    assert found["lpips"] > 0.01


def test_sharpness_is_1_for_real_photos_and_below_a_half_for_blurred_ones(
    four: Path, networks: FeatureNetworks
) -> None:
    sharp = Painter(lambda z, sketch: real_of(sketch))
    soft = Painter(lambda z, sketch: blurred(real_of(sketch)))
    assert figures_of(sharp, val_of(four), networks, "sharpness") == {"sharpness": pytest.approx(1)}
    assert 0 < figures_of(soft, val_of(four), networks, "sharpness")["sharpness"] < 0.5


def test_blank_real_photos_leave_sharpness_out(four: Path, networks: FeatureNetworks) -> None:
    """The ratio to nothing was inf, which ended in a traceback on the way to JSON."""
    for _, photo in val_of(four).pairs:
        assert photo
        Image.new("RGB", (64, 64), "white").save(photo)
    found = figures_of(Painter(lambda z, sketch: A), val_of(four), networks, "sharpness")
    assert found["sharpness"].startswith("the real photos, or all but a few of them, are blank")


def test_the_average_of_many_answers_is_not_sharp(networks: FeatureNetworks) -> None:
    """The blur that L1 alone gives: answers of twelve places, and their average everywhere."""
    photos = np.stack([draw_pair(seed, 64)[1] for seed in range(12)])
    averages = np.repeat(photos.mean(0).round().astype(np.uint8)[None], 12, axis=0)
    sharpness = METRICS["sharpness"]
    assert sharpness.of_photo
    of_averages, of_photos = ([sharpness.of_photo(Photo(p, networks)) for p in s] for s in (averages, photos))
    assert sharpness.estimate(of_photos, of_photos).value == 1
    assert sharpness.estimate(of_averages, of_photos).value < 0.5


def test_a_set_of_photos_has_another_seed_for_every_sketch(four: Path, networks: FeatureNetworks) -> None:
    latents: list[float] = []
    painter = Painter(lambda z, sketch: latents.append(z) or real_of(sketch))  # type: ignore[func-returns-value]
    found = figures_of(painter, val_of(four), networks, "kid", "frechet")
    assert latents == [1, 2, 3, 4], "generated once for both metrics"
    assert found["frechet"] == pytest.approx(0, abs=1e-6), "the real photos themselves"
    real = np.stack([Photo.read(p, networks).classification.features for _, p in val_of(four).pairs if p])
    assert found["kid"] == pytest.approx(1000 * kernel_distance(real, real).value)


def test_every_answer_is_made_once(four: Path, networks: FeatureNetworks) -> None:
    latents: list[float] = []
    answers = answers_of(Painter(lambda z, sketch: latents.append(z) or A), four, networks)  # type: ignore[func-returns-value]
    first, again = answers.of_seeds([0, 3]), answers.of_seeds([3, 4, 0])
    assert latents == [0, 3, 4]
    assert again[0] is first[1] and again[2] is first[0]


def test_a_sketch_is_seen_as_convert_writes_it(tmp_path: Path, networks: FeatureNetworks) -> None:
    """A small drawing on a wide page is enlarged for the model, and put back to its place."""
    page = np.full((128, 256), 255, np.uint8)
    page[90:110, 200:230] = 0
    Image.fromarray(page).save(tmp_path / "page.png")
    fills = Painter(lambda z, sketch: np.repeat(sketch[:, :, None], 3, axis=2))
    answers = Answers(fills, networks, tmp_path / "page.png", None, 0)  # type: ignore[arg-type]
    seen = answers.of_seeds([0])[0].pixels
    assert seen.shape == (256, 256, 3)
    assert (seen[190:210, 205:225] < 60).all() and (seen[:, :180] == 255).all() and (seen[:160] == 255).all()


def test_what_cannot_be_measured_is_left_out_for_a_reason(four: Path) -> None:
    painter = Painter(lambda z, sketch: A)
    given = Input("edges", tuple((sketch, None) for sketch, _ in val_of(four).pairs))
    unknown_subject = FeatureNetworks(torch.device("cpu"), None)
    found = figures_of(painter, given, unknown_subject, "lpips", "recognised", "kid")
    assert found["lpips"] == "these sketches have no real photos (for drawings, give --photos)"
    assert "give --subject shoes or handbags" in found["recognised"]
    assert found["kid"] == "KID needs at least 3 pictures on both sides; there are 4 and 0"


def test_progress_advances_once_a_sketch(four: Path, networks: FeatureNetworks) -> None:
    advanced: list[int] = []
    inputs = [val_of(four), replace(val_of(four), name="again")]
    painter = Painter(lambda z, sketch: A)
    list(measure(painter, inputs, networks, ["sharpness"], advance=lambda: advanced.append(1)))  # type: ignore[arg-type]
    assert len(advanced) == 8


RED, BLUE = (np.full((64, 64, 3), colour, np.uint8) for colour in ((200, 30, 30), (60, 80, 140)))


def test_colours_are_those_of_eight_answers_with_seeds_of_the_sketch_alone(
    four: Path, networks: FeatureNetworks
) -> None:
    latents: list[float] = []
    turns = Painter(lambda z, sketch: latents.append(z) or (RED, BLUE)[(z - 1) % 8 > 1])  # type: ignore[func-returns-value]
    names = ("hue_red", "hue_blue", "grey", "colour_spread", "lightness_spread")
    found = figures_of(turns, val_of(four), networks, *names)
    assert found["hue_red"] == 2 / 8 and found["hue_blue"] == 6 / 8 and found["grey"] == 0
    assert found["colour_spread"] == found["lightness_spread"] == pytest.approx(0, abs=1e-3)
    assert latents == list(range(1, 33)), "generated once for all of them"


def test_colours_of_real_photos_are_shown_beside_those_of_made_ones(
    four: Path, networks: FeatureNetworks
) -> None:
    """As good as they are: the painter paints the real photos."""
    found = measure(Painter(lambda z, sketch: real_of(sketch)), [val_of(four)], networks, ["chroma", "grey"])  # type: ignore[arg-type]
    values = {(f.photos, f.metric): f.estimate.value for f in found if f.estimate}
    for metric in ("chroma", "grey"):
        assert values["made", metric] == pytest.approx(values["real", metric], rel=0.02)
    assert values["real", "chroma"] > 5


def test_hue_families_that_real_photos_have_are_reached_or_not(four: Path, networks: FeatureNetworks) -> None:
    real = Painter(lambda z, sketch: real_of(sketch))
    pure = Painter(lambda z, sketch: np.full((64, 64, 3), 128, np.uint8))
    assert figures_of(real, val_of(four), networks, "hues") == {"hues": 1}
    assert figures_of(pure, val_of(four), networks, "hues") == {"hues": 0}


def nth_seed(z: float, sketch: np.ndarray) -> float:
    """1 to 8 for the seeds of a sketch of `four`, which number `index` has from 8 * index + 1 on."""
    index = next(seed for seed in range(4) if (framed_pair(seed)[0] == sketch).all())
    return z - 8 * index


def shaded(n: float, sign: int = 1) -> np.ndarray:
    return np.full((64, 64, 3), np.clip(100 + sign * 10 * n, 0, 230), np.uint8)


@pytest.mark.parametrize(
    "paint, expected",
    [
        (shaded, 1),
        (lambda n: shaded(n, 1 if n <= 8 else -1), -1),
        (lambda n: shaded(0), 0),
    ],
    ids=["true", "opposite", "not at all"],
)
def test_arithmetic_compares_a_sum_of_latents_with_its_colours(
    four: Path, networks: FeatureNetworks, paint: Callable[[float], np.ndarray], expected: float
) -> None:
    """A sketch's seeds 1 and 8 are farthest apart, darkest and lightest; 2 + 8 - 1 is a latent of 9."""
    painter = Painter(lambda z, sketch: paint(nth_seed(z, sketch)))
    found = figures_of(painter, val_of(four), networks, "arithmetic")
    assert found == {"arithmetic": pytest.approx(expected, abs=1e-3)}


def woven(sketch: np.ndarray) -> np.ndarray:
    """The real photo with lines at a period of 2 px."""
    photo = real_of(sketch).astype(int)
    photo[:, ::2] += 20 * (photo.min(axis=2) < 200)[:, ::2, None]
    return np.clip(photo, 0, 240).astype(np.uint8)


def test_a_weave_is_above_the_photos_plain_surfaces(four: Path, networks: FeatureNetworks) -> None:
    """64 px enlarged to 256: two pixels of the model are 8 px."""
    same = Painter(lambda z, sketch: real_of(sketch))
    weave = Painter(lambda z, sketch: woven(sketch))
    assert figures_of(same, val_of(four), networks, "plain") == {"plain": pytest.approx(1)}
    found = figures_of(weave, val_of(four), networks, "plain", "weave")
    assert found["plain"] > 2 and found["weave"] > 1


def test_plain_surfaces_and_ground_need_photos_that_sketches_were_traced_from(
    four: Path, networks: FeatureNetworks
) -> None:
    """The lines of a drawing do not lie on those of its photo."""
    edge_maps, drawn = val_of(four), replace(val_of(four), name="drawings", traced=False)
    painter = Painter(lambda z, sketch: real_of(sketch))
    found = measure(painter, [edge_maps, drawn], networks, ["ground", "chroma"])  # type: ignore[arg-type]
    assert {(f.photos, f.metric, f.input) for f in found} == {
        ("real", "ground", "edges"),
        ("real", "chroma", "edges"),
        ("real", "chroma", "drawings"),
        ("made", "ground", "edges"),
        ("made", "chroma", "edges"),
        ("made", "ground", "drawings"),
        ("made", "chroma", "drawings"),
    }
    found = figures_of(painter, drawn, networks, "thin", "openings")
    assert set(found.values()) == {"these sketches were not traced from the photos"}


def test_a_model_without_z_is_measured_once_a_sketch(four: Path, networks: FeatureNetworks) -> None:
    batches: list[int] = []
    flat = Painter(lambda z, sketch: A)
    flat.latent_size = 0
    flat.translate_batch = lambda sketches, z: batches.append(len(z)) or np.stack([RED] * len(z))  # type: ignore
    flat.latent = lambda seed: np.zeros(0, np.float32)  # type: ignore[method-assign]
    assert figures_of(flat, val_of(four), networks, "hue_red", "ground")["hue_red"] == 1
    assert batches == [1, 1, 1, 1]


def test_parts_share_no_subject_and_leave_none_out(tmp_path: Path) -> None:
    for name in ("1-1", "1-2", "2-1", "3", "10-1", "10-12", "more/1-1"):
        (tmp_path / f"{name}.png").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.png").touch()
    parts = [
        [
            path.relative_to(tmp_path).with_suffix("").as_posix()
            for path, _ in drawings(tmp_path, part=(k, 2)).pairs
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
    found = drawings(tmp_path / "sketches", tmp_path / "photos").pairs
    assert [photo and photo.name for _, photo in found] == ["3.jpg", "4-1.jpg"]


def test_a_photo_that_cannot_be_read_takes_its_drawings_along_and_is_named_once(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.png" for name in ("good", "empty", "cut", "photo")}
    for name in ("good", "photo"):
        Image.new("L", (64, 64), 255).save(files[name])
    files["empty"].touch()
    files["cut"].write_bytes(files["good"].read_bytes()[:50])
    good, empty, cut, photo = files.values()
    given = [
        Input("edges", ((good, photo), (good, empty), (photo, empty))),
        Input("drawings", ((cut, None), (good, None))),
    ]
    inputs, unreadable = leave_out_unreadable(given)
    assert inputs == [Input("edges", ((good, photo),)), Input("drawings", ((good, None),))]
    assert unreadable.keys() == {empty, cut}
    assert unreadable[empty] == "empty.png is empty (0 bytes)."

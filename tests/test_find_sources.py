"""Layouts of data sets are recognised by names and by pixels, and said; what is not clear is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from products import product

from app.cli.main import main
from data_prep.manifest import read_manifest
from pix2pix.images.io import read_sketch


def drawing(seed: int, height: int = 96, width: int = 96) -> np.ndarray:
    """The outline of `product(seed)`, (height, width, 3)."""
    ink = cv2.Canny(cv2.cvtColor(product(seed, height, width), cv2.COLOR_RGB2GRAY), 30, 60)
    return np.repeat(255 - ink[..., None], 3, axis=2)


def label_map(seed: int, height: int = 96, width: int = 96) -> np.ndarray:
    """Areas of four colours."""
    colours = np.random.default_rng(seed).permutation(np.eye(4, 3) * 200 + 30).astype(np.uint8)
    return colours[np.indices((height, width)).sum(axis=0) * 4 // (height + width)]


def street(seed: int, height: int = 96, width: int = 96) -> np.ndarray:
    """A photo full of colours."""
    few = np.random.default_rng(seed).integers(0, 255, (12, 12, 3)).astype(np.uint8)
    return cv2.resize(few, (width, height), interpolation=cv2.INTER_CUBIC)


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def side_by_side(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.concatenate([left, right], axis=1)


def prepare(tmp_path: Path, *options: str) -> Result:
    arguments = ["prepare", str(tmp_path / "src"), str(tmp_path / "pairs"), "--size", "64", "--workers", "1"]
    return CliRunner().invoke(main, [*arguments, "--val-fraction", "0", *options])


def names(tmp_path: Path) -> set[tuple[str, str]]:
    return set(read_manifest(tmp_path / "pairs"))


def assert_sketches_are_drawings(tmp_path: Path) -> None:
    for sketch in (tmp_path / "pairs").rglob("sketches/**/*.png"):
        assert 0 < np.mean(read_sketch(sketch) < 128) < 0.25, sketch


@pytest.mark.parametrize(
    "sketch, photo, split",
    [
        ("train_A/1.png", "train_B/1.png", "train"),
        ("train_label/1.png", "train_img/1.jpg", "train"),
        ("test_label/1.png", "test_img/1.jpg", "val"),
        ("trainA/1.png", "trainB/1.png", "train"),
        ("A/train/1.png", "B/train/1.png", "train"),
        ("A/valid/1.png", "B/valid/1.png", "val"),
        ("train/A/1.png", "train/B/1.png", "train"),
        ("edges_train/1.png", "photos_train/1.png", "train"),
        ("lineart/1.png", "colour/1.png", "train"),  # names that are not known
        ("train/hed/1.png", "train/rgb/1.png", "train"),
        ("A/1_A.png", "B/1_B.png", "train"),
        ("sketches/1_sketch.png", "photos/1_photo.jpg", "train"),
        ("sketches/sketch_1.png", "photos/photo_1.jpg", "train"),
        ("1_A.png", "1_B.png", "train"),
        ("1_sketch.png", "1_photo.jpg", "train"),
        ("train/1-edges.png", "train/1.jpg", "train"),
        ("photo_1.jpg", "1.png", None),
    ],
)
def test_two_files_of_a_pair_find_each_other(
    tmp_path: Path, sketch: str, photo: str, split: str | None
) -> None:
    """B-to-A data sets have the sketches in B: they are found by their lines."""
    if split is None:
        sketch, photo, split = photo, sketch, "train"
    for seed in (1, 2, 3):
        save(tmp_path / "src" / sketch.replace("1", str(seed)), drawing(seed))
        save(tmp_path / "src" / photo.replace("1", str(seed)), product(seed, 96, 96))
    result = prepare(tmp_path)
    assert result.exit_code == 0, result.stderr
    assert names(tmp_path) == {(split, str(seed)) for seed in (1, 2, 3)}
    assert_sketches_are_drawings(tmp_path)


@pytest.mark.parametrize("layout", ["{}/1.png", "train_{}/1.png", "1_{}.png"])
@pytest.mark.parametrize("drawn", ["A", "B"])
def test_of_a_and_b_the_side_with_lines_is_the_sketch(tmp_path: Path, layout: str, drawn: str) -> None:
    for seed in (1, 2, 3):
        for side in "AB":
            picture = drawing(seed) if side == drawn else product(seed, 96, 96)
            save(tmp_path / "src" / layout.format(side).replace("1", str(seed)), picture)
    result = prepare(tmp_path)
    assert result.exit_code == 0, result.stderr
    assert f"--from {'folders' if '/' in layout else 'names'}" in result.stderr.splitlines()[0]
    assert len(names(tmp_path)) == 3
    assert_sketches_are_drawings(tmp_path)


@pytest.mark.parametrize("height, width", [(96, 192), (96, 191), (128, 160), (96, 96), (60, 301)])
@pytest.mark.parametrize("kind", ["ab", "ba"])
def test_halves_of_any_shape_are_recognised_with_the_side_of_the_sketch(
    tmp_path: Path, height: int, width: int, kind: str
) -> None:
    for seed in range(4):
        halves = [drawing(seed, height, width // 2), product(seed, height, width // 2)]
        if width % 2:
            halves[0] = np.pad(halves[0], ((0, 0), (0, 1), (0, 0)), constant_values=255)
        save(tmp_path / f"src/{seed}.png", side_by_side(*(halves if kind == "ab" else halves[::-1])))
    result = prepare(tmp_path)
    assert result.exit_code == 0, result.stderr
    side = "left" if kind == "ab" else "right"
    assert result.stderr.splitlines()[0] == (
        f"{tmp_path / 'src'} holds side-by-side images, the sketch on the {side} (--from {kind})"
    )
    assert len(names(tmp_path)) == 4
    assert_sketches_are_drawings(tmp_path)


def test_a_label_map_is_the_side_of_few_colours(tmp_path: Path) -> None:
    for seed in range(3):
        save(tmp_path / f"src/{seed}.png", side_by_side(street(seed), label_map(seed)))
    assert "--from ba" in prepare(tmp_path).stderr.splitlines()[0]


def test_several_sketches_of_one_photo_are_pairs_of_one_split(tmp_path: Path) -> None:
    for seed in range(6):
        save(tmp_path / f"src/photo/bag/{seed}.jpg", product(seed, 96, 96))
        for number in (1, 2, 3):
            save(tmp_path / f"src/sketch/bag/{seed}-{number}.png", np.roll(drawing(seed), number, axis=0))
    result = prepare(tmp_path, "--val-fraction", "0.5")
    assert result.exit_code == 0, result.stderr
    pairs = names(tmp_path)
    assert {name for _, name in pairs} == {f"bag/{seed}-{n}" for seed in range(6) for n in (1, 2, 3)}
    assert {len({split for split, name in pairs if name.startswith(f"bag/{s}-")}) for s in range(6)} == {1}
    assert {split for split, _ in pairs} == {"train", "val"}


def test_sizes_that_an_exif_orientation_exchanged_are_refused_with_the_cause(tmp_path: Path) -> None:
    save(tmp_path / "src/sketches/1.png", drawing(1, 64, 96))
    turned = Image.Exif()
    turned[0x0112] = 6
    (tmp_path / "src/photos").mkdir()
    Image.fromarray(product(1, 64, 96)).save(tmp_path / "src/photos/1.jpg", exif=turned)
    result = prepare(tmp_path)
    assert result.exit_code == 2
    assert "the sketch is 96x64, the photo 64x96: 1.jpg is rotated by its EXIF orientation" in result.stderr


def test_photos_are_photos_whatever_their_shape(tmp_path: Path) -> None:
    for seed in range(4):
        save(tmp_path / f"src/boots/{seed}.png", product(seed, 100, 150))
        save(tmp_path / f"src/sandals/{seed}.png", product(10 + seed, 150, 100))  # equal names, no drawings
    result = prepare(tmp_path, "--edges", "canny")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.splitlines()[0] == f"{tmp_path / 'src'} holds photos (--from photos)"


def test_photos_in_a_folder_named_sketches_are_told(tmp_path: Path) -> None:
    """They were taken for sketches without a word."""
    for seed in range(3):
        save(tmp_path / f"src/sketches/{seed}.png", street(seed))
        save(tmp_path / f"src/photos/{seed}.png", product(seed, 96, 96))
    result = prepare(tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "Warning: the pictures in sketches look like photos" in result.stderr


def test_instance_maps_beside_label_maps_are_no_fault(tmp_path: Path) -> None:
    for seed in range(2):
        save(tmp_path / f"src/train_label/{seed}.png", drawing(seed))
        save(tmp_path / f"src/train_img/{seed}.jpg", product(seed, 96, 96))
        save(tmp_path / f"src/train_inst/{seed}.png", drawing(seed))
    result = prepare(tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "ignored: 2 files: outside of the folders" in result.stderr


def unclear_halves(src: Path) -> None:
    for seed in range(3):
        save(src / f"{seed}.png", side_by_side(street(seed), street(seed + 9)))


def unclear_folders(src: Path) -> None:
    for seed in range(3):
        for side in "AB":
            save(src / f"{side}/{seed}.png", product(seed + 9 * (side == "A"), 96, 96))


def two_folders_of_sketches(src: Path) -> None:
    for folder in ("edges", "sketches", "photos"):
        save(src / folder / "1.png", drawing(1))


def other_names(src: Path) -> None:
    for seed in range(3):
        save(src / f"sketches/{seed}.png", drawing(seed))
        save(src / f"photos/{seed + 10}.png", product(seed, 96, 96))


def drawings_only(src: Path) -> None:
    for seed in range(3):
        save(src / f"{seed}.png", drawing(seed))


def stacked_pairs(src: Path) -> None:
    for seed in range(3):
        save(src / f"{seed}.png", np.concatenate([drawing(seed), product(seed, 96, 96)]))


def triples(src: Path) -> None:
    for seed in range(3):
        save(
            src / f"{seed}.png",
            np.concatenate([drawing(seed), product(seed, 96, 96), product(9, 96, 96)], axis=1),
        )


def photos_and_pairs(src: Path) -> None:
    for seed in range(6):
        save(src / f"{seed}.png", product(seed, 96, 96))
    for seed in range(6, 9):
        save(src / f"{seed}.png", side_by_side(drawing(seed), product(seed, 96, 96)))


def photos_and_a_drawing(src: Path) -> None:
    for seed in range(4):
        save(src / f"{seed}.png", product(seed, 96, 96))
    save(src / "9.png", drawing(9))


def names_that_differ_in_suffix(src: Path) -> None:
    for seed in range(2):
        save(src / f"{seed}.jpg", product(seed, 96, 96))
        save(src / f"{seed}.png", drawing(seed))


@pytest.mark.parametrize(
    "make, words",
    [
        (stacked_pairs, ["pairs one above the other (3 of 3 checked)", "docs/recipes", "--from photos"]),
        (triples, ["rows of three pictures (3 of 3", "NAME_sketch", "--from photos"]),
        (photos_and_pairs, ["pairs side by side (3 of 9", "--from photos"]),
        (photos_and_a_drawing, ["line drawings (1 of 5", "--from photos"]),
        (names_that_differ_in_suffix, ["0.jpg and 0.png", "NAME_sketch", "--from names", "--from photos"]),
        (unclear_halves, ["twice as wide as high", "--from ab", "--from ba", "--from photos"]),
        (unclear_folders, ["A and B", "--from folders", "--from photos"]),
        (two_folders_of_sketches, ["edges, sketches", "photos", "keep one of each"]),
        (other_names, ["sketches", "photos", "--from folders", "--from photos"]),
        (drawings_only, ["line drawings", "--from names", "--from photos"]),
    ],
)
def test_what_is_not_clear_is_refused_with_what_was_seen(
    tmp_path: Path, make: object, words: list[str]
) -> None:
    assert callable(make)
    make(tmp_path / "src")
    result = prepare(tmp_path)
    assert result.exit_code == 2 and not (tmp_path / "pairs").exists()
    assert not [word for word in words if word not in result.stderr], result.stderr


@pytest.mark.parametrize("kind", ["ab", "photos"])
def test_from_overrules_what_would_be_recognised(tmp_path: Path, kind: str) -> None:
    save(tmp_path / "src/1.png", side_by_side(product(1, 96, 96), drawing(1)))
    options = ["--edges", "canny"] if kind == "photos" else []
    result = prepare(tmp_path, "--from", kind, *options)
    assert result.exit_code == 0, result.stderr
    assert read_manifest(tmp_path / "pairs")["train", "1"].made.startswith(kind)
    assert "holds" not in result.stderr


def test_without_a_choice_a_and_b_are_sketch_and_photo(tmp_path: Path) -> None:
    save(tmp_path / "src/1_A.png", product(1))
    save(tmp_path / "src/1_B.png", product(2))
    assert prepare(tmp_path, "--from", "names").exit_code == 0
    assert read_manifest(tmp_path / "pairs")["train", "1"].source.endswith("1_B.png")

"""Importing pairs: each fault is planted, and named."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import Prepared, prepare
from data_prep.pairs import read_manifest
from pix2pix.errors import PairsError, UsageError
from pix2pix.images import read_photo, read_sketch

COLOUR = (200, 80, 40)


def sketch(height: int = 64, width: int = 64, mark: int = 0) -> np.ndarray:
    page = np.full((height, width), 255, np.uint8)
    page[height // 4 : -height // 4, width // 4] = 0
    page[height // 2, width // 8 : width // 8 + 2 + mark] = 0  # makes each one different
    return page


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def photo(height: int = 64, width: int = 64) -> np.ndarray:
    return np.broadcast_to(np.uint8(COLOUR), (height, width, 3)).copy()


def side_by_side(mark: int = 0, order: str = "ab") -> np.ndarray:
    halves = [np.repeat(sketch(mark=mark)[..., None], 3, axis=2), photo()]
    return np.concatenate(halves if order == "ab" else halves[::-1], axis=1)


def run(src: Path, pairs: Path, kind: str = "ab", **options: object) -> dict[str, Prepared]:
    return {result.source: result for result in prepare(src, pairs, kind=kind, size_px=64, **options)}


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("kind", ["ab", "ba"])
def test_a_side_by_side_image_becomes_a_sketch_and_a_photo(tmp_path: Path, kind: str) -> None:
    save(tmp_path / "src/train/shoe_AB.png", side_by_side(order=kind))
    result = run(tmp_path / "src", tmp_path / "pairs", kind)["train/shoe_AB.png"]
    assert (result.status, result.split, result.name) == ("written", "train", "shoe_AB")
    train = tmp_path / "pairs/train"
    assert (read_sketch(train / "sketches/shoe_AB.png") == sketch()).all()
    assert np.abs(read_photo(train / "photos/shoe_AB.jpg").astype(int) - photo()).max() <= 3


def test_splits_of_the_source_are_kept_and_test_counts_as_val(tmp_path: Path) -> None:
    for mark, split in enumerate(["train", "val", "test"]):
        save(tmp_path / f"src/{split}/sub/1.png", side_by_side(mark))
    results = run(tmp_path / "src", tmp_path / "pairs")
    assert {(r.split, r.name) for r in results.values()} == {
        ("train", "sub/1"),
        ("val", "sub/1"),
        ("val", "test/sub/1"),
    }
    assert (tmp_path / "pairs/val/sketches/test/sub/1.png").is_file()


def test_files_added_later_move_no_pair(tmp_path: Path) -> None:
    src, pairs = tmp_path / "src", tmp_path / "pairs"
    for mark in range(20):
        save(src / f"{mark}.png", side_by_side(mark))
    before = {r.name: r.split for r in run(src, pairs, val_fraction=0.4).values()}
    assert set(before.values()) == {"train", "val"}
    for mark in range(20, 30):
        save(src / f"a{mark}.png", side_by_side(mark))
    after = {r.name: r.split for r in run(src, pairs, val_fraction=0.4).values()}
    assert before.items() <= after.items()
    assert before.items() <= {r.name: r.split for r in run(src, pairs, val_fraction=0.0).values()}.items()


def test_running_again_changes_nothing_and_mends_what_is_broken(tmp_path: Path) -> None:
    src, pairs = tmp_path / "src", tmp_path / "pairs"
    for mark in range(3):
        save(src / f"train/{mark}.png", side_by_side(mark))
    run(src, pairs)
    whole = contents(pairs)
    assert {r.status for r in run(src, pairs).values()} == {"unchanged"}
    (pairs / "train/photos/0.jpg").write_bytes(b"torn")
    (pairs / "train/sketches/1.png").unlink()
    assert [r.status for r in run(src, pairs).values()] == ["written", "written", "unchanged"]
    assert contents(pairs) == whole


def test_the_manifest_tells_where_a_pair_came_from(tmp_path: Path) -> None:
    save(tmp_path / "src/train/1.png", side_by_side())
    run(tmp_path / "src", tmp_path / "pairs")
    record = read_manifest(tmp_path / "pairs")["train", "1"]
    assert (record.source, record.made, record.size_px) == ("src/train/1.png", "ab", 64)
    assert record.sketch_sha256 == contents(tmp_path / "pairs")["train/sketches/1.png"]
    assert record.photo_sha256 == contents(tmp_path / "pairs")["train/photos/1.jpg"]
    assert record.source_sha256 == contents(tmp_path / "src")["train/1.png"]


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    src = tmp_path / "src"
    save(src / "train/good.png", side_by_side())
    save(src / "train/good.webp", side_by_side(1))
    save(src / "train/square.png", photo())
    save(src / "train/blank.png", np.full((64, 128, 3), 255, np.uint8))
    (src / "train/empty.png").write_bytes(b"")
    (src / "train/text.jpg").write_text("not a picture")
    (src / "train/cut.png").write_bytes((src / "train/good.png").read_bytes()[:-60])
    (src / "train/notes.txt").write_text("notes")
    (src / "train/.hidden.png").write_bytes(b"x")
    save(src / "stray.png", side_by_side(2))
    return src


def test_every_fault_of_a_side_by_side_source_is_named(faulty: Path, tmp_path: Path) -> None:
    results = run(faulty, tmp_path / "pairs")
    expected = {
        "train/good.png": ("written", None),
        "train/good.webp": ("left out", "good.png has the same name"),
        "train/square.png": ("left out", "64x64; a side-by-side image is twice as wide"),
        "train/blank.png": ("left out", "blank"),
        "train/empty.png": ("left out", "empty"),
        "train/text.jpg": ("left out", "not a picture"),
        "train/cut.png": ("left out", "cut short"),
        "train/notes.txt": ("ignored", ".txt"),
        "train/.hidden.png": ("ignored", "hidden"),
        "stray.png": ("left out", "outside of train"),
    }
    assert results.keys() == expected.keys()
    for source, (status, words) in expected.items():
        assert results[source].status == status, source
        assert words is None or words in str(results[source].reason), source
    assert [key for key in read_manifest(tmp_path / "pairs")] == [("train", "good")]


@pytest.mark.parametrize(
    "sketches, photos, split",
    [
        ("train/sketches", "train/photos", "train"),
        ("val/edges", "val/images", "val"),
        ("A/train", "B/train", "train"),
        ("A/test", "B/test", "val"),
        ("trainA", "trainB", "train"),
        ("testA", "testB", "val"),
        ("sketches", "photos", "train"),
    ],
)
def test_two_folders_are_paired_by_relative_name(
    tmp_path: Path, sketches: str, photos: str, split: str
) -> None:
    save(tmp_path / "src" / sketches / "sub/1.png", sketch())
    save(tmp_path / "src" / photos / "sub/1.jpg", photo())
    results = list(run(tmp_path / "src", tmp_path / "pairs", "folders", val_fraction=0.0).values())
    assert [(r.status, r.split, r.name) for r in results] == [("written", split, "sub/1")]


def test_every_fault_of_two_folders_is_named(tmp_path: Path) -> None:
    src = tmp_path / "src"
    for name in ("good", "mismatched", "twice", "torn"):
        save(src / f"sketches/{name}.png", sketch())
        save(src / f"photos/{name}.png", photo())
    save(src / "photos/mismatched.png", photo(64, 80))
    save(src / "photos/twice.jpg", photo())
    (src / "photos/torn.png").write_bytes(b"torn")
    save(src / "sketches/alone.png", sketch())
    save(src / "photos/lonely.png", photo())
    save(src / "elsewhere/stray.png", photo())
    results = run(src, tmp_path / "pairs", "folders")
    reasons = {source: str(r.reason) for source, r in results.items() if r.status == "left out"}
    expected = {
        "sketches/mismatched.png + photos/mismatched.png": "sketch is 64x64, the photo 80x64",
        "sketches/twice.png": "several photos of its name: twice.jpg, twice.png",
        "sketches/torn.png + photos/torn.png": "torn.png is not a picture",
        "sketches/alone.png": "no photo of its name",
        "photos/lonely.png": "no sketch of its name",
        "elsewhere/stray.png": "outside",
    }
    assert reasons.keys() == expected.keys()
    assert all(words in reasons[source] for source, words in expected.items())


def test_oblong_pairs_are_padded_alike(tmp_path: Path) -> None:
    save(tmp_path / "src/sketches/1.png", sketch(32, 64))
    save(tmp_path / "src/photos/1.png", photo(64, 128))  # another resolution, the same shape
    run(tmp_path / "src", tmp_path / "pairs", "folders", val_fraction=0.0)
    train = tmp_path / "pairs/train"
    page = read_sketch(train / "sketches/1.png")
    picture = read_photo(train / "photos/1.jpg")
    assert page.shape == (64, 64) and picture.shape == (64, 64, 3)
    assert (page[:16] == 255).all() and (picture[:8] > 240).all()
    assert np.abs(picture[24:40].astype(int) - COLOUR).max() <= 6


def test_another_source_does_not_overwrite_a_pair_of_the_same_name(tmp_path: Path) -> None:
    save(tmp_path / "shoes/train/1.png", side_by_side())
    save(tmp_path / "bags/train/1.png", side_by_side(5))
    run(tmp_path / "shoes", tmp_path / "pairs")
    before = contents(tmp_path / "pairs")
    result = run(tmp_path / "bags", tmp_path / "pairs")["train/1.png"]
    assert result.status == "left out" and "from shoes/train/1.png" in str(result.reason)
    assert contents(tmp_path / "pairs") == before


def test_stopping_half_way_leaves_whole_pairs_in_the_manifest(tmp_path: Path) -> None:
    for mark in range(3):
        save(tmp_path / f"src/train/{mark}.png", side_by_side(mark))
    results = prepare(tmp_path / "src", tmp_path / "pairs", kind="ab", size_px=64)
    next(results)
    results.close()  # what Ctrl-C does to the generator
    assert list(read_manifest(tmp_path / "pairs")) == [("train", "0")]
    assert not list((tmp_path / "pairs").rglob("*.part"))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"kind": "photos"}, "not one of: ab, ba, folders"),
        ({"val_fraction": 1.0}, "not in \\[0, 1\\)"),
        ({"size_px": 4}, "not in 16"),
        ({"src": "missing"}, "is not a folder"),
        ({"pairs": "src/pairs"}, "lies inside"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, object], words: str
) -> None:
    save(tmp_path / "src/1.png", side_by_side())
    arguments: dict[str, object] = {"kind": "ab", "src": "src", "pairs": "pairs", **options}
    src, pairs = tmp_path / str(arguments.pop("src")), tmp_path / str(arguments.pop("pairs"))
    with pytest.raises(UsageError, match=words):
        prepare(src, pairs, **arguments)
    assert not pairs.exists()


@pytest.mark.parametrize("kind, words", [("ab", "no pictures"), ("folders", "sketches/ and photos/")])
def test_an_unknown_layout_is_refused(tmp_path: Path, kind: str, words: str) -> None:
    (tmp_path / "src").mkdir()
    with pytest.raises(PairsError, match=words):
        prepare(tmp_path / "src", tmp_path / "pairs", kind=kind)


def test_a_broken_manifest_is_named_by_its_line(tmp_path: Path) -> None:
    save(tmp_path / "src/1.png", side_by_side())
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs/manifest.jsonl").write_text("{}\n")
    with pytest.raises(PairsError, match="line 1"):
        prepare(tmp_path / "src", tmp_path / "pairs", kind="ab")


def test_a_name_that_is_not_unicode_does_not_cost_the_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "ab"
    folder.mkdir()
    side_by_side = np.full((32, 64, 3), 255, np.uint8)
    side_by_side[8:24, 8:24] = 0
    side_by_side[8:24, 40:56] = 90
    for name in (b"good.png", b"odd\xff.png"):
        Image.fromarray(side_by_side).save(folder / "made.png")
        (folder / "made.png").rename(folder / os.fsdecode(name))
    results = list(prepare(folder, tmp_path / "pairs", kind="ab", size_px=32, val_fraction=0))
    assert [result.status for result in results] == ["written", "written"]
    assert len(read_manifest(tmp_path / "pairs")) == 2

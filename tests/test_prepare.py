"""Importing pairs: each fault is planted, and named."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from products import product, recompressed

from app.cli.main import main
from data_prep import Prepared, prepare
from data_prep.manifest import read_manifest
from pix2pix.errors import FolderInUse, PairsError, UsageError
from pix2pix.images.io import read_photo, read_sketch
from pix2pix.pairs import list_pairs, load_mask, load_pair

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
    shown = product(mark, 64, 64) if mark else photo()
    halves = [np.repeat(sketch(mark=mark)[..., None], 3, axis=2), shown]
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
    for mark in range(5):
        save(src / f"train/{mark}.png", side_by_side(mark))
    run(src, pairs)
    whole = contents(pairs)
    assert {r.status for r in run(src, pairs).values()} == {"unchanged"}
    (pairs / "train/photos/0.jpg").write_bytes(b"torn")
    (pairs / "train/sketches/1.png").unlink()
    (pairs / "train/masks/2.png").unlink()
    (pairs / "train/masks/3.png").write_bytes(b"torn")
    assert [r.status for r in run(src, pairs).values()] == [*["written"] * 4, "unchanged"]
    assert contents(pairs) == whole


@pytest.mark.parametrize("kind", ["photos", "ab"])
def test_pairs_of_a_version_without_masks_get_theirs(tmp_path: Path, kind: str) -> None:
    src, pairs = tmp_path / "src", tmp_path / "pairs"
    for mark in range(1, 4):
        save(src / f"{mark}.png", product(mark) if kind == "photos" else side_by_side(mark))
    prepared = run_photos if kind == "photos" else run
    prepared(src, pairs)
    whole = contents(pairs)
    manifest = pairs / "manifest.jsonl"
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    for line in lines:
        (pairs / line["split"] / "masks" / f"{line['name']}.png").unlink()
        del line["mask_sha256"]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert {r.status for r in prepared(src, pairs).values()} == {"written"}
    assert contents(pairs) == whole
    assert {r.status for r in prepared(src, pairs).values()} == {"unchanged"}


def test_a_mask_covers_the_product_and_is_what_training_would_find(tmp_path: Path) -> None:
    save(tmp_path / "src/1.png", product(1))
    run_photos(tmp_path / "src", tmp_path / "pairs", val_fraction=0)
    (pair,) = list_pairs(tmp_path / "pairs", "train")
    assert pair.mask == tmp_path / "pairs/train/masks/1.png"
    drawn, shown = load_pair(pair)
    mask = load_mask(pair, drawn, shown)
    assert (mask == load_mask(replace(pair, mask=None), drawn, shown)).all()
    assert (mask == np.asarray(Image.open(pair.mask))).all() and set(np.unique(mask)) == {0, 255}
    assert (mask[(shown < 200).any(axis=2)] == 255).all()
    assert (mask[:2] == 0).all()


@pytest.mark.parametrize("kind", ["ab", "folders"])
def test_a_light_ground_becomes_white(tmp_path: Path, kind: str) -> None:
    """Before the photo is padded: else its ground would be seen beside the white."""
    page, shown = sketch(40, 40), np.full((40, 40, 3), (232, 228, 220), np.uint8)
    shown[10:30, 10:30] = (116, 114, 110)
    if kind == "ab":
        save(tmp_path / "src/1.png", np.concatenate([np.repeat(page[..., None], 3, axis=2), shown], axis=1))
    else:
        save(tmp_path / "src/sketches/1.png", np.pad(page, ((0, 0), (4, 4)), constant_values=255))
        save(tmp_path / "src/photos/1.png", np.pad(shown, ((0, 0), (4, 4), (0, 0)), mode="edge"))
    run(tmp_path / "src", tmp_path / "pairs", kind, val_fraction=0)
    written = read_photo(tmp_path / "pairs/train/photos/1.jpg").astype(int)
    assert (written[:10] >= 253).all() and (written[-10:] >= 253).all()
    assert np.abs(written[30:34, 30:34] - 127.5).max() <= 3


def test_the_manifest_tells_where_a_pair_came_from(tmp_path: Path) -> None:
    save(tmp_path / "src/train/1.png", side_by_side())
    run(tmp_path / "src", tmp_path / "pairs")
    record = read_manifest(tmp_path / "pairs")["train", "1"]
    assert (record.source, record.made, record.size_px) == (
        f"{tmp_path}/src/train/1.png",
        "ab",
        64,
    )
    assert record.sketch_sha256 == contents(tmp_path / "pairs")["train/sketches/1.png"]
    assert record.photo_sha256 == contents(tmp_path / "pairs")["train/photos/1.jpg"]
    assert record.mask_sha256 == contents(tmp_path / "pairs")["train/masks/1.png"]
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
        "train/good.webp": ("written", None),
        "train/square.png": ("left out", "its left half is not a line drawing"),
        "train/blank.png": ("left out", "blank"),
        "train/empty.png": ("left out", "empty"),
        "train/text.jpg": ("left out", "not a picture"),
        "train/cut.png": ("left out", "truncated"),
        "train/notes.txt": ("ignored", ".txt"),
        "train/.hidden.png": ("ignored", "hidden"),
        "stray.png": ("left out", "outside of train"),
    }
    assert results.keys() == expected.keys()
    for source, (status, words) in expected.items():
        assert results[source].status == status, source
        assert words is None or words in str(results[source].reason), source
    assert [key for key in read_manifest(tmp_path / "pairs")] == [("train", "good"), ("train", "good-webp")]


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
        "sketches/twice.png": "several photos of this name: twice.jpg, twice.png",
        "sketches/torn.png + photos/torn.png": "torn.png is not a picture",
        "sketches/alone.png": "no photo of this name",
        "photos/lonely.png": "no sketch of this name",
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
    assert result.status == "left out" and f"from {tmp_path}/shoes/train/1.png" in str(result.reason)
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
        ({"kind": "pictures"}, "not one of: photos, ab, ba, folders"),
        ({"kind": "photos", "edges": "hed"}, "not one of: learned, canny, xdog"),
        ({"fit": "crop"}, "not one of: pad, stretch"),
        ({"workers": 0}, "not in 1"),
        ({"prefix": "/absolute"}, "not a relative path"),
        ({"prefix": "a/../b"}, "not a relative path"),
        ({"prefix": "a//b"}, "not a relative path"),
        ({"prefix": "a/"}, "not a relative path"),
        ({"prefix": ".hidden"}, "not a relative path"),
        ({"prefix": "a\\b"}, "not a relative path"),
        ({"prefix": "a\nb"}, "not a relative path"),
        ({"val_fraction": 1.0}, "not in \\[0, 1\\)"),
        ({"size_px": 4}, "not in 16"),
        ({"src": "missing"}, "is not a folder"),
        ({"pairs": "src/pairs"}, "is inside of"),
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


def run_photos(src: Path, pairs: Path, **options: object) -> dict[str, Prepared]:
    return run(src, pairs, "photos", **{"edges": "canny", **options})


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", *map(str, arguments), "--size", "64", "--workers", "1"])


def test_a_photo_becomes_a_pair_with_a_drawn_sketch(tmp_path: Path) -> None:
    save(tmp_path / "src/boots/a b.png", product(1))
    result = run_photos(tmp_path / "src", tmp_path / "pairs", val_fraction=0)["boots/a b.png"]
    assert (result.status, result.split, result.name) == ("written", "train", "boots/a b")
    page = np.asarray(Image.open(tmp_path / "pairs/train/sketches/boots/a b.png"))
    picture = read_photo(tmp_path / "pairs/train/photos/boots/a b.jpg")
    assert page.shape == (64, 64) and picture.shape == (64, 64, 3)
    ink = page < 128
    assert 0.02 < ink.mean() < 0.3 and (page[:2] == 255).all()
    rows, columns = np.nonzero(ink)
    on_photo = (picture < 200).any(axis=2)
    near = np.pad(on_photo, 2)
    assert all(
        near[row : row + 5, column : column + 5].any() for row, column in zip(rows, columns, strict=True)
    )
    record = read_manifest(tmp_path / "pairs")["train", "boots/a b"]
    assert record.made == "photos, canny edges, pad" and len(record.likeness) == 128


def test_how_a_pair_is_made_counts_when_running_again(tmp_path: Path) -> None:
    save(tmp_path / "src/1.png", product(1))
    first = run_photos(tmp_path / "src", tmp_path / "pairs")["1.png"]
    for options in ({"edges": "xdog"}, {"edges": "xdog", "fit": "stretch"}):
        again = run_photos(tmp_path / "src", tmp_path / "pairs", **options)["1.png"]
        assert (again.status, again.split) == ("written", first.split)
    assert run_photos(tmp_path / "src", tmp_path / "pairs", **options)["1.png"].status == "unchanged"
    (record,) = read_manifest(tmp_path / "pairs").values()
    assert record.made == "photos, xdog edges, stretch"


def test_pairs_that_keep_their_split_though_another_fraction_was_given_are_told(tmp_path: Path) -> None:
    """Another --val-fraction changed nothing, without a word."""
    for number in range(1, 7):
        save(tmp_path / f"src/{number}.png", product(number))

    def prepare_again(*options: str) -> Result:
        options = ("--edges", "xdog", "--size", "64", "--workers", "1", *options)
        return CliRunner().invoke(main, ["prepare", str(tmp_path / "src"), str(tmp_path / "pairs"), *options])

    assert "val-fraction" not in prepare_again("--val-fraction", "0").stderr
    assert "val-fraction" not in prepare_again("--val-fraction", "0").stderr  # as before
    result = prepare_again("--val-fraction", "0.999")
    assert "6 pairs keep their split: --val-fraction 0.999 is for new pairs; to split all" in result.stderr
    assert "6 pairs for training, 0 held out" in result.stdout


def test_a_prefix_keeps_sources_of_equal_names_apart(tmp_path: Path) -> None:
    save(tmp_path / "shoes/1.png", product(1))
    save(tmp_path / "bags/1.png", product(2))
    for name in ("shoes", "bags"):
        result = run_photos(tmp_path / name, tmp_path / "pairs", prefix=f"all/{name}", val_fraction=0)[
            "1.png"
        ]
        assert (result.status, result.name) == ("written", f"all/{name}/1")
    assert (tmp_path / "pairs/train/sketches/all/bags/1.png").is_file()
    assert run_photos(tmp_path / "bags", tmp_path / "pairs", prefix="all/bags")["1.png"].status == "unchanged"


def test_the_same_file_under_two_names_is_taken_once(tmp_path: Path) -> None:
    src, pairs = tmp_path / "src", tmp_path / "pairs"
    save(src / "b.png", product(1))
    (src / "c.png").write_bytes((src / "b.png").read_bytes())
    for first in ("b.png", f"{src}/b.png, already train/b"):
        result = run_photos(src, pairs, val_fraction=0)["c.png"]
        assert (result.status, result.reason) == ("left out", f"it is the same file as {first}")
    (src / "a.png").write_bytes((src / "b.png").read_bytes())
    results = run_photos(src, pairs, val_fraction=0)
    assert results["b.png"].status == "unchanged"
    assert results["a.png"].reason == f"it is the same file as {src}/b.png, already train/b"


def test_near_duplicates_go_to_the_same_side(tmp_path: Path) -> None:
    src, pairs = tmp_path / "src", tmp_path / "pairs"
    for seed in range(16):
        save(src / f"a{seed}.png", product(seed))
        Image.fromarray(recompressed(product(seed))).save(src / f"b{seed}.png")
    results = run_photos(src, pairs, val_fraction=0.5)
    assert Counter(r.status for r in results.values()) == {"written": 32}
    assert {results[f"a{seed}.png"].split for seed in range(16)} == {"train", "val"}
    for seed in range(16):
        assert results[f"a{seed}.png"].split == results[f"b{seed}.png"].split
    for seed in range(16):
        Image.fromarray(recompressed(product(seed), 60)).save(src / f"0{seed}.png")  # earlier in the order
    later = run_photos(src, pairs, val_fraction=0.5)
    for seed in range(16):
        assert later[f"0{seed}.png"].split == later[f"a{seed}.png"].split == results[f"a{seed}.png"].split


def test_a_photo_like_pairs_of_both_sides_is_left_out_and_a_given_split_is_kept(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    save(tmp_path / "given/train/one.png", product(1))
    save(tmp_path / "given/val/two.jpg", product(1))
    assert [r.split for r in run_photos(tmp_path / "given", pairs).values()] == ["train", "val"]
    save(tmp_path / "src/new.png", recompressed(product(1), 60))
    for _ in range(2):
        result = run_photos(tmp_path / "src", pairs)["new.png"]
        assert result.status == "left out"
        assert "near-duplicate of train/one and of val/two" in str(result.reason)


def test_any_number_of_workers_gives_the_same_folder(tmp_path: Path) -> None:
    for seed in range(12):
        save(tmp_path / f"src/{seed}.png", product(seed))
        save(tmp_path / f"src/copy-{seed}.png", recompressed(product(seed)))
    (tmp_path / "src/5.png").write_bytes(b"torn")
    alone = run_photos(tmp_path / "src", tmp_path / "alone", val_fraction=0.4)
    several = run_photos(tmp_path / "src", tmp_path / "several", val_fraction=0.4, workers=3)
    assert list(alone.values()) == list(several.values())
    assert contents(tmp_path / "alone") == contents(tmp_path / "several")
    assert alone["5.png"].status == "left out"


def test_running_again_touches_no_file(tmp_path: Path) -> None:
    for seed in range(4):
        save(tmp_path / f"src/{seed}.png", product(seed))
    run_photos(tmp_path / "src", tmp_path / "pairs")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "pairs").rglob("*")}
    assert {r.status for r in run_photos(tmp_path / "src", tmp_path / "pairs").values()} == {"unchanged"}
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "pairs").rglob("*")} == before


def animated(path: Path, **options: object) -> None:
    frames = [Image.fromarray(product(seed)) for seed in (1, 2)]
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)


def test_another_folder_of_the_same_name_replaces_nothing(tmp_path: Path) -> None:
    for parent, seed in (("one", 1), ("two", 2)):
        save(tmp_path / parent / "photos/1.png", product(seed))
    assert run_photos(tmp_path / "one/photos", tmp_path / "pairs")["1.png"].status == "written"
    second = run_photos(tmp_path / "two/photos", tmp_path / "pairs")["1.png"]
    assert second.status == "left out" and "use --prefix" in str(second.reason)


def test_a_folder_that_moved_is_the_same_source(tmp_path: Path) -> None:
    save(tmp_path / "src/1.png", product(1))
    run_photos(tmp_path / "src", tmp_path / "pairs")
    (tmp_path / "src").rename(tmp_path / "elsewhere")
    assert run_photos(tmp_path / "elsewhere", tmp_path / "pairs")["1.png"].status == "unchanged"


def test_files_the_manifest_does_not_know_are_not_replaced(tmp_path: Path) -> None:
    save(tmp_path / "src/1.png", product(1))
    mine = tmp_path / "pairs/train/photos/1.jpg"
    save(mine, product(2))
    before = mine.read_bytes()
    result = run_photos(tmp_path / "src", tmp_path / "pairs", val_fraction=0)["1.png"]
    assert result.status == "left out" and "is not in the manifest" in str(result.reason)
    assert mine.read_bytes() == before


def test_sources_inside_of_the_pairs_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "pairs/train/photos/1.png", product(1))
    with pytest.raises(UsageError, match="is inside of"):
        run_photos(tmp_path / "pairs/train/photos", tmp_path / "pairs")


def test_a_failed_write_leaves_the_pair_that_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    src, pairs = tmp_path / "src", tmp_path / "pairs"
    save(src / "1.png", product(1))
    run_photos(src, pairs, val_fraction=0)
    before = {path: path.read_bytes() for path in pairs.rglob("*.*") if path.is_file()}

    def fail(contents: dict[Path, bytes]) -> None:
        raise OSError(errno.EACCES, "Permission denied", str(next(iter(contents))))

    monkeypatch.setattr(sys.modules["data_prep.prepare"], "write_together", fail)
    result = run_photos(src, pairs, val_fraction=0, fit="stretch")["1.png"]
    assert result.status == "left out" and "Permission denied" in str(result.reason)
    assert {path: path.read_bytes() for path in pairs.rglob("*.*") if path.is_file()} == before


def test_two_runs_at_once_do_not_write_one_manifest(tmp_path: Path) -> None:
    for seed in (1, 2):
        save(tmp_path / f"src/{seed}.png", product(seed))
    first = prepare(tmp_path / "src", tmp_path / "pairs", edges="canny", size_px=64)
    next(first)
    with pytest.raises(FolderInUse, match="another process"):
        next(prepare(tmp_path / "src", tmp_path / "pairs", edges="canny", size_px=64))
    assert [result.status for result in first] == ["written"]
    assert len(read_manifest(tmp_path / "pairs")) == 2


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    save(tmp_path / "src/1.png", product(1))
    os.mkfifo(tmp_path / "src/2.png")
    results = run_photos(tmp_path / "src", tmp_path / "pairs")
    assert results["2.png"].reason == "not a regular file" and results["1.png"].status == "written"


@pytest.mark.parametrize(
    "field, value",
    [
        ("name", 5),
        ("split", "other"),
        ("split", ["train"]),
        ("likeness", "zz"),
        ("size_px", "64"),
        ("source", None),
    ],
)
def test_a_record_of_the_wrong_type_is_a_broken_manifest(tmp_path: Path, field: str, value: object) -> None:
    save(tmp_path / "src/1.png", product(1))
    run_photos(tmp_path / "src", tmp_path / "pairs")
    manifest = tmp_path / "pairs/manifest.jsonl"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), field: value}) + "\n")
    with pytest.raises(PairsError, match="line 1"):
        read_manifest(tmp_path / "pairs")


def test_every_fault_of_photos_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    src = tmp_path / "src"
    save(src / "good.png", product(1))
    save(src / "ünïcode 写真\nof two lines.png", product(2))
    save(
        src / "wide.png",
        np.concatenate(
            [
                np.full((100, 9900, 3), 255, np.uint8),
                product(3, 100, 200),
                np.full((100, 9900, 3), 255, np.uint8),
            ],
            axis=1,
        ),
    )
    save(src / "same.png", product(4))
    save(src / "same.webp", product(5))
    save(src / "Case.png", product(6))
    save(src / "case.png", product(7))
    (src / "empty.jpg").write_bytes(b"")
    (src / "cut.png").write_bytes((src / "good.png").read_bytes()[:-200])
    animated(src / "moving.gif", duration=100)
    animated(src / "moving2.webp", duration=100)
    save(src / "dot.png", np.zeros((1, 1, 3), np.uint8))
    save(src / "white.png", np.full((50, 50, 3), 255, np.uint8))
    save(src / "strip.png", np.random.default_rng(0).integers(0, 255, (20, 20_000, 3)).astype(np.uint8))
    (src / "notes.txt").write_text("notes")
    results = run_photos(src, tmp_path / "pairs", val_fraction=0)
    written = {source for source, r in results.items() if r.status == "written"}
    alike = {"same.png", "same.webp", "Case.png", "case.png"}
    assert written == {"good.png", "ünïcode 写真\nof two lines.png", "wide.png", *alike}
    expected = {
        "empty.jpg": "empty",
        "cut.png": "truncated",
        "moving.gif": "animation",
        "moving2.webp": "animation",
        "dot.png": "no subject found",
        "white.png": "no subject found",
        "strip.png": "20000x20 px",
        "notes.txt": ".txt",
    }
    reasons = {source: str(r.reason) for source, r in results.items() if source not in written}
    assert reasons.keys() == expected.keys()
    assert {source: words for source, words in expected.items() if words not in reasons[source]} == {}
    assert {r.status for r in run_photos(src, tmp_path / "pairs").values()} == {
        "unchanged",
        "left out",
        "ignored",
    }
    assert len(read_manifest(tmp_path / "pairs")) == 7


def stems(src: Path, pairs: Path) -> dict[str, str]:
    """The names of the pairs, by file."""
    return {source: str(result.name) for source, result in run_photos(src, pairs).items()}


def test_names_that_differ_in_suffix_or_case_become_two_pairs_with_stable_names(tmp_path: Path) -> None:
    src, pairs = tmp_path / "src", tmp_path / "pairs"
    save(src / "same.png", product(1))
    assert stems(src, pairs) == {"same.png": "same"}
    save(src / "same.jpg", product(2))  # before the other in the order, but later
    save(src / "SAME.png", product(3))
    save(src / "same-jpg.png", product(4))
    expected = {
        "same.png": "same",
        "same.jpg": "same-jpg-2",
        "SAME.png": "SAME-png",
        "same-jpg.png": "same-jpg",
    }
    for _ in range(2):
        assert stems(src, pairs) == expected
    assert {r.status for r in run_photos(src, pairs).values()} == {"unchanged"}
    src.rename(tmp_path / "moved")
    assert stems(tmp_path / "moved", pairs) == expected
    (tmp_path / "moved/same.png").unlink()
    assert {r.status for r in run_photos(tmp_path / "moved", pairs).values()} == {"unchanged"}


def test_a_copy_with_another_suffix_is_left_out_each_time(tmp_path: Path) -> None:
    src, pairs = tmp_path / "src", tmp_path / "pairs"
    save(src / "same.png", product(1))
    shutil.copy(src / "same.png", src / "same.webp")
    for status in ("written", "unchanged"):
        found = {source: result.status for source, result in run_photos(src, pairs).items()}
        assert found == {"same.png": status, "same.webp": "left out"}


def test_the_report_has_a_line_a_file_whatever_its_name(tmp_path: Path) -> None:
    src = tmp_path / "src"
    save(src / "good\none.png", product(1))
    (src / "bad\ntwo.png").write_bytes(b"")
    for number in range(30):
        (src / f"{number}.txt").write_text("")
    result = command(src, tmp_path / "pairs", "--edges", "canny")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == f"{src} holds photos (--from photos)"
    assert lines[1].startswith("left out: bad\\ntwo.png: ") and lines[1].endswith("is empty (0 bytes).")
    assert lines[2:] == [
        "ignored: 30 files: not a picture (suffix '.txt')",
        "30 ignored, 1 left out, 1 written",
    ]


def test_links_to_folders_are_followed_and_pairs_are_no_sources(tmp_path: Path) -> None:
    """They were passed over without a word."""
    src, pairs = tmp_path / "src", tmp_path / "work/pairs"
    for number, path in enumerate(("src/a.png", "elsewhere/b.png", "work/c.png")):
        save(tmp_path / path, product(number))
    for name in ("elsewhere", "work"):
        (src / name).symlink_to(tmp_path / name)
    (src / "again").symlink_to("elsewhere")
    first = command(src, pairs, "--edges", "canny")
    assert first.exit_code == 0 and "3 written" in first.stderr
    assert (
        f"ignored: elsewhere: a link to {(tmp_path / 'elsewhere').resolve()}, which has been read"
        in first.stderr
    )
    second = command(src, pairs, "--edges", "canny")
    assert second.exit_code == 0 and "3 unchanged" in second.stderr
    assert f"ignored: 9 files: is in the pairs folder {pairs}" in second.stderr
    assert {record.name for record in read_manifest(pairs).values()} == {"a", "again/b", "work/c"}


@pytest.mark.parametrize(
    "make, options, words",
    [
        (lambda src: save(src / "1.png", side_by_side()), ["--edges", "canny"], "for photos"),
        (lambda src: save(src / "1.png", side_by_side()), ["--from", "ab", "--edges", "canny"], "for photos"),
        (lambda src: save(src / "1.png", side_by_side()), ["--from", "ab", "--fit", "pad"], "for photos"),
        (lambda src: (src / "notes.txt").write_text(""), [], "no pictures"),
        (lambda src: save(src / "1.png", product(1)), ["--prefix", "../x"], "not a relative path"),
    ],
)
def test_pairs_are_not_taken_for_photos_by_mistake(
    tmp_path: Path, make: object, options: list[str], words: str
) -> None:
    (tmp_path / "src").mkdir()
    assert callable(make)
    make(tmp_path / "src")
    result = command(tmp_path / "src", tmp_path / "pairs", *options)
    assert result.exit_code == 2 and words in result.stderr, result.stderr
    assert not (tmp_path / "pairs").exists()


def test_photos_that_are_all_bad_make_exit_code_2(tmp_path: Path) -> None:
    save(tmp_path / "src/1.png", np.full((50, 50, 3), 255, np.uint8))
    result = command(tmp_path / "src", tmp_path / "pairs", "--edges", "canny")
    assert result.exit_code == 2 and "no subject found" in result.stderr


def test_a_torn_last_line_of_a_manifest_costs_only_its_pair(tmp_path: Path) -> None:
    for seed in range(3):
        save(tmp_path / f"src/{seed}.png", product(seed))
    run_photos(tmp_path / "src", tmp_path / "pairs")
    whole = contents(tmp_path / "pairs")
    manifest = tmp_path / "pairs/manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-40])
    assert len(read_manifest(tmp_path / "pairs")) == 2
    statuses = Counter(r.status for r in run_photos(tmp_path / "src", tmp_path / "pairs").values())
    assert statuses == {"unchanged": 2, "written": 1}
    assert contents(tmp_path / "pairs") == whole


PREPARE = """
import resource, sys
from pathlib import Path
from data_prep import prepare
if __name__ == "__main__":
    src, pairs, workers, limit = sys.argv[1:]
    if int(limit):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    for result in prepare(Path(src), Path(pairs), edges="canny", workers=int(workers)):
        print(result.status, result.source, result.reason, flush=True)
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    """A Python process in a session of its own; its children hold its stdout too, so EOF means all ended."""
    root = str(Path(__file__).parent.parent)
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": root},
    )


def test_a_killed_run_loses_no_finished_pair_and_leaves_no_process(tmp_path: Path) -> None:
    for seed in range(60):
        save(tmp_path / f"src/{seed:02}.png", product(seed, 480, 640))
    (tmp_path / "script.py").write_text(PREPARE)
    process = start(tmp_path / "script.py", tmp_path / "src", tmp_path / "pairs", 2, 0)
    assert process.stdout is not None
    results = [process.stdout.readline().split()[:2] for _ in range(6)]
    process.kill()
    process.communicate(timeout=60)
    assert [status for status, _ in results] == ["written"] * 6
    standing = read_manifest(tmp_path / "pairs")
    assert {f"{tmp_path}/src/{source}" for _, source in results} <= {
        record.source for record in standing.values()
    }
    assert len(standing) < 60
    statuses = Counter(r.status for r in prepare(tmp_path / "src", tmp_path / "pairs", edges="canny"))
    assert statuses == {"unchanged": len(standing), "written": 60 - len(standing)}


def test_ctrl_c_does_not_reach_workers_that_are_still_starting() -> None:
    program = """if True:
        import os, signal, time
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from data_prep.pair_worker import makers
        try:
            with makers(2) as executor:
                jobs = [executor.submit(os.getpid) for _ in range(2)]
                time.sleep(0.1)  # by now, the workers are importing
                os.killpg(0, signal.SIGINT)
                time.sleep(60)
        except KeyboardInterrupt:
            print("ended")
    """
    assert start("-c", program).communicate(timeout=60) == ("ended\n", "")


def test_ctrl_c_ends_cleanly_with_the_finished_pairs_in_the_manifest(tmp_path: Path) -> None:
    for seed in range(60):
        save(tmp_path / f"src/{seed:02}.png", product(seed, 480, 640))
    # a background job is begun deaf to Ctrl-C
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heed}; from app.cli.main import main; main()"
    options = ["--edges", "canny", "--workers", 2]
    process = start("-c", program, "prepare", tmp_path / "src", tmp_path / "pairs", *options)
    manifest = tmp_path / "pairs/manifest.jsonl"
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < 3:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
            pytest.fail(f"it ended by itself: {process.communicate()}")
    for _ in range(2):  # people press it again
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it, to every process
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors and errors.rstrip().endswith("run convert or prepare again to continue.")
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    sketches = {path.stem for path in (tmp_path / "pairs").rglob("sketches/*.png")}
    photos = {path.stem for path in (tmp_path / "pairs").rglob("photos/*.jpg")}
    assert {line["name"] for line in lines} == sketches == photos and 0 < len(lines) < 60
    assert not list((tmp_path / "pairs").rglob("*.part"))


def test_a_file_size_limit_stops_the_run_at_once(tmp_path: Path) -> None:
    save(tmp_path / "src/0.png", product(0))
    for seed in range(1, 20):
        noise = np.random.default_rng(seed).integers(0, 200, (256, 256, 3)).astype(np.uint8)
        save(tmp_path / f"src/{seed:02}.png", noise)
    (tmp_path / "script.py").write_text(PREPARE)
    process = start(tmp_path / "script.py", tmp_path / "src", tmp_path / "pairs", 1, 40_000)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    lines = output.splitlines()
    assert [line.split()[0] for line in lines] == ["written", "stopped"]
    assert "File too large" in lines[1] and str(tmp_path / "pairs") in lines[1]
    assert [record.name for record in read_manifest(tmp_path / "pairs").values()] == ["0"]
    assert sorted(contents(tmp_path / "pairs")) == [
        "manifest.jsonl",
        "train/masks/0.png",
        "train/photos/0.jpg",
        "train/sketches/0.png",
    ]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB, or skip where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
        if sys.platform == "linux"
        else None
    )
    if mount is None or mount.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(small_disk: Path, tmp_path: Path) -> None:
    for seed in range(60):
        save(tmp_path / f"src/{seed:02}.png", product(seed))
    options = ("--edges", "canny", "--size", "128")
    pairs = small_disk / "pairs"
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 100_000)
    result = command(tmp_path / "src", pairs, *options)
    assert result.exit_code == 1
    stopped = [line for line in result.stderr.splitlines() if line.startswith(("stopped", "left out"))]
    assert len(stopped) == 1 and "No space left on device" in stopped[0]
    standing = read_manifest(pairs)
    files = {path.relative_to(pairs).with_suffix("").as_posix() for path in pairs.rglob("*.*g")}
    assert files == {
        f"{r.split}/{kind}/{r.name}" for r in standing.values() for kind in ("sketches", "photos", "masks")
    }
    assert 0 < len(standing) < 60
    filler.unlink()
    again = command(tmp_path / "src", pairs, *options)
    assert f"{len(standing)} unchanged" in again.stderr
    assert len(read_manifest(pairs)) > len(standing)


def test_a_disk_that_was_full_before_makes_exit_code_2(small_disk: Path, tmp_path: Path) -> None:
    save(tmp_path / "src/1.png", product(1))
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 4096)
    result = command(tmp_path / "src", small_disk / "pairs", "--edges", "canny")
    assert result.exit_code == 2 and "No space left on device" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    save(tmp_path / "src/1.png", product(1))
    (tmp_path / "pairs").mkdir(mode=0o500)
    result = command(tmp_path / "src", tmp_path / "pairs", "--edges", "canny")
    assert result.exit_code == 2 and "Permission denied" in result.stderr


def test_a_pairs_folder_below_a_file_is_one_plain_line(tmp_path: Path) -> None:
    save(tmp_path / "src/1.png", product(1))
    (tmp_path / "file").write_text("")
    result = command(tmp_path / "src", tmp_path / "file/pairs", "--from", "photos")
    assert result.exit_code == 2 and result.stderr.count("\n") == 1 and "Not a directory" in result.stderr

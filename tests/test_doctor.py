"""The doctor: each fault is planted in a clean pairs folder, and is found, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from app.cli.main import main
from data_prep import prepare
from data_prep.doctor import Report, diagnose, examine, survey
from data_prep.doctor.checks import Finding
from data_prep.doctor.measure import PairFiles
from data_prep.doctor.report import _data_uri, as_html, as_json, as_text
from data_prep.manifest import Record
from pix2pix.errors import PairsError, UsageError
from pix2pix.images.io import read_photo

SIZE_PX = 128
ONE, TWO, HELD_OUT = "train/3", "train/7", "val/1"


def draw_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A many-cornered shape in two colours on white, and its lines."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    radii = rng.uniform(16, 56, (2, 9)) * np.array([[1.0], [0.45]])
    outer, inner = (
        np.stack([64 + r * np.cos(angles), 64 + r * np.sin(angles)], axis=1).astype(np.int32) for r in radii
    )
    sketch = np.full((SIZE_PX, SIZE_PX), 255, np.uint8)
    photo = np.full((SIZE_PX, SIZE_PX, 3), 255, np.uint8)
    for corners in (outer, inner):
        colour = tuple(int(level) for level in rng.integers(0, 180, 3))
        cv2.fillPoly(photo, [corners], colour)
        cv2.polylines(sketch, [corners], True, 0, 1)
    return sketch, photo


def save_pair(folder: Path, key: str, sketch: np.ndarray, photo: np.ndarray) -> None:
    for path, picture in ((sketch_of(folder, key), sketch), (photo_of(folder, key), photo)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)


def make_pairs(folder: Path, train: int, val: int) -> Path:
    keys = [*(f"train/{i}" for i in range(train)), *(f"val/{i}" for i in range(val))]
    for seed, key in enumerate(keys):
        save_pair(folder, key, *draw_pair(seed))
    return folder


def sketch_of(folder: Path, key: str) -> Path:
    split, name = key.split("/", 1)
    return folder / split / "sketches" / f"{name}.png"


def mask_of(folder: Path, key: str) -> Path:
    split, name = key.split("/", 1)
    return folder / split / "masks" / f"{name}.png"


def photo_of(folder: Path, key: str) -> Path:
    split, name = key.split("/", 1)
    return folder / split / "photos" / f"{name}.png"


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pairs(tmp_path_factory.mktemp("clean") / "pairs", 16, 4)


@pytest.fixture
def folder(clean: Path, tmp_path: Path) -> Path:
    """A copy of the clean folder, to plant faults in."""
    return Path(shutil.copytree(clean, tmp_path / "pairs"))


def audit(folder: Path, workers: int = 1) -> Report:
    found = survey(folder)
    return diagnose(found, list(examine(found, workers=workers)))


def faults(folder: Path) -> dict[str, Finding]:
    """What was found, without what every folder as small and plain as these has."""
    found = {finding.kind: finding for finding in audit(folder).findings}
    assert found.pop("too-few").severity == "warning"
    found.pop("no-manifest", None)
    return found


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["doctor", *(str(argument) for argument in arguments)])


def test_a_clean_folder_is_ready(tmp_path: Path) -> None:
    report = audit(make_pairs(tmp_path / "pairs", 100, 10))
    assert [finding.kind for finding in report.findings] == ["no-manifest"]
    assert report.verdict == "ready"
    assert report.counts == {"train": 100, "val": 10}
    assert report.sizes == {"128x128": 110}


def test_the_folder_that_faults_are_planted_in_has_none(folder: Path) -> None:
    assert faults(folder) == {}


# Each plants one fault, on the pair ONE or on the pairs or files that it returns.


def empty_file(folder: Path) -> None:
    photo_of(folder, ONE).write_bytes(b"")


def truncated_file(folder: Path) -> None:
    whole = photo_of(folder, ONE).read_bytes()
    photo_of(folder, ONE).write_bytes(whole[: len(whole) // 2])


def text_file(folder: Path) -> None:
    sketch_of(folder, ONE).write_text("no picture")


def dangling_link(folder: Path) -> None:
    sketch_of(folder, ONE).unlink()
    sketch_of(folder, ONE).symlink_to("nowhere.png")


def animation(folder: Path) -> None:
    photo_of(folder, ONE).unlink()
    frames = [Image.fromarray(draw_pair(seed)[1]) for seed in (3, 4)]
    frames[0].save(photo_of(folder, ONE).with_suffix(".webp"), save_all=True, append_images=frames[1:])


def sketch_alone(folder: Path) -> None:
    photo_of(folder, ONE).unlink()


def photo_alone(folder: Path) -> None:
    sketch_of(folder, ONE).unlink()


def second_photo(folder: Path) -> None:
    Image.open(photo_of(folder, ONE)).save(photo_of(folder, ONE).with_suffix(".jpg"))


def smaller_photo(folder: Path) -> None:
    Image.open(photo_of(folder, ONE)).resize((64, 64)).save(photo_of(folder, ONE))


def smaller_pair(folder: Path) -> None:
    smaller_photo(folder)
    Image.open(sketch_of(folder, ONE)).resize((64, 64)).save(sketch_of(folder, ONE))


def blank_sketch(folder: Path) -> None:
    page = np.full((SIZE_PX, SIZE_PX), 255, np.uint8)
    page[5, 5:9] = 0  # a speck
    Image.fromarray(page).save(sketch_of(folder, ONE))


def blank_photo(folder: Path) -> None:
    Image.new("RGB", (SIZE_PX, SIZE_PX), (250, 250, 250)).save(photo_of(folder, ONE))


def exchanged(folder: Path) -> None:
    aside = folder / "aside"
    photo_of(folder, ONE).rename(aside)
    sketch_of(folder, ONE).rename(photo_of(folder, ONE))
    aside.rename(sketch_of(folder, ONE))


def photo_twice(folder: Path) -> None:
    shutil.copy(photo_of(folder, ONE), sketch_of(folder, ONE))


def sketch_twice(folder: Path) -> None:
    shutil.copy(sketch_of(folder, ONE), photo_of(folder, ONE))


def silhouette(folder: Path) -> None:
    sketch = draw_pair(3)[0]
    cv2.floodFill(sketch, None, (64, 64), 0)
    Image.fromarray(sketch).save(sketch_of(folder, ONE))


def white_on_black(folder: Path) -> None:
    Image.fromarray(255 - draw_pair(3)[0]).save(sketch_of(folder, ONE))


def moved_photo(folder: Path) -> None:
    photo = np.roll(draw_pair(3)[1], 13, axis=1)  # 10 %
    Image.fromarray(photo).save(photo_of(folder, ONE))


def dark_background(folder: Path) -> None:
    photo = draw_pair(3)[1]
    photo[(photo == 255).all(axis=2)] = (20, 30, 90)
    Image.fromarray(photo).save(photo_of(folder, ONE))


def save_mask(folder: Path, mask: np.ndarray) -> None:
    mask_of(folder, ONE).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(mask_of(folder, ONE))


def right_mask() -> np.ndarray:
    return np.uint8(255) * (draw_pair(3)[1] < 250).any(axis=2)


def torn_mask(folder: Path) -> None:
    save_mask(folder, right_mask())
    mask_of(folder, ONE).write_bytes(b"torn")


def empty_mask(folder: Path) -> None:
    save_mask(folder, np.zeros((SIZE_PX, SIZE_PX), np.uint8))


def full_mask(folder: Path) -> None:
    save_mask(folder, np.full((SIZE_PX, SIZE_PX), 255, np.uint8))


def sieve(folder: Path) -> None:
    mask = right_mask()
    mask[60:69:3, 60:69:3] = 0
    save_mask(folder, mask)


def mask_with_shadow(folder: Path) -> None:
    mask = right_mask()
    mask[-12:] = 255
    save_mask(folder, mask)


@pytest.mark.parametrize(
    "plant, kind, severity",
    [
        (empty_file, "unreadable", "error"),
        (truncated_file, "unreadable", "error"),
        (text_file, "unreadable", "error"),
        (dangling_link, "unreadable", "error"),
        (animation, "unreadable", "error"),
        (sketch_alone, "orphan-sketch", "error"),
        (photo_alone, "orphan-photo", "warning"),
        (second_photo, "several-photos", "error"),
        (smaller_photo, "size-mismatch", "error"),
        (smaller_pair, "size-outlier", "warning"),
        (blank_sketch, "empty-sketch", "error"),
        (blank_photo, "empty-photo", "error"),
        (exchanged, "swapped", "error"),
        (photo_twice, "same-picture", "error"),
        (sketch_twice, "same-picture", "error"),
        (silhouette, "filled-sketch", "error"),
        (white_on_black, "inverted", "warning"),
        (moved_photo, "shifted", "error"),
        (dark_background, "background", "note"),
        (torn_mask, "unreadable", "error"),
        (empty_mask, "empty-mask", "warning"),
        (full_mask, "full-mask", "warning"),
        (sieve, "mask-holes", "warning"),
        (mask_with_shadow, "mask-leak", "warning"),
    ],
)
def test_a_fault_of_one_pair_is_found(
    folder: Path, plant: Callable[[Path], None], kind: str, severity: str
) -> None:
    plant(folder)
    found = faults(folder)
    found.pop("size-outlier" if kind == "size-mismatch" else "", None)
    assert set(found) == {kind}
    assert found[kind].severity == severity
    assert [case.pairs for case in found[kind].cases] == [(ONE,)]


def test_a_right_mask_is_no_fault_and_one_without_a_pair_is_noted(folder: Path) -> None:
    save_mask(folder, right_mask())
    assert faults(folder) == {}
    mask_of(folder, ONE).rename(mask_of(folder, "train/nobody"))
    assert [case.detail for case in faults(folder)["outside"].cases] == ["train/masks/nobody.png"]


def test_a_few_bad_masks_of_many_are_only_noted(tmp_path: Path) -> None:
    folder = make_pairs(tmp_path / "pairs", 100, 10)
    full_mask(folder)
    report = audit(folder)
    assert {finding.kind: finding.severity for finding in report.findings}["full-mask"] == "note"
    assert report.verdict == "ready"


def test_the_page_shows_the_outline_of_a_mask(folder: Path) -> None:
    """In the section of the finding, and among some of all."""
    plain = as_html(audit(folder))
    save_mask(folder, right_mask())
    assert as_html(audit(folder)) == plain  # what was found without a file
    mask_with_shadow(folder)
    report = audit(folder)
    outlined, without = (_data_uri(pair_of(report, ONE), outlined) for outlined in (True, False))
    assert outlined != without
    page = as_html(report)
    assert page.count(outlined) == 2 and page.count(without) == 1


def pair_of(report: Report, key: str) -> PairFiles:
    return next(one.pair for one in report.measured if one.pair.key == key)


def test_the_shift_is_reported_with_its_direction(folder: Path) -> None:
    moved_photo(folder)
    assert "moved 10% to the left" in faults(folder)["shifted"].cases[0].detail


def test_exchanged_photos_are_found(folder: Path) -> None:
    one, two = (photo_of(folder, key).read_bytes() for key in (ONE, TWO))
    photo_of(folder, ONE).write_bytes(two)
    photo_of(folder, TWO).write_bytes(one)
    found = faults(folder)
    assert set(found) == {"mismatched"}
    assert {case.pairs[0] for case in found["mismatched"].cases} == {ONE, TWO}


def test_a_mirrored_photo_is_said_to_be_mirrored(folder: Path) -> None:
    Image.fromarray(draw_pair(3)[1][:, ::-1]).save(photo_of(folder, ONE))
    assert "mirrored" in faults(folder)["mismatched"].cases[0].detail


def turn_by_exif(path: Path, orientation: int) -> None:
    """Adds an EXIF orientation to a file whose pixels need none."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open(path).save(path, exif=exif)


@pytest.mark.parametrize("of", ["photo", "sketch"])
@pytest.mark.parametrize("orientation, turn", [(6, "90°"), (3, "180°"), (8, "90°")])
def test_an_exif_orientation_that_one_file_lacks_is_named_as_the_cause(
    folder: Path, of: str, orientation: int, turn: str
) -> None:
    turn_by_exif((photo_of if of == "photo" else sketch_of)(folder, ONE), orientation)
    found = faults(folder)
    assert set(found) == {"turned"}
    (case,) = found["turned"].cases
    assert f"with the photo rotated by {turn}" in case.detail
    assert f"the {of} has EXIF orientation {orientation}, the other file does not" in case.detail


@pytest.mark.parametrize("quarters, turn", [(1, "90° clockwise"), (2, "180°"), (3, "90° counterclockwise")])
def test_a_photo_that_lost_its_exif_orientation_is_said_to_be_turned(
    folder: Path, quarters: int, turn: str
) -> None:
    Image.fromarray(np.rot90(draw_pair(3)[1], quarters)).save(photo_of(folder, ONE))
    found = faults(folder)
    assert set(found) == {"turned"} and "EXIF orientation was lost" in found["turned"].message
    assert f"with the photo rotated by {turn}, " in found["turned"].cases[0].detail


def test_a_size_that_an_exif_orientation_exchanged_is_said_to_be(folder: Path) -> None:
    for path in (sketch_of(folder, ONE), photo_of(folder, ONE)):
        Image.open(path).crop((0, 16, 128, 112)).save(path)
    turn_by_exif(photo_of(folder, ONE), 6)
    (case,) = faults(folder)["size-mismatch"].cases
    assert case.detail == "sketch 128x96, photo 96x128: the photo is rotated by its EXIF orientation 6"


def test_one_bad_pair_of_many_is_a_warning_but_many_are_an_error(tmp_path: Path) -> None:
    folder = make_pairs(tmp_path / "pairs", 110, 10)
    moved_photo(folder)
    assert audit(folder).verdict == "usable, with warnings"
    for seed in range(4, 8):
        photo = np.roll(draw_pair(seed)[1], 13, axis=0)
        Image.fromarray(photo).save(photo_of(folder, f"train/{seed}"))
    assert audit(folder).verdict == "not ready"


def test_an_exact_copy_in_val_is_an_error(folder: Path) -> None:
    save_pair(folder, "val/copy", *draw_pair(3))
    found = faults(folder)
    assert set(found) == {"leak"}
    assert found["leak"].severity == "error"
    assert [case.pairs for case in found["leak"].cases] == [(ONE, "val/copy")]


def recompressed_in_val(folder: Path) -> None:
    sketch, photo = draw_pair(3)
    sketch[0, 0] = 0
    save_pair(folder, "val/copy", sketch, photo)
    Image.fromarray(photo).save(photo_of(folder, "val/copy").with_suffix(".jpg"), quality=60)
    photo_of(folder, "val/copy").unlink()


def test_a_recompressed_copy_in_val_is_a_warning_and_an_error_where_val_is_made_of_such(
    tmp_path: Path,
) -> None:
    for val, severity in ((12, "warning"), (6, "error")):
        folder = make_pairs(tmp_path / str(val), 60, val)
        recompressed_in_val(folder)
        found = faults(folder)
        assert set(found) == {"near-leak"}
        assert found["near-leak"].severity == severity
        assert [set(case.pairs) for case in found["near-leak"].cases] == [{ONE, "val/copy"}]


def test_copies_on_one_side_are_found(folder: Path) -> None:
    sketch, photo = draw_pair(3)
    save_pair(folder, "train/same", sketch, photo)
    found = faults(folder)
    assert {kind: finding.severity for kind, finding in found.items()} == {"duplicate": "warning"}

    sketch[0, 0] = 0
    save_pair(folder, "train/same", sketch, photo)
    assert {kind: finding.severity for kind, finding in faults(folder).items()} == {"shared-photo": "note"}

    save_pair(folder, "train/same", sketch, cv2.GaussianBlur(photo, (3, 3), 0))
    assert {kind: finding.severity for kind, finding in faults(folder).items()} == {"near-duplicate": "note"}


def test_one_sketch_for_two_photos_is_found(folder: Path) -> None:
    shutil.copy(sketch_of(folder, TWO), sketch_of(folder, ONE))
    found = faults(folder)
    assert set(found) == {"shared-sketch", "mismatched"}
    assert [case.pairs for case in found["shared-sketch"].cases] == [(ONE, TWO)]


def test_pairs_that_are_not_square_are_found(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        Image.open(path).crop((0, 8, SIZE_PX, SIZE_PX - 8)).save(path)
    found = faults(folder)
    assert set(found) == {"not-square"}
    assert len(found["not-square"].cases) == 20


def test_mixed_sizes_are_noted(folder: Path) -> None:
    for key in (f"train/{i}" for i in range(8)):
        for path in (sketch_of(folder, key), photo_of(folder, key)):
            Image.open(path).resize((160, 160)).save(path)
    found = faults(folder)
    assert set(found) == {"mixed-sizes"}
    assert found["mixed-sizes"].severity == "note"


def test_files_that_training_does_not_read_are_noted(folder: Path) -> None:
    odd = ["notes.txt", "train/4.png", "train/sketches/3.jpg", "train/photos/3.PNG", "test/photos/1.png"]
    for name in odd:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    found = faults(folder)
    assert set(found) == {"outside"}
    assert sorted(case.detail for case in found["outside"].cases) == sorted(odd)


def test_few_pairs_and_no_val_are_said(folder: Path) -> None:
    shutil.rmtree(folder / "val")
    assert set(faults(folder)) == {"no-val"}
    for path in [*(folder / "train").rglob("1*.png")]:
        path.unlink()
    few = {finding.kind: finding for finding in audit(folder).findings}["too-few"]
    assert few.severity == "error"
    assert "9" in few.message


def record(folder: Path, key: str) -> Record:
    split, name = key.split("/", 1)
    sketch, photo, mask = (
        hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
        for path in (sketch_of(folder, key), photo_of(folder, key), mask_of(folder, key))
    )
    return Record(name, split, "source", "0" * 64, sketch, photo, SIZE_PX, "ab", mask_sha256=mask)


def test_a_manifest_is_held_against_the_files(folder: Path) -> None:
    keys = [*(f"train/{i}" for i in range(16)), *(f"val/{i}" for i in range(4))]
    manifest = folder / "manifest.jsonl"

    def write(keys: list[str]) -> None:
        manifest.write_text("".join(json.dumps(asdict(record(folder, key))) + "\n" for key in keys))

    write(keys)
    assert faults(folder) == {}

    for path in (sketch_of(folder, TWO), photo_of(folder, TWO)):
        path.unlink()
    assert {kind: f.severity for kind, f in faults(folder).items()} == {"lost": "warning"}

    keys.remove(TWO)
    keys.remove(HELD_OUT)
    write(keys)
    found = faults(folder)
    assert set(found) == {"not-in-manifest"}
    assert found["not-in-manifest"].cases[0].pairs == (HELD_OUT,)

    write([*keys, HELD_OUT])
    Image.open(photo_of(folder, ONE)).save(photo_of(folder, ONE), compress_level=1)  # same pixels
    found = faults(folder)
    assert set(found) == {"changed"}
    assert found["changed"].cases[0].pairs == (ONE,)

    write([*keys, HELD_OUT])
    save_mask(folder, right_mask())
    assert faults(folder)["changed"].cases[0].pairs == (ONE,)
    write([*keys, HELD_OUT])
    assert faults(folder) == {}

    manifest.write_text("no record\n")
    assert {kind: f.severity for kind, f in faults(folder).items()} == {"broken-manifest": "warning"}


def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    folder = make_pairs(tmp_path / "pairs", 90, 10)
    moved_photo(folder)
    assert as_json(audit(folder, workers=2)) == as_json(audit(folder))


def test_the_doctor_pairs_files_as_training_does(folder: Path) -> None:
    from pix2pix import pairs as dataset

    sub = folder / "train/photos/sub"
    sub.mkdir()
    (folder / "train/sketches/sub").mkdir()
    shutil.copy(photo_of(folder, ONE), sub / "a.b.png")
    shutil.copy(sketch_of(folder, ONE), folder / "train/sketches/sub/a.b.png")
    (folder / "val/photos").rename(folder.parent / "elsewhere")
    (folder / "val/photos").symlink_to(folder.parent / "elsewhere")
    for kind in ("sketches", "photos"):
        (folder / f"train/{kind}/sub").rename(folder.parent / kind)
        (folder / f"train/{kind}/sub").symlink_to(folder.parent / kind)
    (folder / "train/sketches/up").symlink_to("..")
    listed = [
        (f"{split}/{p.name}", p.sketch, p.photo)
        for split in ("train", "val")
        for p in dataset.list_pairs(folder, split)
    ]
    assert sorted((p.key, p.sketch, p.photo) for p in survey(folder).pairs) == sorted(listed)
    assert "train/sub/a.b" in {p.key for p in survey(folder).pairs}
    assert [finding.kind for finding in survey(folder).findings] == ["no-manifest"]


def test_a_folder_that_is_no_pairs_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        survey(tmp_path / "missing")
    save_pair(tmp_path, "shoes/1", *draw_pair(0))
    with pytest.raises(PairsError, match="is not a pairs folder: expected train/sketches"):
        survey(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_said(folder: Path) -> None:
    photo_of(folder, ONE).chmod(0)
    assert "Permission denied" in faults(folder)["unreadable"].cases[0].detail
    (folder / "val/photos").chmod(0)
    try:
        assert run(folder).exit_code == 2
    finally:
        (folder / "val/photos").chmod(0o755)


# The command


def test_the_command_prints_the_verdict_last_and_exits_by_it(tmp_path: Path, folder: Path) -> None:
    ready = run(make_pairs(tmp_path / "ready", 100, 10))
    assert (ready.exit_code, ready.stdout.splitlines()[-1]) == (0, "Verdict: ready")
    usable = run(folder)
    assert (usable.exit_code, usable.stdout.splitlines()[-1]) == (0, "Verdict: usable, with warnings")
    empty_file(folder)
    bad = run(folder)
    assert (bad.exit_code, bad.stdout.splitlines()[-1]) == (1, "Verdict: not ready")
    assert "train/3: 3.png is empty (0 bytes)." in bad.stdout


@pytest.mark.parametrize(
    "arguments", [["missing"], ["."], [".", "--json", "no/such/folder.json"], [".", "--html", "."]]
)
def test_wrong_usage_exits_2_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error:" in result.stderr
    assert not result.stdout


def test_json_and_page_say_the_same(folder: Path, tmp_path: Path) -> None:
    moved_photo(folder)
    empty_file(folder)
    photo_of(folder, TWO).unlink()
    result = run(folder, "--json", tmp_path / "report.json", "--html", tmp_path / "page.html")
    assert result.exit_code == 1
    report = json.loads((tmp_path / "report.json").read_text())
    page = (tmp_path / "page.html").read_text()
    assert (report["format"], report["verdict"]) == (2, "not ready")
    assert report["pairs"] == {"train": 15, "val": 4}
    assert {f["kind"] for f in report["findings"]} == {
        "unreadable",
        "orphan-sketch",
        "too-few",
        "no-manifest",
    }
    assert set(report["fits"]) == {*(f"train/{i}" for i in range(16)), *(f"val/{i}" for i in range(4))} - {
        ONE,
        TWO,
    }
    for finding in report["findings"]:
        assert finding["kind"] in page
        assert finding["count"] == len(finding["cases"])
    sources = re.findall(r'(?:src|href)="([^"]*)', page)
    assert sources and all(source.startswith("data:image/webp;base64,") for source in sources)
    assert "<script" not in page and "url(" not in page


def test_the_page_is_bounded(tmp_path: Path) -> None:
    """However many pairs are at fault, under 200 are pictured."""
    folder = tmp_path / "pairs"
    for seed in range(300):
        sketch, photo = draw_pair(seed)
        save_pair(folder, f"train/{seed}", sketch[:96], np.roll(photo, 13, axis=1)[:96])
    page = as_html(audit(folder))
    assert 50 < page.count("<img") < 200
    assert "and 276 more" in page


@pytest.mark.parametrize("name", ["a\nb", "<b>&\"'", "Stiefel grün 靴", os.fsdecode(b"\xff\xfe")])
def test_odd_names_come_through(folder: Path, tmp_path: Path, name: str) -> None:
    save_pair(folder, f"train/{name}", *draw_pair(50))
    photo_of(folder, f"train/{name}").write_bytes(b"")
    result = run(folder, "--json", tmp_path / "report.json", "--html", tmp_path / "page.html")
    assert result.exit_code == 1
    report = json.loads((tmp_path / "report.json").read_text())
    cases = next(f["cases"] for f in report["findings"] if f["kind"] == "unreadable")
    assert cases[0]["pairs"] == [f"train/{name}"]
    assert "<b>" not in (tmp_path / "page.html").read_text()
    assert all(line.isprintable() for line in as_text(audit(folder)))


# Real pairs


@pytest.fixture(scope="module", params=["shoes", "handbags"])
def official(
    request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """75 prepared official pairs."""
    folder = tmp_path_factory.mktemp(request.param)
    source = f"edges2{request.param}"
    with tarfile.open(real_data / f"{source}.tar") as tar:
        for split, count in (("train", 60), ("val", 15)):
            inside = [m for m in tar.getmembers() if m.isfile() and f"{split}/" in m.name]
            tar.extractall(folder, sorted(inside, key=lambda member: member.name)[:count], filter="data")
    for result in prepare(folder / source, folder / "pairs", kind="ab"):
        assert result.status == "written", result
    return folder / "pairs"


def test_official_pairs_pass(official: Path) -> None:
    found = [finding for finding in audit(official).findings if finding.severity != "note"]
    assert [finding.kind for finding in found] == ["too-few"]


def test_faults_among_official_pairs_are_found(official: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(official, tmp_path / "pairs"))
    keys = [pair.key for pair in survey(folder).pairs]
    photos = [folder / key.replace("/", "/photos/", 1) for key in keys]
    photos = [path.with_name(f"{path.name}.jpg") for path in photos]
    moved = np.pad(read_photo(photos[0])[:, 26:], ((0, 0), (0, 26), (0, 0)), constant_values=255)
    Image.fromarray(moved).save(photos[0], quality=95)
    contents = [path.read_bytes() for path in photos[1:11]]
    for path, content in zip(photos[1:11], [*contents[1:], contents[0]], strict=True):
        path.write_bytes(content)
    found = {finding.kind: finding for finding in audit(folder).findings}
    assert [case.pairs for case in found["shifted"].cases] == [(keys[0],)]
    assert {case.pairs[0] for case in found["mismatched"].cases} == set(keys[1:11])

"""Converting folders, with a translator that paints what it was given."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw, ImageFont
from sketches import photos_in, save_sketch

import pix2pix
from app.cli.main import main
from pix2pix.convert import manifest, pipeline
from pix2pix.convert.contact_sheet import Sheet
from pix2pix.convert.manifest import Note
from pix2pix.convert.plan import Converted, Options, convert_folder
from pix2pix.errors import FolderInUse, UsageError
from pix2pix.files import only_writer, sweep
from pix2pix.images import decode
from pix2pix.images.io import encode_png, read_photo, save_image
from pix2pix.model.latents import MAX_SEED
from pix2pix.storage import RealNames, place, real


class PaintingTranslator:
    """Paper becomes (seed, 10, 20), ink black; remembers how many sketches and z."""

    size_px = 64
    digest = "painter"
    takes_strokes = False

    def __init__(self, latent_size: int = 1) -> None:
        self.latent_size = latent_size
        self.batches: list[tuple[int, int]] = []

    def latent(self, seed: int) -> np.ndarray:
        return np.array([seed], np.float32)

    def translate_batch(
        self,
        sketches: np.ndarray,
        z: np.ndarray,
        sketch_of: np.ndarray,
        strokes: np.ndarray | None = None,
        *,
        transparent: bool = False,
    ) -> np.ndarray:
        self.batches.append((len(sketches), len(z)))
        colours = np.stack([z[:, 0], np.full(len(z), 10), np.full(len(z), 20)], axis=1)
        return np.where(sketches[sketch_of][..., None] < 128, 0, colours[:, None, None]).astype(np.uint8)


def run(source: Path, destination: Path, **options: object) -> dict[str, Converted]:
    results = convert_folder(PaintingTranslator(), source, destination, Options(**options))
    return {str(result.source.relative_to(source)): result for result in results}


def test_names_folders_and_sizes_are_kept(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    save_sketch(tmp_path / "in/deep/er/b.jpg", 90, 150)
    results = run(tmp_path / "in", tmp_path / "out", seed=7)
    assert {name: result.status for name, result in results.items()} == {
        "a.png": "converted",
        "deep/er/b.jpg": "converted",
    }
    assert results["deep/er/b.jpg"].outputs == (tmp_path / "out/deep/er/b.png",)
    photo = read_photo(tmp_path / "out/deep/er/b.png")
    assert photo.shape == (90, 150, 3)
    assert photo[45, 75].tolist() == [7, 10, 20]


def test_a_small_drawing_keeps_its_place_on_the_page(tmp_path: Path) -> None:
    page = np.full((300, 400), 255, np.uint8)
    page[200:240, 300:303] = page[200:240, 337:340] = 0
    (tmp_path / "in").mkdir()
    Image.fromarray(page).save(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out", seed=50)
    photo = read_photo(tmp_path / "out/a.png")
    assert photo[220, 320].tolist() == [50, 10, 20]
    assert (photo[:150] == 255).all() and (photo[:, :250] == 255).all()


def test_variants_are_numbered_and_take_the_next_seeds(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out", seed=5, variants=3)
    reds = [int(read_photo(tmp_path / f"out/a-{number}.png")[32, 32, 0]) for number in (1, 2, 3)]
    assert reds == [5, 6, 7]


def test_a_sketch_is_looked_at_once_for_its_variants_of_a_batch(tmp_path: Path) -> None:
    """Each sketch was repeated for each of its variants: half as quick again."""
    for name in ("a", "b"):
        save_sketch(tmp_path / f"in/{name}.png")
    translator = PaintingTranslator()
    list(convert_folder(translator, tmp_path / "in", tmp_path / "out", Options(variants=3, batch_size=2)))
    assert translator.batches == [(1, 2), (2, 2), (1, 2)]


def test_a_model_without_z_is_not_asked_for_variants(tmp_path: Path) -> None:
    """It wrote as many identical files."""
    save_sketch(tmp_path / "in/a.png")
    with pytest.raises(UsageError, match="no latent: one photo per sketch, not 2"):
        convert_folder(
            PaintingTranslator(latent_size=0), tmp_path / "in", tmp_path / "out", Options(variants=2)
        )
    assert not (tmp_path / "out").exists()


def test_batches_are_of_the_asked_size_and_change_nothing(tmp_path: Path) -> None:
    for number in range(5):
        save_sketch(tmp_path / f"in/{number}.png", 64, 60 + number)
    translator = PaintingTranslator()
    list(convert_folder(translator, tmp_path / "in", tmp_path / "four", Options(batch_size=4)))
    assert translator.batches == [(4, 4), (1, 1)]
    list(convert_folder(PaintingTranslator(), tmp_path / "in", tmp_path / "one", Options(batch_size=1)))
    for number in range(5):
        name = f"{number}.png"
        assert (tmp_path / "four" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_a_bad_file_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    (tmp_path / "in/b.png").write_bytes(b"not a picture")
    save_sketch(tmp_path / "in/c.png")
    results = run(tmp_path / "in", tmp_path / "out")
    assert [result.status for result in results.values()] == ["converted", "failed", "converted"]
    assert "not a picture" in str(results["b.png"].error)


def test_other_files_are_named_but_are_no_failures(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    for name in ("Thumbs.db", ".DS_Store", "notes.txt", ".hidden.png"):
        (tmp_path / "in" / name).write_bytes(b"x")
    results = run(tmp_path / "in", tmp_path / "out")
    assert {name for name, result in results.items() if result.status == "ignored"} == {
        "Thumbs.db",
        ".DS_Store",
        "notes.txt",
        ".hidden.png",
    }
    assert all(result.error for result in results.values() if result.status == "ignored")


def test_what_is_there_is_kept_unless_overwriting(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out", seed=1)
    before = (tmp_path / "out/a.png").read_bytes()
    again = run(tmp_path / "in", tmp_path / "out", seed=2)["a.png"]
    assert (again.status, again.error) == ("skipped", "exists already, made with other settings")
    assert (tmp_path / "out/a.png").read_bytes() == before
    assert run(tmp_path / "in", tmp_path / "out", seed=2, overwrite=True)["a.png"].status == "converted"
    assert (tmp_path / "out/a.png").read_bytes() != before


def test_an_interrupted_set_of_variants_is_completed(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out", variants=3)
    whole = photos_in(tmp_path / "out")
    (tmp_path / "out/a-2.png").unlink()
    (tmp_path / "out/a-1.png").write_bytes(b"mine")
    assert run(tmp_path / "in", tmp_path / "out", variants=3)["a.png"].status == "converted"
    assert photos_in(tmp_path / "out") == {**whole, "a-1.png": b"mine"}


def test_a_single_file_may_be_the_source(tmp_path: Path) -> None:
    save_sketch(tmp_path / "a.png")
    [result] = convert_folder(PaintingTranslator(), tmp_path / "a.png", tmp_path / "out")
    assert result.outputs == (tmp_path / "out/a.png",)


def test_an_output_that_cannot_be_written_is_that_files_failure(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/deep/a.png")
    save_sketch(tmp_path / "in/b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/deep").write_text("a file where a folder should be")
    results = run(tmp_path / "in", tmp_path / "out")
    assert results["b.png"].status == "converted"
    assert results["deep/a.png"].status == "failed" and "cannot be written" in str(
        results["deep/a.png"].error
    )


def test_stopping_leaves_only_whole_files(tmp_path: Path) -> None:
    for number in range(4):
        save_sketch(tmp_path / f"in/{number}.png")
    results = convert_folder(PaintingTranslator(), tmp_path / "in", tmp_path / "out", Options(batch_size=1))
    next(results)
    results.close()
    written = photos_in(tmp_path / "out")
    assert "0.png" in written
    statuses = [result.status for result in run(tmp_path / "in", tmp_path / "out").values()]
    assert statuses == ["skipped" if f"{n}.png" in written else "converted" for n in range(4)]
    assert photos_in(tmp_path / "out").items() >= written.items()


@pytest.mark.parametrize("names", [("a.png", "a.jpg"), ("a.png", "A.png"), ("a.png", "a-1.jpg", "a-1.png")])
def test_sketches_of_one_output_are_left_out_and_the_rest_is_done(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """A glob flattened to NAME.png lets files overwrite each other. One pair of names ended the whole job."""
    for name in (*names, "b.png", "b.webp", "other.png"):
        save_sketch(tmp_path / "in" / name)
    results = run(tmp_path / "in", tmp_path / "out")
    failed = {name: result.error or "" for name, result in results.items() if result.status == "failed"}
    assert failed.keys() == {*names[-2:], "b.png", "b.webp"}
    assert f"would write {tmp_path}/out/b.png, as would {tmp_path}/in/b.webp: rename" in failed["b.png"]
    assert "as would" in failed[names[-1]] and names[-2] in failed[names[-1]]
    assert photos_in(tmp_path / "out").keys() == {"other.png", *names[:-2]}


def test_of_many_sketches_of_one_output_each_is_named(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [f"{number}/x.png" for number in range(6)]
    for path in (*paths, "y.png"):
        save_sketch(Path(path))
    result = CliRunner().invoke(main, ["convert", *paths, "y.png", "out", "--model", str(tiny_bundle)])
    assert (result.exit_code, result.stdout) == (1, "out/y.png\n"), result.stderr
    assert "6 failed, 1 converted" in result.stderr
    for path in paths:
        assert f"failed: {path}: would write out/x.png, as would" in result.stderr
    assert (
        "as would 0/x.png, 1/x.png, 2/x.png and 2 more: rename one of them, or give a list (-)"
        in result.stderr
    )


def test_one_sketch_becomes_one_file(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder called photo.png was made, or the command refused."""
    monkeypatch.chdir(tmp_path)
    save_sketch(Path("in.png"))
    arguments = ["convert", "in.png", "new/PHOTO.JPG", "--model", str(tiny_bundle)]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (0, "new/PHOTO.JPG\n"), result.stderr
    with Image.open("new/PHOTO.JPG") as image:
        assert (image.format, image.size) == ("JPEG", (64, 64))
    assert [path.name for path in Path("new").iterdir()] == ["PHOTO.JPG"]
    assert "exists already" in CliRunner().invoke(main, arguments).stderr
    save_sketch(Path("in.png"), 64, 80)
    assert CliRunner().invoke(main, arguments).stdout == "new/PHOTO.JPG\n", "the sketch has changed"
    several = CliRunner().invoke(main, [*arguments, "--variants", "2"])
    assert several.stdout.splitlines() == ["new/PHOTO-1.JPG", "new/PHOTO-2.JPG"]
    other = CliRunner().invoke(main, [*arguments, "--format", "png"])
    assert other.exit_code == 2 and "--format png and the name new/PHOTO.JPG contradict" in other.stderr
    same = CliRunner().invoke(main, ["convert", "in.png", "in.png", "--model", str(tiny_bundle)])
    assert same.exit_code == 2 and "in.png would be replaced by a photo" in same.stderr


def test_several_files_and_folders_go_to_a_folder(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the shell gives them for `convert * out`."""
    monkeypatch.chdir(tmp_path)
    for path in ("deep/a.png", "b.jpg", "shoes/c.png", "shoes/sub/d.png", "out/old.png"):
        save_sketch(Path(path))
    sources = ["deep/a.png", "b.jpg", "shoes", "out", "gone.png"]
    result = CliRunner().invoke(main, ["convert", *sources, "out", "--model", str(tiny_bundle)])
    assert result.stdout.splitlines() == ["out/a.png", "out/b.png", "out/shoes/c.png", "out/shoes/sub/d.png"]
    assert result.exit_code == 1 and "failed: gone.png: cannot be read" in result.stderr
    assert "ignored: out: is in the destination" in result.stderr
    beside = CliRunner().invoke(main, ["convert", "deep/a.png", "b.jpg", ".", "--model", str(tiny_bundle)])
    assert beside.stdout.splitlines() == ["a.png", "b.png"]
    one = CliRunner().invoke(main, ["convert", "b.jpg"])
    assert one.exit_code == 2 and "SRC or DST is missing" in one.stderr
    alone = CliRunner().invoke(main, ["convert", "b.jpg", "-", "out", "--model", str(tiny_bundle)])
    assert alone.exit_code == 2 and "cannot be combined" in alone.stderr


def test_links_to_folders_are_followed_and_photos_are_no_sketches(tmp_path: Path) -> None:
    """They were passed over without a word."""
    save_sketch(tmp_path / "in/a.png")
    save_sketch(tmp_path / "elsewhere/b.png")
    save_sketch(tmp_path / "work/c.png")
    for name in ("elsewhere", "work"):
        (tmp_path / "in" / name).symlink_to(tmp_path / name)
    (tmp_path / "elsewhere/up").symlink_to("..")
    out = tmp_path / "work/out"
    for status in ("converted", "skipped"):
        results = run(tmp_path / "in", out)
        done = {name for name, result in results.items() if result.status == status}
        assert done == {"a.png", "elsewhere/b.png", "work/c.png"}
    assert "is a parent folder" in (results["elsewhere/up"].error or "")
    assert results["work/out/a.png"].error == "is in the destination"


@pytest.mark.parametrize(
    "source, destination, options, words",
    [
        ("missing", "out", {}, "not a folder"),
        ("in", "in/out", {}, "inside of the source"),
        ("in", "in", {}, "inside of the source"),
        ("in", "in/a.png", {}, "inside of the source"),
        ("in/a.png", "in", {"overwrite": True}, "would be replaced by a photo"),
        ("in", "file", {}, "is a file"),
        ("in", "out", {"variants": 0}, "variants 0"),
        ("in", "out", {"batch_size": 0}, "batch size 0"),
        ("in", "out", {"seed": MAX_SEED, "variants": 2}, f"beyond {MAX_SEED}"),
    ],
)
def test_wrong_arguments_are_refused(
    tmp_path: Path, source: str, destination: str, options: dict[str, object], words: str
) -> None:
    save_sketch(tmp_path / "in/a.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=words):
        convert_folder(PaintingTranslator(), tmp_path / source, tmp_path / destination, Options(**options))


def test_no_photo_ever_replaces_a_sketch(tmp_path: Path) -> None:
    """`convert page/s page --overwrite` wrote the photo of s/s/x.jpg over the sketch s/x.png."""
    save_sketch(tmp_path / "s" / "x.png")
    save_sketch(tmp_path / "s" / "s" / "x.jpg")
    before = (tmp_path / "s" / "x.png").read_bytes()
    with pytest.raises(UsageError, match=r"x\.png would be replaced"):
        run(tmp_path / "s", tmp_path, overwrite=True)
    assert (tmp_path / "s" / "x.png").read_bytes() == before


def test_a_pipe_with_a_pictures_name_is_named_and_not_waited_for(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in" / "good.png")
    os.mkfifo(tmp_path / "in" / "pipe.png")
    results = run(tmp_path / "in", tmp_path / "out")
    assert results["good.png"].status == "converted"
    assert "not a regular file" in (results["pipe.png"].error or "")


def test_the_command_makes_the_photos_of_the_translator(tmp_path: Path, tiny_bundle: Path) -> None:
    heights = {"a.png": 64, "b.png": 80}
    for name, height in heights.items():
        save_sketch(tmp_path / "in" / name, height, 64)
    arguments = ["convert", tmp_path / "in", tmp_path / "out", "--model", tiny_bundle, "--seed", 3]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    translator = pix2pix.load(tiny_bundle, device="cpu")
    for name in heights:
        alone = np.asarray(translator.translate(tmp_path / "in" / name, seed=3)).astype(int)
        assert np.abs(alone - read_photo(tmp_path / "out" / name)).max() <= 1


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_every_sketch_has_a_line_in_the_manifest(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/deep/a.png")
    (tmp_path / "in/b.png").write_bytes(b"not a picture")
    run(tmp_path / "in", tmp_path / "out", seed=3, variants=2)
    bad, good = sorted(lines_of(tmp_path / "out"), key=lambda line: line["source"])
    data = (tmp_path / "in/deep/a.png").read_bytes()
    assert good["source"] == "deep/a.png" and good["outputs"] == ["a-1.png", "a-2.png"]
    assert good["stamp"]["sha256"] == hashlib.sha256(data).hexdigest() and good["z"] == [[3.0], [4.0]]
    assert good["settings"]["bundle"] == "painter" and good["settings"]["seed"] == 3
    assert all(took >= 0 for took in good["timings_ms"].values()) and set(good["timings_ms"]) == {
        "read",
        "compute",
        "write",
    }
    assert bad["source"] == "b.png" and "not a picture" in bad["error"] and bad["outputs"] == []


def test_a_sketch_that_has_changed_is_done_again_and_no_other(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save_sketch(tmp_path / f"in/{name}.png")
    run(tmp_path / "in", tmp_path / "out")
    before = photos_in(tmp_path / "out")
    save_sketch(tmp_path / "in/b.png", 64, 80)
    os.utime(tmp_path / "in/c.png")  # touched only: its content is the same
    statuses = {name: result.status for name, result in run(tmp_path / "in", tmp_path / "out").items()}
    assert statuses == {"a.png": "skipped", "b.png": "converted", "c.png": "skipped"}
    after = photos_in(tmp_path / "out")
    assert read_photo(tmp_path / "out/b.png").shape == (64, 80, 3)
    assert [after[name] == before[name] for name in ("a.png", "b.png", "c.png")] == [True, False, True]


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(b"not yet")
    assert run(tmp_path / "in", tmp_path / "out")["a.png"].status == "failed"
    save_sketch(tmp_path / "in/a.png")
    assert run(tmp_path / "in", tmp_path / "out")["a.png"].status == "converted"
    assert run(tmp_path / "in", tmp_path / "out")["a.png"].status == "skipped"


def test_a_sketch_that_was_broken_for_a_while_is_done_again(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in/a.png").write_bytes(b"broken")
    assert run(tmp_path / "in", tmp_path / "out")["a.png"].status == "failed"
    save_sketch(tmp_path / "in/a.png", 64, 99)
    assert run(tmp_path / "in", tmp_path / "out")["a.png"].status == "converted"
    assert read_photo(tmp_path / "out/a.png").shape == (64, 99, 3)


def test_photos_of_other_settings_are_not_taken_for_these(tmp_path: Path) -> None:
    """Seed 1, then seed 2 over it, then a changed sketch with seed 1: seed 2's photo is there, and stays."""
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out", seed=1)
    run(tmp_path / "in", tmp_path / "out", seed=2, overwrite=True)
    before = photos_in(tmp_path / "out")
    save_sketch(tmp_path / "in/a.png", 64, 99)
    assert run(tmp_path / "in", tmp_path / "out", seed=1)["a.png"].status == "skipped"
    assert photos_in(tmp_path / "out") == before
    assert run(tmp_path / "in", tmp_path / "out", seed=2)["a.png"].status == "converted"


def test_a_job_of_other_photos_beside_hides_no_change(tmp_path: Path) -> None:
    """One photo a sketch, then two variants, which have names of their own; then the sketch changes."""
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out")
    run(tmp_path / "in", tmp_path / "out", variants=2)
    save_sketch(tmp_path / "in/a.png", 64, 99)
    assert run(tmp_path / "in", tmp_path / "out", variants=2)["a.png"].status == "converted"
    assert run(tmp_path / "in", tmp_path / "out")["a.png"].status == "converted"
    assert {read_photo(path).shape for path in (tmp_path / "out").glob("*.png")} == {(64, 99, 3)}


def test_a_blank_page_is_named_and_no_photo_is_made_of_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(tmp_path / "in/a.png")
    result = run(tmp_path / "in", tmp_path / "out")["a.png"]
    assert result.status == "failed" and "blank" in (result.error or "")
    assert not list(tmp_path.glob("out/*.png"))


def test_a_torn_line_is_passed_over_and_closed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_sketch(tmp_path / f"in/{name}.png")
    run(tmp_path / "in", tmp_path / "out")
    path = tmp_path / "out/manifest.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    (tmp_path / "out/b.png").unlink()
    assert [r.status for r in run(tmp_path / "in", tmp_path / "out").values()] == ["skipped", "converted"]
    lines = path.read_text().splitlines()
    assert len(lines) == 3 and json.loads(lines[2])["source"] == "b.png"


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from pix2pix.convert.plan import Options, convert_folder
from test_convert import PaintingTranslator
for i, _ in enumerate(convert_folder(PaintingTranslator(), Path("in"), Path("out"), Options(batch_size=2))):
    if i == {after}:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("after", [0, 7, 19])
def test_a_killed_job_goes_on_without_losing_or_repeating_a_file(tmp_path: Path, after: int) -> None:
    for number in range(40):
        save_sketch(tmp_path / f"in/{number:02}.png", 40 + number, 64)
    code = KILLED.format(tests=str(Path(__file__).parent), after=after)
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    recorded = {line["source"] for line in lines_of(tmp_path / "out")}
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.png")}
    assert after < len(recorded) <= len(written) < 40
    results = run(tmp_path / "in", tmp_path / "out")
    assert {name for name, result in results.items() if result.status == "skipped"} == set(written)
    assert {name for name, result in results.items() if result.status == "converted"} == set(results) - set(
        written
    )
    for name, time_ns in written.items():
        assert (tmp_path / "out" / name).stat().st_mtime_ns == time_ns
    run(tmp_path / "in", tmp_path / "whole")
    assert photos_in(tmp_path / "out") == photos_in(tmp_path / "whole")


def test_two_jobs_on_one_destination_are_one_too_many(tmp_path: Path) -> None:
    for number in range(4):
        save_sketch(tmp_path / f"in/{number}.png")
    first = convert_folder(PaintingTranslator(), tmp_path / "in", tmp_path / "out", Options(batch_size=1))
    next(first)
    with pytest.raises(FolderInUse):
        run(tmp_path / "in", tmp_path / "out")
    assert len(list(first)) == 3


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    """Photos of a greater name find no room."""
    save = pipeline.save_image

    def save_image(path: Path, photo: np.ndarray, note: str) -> None:
        if path.stem > after:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(path, photo, note)

    monkeypatch.setattr(pipeline, "save_image", save_image)


def test_a_full_disk_ends_the_job_and_what_is_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        save_sketch(tmp_path / f"in/{number}.png")
    fill_the_disk(monkeypatch, after="3")
    results = []
    with pytest.raises(OSError, match="No space left"):
        for result in convert_folder(PaintingTranslator(), tmp_path / "in", tmp_path / "out"):
            results.append(result)
    monkeypatch.undo()
    assert all(result.status == "converted" for result in results)
    assert sorted(photos_in(tmp_path / "out")) == [f"{number}.png" for number in range(4)]
    assert len(run(tmp_path / "in", tmp_path / "out")) == 9 and len(photos_in(tmp_path / "out")) == 9


@pytest.mark.parametrize(
    ("size", "shape"),
    [("source", (90, 150, 3)), ("model", (64, 64, 3)), (75, (45, 75, 3)), (300, (180, 300, 3))],
)
def test_photos_are_of_the_size_that_is_asked_for(tmp_path: Path, size: int | str, shape: tuple) -> None:
    save_sketch(tmp_path / "in/a.png", 90, 150)
    run(tmp_path / "in", tmp_path / "out", size=size)
    assert read_photo(tmp_path / "out/a.png").shape == shape


@pytest.mark.parametrize(
    ("suffix", "names"),
    [(".jpg", {"a.jpg", "b.jpg"}), (".webp", {"a.webp", "b.webp"}), ("", {"a.png", "b.jpg"})],
)
def test_photos_are_of_the_format_that_is_asked_for(tmp_path: Path, suffix: str, names: set[str]) -> None:
    for name in ("a.png", "b.jpg"):
        save_sketch(tmp_path / "in" / name)
    run(tmp_path / "in", tmp_path / "out", suffix=suffix)
    assert set(photos_in(tmp_path / "out")) == names
    for name in names:
        kind = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[name.split(".")[1]]
        with Image.open(tmp_path / "out" / name) as image:
            assert image.format == kind


def test_a_destination_with_the_name_of_a_picture_is_refused(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    for source in (tmp_path / "in", [tmp_path / "in/a.png"]):
        with pytest.raises(UsageError, match="must be a folder"):
            convert_folder(PaintingTranslator(), source, tmp_path / "photo.png")
    with pytest.raises(UsageError, match=r"photo.gif has the name of a picture.*one of \.png, \.jpg"):
        convert_folder(PaintingTranslator(), tmp_path / "in/a.png", tmp_path / "photo.gif")


def test_sketches_of_one_name_do_not_collide_where_their_formats_are_kept(tmp_path: Path) -> None:
    for path in ("in/a.png", "in/a.jpg", "others/a.png", "others/a.avif"):
        save_sketch(tmp_path / path)
    clashes = run(tmp_path / "others", tmp_path / "out").values()
    assert all((result.error or "").endswith("rename one of them") for result in clashes)
    results = run(tmp_path / "in", tmp_path / "out", suffix="").values()
    assert [result.status for result in results] == ["converted", "converted"]
    clashes = run(tmp_path / "in", tmp_path / "other").values()
    assert all("keep each one's own format" in (result.error or "") for result in clashes)


@pytest.mark.parametrize(("options", "words"), [({"size": 0}, "size 0"), ({"suffix": ".gif"}, "'.gif'")])
def test_sizes_and_formats_that_cannot_be_are_refused(options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Options(**options)


def test_a_list_of_paths_keeps_relative_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/deep/b.png", "else.png"):
        save_sketch(Path(name))
    listed = [Path("in/deep/b.png"), tmp_path / "else.png", Path("in/deep/b.png"), Path("missing.png")]
    results = list(convert_folder(PaintingTranslator(), listed, Path("out")))
    assert [result.status for result in results] == ["converted", "converted", "failed"]
    assert Path("out/in/deep/b.png").exists() and Path("out/else.png").exists()
    assert "cannot be read" in str(results[2].error)


def test_photos_of_the_destination_in_a_list_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `find . -name '*.png'` lists them once there are some."""
    monkeypatch.chdir(tmp_path)
    save_sketch(Path("a.png"))
    for statuses in (["converted"], ["ignored", "skipped"]):
        listed = sorted(Path().rglob("*.png"))
        results = convert_folder(PaintingTranslator(), listed, Path("out"))
        assert [result.status for result in results] == statuses


def test_the_command_takes_a_list_and_makes_a_sheet(tmp_path: Path, tiny_bundle: Path) -> None:
    for name in ("a", "b"):
        save_sketch(tmp_path / f"{name}.png")
    arguments = [
        "convert",
        "-",
        tmp_path / "out",
        "--model",
        tiny_bundle,
        "--variants",
        3,
        "--sheet",
        tmp_path / "s.png",
    ]
    given = f"{tmp_path / 'a.png'}\n\n{tmp_path / 'b.png'}\n"
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=given)
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "out").glob("*.png"))) == 6
    sheet = read_photo(tmp_path / "s.png")
    # a row of a sketch and three photos, 64 px each and 14 px of text below
    assert sheet.shape == (2 * 82 + 4, 4 * 68 + 4, 3)
    first = read_photo(tmp_path / "out/a-1.png")
    assert first.shape == (64, 64, 3) and sheet[4:36, 40:72].std() > 1


def written_below(sheet: np.ndarray, column: int, row: int = 0) -> np.ndarray:
    """The text below a picture of 128 px, (14, 128, 3)."""
    top, left = 4 + 128 + 146 * row, 4 + 132 * column
    return sheet[top : top + 14, left : left + 128]


def test_a_contact_sheet_has_name_and_seed_below_each_picture(tmp_path: Path) -> None:
    """Nothing said which seed makes the look that one likes."""
    save_sketch(tmp_path / "a.png")
    for name in ("a-1.png", "a-2.png", "b.png"):
        save_sketch(tmp_path / "out" / name)
    both, second = [tmp_path / "out/a-1.png", tmp_path / "out/a-2.png"], [tmp_path / "out/a-2.png"]
    with Sheet(tmp_path / "sheet.png", 256, seeds=range(7, 9)) as sheet:
        for outputs in (both, second):  # the first photo of the second sketch was there already
            sheet.add(Converted(tmp_path / "a.png", "converted", tuple(outputs)))
    page = read_photo(tmp_path / "sheet.png")
    assert page.shape == (4 + 2 * (128 + 14 + 4), 4 + 3 * (128 + 4), 3)
    for column, row, words in ((0, 0, "a.png"), (1, 0, "seed 7, a-1"), (2, 0, "seed 8, a-2")):
        line = Image.new("RGB", (128, 14), "white")
        ImageDraw.Draw(line).text((0, 0), words, "black", ImageFont.load_default(11))
        assert np.array_equal(written_below(page, column, row), np.asarray(line))
    assert np.array_equal(written_below(page, 1, 1), written_below(page, 2, 0))


def test_of_a_long_name_a_contact_sheet_shows_the_end(tmp_path: Path) -> None:
    names = [f"{'n' * 60}{end}.png" for end in "ab"]
    with Sheet(tmp_path / "sheet.png", 256) as sheet:
        for name in names:
            save_sketch(tmp_path / name)
            sheet.add(Converted(tmp_path / name, "converted"))
    page = read_photo(tmp_path / "sheet.png")
    first, second = (written_below(page, 0, row) for row in range(2))
    assert first.min() < 100 and second.min() < 100 and not np.array_equal(first, second)


def test_reading_and_writing_go_on_beside_the_device(tmp_path: Path) -> None:
    """While the device computes one batch, the next is read and the last is written."""
    for number in range(24):
        save_sketch(tmp_path / f"in/{number:02}.png")
    seen: list[int] = []

    class Slow(PaintingTranslator):
        def translate_batch(self, *given: np.ndarray, transparent: bool) -> np.ndarray:
            time.sleep(0.1)
            seen.append(len(list((tmp_path / "out").glob("*.png"))))
            return super().translate_batch(*given)

    list(convert_folder(Slow(), tmp_path / "in", tmp_path / "out", Options(batch_size=4)))
    assert seen == [0, 4, 8, 12, 16, 20], "after each batch all before it are on the disk"


@pytest.fixture
def store() -> Iterator[Path]:
    """A folder at an address; it lives in this process."""
    root = place("memory://drawings")
    yield root
    root.fs.store.clear()


def to_store(folder: Path, *names: str) -> None:
    for name in names:
        page = np.full((64, 80), 255, np.uint8)
        page[20:24, 8:70] = 0
        (folder / name).write_bytes(encode_png(page))


def test_an_address_may_be_source_and_destination(store: Path) -> None:
    to_store(store, "in/a.png", "in/deep/b.png")
    results = list(convert_folder(PaintingTranslator(), store / "in", store / "out", Options(seed=9)))
    assert [result.status for result in results] == ["converted"] * 2
    photo = read_photo((store / "out/deep/b.png").read_bytes())
    assert photo.shape == (64, 80, 3) and photo[40, 40, 0] == 9
    again = convert_folder(PaintingTranslator(), store / "in", store / "out", Options(seed=9))
    assert [result.status for result in again] == ["skipped"] * 2
    page = np.full((64, 80), 255, np.uint8)
    page[30:34, 8:70] = 0
    (store / "in/a.png").write_bytes(encode_png(page))
    again = convert_folder(PaintingTranslator(), store / "in", store / "out", Options(seed=9))
    assert [result.status for result in again] == ["converted", "skipped"]
    manifests = sorted((store / "out").glob("manifest-*.jsonl"))
    lines = [json.loads(line) for path in manifests for line in path.read_text().splitlines()]
    assert [line["source"] for line in lines] == ["a.png", "deep/b.png", "a.png"]


def test_the_command_takes_addresses_and_this_machine_together(
    store: Path, tmp_path: Path, tiny_bundle: Path
) -> None:
    to_store(store, "in/a.png")
    there, here, back = "memory://drawings/in", tmp_path / "out", "memory://drawings/back"
    for source, destination in ((there, here), (here, back)):
        arguments = ["convert", source, destination, "--model", tiny_bundle]
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        save_sketch(tmp_path / "out/a.png")  # an untrained model's photo is no sketch
    assert (tmp_path / "out/a.png").exists() and (store / "back/a.png").exists()


@pytest.mark.parametrize(
    ("address", "words"), [("nowhere://x", "nowhere"), ("memory://drawings/none", "does not exist")]
)
def test_an_address_that_does_not_exist_is_named(
    tmp_path: Path, tiny_bundle: Path, address: str, words: str
) -> None:
    arguments = ["convert", address, str(tmp_path / "out"), "--model", str(tiny_bundle)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and words in result.stderr and not (tmp_path / "out").exists()


def test_a_name_that_is_no_utf_8_is_known_again(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\xff\nb.png")
    save_sketch(tmp_path / "in" / name)
    run(tmp_path / "in", tmp_path / "out")
    save_sketch(tmp_path / "in" / name, 64, 90)
    assert run(tmp_path / "in", tmp_path / "out")[name].status == "converted"
    assert run(tmp_path / "in", tmp_path / "out")[name].status == "skipped"


def test_photos_of_a_killed_job_without_a_line_are_known_by_their_notes(tmp_path: Path) -> None:
    """Without notes, a sketch that changed later was passed over."""
    for name in ("a", "b"):
        save_sketch(tmp_path / f"in/{name}.png")
    run(tmp_path / "in", tmp_path / "out")
    (tmp_path / "out/manifest.jsonl").write_text("")
    assert {r.status for r in run(tmp_path / "in", tmp_path / "out").values()} == {"skipped"}
    assert [line["source"] for line in lines_of(tmp_path / "out")] == ["a.png", "b.png"]
    assert len(run(tmp_path / "in", tmp_path / "out")) == 2 and len(lines_of(tmp_path / "out")) == 2

    (tmp_path / "out/manifest.jsonl").write_text("")
    save_sketch(tmp_path / "in/a.png", 90, 150)
    results = run(tmp_path / "in", tmp_path / "out")
    assert [results[name].status for name in ("a.png", "b.png")] == ["converted", "skipped"]
    assert read_photo(tmp_path / "out/a.png").shape == (90, 150, 3)

    (tmp_path / "out/manifest.jsonl").write_text("")
    results = run(tmp_path / "in", tmp_path / "out", seed=3)
    assert {result.error for result in results.values()} == {pipeline.OTHERWISE}


def test_files_that_have_not_changed_are_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job of a million files continues in minutes: the manifest has their sizes and times."""
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out", variants=2)
    opened: list[Path] = []
    read_note = manifest.read_note
    monkeypatch.setattr(manifest, "read_note", lambda photo: opened.append(photo) or read_note(photo))
    monkeypatch.setattr(pipeline, "_read_bytes", lambda source, size: opened.append(source))
    assert run(tmp_path / "in", tmp_path / "out", variants=2)["a.png"].error == pipeline.THERE
    assert opened == []
    os.utime(tmp_path / "out/a-2.png")
    assert run(tmp_path / "in", tmp_path / "out", variants=2)["a.png"].error == pipeline.THERE
    assert opened == [tmp_path / "out/a-2.png"]


def test_bmp_files_cannot_hold_notes_and_are_known_by_the_manifest(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out", suffix=".bmp")
    assert run(tmp_path / "in", tmp_path / "out", suffix=".bmp", seed=2)["a.png"].error == pipeline.OTHERWISE
    save_sketch(tmp_path / "in/a.png", 64, 99)
    assert run(tmp_path / "in", tmp_path / "out", suffix=".bmp")["a.png"].status == "converted"
    (tmp_path / "out/manifest.jsonl").unlink()
    save_sketch(tmp_path / "in/a.png", 64, 80)
    assert run(tmp_path / "in", tmp_path / "out", suffix=".bmp")["a.png"].error == pipeline.THERE


@pytest.mark.parametrize("with_manifest", [True, False])
def test_answers_of_other_seeds_are_not_mixed_into_one_set(tmp_path: Path, with_manifest: bool) -> None:
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out", seed=5, variants=2)
    if not with_manifest:
        (tmp_path / "out/manifest.jsonl").unlink()
    other = run(tmp_path / "in", tmp_path / "out", seed=9, variants=4)["a.png"]
    assert other.error == pipeline.OTHERWISE and len(photos_in(tmp_path / "out")) == 2
    more = run(tmp_path / "in", tmp_path / "out", seed=5, variants=4)["a.png"]
    assert [output.name for output in more.outputs] == ["a-3.png", "a-4.png"], "those that were written"
    reds = [int(read_photo(tmp_path / f"out/a-{n}.png")[32, 32, 0]) for n in (1, 2, 3, 4)]
    assert reds == [5, 6, 7, 8]
    assert lines_of(tmp_path / "out")[-1]["outputs"] == [f"a-{n}.png" for n in (1, 2, 3, 4)]


def test_a_set_of_answers_is_of_one_version_of_the_sketch(tmp_path: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out", variants=2)
    for lost in ("a-2.png", "manifest.jsonl"):
        (tmp_path / "out" / lost).unlink()
    save_sketch(tmp_path / "in/a.png", 90, 150)
    assert len(run(tmp_path / "in", tmp_path / "out", variants=2)["a.png"].outputs) == 2
    assert {read_photo(tmp_path / f"out/a-{n}.png").shape for n in (1, 2)} == {(90, 150, 3)}


def test_photos_that_a_killed_job_replaced_are_not_taken_for_those_of_the_job_before(tmp_path: Path) -> None:
    for number in range(40):
        save_sketch(tmp_path / f"in/{number:02}.png")
    run(tmp_path / "in", tmp_path / "out")
    job = convert_folder(
        PaintingTranslator(), tmp_path / "in", tmp_path / "out", Options(seed=2, overwrite=True)
    )
    next(job)
    job.close()
    # What a process has no time for when it is killed: lines of photos that were replaced.
    kept = [line for line in lines_of(tmp_path / "out") if line.get("settings", {}).get("seed") != 2]
    (tmp_path / "out/manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))
    reds = {f"{n:02}.png": int(read_photo(tmp_path / f"out/{n:02}.png")[32, 32, 0]) for n in range(40)}
    assert 0 < sum(red == 2 for red in reds.values()) < 40
    results = run(tmp_path / "in", tmp_path / "out")
    assert {name: results[name].error for name in reds} == {
        name: pipeline.OTHERWISE if red == 2 else pipeline.THERE for name, red in reds.items()
    }


def test_the_photo_of_another_sketch_of_that_name_is_not_replaced(tmp_path: Path) -> None:
    """The second folder's photo replaced that of the first, without a word."""
    save_sketch(tmp_path / "a/shoe.png")
    save_sketch(tmp_path / "b/shoe.png", 70)
    save_sketch(tmp_path / "b/boot.png")
    run(tmp_path / "a", tmp_path / "out")
    of_a = (tmp_path / "out/shoe.png").read_bytes()
    results = run(tmp_path / "b", tmp_path / "out")
    assert {name: result.status for name, result in results.items()} == {
        "boot.png": "converted",
        "shoe.png": "failed",
    }
    assert (
        f"would replace {tmp_path}/out/shoe.png, which was made from {tmp_path}/a/shoe.png: rename one of "
        "them, choose another destination, or give --overwrite" in str(results["shoe.png"].error)
    )
    assert (tmp_path / "out/shoe.png").read_bytes() == of_a
    assert run(tmp_path / "a", tmp_path / "out")["shoe.png"].status == "skipped"
    assert run(tmp_path / "b", tmp_path / "out", overwrite=True)["shoe.png"].status == "converted"
    assert run(tmp_path / "a", tmp_path / "out")["shoe.png"].status == "failed"


def test_sketches_that_were_moved_are_the_same_sketches(tmp_path: Path) -> None:
    """Also by a link, and where some have changed since."""
    for name in ("same", "changed"):
        save_sketch(tmp_path / f"in/{name}.png")
    run(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in").rename(tmp_path / "moved")
    save_sketch(tmp_path / "moved/changed.png", 70)
    results = run(tmp_path / "moved", tmp_path / "out")
    assert [result.status for result in results.values()] == ["converted", "skipped"]
    (tmp_path / "link").symlink_to(tmp_path / "moved")
    save_sketch(tmp_path / "moved/changed.png", 80)
    results = run(tmp_path / "link", tmp_path / "out")
    assert [result.status for result in results.values()] == ["converted", "skipped"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_photos_have_a_note_of_what_they_were_made_of(tmp_path: Path, suffix: str) -> None:
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out", seed=4, suffix=suffix)
    note = Note.read(tmp_path / f"out/a{suffix}")
    assert note is not None
    assert note.sketch == hashlib.sha256((tmp_path / "in/a.png").read_bytes()).hexdigest()
    assert note.made_with == {"bundle": "painter", "size": "source", "z": [4.0]}


def test_photos_made_when_there_was_looseness_count_as_made_with_other_settings(
    tmp_path: Path,
) -> None:
    save_sketch(tmp_path / "in/a.png")
    run(tmp_path / "in", tmp_path / "out")
    photo = tmp_path / "out/a.png"
    note = Note.read(photo)
    assert note is not None
    before = {**note.made_with, "loose": None}
    save_image(photo, read_photo(photo), Note(note.sketch, before).to_text())
    (line,) = lines_of(tmp_path / "out")
    line["settings"]["loose"] = None
    (tmp_path / "out/manifest.jsonl").write_text(json.dumps(line) + "\n")
    assert run(tmp_path / "in", tmp_path / "out")["a.png"].error == pipeline.OTHERWISE
    assert run(tmp_path / "in", tmp_path / "out", overwrite=True)["a.png"].status == "converted"
    assert run(tmp_path / "in", tmp_path / "out")["a.png"].error == pipeline.THERE


@pytest.mark.parametrize(
    "note", [b"", b"{}", b"[" * 100_000, b'{"pix2pix": 3}', b'{"pix2pix": {"sketch": 1}}']
)
def test_a_photo_with_another_description_has_no_note(tmp_path: Path, note: bytes) -> None:
    save_image(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8), note.decode())
    assert Note.read(tmp_path / "a.png") is None
    (tmp_path / "b.png").write_bytes(note)
    assert Note.read(tmp_path / "b.png") is None


def test_odd_files_are_named_and_the_rest_is_done(tmp_path: Path) -> None:
    """Each ended the whole job."""
    save_sketch(tmp_path / "in/good.png")
    (tmp_path / "in/loop.png").symlink_to("loop.png")
    save_sketch(tmp_path / "in/wide.png", 40, 17000)
    save_sketch(tmp_path / f"in/{'n' * 251}.png")
    save_sketch(tmp_path / "in/taken.png")
    (tmp_path / "out/taken.webp").mkdir(parents=True)
    results = run(tmp_path / "in", tmp_path / "out", suffix=".webp")
    errors = {name[:5]: result.error for name, result in results.items() if result.status == "failed"}
    assert "17000 x 40 pixels cannot be saved as WEBP" in errors["wide."]
    assert "name too long" in errors["nnnnn"] and "taken.webp cannot be written" in errors["taken"]
    assert errors.keys() == {"wide.", "nnnnn", "taken", "loop."}
    assert results["good.png"].status == "converted"


def test_a_file_too_large_for_any_picture_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_sketch(tmp_path / "in/a.png")
    monkeypatch.setattr(pipeline, "MAX_BYTES", 10)
    assert "the limit is" in (run(tmp_path / "in", tmp_path / "out")["a.png"].error or "")


def pixels_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_the_photo_of_a_large_scan_has_half_its_size_and_a_note_says_so(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 3000)
    monkeypatch.setattr(pipeline, "MAX_PIXELS", 3000)
    save_sketch(tmp_path / "in/large.png", 80, 101)
    save_sketch(tmp_path / "in/small.png", 50, 60)
    arguments = ["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--model", str(tiny_bundle)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
    assert pixels_of(tmp_path / "out/large.png") == (51, 40)
    (note,) = [line for line in result.stderr.splitlines() if line.startswith("large: ")]
    assert "large.png: It has 8,080 pixels, more than 3,000: its photo has half its size, 51 x 40" in note
    result = CliRunner().invoke(main, [*arguments, "--size", "101", "--overwrite"])
    assert "large: " not in result.stderr
    assert pixels_of(tmp_path / "out/large.png") == (101, 79)


def test_large_sketches_are_read_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are cores took a gigabyte each."""
    monkeypatch.setattr(pipeline, "MAX_PIXELS_AT_WORK", 64 * 64)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    at_work, most = [], []
    inspect_sketch = pipeline.inspect_sketch

    def read(data: bytes, *, tell_colours: bool) -> tuple:
        at_work.append(1)
        most.append(len(at_work))
        page = inspect_sketch(data, tell_colours=tell_colours)
        at_work.pop()
        return page

    monkeypatch.setattr(pipeline, "inspect_sketch", read)
    for number in range(12):
        save_sketch(tmp_path / f"in/{number}.png")
    assert {result.status for result in run(tmp_path / "in", tmp_path / "out").values()} == {"converted"}
    assert len(most) == 12 and max(most) == 1


def test_lists_may_hold_folders_pipes_and_nul_bytes(tmp_path: Path, tiny_bundle: Path) -> None:
    save_sketch(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    listed = "\0".join([str(tmp_path / "a.png"), str(tmp_path / "pipe.png"), ".", "/", ".."])
    arguments = ["convert", "-", str(tmp_path / "out"), "--model", str(tiny_bundle)]
    result = CliRunner().invoke(main, arguments, input=listed)
    assert result.exit_code == 1 and "1 converted" in result.stderr and "4 failed" in result.stderr, (
        result.stderr
    )
    lines = f"\ufeff{tmp_path / 'a.png'}\r\n\r\n"
    result = CliRunner().invoke(main, arguments, input=lines)
    assert result.exit_code == 0 and "1 skipped" in result.stderr, result.stderr


def test_a_contact_sheet_replaces_neither_sketch_nor_photo(tmp_path: Path, tiny_bundle: Path) -> None:
    save_sketch(tmp_path / "in/a.png")
    before = (tmp_path / "in/a.png").read_bytes()
    (tmp_path / "out").mkdir()
    for sheet, words in {
        "in/a.png": "would be inside of",
        "out/a.png": "would be inside of",
        "none/sheet.png": "an existing folder",
        "in": "an existing folder",
    }.items():
        arguments = ["convert", tmp_path / "in", tmp_path / "out", "--sheet", tmp_path / sheet]
        result = CliRunner().invoke(main, [*map(str, arguments), "--model", str(tiny_bundle)])
        assert result.exit_code == 2 and words in result.stderr, result.output
        assert not any((tmp_path / "out").iterdir())
    assert (tmp_path / "in/a.png").read_bytes() == before


def test_a_file_address_is_a_path_of_this_machine(tmp_path: Path) -> None:
    assert place((tmp_path / "a b").as_uri()) == tmp_path / "a b"


def test_a_folder_inside_of_one_that_is_written_to_is_refused(tmp_path: Path) -> None:
    """A job there swept away what the outer one was writing."""
    (tmp_path / "out/sub").mkdir(parents=True)
    left = [f".{'0' * 32}.part", ".mine.part"]
    for name in left:
        (tmp_path / "out/sub" / name).touch()
    with only_writer(tmp_path / "out"):
        with pytest.raises(FolderInUse), only_writer(tmp_path / "out/sub"):
            pass
        descriptor = os.open(tmp_path / "out/sub", os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # a job that began before
        sweep(tmp_path / "out", tmp_path / "out/sub")
        assert len(list((tmp_path / "out/sub").iterdir())) == 2
        os.close(descriptor)
        sweep(tmp_path / "out", tmp_path / "out/sub")
    assert [path.name for path in (tmp_path / "out/sub").iterdir()] == [".mine.part"]


def test_a_file_system_without_locks_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*given: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    with only_writer(tmp_path):
        pass


def test_a_disk_that_fills_up_is_no_job_that_did_nothing(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        save_sketch(tmp_path / f"in/{number:02}.png")
    fill_the_disk(monkeypatch, after="24")
    arguments = ["convert", tmp_path / "in", tmp_path / "out", "--model", tiny_bundle]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 1, result.stderr
    assert "stopped: No space left on device" in result.stderr and "failed" in result.stderr


def test_names_of_one_file_are_known_for_one(tmp_path: Path) -> None:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "real/a.png").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "b.png").symlink_to("real/a.png")
    (tmp_path / "loop").symlink_to("loop")
    name = RealNames()
    for path in ("real/a.png", "link/a.png", "b.png", "real/deep/../a.png", "link/deep/../../b.png"):
        assert name(tmp_path / path) == str((tmp_path / "real/a.png").resolve())
    for path in ("link", "link/deep/..", "loop", "loop/a", "none/a.png"):
        assert name(tmp_path / path) == str(real(tmp_path / path))

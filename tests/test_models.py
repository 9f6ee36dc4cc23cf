"""Bundles that come, change and go while the server runs."""

import os
import shutil
import time
from pathlib import Path

import pytest
from conftest import TINY, save_untrained

from app.models import Models

OLD = time.time() - 60


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("pix2pix.bundle.SHIPPED", tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIX2PIX_MODELS", raising=False)
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_untrained(tmp_path_factory.mktemp("made") / "one.safetensors", TINY)


def put(bundle: Path, path: Path, when: float = OLD) -> None:
    shutil.copy(bundle, path)
    os.utime(path, (when, when))


def test_what_is_dropped_in_appears_and_the_default_stays(folder: Path, bundle: Path) -> None:
    put(bundle, folder / "m.safetensors")
    told: list[str] = []
    models = Models(folder, "cpu", told.append)
    put(bundle, folder / "a.safetensors")
    models.look()
    assert list(models) == ["m", "a"] and models["a"].latent_size == TINY.latent_size
    assert told == []


def test_a_changed_bundle_is_loaded_again_and_no_other(folder: Path, bundle: Path) -> None:
    for name in "ab":
        put(bundle, folder / f"{name}.safetensors")
    models = Models(folder, "cpu", print)
    before = dict(models)
    put(bundle, folder / "a.safetensors", OLD + 5)
    models.look()
    assert models["a"] is not before["a"] and models["b"] is before["b"] and list(models) == ["a", "b"]


def test_a_removed_bundle_goes_and_who_holds_it_may_finish(folder: Path, bundle: Path) -> None:
    for name in "ab":
        put(bundle, folder / f"{name}.safetensors")
    models = Models(folder, "cpu", print)
    held = models["b"]
    (folder / "b.safetensors").unlink()
    models.look()
    assert list(models) == ["a"] and held.latent(1).shape == (TINY.latent_size,)
    with pytest.raises(KeyError):
        models["b"]


def test_a_corrupt_bundle_is_told_once_and_what_was_whole_stays(folder: Path, bundle: Path) -> None:
    put(bundle, folder / "a.safetensors")
    told: list[str] = []
    models = Models(folder, "cpu", told.append)
    before = models["a"]
    for name in ("a", "new"):
        (folder / f"{name}.safetensors").write_bytes(b"torn")
        os.utime(folder / f"{name}.safetensors", (OLD + 5, OLD + 5))
    models.look()
    models.look()
    assert list(models) == ["a"] and models["a"] is before
    assert len(told) == 2 and all("is left out" in line for line in told)
    put(bundle, folder / "new.safetensors", OLD + 9)
    models.look()
    assert list(models) == ["a", "new"]


def test_a_file_that_is_still_being_written_is_left_for_later(folder: Path, bundle: Path) -> None:
    put(bundle, folder / "a.safetensors")
    told: list[str] = []
    models = Models(folder, "cpu", told.append)
    half = bundle.read_bytes()[:500]
    (folder / "b.safetensors").write_bytes(half)
    models.look()
    assert list(models) == ["a"] and told == []
    put(bundle, folder / "b.safetensors")
    models.look()
    assert list(models) == ["a", "b"] and told == []


def test_it_looks_by_itself(folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.models.LOOK_EVERY_S", 0.05)
    put(bundle, folder / "a.safetensors")
    models = Models(folder, "cpu", print)
    models.watch()
    put(bundle, folder / "b.safetensors")
    until = time.monotonic() + 20
    while "b" not in models and time.monotonic() < until:
        time.sleep(0.02)
    assert list(models) == ["a", "b"]

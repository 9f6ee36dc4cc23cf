"""Bundles that come, change and go while the server runs."""

import os
import shutil
import time
from pathlib import Path

import pytest
from conftest import TINY, save_untrained

from app.http.models import Models
from pix2pix.errors import UsageError
from pix2pix.inference.translator import Translator

OLD = time.time() - 60


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("pix2pix.model.bundle.SHIPPED", tmp_path / "shipped")
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
    warnings: list[str] = []
    models = Models(folder, "cpu", warnings.append)
    put(bundle, folder / "a.safetensors")
    models.look()
    assert list(models) == ["m", "a"] and models["a"].latent_size == TINY.latent_size
    assert warnings == []


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
    warnings: list[str] = []
    models = Models(folder, "cpu", warnings.append)
    before = models["a"]
    for name in ("a", "new"):
        (folder / f"{name}.safetensors").write_bytes(b"torn")
        os.utime(folder / f"{name}.safetensors", (OLD + 5, OLD + 5))
    models.look()
    models.look()
    assert list(models) == ["a"] and models["a"] is before
    kept, left_out = warnings
    assert "'a' keeps its loaded version" in kept and "'new' is left out" in left_out
    put(bundle, folder / "new.safetensors", OLD + 9)
    models.look()
    assert list(models) == ["a", "new"]


def test_a_file_that_is_still_being_written_is_left_for_later(folder: Path, bundle: Path) -> None:
    put(bundle, folder / "a.safetensors")
    warnings: list[str] = []
    models = Models(folder, "cpu", warnings.append)
    half = bundle.read_bytes()[:500]
    (folder / "b.safetensors").write_bytes(half)
    models.look()
    assert list(models) == ["a"] and warnings == []
    put(bundle, folder / "b.safetensors")
    models.look()
    assert list(models) == ["a", "b"] and warnings == []


def test_it_looks_by_itself(folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.http.models.LOOK_EVERY_S", 0.05)
    put(bundle, folder / "a.safetensors")
    models = Models(folder, "cpu", print)
    models.watch()
    put(bundle, folder / "b.safetensors")
    until = time.monotonic() + 20
    while "b" not in models and time.monotonic() < until:
        time.sleep(0.02)
    assert list(models) == ["a", "b"]


def ship(bundle: Path, folder: Path, name: str = "a") -> Path:
    shipped = folder.parent / "shipped"
    shipped.mkdir(exist_ok=True)
    put(bundle, shipped / f"{name}.safetensors")
    return shipped / f"{name}.safetensors"


def test_a_corrupt_bundle_at_the_start_takes_no_shipped_one_away(folder: Path, bundle: Path) -> None:
    """Regression: a torn `shoes` in one's own folder left the server without any."""
    ship(bundle, folder)
    (folder / "a.safetensors").write_bytes(b"torn")
    warnings: list[str] = []
    models = Models(folder, "cpu", warnings.append)
    models.look()
    assert list(models) == ["a"] and len(warnings) == 1 and "mine" in warnings[0]
    shipped = models["a"]
    put(bundle, folder / "a.safetensors")
    models.look()
    assert models["a"] is not shipped
    (folder / "a.safetensors").unlink()
    models.look()
    assert list(models) == ["a"] and len(warnings) == 1


def test_what_a_corrupt_bundle_was_to_replace_stays_though_another_is_shipped(
    folder: Path, bundle: Path
) -> None:
    ship(bundle, folder)
    put(bundle, folder / "a.safetensors")
    models = Models(folder, "cpu", lambda _: None)
    mine = models["a"]
    (folder / "a.safetensors").write_bytes(b"torn")
    os.utime(folder / "a.safetensors", (OLD + 5, OLD + 5))
    models.look()
    models.look()
    assert models["a"] is mine


def test_a_bundle_that_breaks_what_reads_it_hides_no_other(
    folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: whatever was no BundleError ended the start, and any later look."""
    real = Models._load

    def breaks(self: Models, path: Path) -> Translator:
        if path.stem in ("b", "d"):
            raise RuntimeError("no kernel for this graph")
        return real(self, path)

    monkeypatch.setattr(Models, "_load", breaks)
    for name in "abc":
        put(bundle, folder / f"{name}.safetensors")
    warnings: list[str] = []
    models = Models(folder, "cpu", warnings.append)
    assert list(models) == ["a", "c"]
    for name in "de":
        put(bundle, folder / f"{name}.safetensors")
    models.look()
    assert list(models) == ["a", "c", "e"]
    assert [("'b'" in line, "'d'" in line) for line in warnings] == [(True, False), (False, True)]
    assert all("no kernel for this graph" in line for line in warnings)


def test_a_device_that_is_not_there_is_said_rather_than_that_no_model_is(folder: Path, bundle: Path) -> None:
    put(bundle, folder / "a.safetensors")
    with pytest.raises(UsageError, match="cuda"):
        Models(folder, "cuda", lambda _: None, engine="onnxruntime")


def test_a_file_from_the_future_is_no_younger_than_any(folder: Path, bundle: Path) -> None:
    """Regression: copied from a machine whose clock is ahead, it was taken for half written for ever."""
    put(bundle, folder / "a.safetensors")
    models = Models(folder, "cpu", print)
    put(bundle, folder / "b.safetensors", time.time() + 3600)
    models.look()
    assert list(models) == ["a", "b"]


def test_the_models_are_read_together(folder: Path, bundle: Path) -> None:
    """Regression: names were read one by one, and one that went meanwhile was an error of the server."""
    for name in "ab":
        put(bundle, folder / f"{name}.safetensors")
    models = Models(folder, "cpu", print)
    met = []
    for name, _ in models.items():
        (folder / "b.safetensors").unlink(missing_ok=True)
        models.look()
        met.append(name)
    assert met == ["a", "b"] and list(models) == ["a"]

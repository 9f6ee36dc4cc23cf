"""Bundles: round trip, self-description, look-up by name, and damage of every kind."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from conftest import TINY, make_model
from PIL import Image
from safetensors.torch import load_file, save_file

import pix2pix
from app.cli.main import main
from app.http.models import Models
from pix2pix.errors import BundleNotFound, CorruptBundle, UsageError
from pix2pix.model.bundle import (
    FORMAT,
    Header,
    find_bundle,
    list_bundles,
    load_bundle,
    read_header,
    save_bundle,
)


def test_round_trip_keeps_header_and_half_precision_weights(tiny_bundle: Path, tiny_header: Header) -> None:
    loaded, header = load_bundle(tiny_bundle)
    assert header == tiny_header
    for name, weight in make_model(TINY).state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight.half().float())


def test_loading_leaves_the_global_generator_alone(tiny_bundle: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    pix2pix.load(tiny_bundle, device="cpu")
    assert torch.equal(torch.rand(1), expected)


def test_names_are_looked_up_in_order(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_bundle("tiny", tiny_bundle.parent) == tiny_bundle
    monkeypatch.setenv("PIX2PIX_MODELS", str(tiny_bundle.parent))
    assert find_bundle("tiny") == tiny_bundle
    assert find_bundle(str(tiny_bundle)) == tiny_bundle


def test_an_unknown_name_lists_the_known_ones(tiny_bundle: Path) -> None:
    with pytest.raises(BundleNotFound, match=r"'boots'.*tiny"):
        find_bundle("boots", tiny_bundle.parent)
    with pytest.raises(BundleNotFound, match=r"none\.safetensors"):
        load_bundle(Path("none.safetensors"))


@pytest.mark.parametrize("keep", [0, 5, 100, 2000])
def test_a_truncated_file_is_named_corrupt(tiny_bundle: Path, keep: int) -> None:
    tiny_bundle.write_bytes(tiny_bundle.read_bytes()[:keep])
    with pytest.raises(CorruptBundle, match=r"tiny\.safetensors"):
        load_bundle(tiny_bundle)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CorruptBundle, match="format"):
        read_header(path)


def foreign_checkpoint(path: Path, *, legacy: bool = False) -> Path:
    """A checkpoint as pix2pix's latest_net_G.pth, in PyTorch's format since 1.6 or the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {"model.model.0.weight": torch.zeros(64, 3, 4, 4)}
    torch.save(weights, path, _use_new_zipfile_serialization=not legacy)
    return path


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "name", ["latest_net_G.pth", "model.pt", "last.ckpt", "renamed.safetensors", "model"]
)
def test_a_checkpoint_of_another_program_is_named_as_such(tmp_path: Path, name: str, legacy: bool) -> None:
    path = foreign_checkpoint(tmp_path / name, legacy=legacy)
    with pytest.raises(CorruptBundle, match=rf"{name} is a checkpoint of another.*pix2pix train PAIRS"):
        read_header(find_bundle(path))


def test_a_checkpoint_in_the_models_folder_is_named_and_hides_no_model(
    tiny_bundle: Path,
) -> None:
    models = tiny_bundle.parent
    for name in ("latest_net_G.pth", "tiny.pth", "shoes.pt"):
        foreign_checkpoint(models / name)
    (models / "state.pt").write_bytes(b"of a run: its folder is a models folder, too")
    found = {info.name: info for info in list_bundles(models)}
    assert found["tiny"].header is not None and found["shoes"].header is not None and "state" not in found
    assert "checkpoint of another" in (found["latest_net_G"].error or "")
    for name in ("latest_net_G", "latest_net_G.pth"):
        assert find_bundle(name, models) == models / "latest_net_G.pth"
    assert "latest_net_G" not in {info.name for info in list_bundles()}
    listed = CliRunner().invoke(main, ["models", "--models", str(models)])
    assert listed.exit_code == 1 and "latest_net_G.pth is a checkpoint of another" in listed.stderr


def test_commands_name_a_checkpoint_of_another_program(tmp_path: Path, pairs: Path) -> None:
    path = foreign_checkpoint(tmp_path / "latest_net_G.pth")
    (tmp_path / "in").mkdir()
    Image.new("L", (64, 64), 255).save(tmp_path / "in/a.png")
    for command in (
        ["train", pairs, "--name", "a", "--runs", tmp_path / "runs", "--from", path],
        ["convert", tmp_path / "in", tmp_path / "out", "--model", path],
        ["convert", tmp_path / "in", tmp_path / "out", "--model", "latest_net_G", "--models", tmp_path],
        ["evaluate", path, pairs],
        ["directions", path],
    ):
        result = CliRunner().invoke(main, [str(word) for word in command])
        assert result.exit_code == 2 and "is a checkpoint of another" in result.stderr, result.output


def test_a_runs_state_is_named_with_the_bundle_to_give(tmp_path: Path) -> None:
    state = foreign_checkpoint(tmp_path / "runs/mine/state.pt")
    with pytest.raises(CorruptBundle, match=r"the state of a run.*runs/mine/mine\.safetensors"):
        read_header(state)


def test_a_server_names_a_checkpoint_and_serves_the_models(tiny_bundle: Path) -> None:
    foreign_checkpoint(tiny_bundle.with_name("latest_net_G.pth"))
    messages: list[str] = []
    models = Models(tiny_bundle.parent, "cpu", messages.append)
    assert "tiny" in models and "latest_net_G" not in models
    assert len(messages) == 1 and "latest_net_G.pth is a checkpoint of another" in messages[0]


def test_a_bundle_of_an_earlier_version_is_refused_with_the_reason(tiny_bundle: Path) -> None:
    save_file(load_file(tiny_bundle), tiny_bundle, metadata={"format": "pix2pix-bundle/2", "header": "{}"})
    with pytest.raises(CorruptBundle, match=r"tiny\.safetensors was made by an earlier version"):
        read_header(tiny_bundle)


def test_a_file_without_a_generator_is_refused(tiny_bundle: Path, tiny_header: Header) -> None:
    weights = {name: weight for name, weight in load_file(tiny_bundle).items() if "picture" not in name}
    save_bundle(tiny_bundle, weights, tiny_header)
    with pytest.raises(CorruptBundle, match="no tensor of a generator"):
        read_header(tiny_bundle)


def test_a_missing_tensor_is_named(tiny_bundle: Path, tiny_header: Header) -> None:
    weights = load_file(tiny_bundle)
    del weights["picture.stem.bias"]
    save_bundle(tiny_bundle, weights, tiny_header)
    with pytest.raises(CorruptBundle, match=r"stem\.bias"):
        load_bundle(tiny_bundle)


def test_a_header_without_a_field_is_refused(tiny_bundle: Path) -> None:
    save_file(load_file(tiny_bundle), tiny_bundle, metadata={"format": FORMAT, "header": "{}"})
    with pytest.raises(CorruptBundle, match="model"):
        read_header(tiny_bundle)


@pytest.mark.parametrize(
    "field, value",
    [("metrics", None), ("title", 5), ("steps", {}), ("model", {"latent_size": -3}), ("colour", 1)],
)
def test_a_header_with_a_wrong_field_is_refused(
    tiny_bundle: Path, tiny_header: Header, field: str, value: object
) -> None:
    """Such a bundle used to end `models` and `serve` in a traceback."""
    header = json.dumps({**dataclasses.asdict(tiny_header), field: value})
    save_file(load_file(tiny_bundle), tiny_bundle, metadata={"format": FORMAT, "header": header})
    with pytest.raises(CorruptBundle, match=r"tiny\.safetensors"):
        load_bundle(tiny_bundle)


def test_weights_that_are_not_finite_are_refused(tiny_bundle: Path, tiny_header: Header) -> None:
    weights = load_file(tiny_bundle)
    weights["picture.stem.bias"] = torch.full_like(weights["picture.stem.bias"], float("nan"))
    save_bundle(tiny_bundle, weights, tiny_header)
    with pytest.raises(CorruptBundle, match=r"stem\.bias"):
        load_bundle(tiny_bundle)


def test_a_link_that_leads_nowhere_is_listed_as_unusable(tiny_bundle: Path) -> None:
    (tiny_bundle.parent / "gone.safetensors").symlink_to("nowhere")
    found = {info.name: info for info in list_bundles(tiny_bundle.parent)}
    assert found["gone"].header is None and found["tiny"].header is not None


def test_a_models_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIX2PIX_MODELS", "no/such/folder")
    with pytest.raises(UsageError, match="no/such/folder"):
        list_bundles()


def test_listing_reports_a_corrupt_bundle_beside_the_good(tiny_bundle: Path) -> None:
    (tiny_bundle.parent / "broken.safetensors").write_bytes(b"nonsense")
    found = {info.name: info for info in list_bundles(tiny_bundle.parent)}
    assert found["tiny"].error is None and found["tiny"].header is not None
    assert found["broken"].header is None and "broken.safetensors" in (found["broken"].error or "")


def test_importing_the_package_and_reading_a_header_need_no_torch(tiny_bundle: Path) -> None:
    code = (
        "import sys, pathlib, pix2pix, pix2pix.model.bundle as b; b.read_header(pathlib.Path(sys.argv[1])); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tiny_bundle)], check=False).returncode == 0

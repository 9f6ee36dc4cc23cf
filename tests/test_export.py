"""The exported file draws what the bundle draws, and is not written where it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from conftest import LITERAL, TINY, save_untrained
from PIL import Image

import pix2pix
from app.cli import main
from pix2pix import export as export_module
from pix2pix.bundle import digest_of, find_bundle
from pix2pix.errors import ExportMismatch
from pix2pix.export import export
from pix2pix.images import fit_sketch, read_sketch

SKETCHES = sorted(Path("docs/sketches/shoes").glob("*.png"))


def fitted(side: int) -> list[np.ndarray]:
    return [fit_sketch(read_sketch(path), side)[0] for path in SKETCHES]


@pytest.mark.parametrize("half", [False, True])
def test_the_file_alone_draws_what_the_shipped_model_draws(tmp_path: Path, half: bool) -> None:
    path, output = find_bundle("shoes"), tmp_path / "shoes.onnx"
    found = export(path, output, fitted(256), half=half)
    assert (
        found.photos == 12
        and found.largest <= (2 if half else 1)
        and found.differing < (0.1 if half else 1e-4)
    )
    assert output.stat().st_size == pytest.approx(11.3e6 if half else 22.3e6, rel=0.05)
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    shoes = pix2pix.load("shoes", engine="torch", device="cpu")
    for sketches, rows in ((fitted(256)[:1], [0]), (fitted(256), [2, 0, 1, 1, 2])):  # any batch
        given = {
            "sketches": np.stack(sketches),
            "z": np.stack([shoes.latent(seed) for seed in range(len(rows))]),
            "rows": np.array(rows),
        }
        (photos,) = session.run(None, given)
        expected = shoes.translate_batch(**given)
        assert np.abs(photos.astype(int) - expected).max() <= (2 if half else 1)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    path = save_untrained(tmp_path / "tiny.safetensors", TINY)
    export(path, tmp_path / "tiny.onnx", fitted(32))
    model = onnx.load(tmp_path / "tiny.onnx")
    told = {one.key: one.value for one in model.metadata_props}
    assert told["bundle_sha256"] == digest_of(path) and told["size_px"] == "32" and told["latent_size"] == "4"
    assert json.loads(told["header"])["title"] == "Tiny"
    assert told["usage"].startswith("Inputs: ") and "ink dark on paper 255" in told["usage"]
    assert told["usage"].endswith("`photos` (N, S, S, 3) uint8 RGB.")
    assert model.opset_import[0].version == 17


def test_a_model_without_z_is_exported(tmp_path: Path) -> None:
    path = save_untrained(tmp_path / "model.safetensors", replace(LITERAL, latent_size=0))
    found = export(path, tmp_path / "model.onnx", fitted(32))
    assert found.largest <= 1
    names = {one.name for one in onnx.load(tmp_path / "model.onnx").graph.input}
    assert {"sketches", "rows"} <= names


def test_where_the_pictures_differ_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_untrained(tmp_path / "tiny.safetensors", TINY)
    real = export_module.answer_graph

    def slightly_wrong(weights: dict, header: object) -> onnx.ModelProto:
        return real({**weights, "generator.head.bias": weights["generator.head.bias"] + 0.05}, header)

    monkeypatch.setattr(export_module, "answer_graph", slightly_wrong)
    with pytest.raises(ExportMismatch, match=r"differ from PyTorch's by \d+ of 255 levels"):
        export(path, tmp_path / "tiny.onnx", fitted(32))
    assert not (tmp_path / "tiny.onnx").exists()


def test_the_command_tells_what_it_compared(tmp_path: Path) -> None:
    path = save_untrained(tmp_path / "tiny.safetensors", TINY)
    (tmp_path / "sketches").mkdir()
    arguments = ["export", path, tmp_path / "tiny.onnx", "--sketches", tmp_path / "sketches"]
    empty = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert empty.exit_code == 2 and "no pictures" in empty.stderr
    Image.fromarray(fitted(64)[0]).save(tmp_path / "sketches/a.png")
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0 and "4 photos compared with PyTorch's: at most" in result.stdout
    assert (tmp_path / "tiny.onnx").exists()

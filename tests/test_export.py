"""The exported file draws what the bundle draws, and is not written where it does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from conftest import LITERAL, TINY, save_untrained
from onnx import numpy_helper
from PIL import Image

import pix2pix
from app.cli.main import main
from pix2pix.errors import ExportMismatch
from pix2pix.images.io import fit_sketch, read_sketch
from pix2pix.inference import export as export_module
from pix2pix.inference.engines.on_onnxruntime import make_session
from pix2pix.inference.export import export
from pix2pix.model.bundle import digest_of, find_bundle, read_weights
from pix2pix.model.onnx_graph import translate_graph

NUDGED = "picture.head.skip.bias"
SKETCHES = sorted(Path("docs/sketches/shoes").glob("*.png"))


def fitted(side: int) -> list[np.ndarray]:
    return [fit_sketch(read_sketch(path), side)[0] for path in SKETCHES]


def test_the_file_alone_draws_what_the_shipped_model_draws(tmp_path: Path) -> None:
    path, output = find_bundle("shoes"), tmp_path / "shoes.onnx"
    found = export(path, output, fitted(256))
    assert found.photos == 12 and found.largest <= 1 and found.differing < 2e-3
    assert output.stat().st_size < path.stat().st_size
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    shoes = pix2pix.load("shoes", engine="torch", device="cpu")
    for sketches, sketch_of in ((fitted(256)[:1], [0]), (fitted(256), [2, 0, 1, 1, 2])):  # any batch
        given = {
            "sketches": np.stack(sketches),
            "z": np.stack([shoes.latent(seed) for seed in range(len(sketch_of))]),
            "sketch_of": np.array(sketch_of),
            "strokes": np.zeros((len(sketches), 128, 128, 4), np.uint8),
        }
        photos, alpha = session.run(None, given)
        assert np.abs(photos.astype(int) - shoes.translate_batch(**given)).max() <= 1
        assert alpha.shape == photos.shape[:3] and alpha.std() > 50


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    path = save_untrained(tmp_path / "tiny.safetensors", TINY)
    export(path, tmp_path / "tiny.onnx", fitted(64))
    model = onnx.load(tmp_path / "tiny.onnx")
    metadata = {one.key: one.value for one in model.metadata_props}
    assert (
        metadata["bundle_sha256"] == digest_of(path)
        and metadata["size_px"] == "64"
        and metadata["latent_size"] == "4"
    )
    assert json.loads(metadata["header"])["title"] == "Tiny"
    assert metadata["usage"].startswith("Inputs: ") and "ink dark on paper 255" in metadata["usage"]
    assert metadata["usage"].endswith("`alpha` (N, S, S) uint8.")
    assert model.opset_import[0].version == 18


def test_weights_are_stored_in_half_precision_and_lose_nothing(tmp_path: Path) -> None:
    path = save_untrained(tmp_path / "tiny.safetensors", TINY)
    data, header = export_module.build(path)
    stored = {one.name: numpy_helper.to_array(one) for one in onnx.load_from_string(data).graph.initializer}
    weights, _ = read_weights(path)
    for name in ("picture.up.1.join.weight", "layout.middle.weight", "picture.down.0.conv.weight"):
        assert stored[f"{name}_half"].dtype == np.float16
        assert np.array_equal(stored[f"{name}_half"], weights[name])
    given = {"z": np.ones((1, 4), np.float32), "sketch_of": np.zeros(1, np.int64)}
    given |= {"sketches": fitted(64)[0][None], "strokes": np.zeros((1, 32, 32, 4), np.uint8)}
    stored_whole = translate_graph(weights, header).SerializeToString()
    half, whole = (make_session(one).run(None, given) for one in (data, stored_whole))
    assert all(np.array_equal(a, b) for a, b in zip(half, whole, strict=True))


def test_a_model_of_the_papers_architecture_is_exported(tmp_path: Path) -> None:
    path = save_untrained(tmp_path / "model.safetensors", LITERAL)
    found = export(path, tmp_path / "model.onnx", fitted(64))
    assert found.largest <= 1
    names = {one.name for one in onnx.load(tmp_path / "model.onnx").graph.input}
    assert names == {"sketches", "z", "sketch_of"}


def test_where_the_pictures_differ_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_untrained(tmp_path / "tiny.safetensors", TINY)
    real = export_module.translate_graph

    def slightly_wrong(weights: dict, header: object) -> onnx.ModelProto:
        return real({**weights, NUDGED: weights[NUDGED] + 0.1}, header)

    monkeypatch.setattr(export_module, "translate_graph", slightly_wrong)
    with pytest.raises(ExportMismatch, match=r"differ from PyTorch's by \d+ of 255 levels"):
        export(path, tmp_path / "tiny.onnx", fitted(64))
    assert not (tmp_path / "tiny.onnx").exists()


def test_the_command_tells_what_it_compared(tmp_path: Path) -> None:
    path = save_untrained(tmp_path / "tiny.safetensors", TINY)
    (tmp_path / "sketches").mkdir()
    arguments = ["export", path, tmp_path / "tiny.onnx", "--sketches", tmp_path / "sketches"]
    empty = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert empty.exit_code == 2 and "no pictures" in empty.stderr
    Image.fromarray(fitted(64)[0]).save(tmp_path / "sketches/a.png")
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0 and "4 photos compared with PyTorch: largest difference" in result.stdout
    assert (tmp_path / "tiny.onnx").exists()

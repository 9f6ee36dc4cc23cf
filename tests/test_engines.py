"""What computes a bundle: the same pictures from each engine, and no PyTorch where it is not needed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import LITERAL, TINY, save_critic, save_untrained
from onnx import TensorProto, helper
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import pix2pix
from pix2pix.errors import CorruptBundle, UsageError
from pix2pix.inference import engines
from pix2pix.inference.engines import make_engine
from pix2pix.inference.engines.on_onnxruntime import make_session
from pix2pix.model.bundle import find_bundle, read_header

MODELS = {
    "tiny": TINY,
    "paper": LITERAL,
    "paper down to one pixel": replace(LITERAL, widths=(4, 8, 8, 8, 8, 8)),
    "of 128 px": replace(TINY, size_px=128, widths=(4, 8, 12, 12), layout_widths=(4, 8, 12)),
    "of 256 px": replace(TINY, size_px=256, widths=(4, 8, 8, 12)),
}


@pytest.fixture(params=[*MODELS, "critic", "paper with critic", "shoes", "handbags"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param in ("shoes", "handbags"):
        return find_bundle(request.param)
    if "critic" in request.param:
        return save_critic(tmp_path / "critic.safetensors", LITERAL if "paper" in request.param else TINY)
    return save_untrained(tmp_path / "model.safetensors", MODELS[request.param])


def pages(side: int, count: int) -> np.ndarray:
    """Sketches (count, side, side) of a few thick lines each."""
    dice = np.random.default_rng(1)
    made = np.full((count, side, side), 255, np.uint8)
    for page in made:
        for at in dice.integers(0, side - 2, (4, 2)):
            page[at[0] : at[0] + 2] = 0
            page[:, at[1] : at[1] + 2] = 0
    return made


def stroked(sketches: np.ndarray) -> np.ndarray:
    """Colour strokes for sketches (M, S, S): a red and a half transparent blue one, none on the first."""
    side = sketches.shape[1] // 2
    strokes = np.zeros((len(sketches), side, side, 4), np.uint8)
    strokes[1:, side // 4 : side // 3, side // 4 : -side // 4] = (200, 30, 40, 255)
    strokes[1:, side // 2 : -side // 3, side // 2 :] = (10, 60, 220, 130)
    return strokes


def test_every_engine_makes_the_same_pictures(bundle: Path) -> None:
    ours, torchs = (make_engine(bundle, "cpu", name)[0] for name in ("onnxruntime", "torch"))
    assert (ours.name, torchs.name) == ("onnxruntime", "torch")
    model = read_header(bundle).model
    sketch_of = np.array([0, 1, 2, 0, 0])
    z = np.random.default_rng(2).standard_normal((5, model.latent_size)).astype(np.float32)
    sketches = pages(model.size_px, 3)
    strokes = stroked(sketches)
    photos, expected = (engine.translate(sketches, z, sketch_of, strokes) for engine in (ours, torchs))
    for one, other in zip(photos, expected, strict=True):
        assert one.dtype == other.dtype == np.uint8 and one.shape == other.shape
        # Mean shift in the layout enlarges the last bits of float32.
        assert np.abs(one.astype(int) - other).max() <= 1 and (one != other).mean() < 3e-2
    assert expected[0].std() > 1, "blank pictures are always alike"
    assert (expected[1].std() > 1) == (model.architecture == "two-stage"), "alpha"
    alone, _ = ours.translate(sketches[:1], z[3:], sketch_of[3:], strokes[:1])
    assert np.abs(alone.astype(int) - photos[0][3:]).max() <= 1
    if model.architecture == "two-stage":
        mask = np.zeros(sketches[0].shape, np.uint8)
        mask[10:-20, 5:-9] = 255
        codes = [engine.encode(expected[0][1], mask) for engine in (ours, torchs)]
        assert np.allclose(*codes, atol=1e-4) and np.abs(codes[0]).max() > 1e-3
    if read_header(bundle).discriminator:
        maps = [engine.realism(sketches, expected[0], sketch_of) for engine in (ours, torchs)]
        assert maps[0].dtype == maps[1].dtype == np.float32
        assert np.allclose(*maps, atol=1e-4) and maps[0].std() > 0.01


def damaged(bundle: Path, path: Path, **changes: np.ndarray | None) -> Path:
    """A copy of a bundle, with tensors replaced or, where None, left out."""
    tensors = {**load_file(bundle), **changes}
    with safe_open(bundle, "numpy") as file:
        metadata = file.metadata()
    save_file({name: one for name, one in tensors.items() if one is not None}, path, metadata)
    return path


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
@pytest.mark.parametrize(
    "tensor", [None, np.zeros((7, 3, 2, 2), np.float16)], ids=["missing", "of another shape"]
)
def test_tensors_that_do_not_fit_the_header_are_told(
    tmp_path: Path, tensor: np.ndarray | None, engine: str
) -> None:
    whole = save_untrained(tmp_path / "whole.safetensors", TINY)
    path = damaged(whole, tmp_path / "damaged.safetensors", **{"picture.down.0.conv.weight": tensor})
    with pytest.raises(CorruptBundle, match=r"damaged\.safetensors.*do not fit"):
        pix2pix.load(path, device="cpu", engine=engine)


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_a_bundle_without_a_norm_is_refused(tmp_path: Path, engine: str) -> None:
    whole = save_untrained(tmp_path / "whole.safetensors", replace(TINY, widths=(8, 8, 8, 8)))
    path = damaged(whole, tmp_path / "damaged.safetensors", **{"picture.down.1.norm.weight": None})
    with pytest.raises(CorruptBundle, match=r"damaged\.safetensors.*do not fit"):
        pix2pix.load(path, device="cpu", engine=engine)


@pytest.mark.parametrize(
    ("device", "engine", "words"),
    [
        ("cpu", "tensorflow", "not one of: auto, onnxruntime, torch"),
        ("cuda", "onnxruntime", "computes on the CPU"),
        ("tpu", "onnxruntime", "computes on the CPU"),
        ("tpu", "torch", "is not one of"),
        ("cuda:99", "auto", "is not there"),
    ],
)
def test_a_device_or_engine_that_is_not_available_is_named(
    tmp_path: Path, device: str, engine: str, words: str
) -> None:
    path = save_untrained(tmp_path / "tiny.safetensors", TINY)
    with pytest.raises(UsageError, match=words):
        pix2pix.load(path, device=device, engine=engine)


def without_torch(code: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.modules['torch'] = None\n{code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_drawing_needs_no_torch_nor_anything_else_of_training() -> None:
    code = """
import base64, io
for name in ("torchvision", "albumentations", "skimage", "scipy", "lightning_fabric"):
    sys.modules[name] = None
import pix2pix
from app.http import create_app

shoes = pix2pix.load("shoes")
photo = shoes.translate("docs/sketches/shoes/sneaker.png", seed=3)
client = create_app({"shoes": shoes}).test_client()
sketch = base64.b64encode(open("docs/sketches/shoes/boot.png", "rb").read()).decode()
answer = client.post("/api/v1/translate", json={"sketch": sketch, "realism": True})
assert answer.status_code == 200, answer.data
made = io.BytesIO(base64.b64decode(answer.json["images"][0]["png"]))
assert client.post("/api/v1/encode", data={"photo": (made, "a.png")}).status_code == 200
print(photo.size)
"""
    done = without_torch(code)
    assert done.stdout.strip() == "(256, 256)", done.stderr


def test_converting_a_folder_needs_no_torch(tmp_path: Path) -> None:
    arguments = ["pix2pix", "convert", "docs/sketches/shoes", str(tmp_path / "out")]
    code = f"sys.argv = {arguments}\nfrom app.cli.main import main; main()"
    done = without_torch(code)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def test_where_torch_is_missing_the_engine_that_needs_it_says_so() -> None:
    done = without_torch("import pix2pix; pix2pix.load('shoes', engine='torch')")
    assert "torch is not installed; GPUs and training need it" in done.stderr


@pytest.mark.parametrize(
    ("device", "chosen"), [("auto", "onnxruntime"), ("cpu", "onnxruntime"), ("cuda", "torch")]
)
def test_a_cpu_needs_no_torch_and_a_gpu_does(
    device: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_may_have_gpu", lambda: False)
    assert engines.choose_engine(device, "auto") == chosen


def test_a_gpu_without_torch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert not engines._may_have_gpu()
    assert engines.choose_engine("auto", "auto") == "onnxruntime"


@pytest.mark.parametrize(("variable", "threads"), [("3", 3), ("2,1", 2), ("", 0), ("all", 0)])
def test_the_first_number_of_omp_num_threads_is_that_of_the_threads(
    monkeypatch: pytest.MonkeyPatch, variable: str, threads: int
) -> None:
    """OpenMP allows a list, for nested loops."""
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Identity", ["x"], ["y"])],
            "identity",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        ),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    session = make_session(model.SerializeToString())
    assert session.get_session_options().intra_op_num_threads == threads

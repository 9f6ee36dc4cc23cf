"""What computes a bundle: the same pictures from each engine, and no PyTorch where it is not needed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import LITERAL, TINY, save_critic, save_untrained
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import pix2pix
from pix2pix import engines
from pix2pix.bundle import find_bundle
from pix2pix.config import ModelConfig
from pix2pix.engines import make_engine
from pix2pix.errors import CorruptBundle, UsageError

PAPER = ModelConfig(architecture="paper", size_px=32, widths=(4, 8, 8, 8, 8), latent_size=0)
MODELS = {
    "tiny": TINY,
    "literal": LITERAL,
    "one answer": replace(LITERAL, latent_size=0),
    "paper": PAPER,
    "paper with z": replace(PAPER, latent_size=3, roughness=True, encoder_widths=(4,)),
    "detail": replace(TINY, detail_width=6),
    "noise": replace(TINY, noise=True),
    "detail and noise": replace(TINY, detail_width=6, noise=True),
    "looks from afar": replace(TINY, size_px=256, widths=(4, 8, 8), encoder_widths=(4, 8)),
}


@pytest.fixture(params=[*MODELS, "critic", "instance critic", "shoes", "handbags"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param in ("shoes", "handbags"):
        return find_bundle(request.param)
    if request.param == "critic":
        return save_critic(tmp_path / "critic.safetensors", TINY)
    if request.param == "instance critic":
        return save_critic(tmp_path / "critic.safetensors", replace(TINY, roughness=False))
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


def test_every_engine_makes_the_same_pictures(bundle: Path) -> None:
    ours, torchs = (pix2pix.load(bundle, device="cpu", engine=name) for name in ("onnxruntime", "torch"))
    assert (ours.engine, torchs.engine) == ("onnxruntime", "torch")
    rows = np.array([0, 1, 2, 0, 0])
    z = np.random.default_rng(2).standard_normal((5, ours.latent_size)).astype(np.float32)
    sketches = pages(ours.size_px, 3)
    photos, expected = (t.translate_batch(sketches, z, rows) for t in (ours, torchs))
    assert photos.dtype == np.uint8 and photos.shape == expected.shape
    assert np.abs(photos.astype(int) - expected).max() <= 1 and (photos != expected).mean() < 1e-3
    assert expected.std() > 1, "blank pictures are always alike"
    assert np.array_equal(
        ours.translate_batch(sketches[:1], z[3:]), ours.translate_batch(sketches, z[3:], rows[3:])
    )
    if ours.encodes:
        photo = pix2pix.load("shoes").translate("docs/sketches/shoes/boot.png", seed=3)
        assert np.allclose(ours.encode(photo), torchs.encode(photo), atol=1e-4)
        assert np.abs(ours.encode(photo)).max() > 1e-4
    if ours.judges:
        maps = [t.realism(sketches, expected, rows).astype(int) for t in (ours, torchs)]
        assert np.abs(maps[0] - maps[1]).max() <= 1 and maps[0].std() > 1


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
    path = damaged(whole, tmp_path / "damaged.safetensors", **{"generator.downs.0.conv.weight": tensor})
    with pytest.raises(CorruptBundle, match=r"damaged\.safetensors.*do not fit"):
        pix2pix.load(path, device="cpu", engine=engine)


@pytest.mark.parametrize(
    ("device", "engine", "told"),
    [
        ("cpu", "tensorflow", "not one of: auto, onnxruntime, torch"),
        ("cuda", "onnxruntime", "computes on the CPU"),
        ("tpu", "onnxruntime", "computes on the CPU"),
        ("tpu", "torch", "is not one of"),
        ("cuda:99", "auto", "is not there"),
    ],
)
def test_what_is_not_there_is_told(tmp_path: Path, device: str, engine: str, told: str) -> None:
    path = save_untrained(tmp_path / "tiny.safetensors", TINY)
    with pytest.raises(UsageError, match=told):
        pix2pix.load(path, device=device, engine=engine)


def test_the_fastest_is_the_one_whose_photo_comes_soonest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_untrained(tmp_path / "tiny.safetensors", TINY)
    ours, torchs = (make_engine(path, "cpu", name) for name in ("onnxruntime", "torch"))
    seconds = {"onnxruntime": 2.0, "torch": 1.0}
    monkeypatch.setattr(engines, "_seconds", lambda engine, header: seconds[engine.name])

    def refuses(path: Path, device: str) -> None:
        raise UsageError("no compiler")

    made, header = engines._fastest([lambda *_: ours, refuses, lambda *_: torchs], path, "cpu")
    assert made is torchs[0] and header == torchs[1]
    with pytest.raises(UsageError, match="no compiler"):
        engines._fastest([refuses], path, "cpu")


def without_torch(code: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.modules['torch'] = None\n{code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_drawing_needs_no_torch_nor_anything_else_of_training() -> None:
    code = """
import base64, io
for name in ("torchvision", "albumentations", "skimage", "scipy", "lightning_fabric"):
    sys.modules[name] = None
import pix2pix
from app import create_app

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
    code = f"sys.argv = {arguments}\nfrom app.cli import main; main()"
    done = without_torch(code)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def test_where_torch_is_missing_the_engine_that_needs_it_says_so() -> None:
    done = without_torch("import pix2pix; pix2pix.load('shoes', engine='torch')")
    assert "torch is not installed, which GPUs and training need" in done.stderr


@pytest.mark.parametrize(
    ("device", "chosen"), [("auto", "onnxruntime"), ("cpu", "onnxruntime"), ("cuda", "torch")]
)
def test_a_cpu_needs_no_torch_and_a_gpu_does(
    device: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_gpu_is_of_use", lambda: False)
    assert engines.choose_engine(device, "auto") == chosen


def test_a_gpu_without_torch_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert not engines._gpu_is_of_use()
    assert engines.choose_engine("auto", "auto") == "onnxruntime"

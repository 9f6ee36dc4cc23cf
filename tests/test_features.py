"""Features of photos: compared with the networks' own packages, and on real photos."""

from __future__ import annotations

import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import needs_features
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import vgg16
from torchvision.transforms.functional import normalize

from pix2pix.errors import UsageError
from pix2pix.evaluate.estimates import kernel_distance, of_subject
from pix2pix.evaluate.features import classify, inception_features, perceptual_code, pooled_features
from pix2pix.evaluate.perceptual import INCEPTION_FILE, InceptionFeatures, ObjectFeatures, PerceptualDistance

IMAGENET_MEAN, IMAGENET_DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
INCEPTION_MODULE = "torch_fidelity.feature_extractor_inceptionv3"


@needs_features
def test_the_squared_distance_of_codes_is_lpips() -> None:
    """Against the lpips package itself."""
    network = PerceptualDistance("alex")
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 96, 64, 3), dtype=np.uint8)
    apart = float((perceptual_code(a, network) - perceptual_code(b, network)).square().sum())
    assert apart == pytest.approx(float(network(as_tensor(a), as_tensor(b))), rel=1e-4)


@needs_features
def test_pooled_features_are_those_of_vgg16() -> None:
    """Against torchvision, which has mean and deviation of ImageNet in another form."""
    network, reference = PerceptualDistance("vgg"), vgg16(weights=None).features[:30].eval()
    weights = load_file(Path(os.environ["PIX2PIX_FEATURES"]) / "lpips-vgg16.safetensors")
    reference.load_state_dict(
        {k.removeprefix("features."): v.float() for k, v in weights.items() if k.startswith("features.")}
    )
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pixels = normalize(
        torch.from_numpy(photo).permute(2, 0, 1)[None] / 255, IMAGENET_MEAN, IMAGENET_DEVIATION
    )
    expected = reference(pixels).mean((2, 3))[0].detach().numpy()
    found = pooled_features(photo, network)
    assert found.shape == (512,)
    np.testing.assert_allclose(found, expected, rtol=0.01, atol=1e-3)


@pytest.mark.parametrize(
    "module, make, name",
    [
        ("lpips", lambda: PerceptualDistance("alex"), "LPIPS"),
        ("efficientnet_lite_pytorch", ObjectFeatures, "EfficientNet-Lite2"),
        (INCEPTION_MODULE, InceptionFeatures, "FID"),
    ],
)
def test_missing_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, module: str, make: Callable[[], object], name: str
) -> None:
    """That of FID said `pip install torch-fidelity`, which is in the extra as well."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=f"^{name} needs the extra `eval`: .venv/bin/pip install -e"):
        make()


class Extractor(torch.nn.Module):
    """Stands in for torch-fidelity, whose weights are no part of this: the mean colour is the feature."""

    def __init__(self, name: str, features: list[str], weights: str | None, verbose: bool) -> None:
        super().__init__()
        self.weights = weights
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, photos: torch.Tensor) -> tuple[torch.Tensor]:
        assert photos.dtype == torch.uint8
        return (photos.float().mean((2, 3)) * self.scale,)


def test_inception_has_its_weights_from_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, INCEPTION_MODULE, SimpleNamespace(FeatureExtractorInceptionV3=Extractor))
    monkeypatch.setenv("PIX2PIX_FEATURES", str(tmp_path))
    with pytest.raises(UsageError, match=f"which has no {INCEPTION_FILE}"):
        InceptionFeatures()
    (tmp_path / INCEPTION_FILE).touch()
    network = InceptionFeatures()
    assert network.net.weights == str(tmp_path / INCEPTION_FILE)
    photo = np.full((8, 6, 3), (10, 20, 30), np.uint8)
    np.testing.assert_allclose(inception_features(photo, network), [10, 20, 30])


def official_photos(archive: Path, count: int) -> list[np.ndarray]:
    """The first `count` validation photos of a tar of pairs."""
    with tarfile.open(archive) as tar:
        members = sorted(
            (m for m in tar.getmembers() if "val/" in m.name and m.isfile()), key=lambda m: m.name
        )
        files = [tar.extractfile(member) for member in members[:count]]
        return [np.asarray(Image.open(file).convert("RGB"))[:, 256:] for file in files if file]


@pytest.mark.parametrize("subject", ["shoes", "handbags"])
def test_real_photos_are_seen_for_what_they_are(real_data: Path, subject: str) -> None:
    """The known scale is 0.90 of all; with wrong preprocessing fewer are seen."""
    photos = official_photos(real_data / f"edges2{subject}.tar", 24)
    network = ObjectFeatures()
    seen = [classify(photo, network) for photo in photos]
    other = {"shoes": "handbags", "handbags": "shoes"}[subject]
    assert np.mean([of_subject(one.class_index, subject) for one in seen]) >= 0.79
    assert np.mean([of_subject(one.class_index, other) for one in seen]) <= 0.09
    assert all(one.features.shape == (1280,) for one in seen)


def test_blurred_photos_are_farther_from_real_ones_than_real_ones_are(real_data: Path) -> None:
    photos = official_photos(real_data / "edges2shoes.tar", 32)
    some, others = photos[::2], photos[1::2]
    blurred = [np.asarray(Image.fromarray(photo).resize((24, 24)).resize((256, 256))) for photo in some]
    network = ObjectFeatures()

    def features(photos: list[np.ndarray]) -> np.ndarray:
        return np.stack([classify(photo, network).features for photo in photos])

    reference = features(others)
    sharp, soft = (kernel_distance(features(each), reference) for each in (some, blurred))
    assert soft.value > sharp.value + 3 * np.hypot(sharp.error, soft.error)


def as_tensor(photo: np.ndarray) -> torch.Tensor:
    """(H, W, 3) uint8 -> (1, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(photo).permute(2, 0, 1)[None] / 127.5 - 1

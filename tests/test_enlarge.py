"""The network that enlarges photos, and where it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper
from PIL import Image

import pix2pix
from app.cli.main import main
from pix2pix.errors import BundleNotFound, UsageError
from pix2pix.images.framing import Placement, padded_square
from pix2pix.inference import enlarge
from pix2pix.inference.enlarge import NETWORK, enlarged, photo_of_size


def disc(side: int, colour: tuple[int, int, int] = (180, 40, 40)) -> np.ndarray:
    """A disc on white, (side, side, 3) uint8, with hard edges."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    inside = rows**2 + columns**2 < (0.35 * side) ** 2
    return np.where(inside[..., None], np.array(colour), 255).astype(np.uint8)


def convolved(picture: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A convolution of (C, H, W) by definition, with zeros around."""
    _, height, width = picture.shape
    padded = np.pad(picture, ((0, 0), (1, 1), (1, 1)))
    taps = [(row, column) for row in range(3) for column in range(3)]
    windows = [padded[:, row : row + height, column : column + width] for row, column in taps]
    weights = [weight[:, :, row, column] for row, column in taps]
    sums = sum(np.einsum("oc,chw->ohw", *pair) for pair in zip(weights, windows, strict=True))
    return sums + bias[:, None, None]


def test_the_network_computes_what_its_layers_say() -> None:
    stored = onnx.load(NETWORK).graph.initializer
    values = {one.name: numpy_helper.to_array(one).astype(np.float64) for one in stored}
    features = picture = np.random.default_rng(0).random((3, 6, 5))
    for i in range(18):
        features = convolved(features, values[f"weight_{i}_stored"], values[f"bias_{i}_stored"])
        if i < 17:
            features = np.where(features > 0, features, values[f"slope_{i}_stored"] * features)
    expected = np.empty((3, 24, 20))
    for channel, row, column in np.ndindex(expected.shape):
        detail = features[channel * 16 + row % 4 * 4 + column % 4, row // 4, column // 4]
        expected[channel, row, column] = detail + picture[channel, row // 4, column // 4]
    (computed,) = enlarge._network().run(None, {"photo": picture[None].astype(np.float32)})
    assert np.abs(computed[0] - expected).max() < 1e-5


def test_an_edge_gets_sharper_than_by_interpolation() -> None:
    exact = disc(192)
    photo = np.asarray(Image.fromarray(exact).resize((48, 48), Image.Resampling.BOX))
    lanczos = np.asarray(Image.fromarray(photo).resize((192, 192), Image.Resampling.LANCZOS))

    def difference(picture: np.ndarray) -> float:
        return float(np.abs(picture.astype(float) - exact).mean())

    assert difference(enlarged(photo)) < 0.9 * difference(lanczos)


def test_an_area_keeps_its_colour() -> None:
    for colour in ((230, 200, 60), (90, 70, 60)):
        assert np.abs(enlarged(disc(48, colour))[80:112, 80:112].astype(int) - colour).max() <= 2


def test_white_ground_stays_white() -> None:
    larger = enlarged(disc(48))
    assert (larger[:24] == 255).all()
    assert (larger[:, -24:] == 255).all()


def test_alpha_grows_with_the_photo_and_keeps_no_white_rim() -> None:
    photo = disc(48)
    alpha = np.where(photo[..., 1] == 40, 255, 0).astype(np.uint8)
    larger = enlarged(np.dstack([photo, alpha]))
    assert larger.shape == (192, 192, 4)
    assert (larger[:24, :, 3] == 0).all()
    assert (larger[90:102, 90:102, 3] > 250).all()
    on_black = larger[..., 1].astype(float) * larger[..., 3] / 255  # green: 40 in the disc, 255 in a rim
    assert on_black.max() < 110


@pytest.mark.parametrize(("size_px", "shape"), [(32, (16, 32)), (96, (48, 96)), (500, (250, 500))])
def test_a_page_gets_the_size_that_is_asked_for(size_px: int, shape: tuple[int, int]) -> None:
    page = photo_of_size(disc(32), padded_square(50, 100), size_px)
    assert page.shape == (*shape, 3)
    assert page[shape[0] // 2, shape[1] // 2].tolist() == pytest.approx([180, 40, 40], abs=2)


def test_a_small_drawing_keeps_its_place_on_a_larger_page() -> None:
    placement = Placement(100, 100, top=60, left=10, side_px=30)
    page = photo_of_size(disc(32), placement, 400)
    rows, columns = np.nonzero(page[..., 1] < 150)
    assert (rows.mean() / 4, columns.mean() / 4) == pytest.approx((75, 25), abs=0.5)


def test_a_square_beside_the_page_keeps_a_pixel_on_it() -> None:
    for placement in (Placement(9, 300, 4, -5, 6), Placement(300, 9, -3, 8, 4)):
        assert max(photo_of_size(disc(32), placement, 7).shape) == 7


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enlarge, "NETWORK", tmp_path / "enlarger.onnx")
    enlarge._network.cache_clear()
    with pytest.raises(BundleNotFound) as raised:
        enlarged(disc(8))
    assert str(raised.value) == (
        f"{tmp_path / 'enlarger.onnx'} is missing, which enlarges photos: install pix2pix again"
    )


def test_translate_makes_a_photo_of_a_size(tiny_bundle: Path) -> None:
    translator = pix2pix.load(tiny_bundle)
    sketch = np.full((40, 64), 255, np.uint8)
    sketch[8:30, 10:50] = 0
    photo = translator.translate(sketch, size_px=256)
    assert photo.size == (256, 160)
    small = np.asarray(translator.translate(sketch), float)
    again = np.asarray(photo.resize((64, 40), Image.Resampling.BOX), float)
    assert np.abs(small - again).mean() < 16
    assert translator.translate(sketch, size_px=256, transparent=True).mode == "RGBA"
    with pytest.raises(UsageError, match=r"size_px 0 is not in 1..8192"):
        translator.translate(sketch, size_px=0)


def test_convert_enlarges_with_the_network(tiny_bundle: Path, tmp_path: Path) -> None:
    Image.fromarray(disc(64)).save(tmp_path / "a.png")
    arguments = ["convert", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--model", str(tiny_bundle)]
    result = CliRunner().invoke(main, [*arguments, "--size", "200"])
    assert result.exit_code == 0, result.output
    expected = pix2pix.load(tiny_bundle).translate(tmp_path / "a.png", size_px=200)
    with Image.open(tmp_path / "b.png") as photo:
        assert np.array_equal(np.asarray(photo), np.asarray(expected))

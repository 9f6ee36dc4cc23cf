from __future__ import annotations

import math
import pickle
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage
from test_real_data import unpack

from data_prep import prepare
from data_prep.edges import EDGE_METHODS, LEARNED, edge_method
from pix2pix.errors import UsageError
from pix2pix.images.framing import UInt8
from pix2pix.images.io import save_image
from pix2pix.pairs import list_pairs

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "edges.py"
MAX_NETWORK_BYTES = 6_000_000
CENTRE, RADIUS = 128, 80
VAL_PAIRS = 8
F_FLOORS = {"shoes": 0.75, "handbags": 0.75}
every_method = pytest.mark.parametrize("name", EDGE_METHODS)


@pytest.fixture(scope="module")
def disc() -> UInt8:
    """A dark brown disc on white."""
    photo = np.full((2 * CENTRE, 2 * CENTRE, 3), 255, np.uint8)
    cv2.circle(photo, (CENTRE, CENTRE), RADIUS, (70, 45, 30), -1, cv2.LINE_AA)
    return photo


@every_method
@pytest.mark.parametrize("size", [(1, 1), (1, 64), (101, 37), (20, 3000), (257, 255)])
def test_a_sketch_has_the_photos_size_and_is_ink_or_paper(name: str, size: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = photo.copy()
    sketch = edge_method(name)(photo)
    assert sketch.shape == size and sketch.dtype == np.uint8
    assert set(np.unique(sketch)) <= {0, 255}
    assert np.array_equal(photo, before)


@every_method
@pytest.mark.parametrize("level", [255, 128, 0])
def test_a_photo_of_nothing_is_blank_paper(name: str, level: int) -> None:
    for size in ((256, 256), (60, 90)):
        assert (edge_method(name)(np.full((*size, 3), level, np.uint8)) == 255).all()


@every_method
def test_a_dark_disc_is_drawn_as_its_rim(name: str, disc: UInt8) -> None:
    sketch = edge_method(name)(disc)
    rows, columns = np.nonzero(sketch == 0)
    off_rim = np.abs(np.hypot(rows - CENTRE, columns - CENTRE) - RADIUS)
    assert off_rim.max() <= 5
    angles = np.degrees(np.arctan2(rows - CENTRE, columns - CENTRE)).astype(int) // 10
    assert len(set(angles)) >= 34  # of 36 sectors: nearly the whole way round


@every_method
def test_lines_are_one_pixel_wide(name: str, disc: UInt8) -> None:
    sketch = edge_method(name)(disc)
    solid = ndimage.minimum_filter((sketch == 0).astype(np.uint8), (2, 2))
    assert (sketch == 0).sum() > math.pi * RADIUS
    assert solid.sum() <= 0.02 * (sketch == 0).sum()  # a few corners of the thinning


@every_method
def test_the_same_photo_gives_the_same_sketch_in_another_process(name: str, disc: UInt8) -> None:
    there = pickle.loads(pickle.dumps(edge_method(name)))
    assert np.array_equal(there(disc), edge_method(name)(disc))


@every_method
def test_coloured_edges_of_one_lightness_are_seen_by_all_but_xdog(name: str) -> None:
    """Red beside a grey of its luminance: `xdog` works on luminance alone, and says so."""
    photo = np.full((256, 256, 3), 255, np.uint8)
    photo[40:216, 40:216] = 76  # 0.299 * 255
    photo[40:216, 128:216] = (255, 0, 0)
    drawn = (edge_method(name)(photo)[60:196, 120:136] == 0).any(axis=1).mean()
    assert drawn < 0.1 if name == "xdog" else drawn > 0.8


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'hed' is not one of: learned, canny, xdog"):
        edge_method("hed")


def test_importing_the_edge_methods_needs_no_torch() -> None:
    code = (
        "import sys, numpy, data_prep.edges as edges\n"
        "for name in ('canny', 'xdog'): edges.edge_method(name)(numpy.zeros((8, 8, 3), numpy.uint8))\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_drawing_learned_edges_needs_no_torch(tmp_path: Path, disc: UInt8) -> None:
    """Where it is not installed, importing it fails."""
    (tmp_path / "src").mkdir()
    save_image(tmp_path / "src/disc.png", disc)
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path; from data_prep import prepare\n"
        "print([result.status for result in prepare(Path(sys.argv[1]), Path(sys.argv[2]))])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "src"), str(tmp_path / "pairs")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "['written']\n"


def test_the_shipped_network_is_light() -> None:
    assert LEARNED.stat().st_size <= MAX_NETWORK_BYTES


def test_learned_is_the_nearest_to_the_official_edge_maps(real_data: Path, tmp_path: Path) -> None:
    measure = runpy.run_path(str(BENCHMARK))["measure"]
    for name, floor in F_FLOORS.items():
        unpack(real_data / f"edges2{name}.tar", tmp_path, "val/", VAL_PAIRS)
        assert all(
            r.status == "written" for r in prepare(tmp_path / f"edges2{name}", tmp_path / name, kind="ab")
        )
        pairs = list_pairs(tmp_path / name, "val")
        assert len(pairs) == VAL_PAIRS
        f = {method: measure(edge_method(method), pairs)[0][2] for method in EDGE_METHODS}
        assert f["learned"] >= floor
        assert f["learned"] > f["canny"] > f["xdog"]

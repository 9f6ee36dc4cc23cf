"""Edge methods: draw the sketch of a photo.

draw = edge_method("learned")
sketch = draw(photo)            # (H, W, 3) uint8 -> (H, W) uint8, paper 255, ink 0

`learned` draws like the official pairs (HED, thinned); `canny` and `xdog` need no weights. All draw lines one
pixel wide at the photo's scale, without specks. docs/edges.md compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime
from skimage.filters import apply_hysteresis_threshold
from skimage.morphology import skeletonize

from pix2pix.errors import UsageError
from pix2pix.images.framing import UInt8

EDGE_METHODS: tuple[str, ...] = ("learned", "canny", "xdog")
LEARNED = Path(__file__).parent / "learned_edges.onnx"
LEARNED_VERSION = "learned 7f407bbf"  # change it with the weights: then `prepare` draws every sketch again

# Chosen on 120 official training pairs for the best F of edge pixels: see docs/edges.md.
SHORTEST_PX = 10  # lines of fewer pixels are specks
CANNY_SIGMA_PX = 2.0
CANNY_HIGH = 1.5  # times the root mean square of the gradient
CANNY_LOW = 0.4  # times the high threshold
CANNY_FAINTEST = 10.0  # lowest high threshold, a step of 2.5 % of the range: plain areas stay blank
LEARNED_SIGMA_PX = 0.7
LEARNED_LOW, LEARNED_HIGH = 0.75, 0.8  # of ink's 0 to 1
MULTIPLE_PX = 64  # both sides of the network's input are multiples of it, at least twice it
PLAIN_PX, PLAIN_LEVELS = 9, 6  # window, and the least change in it that is not plain
XDOG_SIGMA_PX = 0.5
XDOG_SHARPNESS = 60.0
XDOG_LEVEL = -0.2


def edge_method(name: str) -> Callable[[UInt8], UInt8]:
    """Returns a function from a photo (H, W, 3) uint8 RGB to a sketch (H, W) uint8, paper 255, ink 0.

    The function can be pickled. Raises UsageError for a name not in EDGE_METHODS.
    """
    methods = dict(zip(EDGE_METHODS, (learned, canny, xdog), strict=True))
    if name not in methods:
        raise UsageError(f"edge method {name!r} is not one of: {', '.join(EDGE_METHODS)}")
    return methods[name]


def version(name: str) -> str:
    """Returns a text that differs between methods, and between versions of the weights."""
    return LEARNED_VERSION if name == "learned" else name


def canny(photo: UInt8) -> UInt8:
    """Canny (1986) on the smoothed colours; the thresholds are relative to the photo's gradients."""
    smooth = cv2.GaussianBlur(photo, (0, 0), CANNY_SIGMA_PX)
    dx, dy = cv2.Sobel(smooth, cv2.CV_16S, 1, 0), cv2.Sobel(smooth, cv2.CV_16S, 0, 1)
    steepness = np.hypot(dx, dy, dtype=np.float32).max(axis=2)  # of the channel that changes most
    high = max(CANNY_HIGH * float(np.sqrt(np.mean(steepness**2))), CANNY_FAINTEST)
    return _sketch(cv2.Canny(smooth, CANNY_LOW * high, high, L2gradient=True) > 0)


def xdog(photo: UInt8) -> UInt8:
    """Extended difference of Gaussians (Winnemöller et al. 2012) of the luminance, thinned.

    With one threshold: the soft step of the paper makes no difference after thinning.
    """
    grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(255)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), s) for s in (XDOG_SIGMA_PX, 1.6 * XDOG_SIGMA_PX))
    return _sketch((1 + XDOG_SHARPNESS) * fine - XDOG_SHARPNESS * coarse < XDOG_LEVEL)


def learned(photo: UInt8) -> UInt8:
    """Draws with a network trained from photos to the official edge maps."""
    ink = _ink(photo) * _is_not_plain(photo)
    return _sketch(apply_hysteresis_threshold(_crests(ink), LEARNED_LOW, LEARNED_HIGH))


def _ink(photo: UInt8) -> npt.NDArray[np.float32]:
    """(H, W, 3) uint8 of any size -> probability of ink of each pixel, (H, W) float32 in [0, 1]."""
    height, width = photo.shape[:2]
    whole = (max(2 * MULTIPLE_PX, -(-side // MULTIPLE_PX) * MULTIPLE_PX) for side in (height, width))
    below, right = (longer - side for longer, side in zip(whole, (height, width), strict=True))
    padded = cv2.copyMakeBorder(photo, 0, below, 0, right, cv2.BORDER_REPLICATE)
    ink: npt.NDArray[np.float32] = _network().run(None, {"photo": padded})[0][:height, :width]
    return ink


@lru_cache(maxsize=1)
def _network() -> onnxruntime.InferenceSession:
    """With one thread: the processes of `prepare` share the cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(LEARNED, options, providers=["CPUExecutionProvider"])


def _is_not_plain(photo: UInt8) -> npt.NDArray[np.bool_]:
    """(H, W): whether a colour changes nearby. In plain areas instance norm amplifies noise to lines."""
    window = np.ones((PLAIN_PX, PLAIN_PX), np.uint8)
    spread = np.asarray(cv2.subtract(cv2.dilate(photo, window), cv2.erode(photo, window)))
    changes: npt.NDArray[np.bool_] = spread.max(axis=2) >= PLAIN_LEVELS
    return changes


def _crests(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The smoothed ink (H, W) where it is greatest across its line, else 0: non-maximum suppression as in
    Canny (1986). Thinning instead would turn every dark area into a net.
    """
    x = cv2.GaussianBlur(ink, (0, 0), LEARNED_SIGMA_PX)
    dxx, dyy, dxy = (cv2.Sobel(x, cv2.CV_32F, *order, ksize=5) for order in ((2, 0), (0, 2), (1, 1)))
    # The Hessian's axis with the greater (less negative) curvature
    along = 0.5 * np.arctan2(2 * dxy, dxx - dyy)
    across = np.stack([-np.sin(along), np.cos(along)])
    columns_rows = np.indices(x.shape, dtype=np.float32)[::-1]
    greatest = np.ones(x.shape, bool)
    for side in (columns_rows + across, columns_rows - across):
        beside = cv2.remap(x, side[0].astype(np.float32), side[1].astype(np.float32), cv2.INTER_LINEAR)
        greatest &= x >= beside
    return np.where(greatest, x, np.float32(0))


def _sketch(ink: npt.NDArray[np.bool_]) -> UInt8:
    """Thins ink (H, W) to lines and removes specks: (H, W) uint8, paper 255, ink 0."""
    lines = skeletonize(ink)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(lines.astype(np.uint8), connectivity=8)
    kept = stats[:, cv2.CC_STAT_AREA] >= SHORTEST_PX
    kept[0] = False  # label 0 is the paper
    return np.where(kept[labels], 0, 255).astype(np.uint8)

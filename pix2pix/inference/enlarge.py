"""Enlarges photos with a network, four times: Real-ESRGAN's small one (Wang et al. 2021), on the CPU."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pix2pix.errors import BundleNotFound
from pix2pix.images.framing import Placement, UInt8, restore_photo
from pix2pix.images.transparency import WHITE, cut_out, over

if TYPE_CHECKING:
    import onnxruntime

NETWORK = Path(__file__).with_name("enlarger.onnx")  # made by docs/recipes/enlarger.py
COLOURS_PX = 5  # window in which a photo keeps its mean colour: the network lightens yellow by 7 levels
MAX_SIZE_PX = 8192  # of the longer side of a photo


def photo_of_size(photo: UInt8, placement: Placement, size_px: int | None = None) -> UInt8:
    """Puts a photo (S, S, 3 or 4) back on its page like `restore_photo`.

    With `size_px`, that is the length of the page's longer side, and the network enlarges a photo that grows.
    Raises BundleNotFound if the network's file is missing.
    """
    if size_px is None:
        return restore_photo(photo, placement)
    page = placement.scaled(size_px)
    return restore_photo(enlarged(photo) if page.side_px > photo.shape[0] else photo, page)


def enlarged(photo: UInt8) -> UInt8:
    """Enlarges a photo (H, W, 3), or one with straight alpha (H, W, 4), four times: (4H, 4W, 3 or 4) uint8.

    Pure white ground stays white. Raises BundleNotFound if the network's file is missing.
    """
    if photo.shape[2] == 4:
        outside = np.repeat(255 - photo[..., 3:], 3, axis=2)  # bicubic alpha would leave white rims
        return cut_out(enlarged(over(photo, WHITE)), 255 - enlarged(outside)[..., 1])
    height, width = photo.shape[:2]
    pixels = photo.astype(np.float32) / 255
    output = _network().run(None, {"photo": pixels.transpose(2, 0, 1)[None]})[0][0]  # (3, 4H, 4W)
    larger = np.ascontiguousarray(output.transpose(1, 2, 0))
    size = (larger.shape[1], larger.shape[0])
    shift = pixels - cv2.resize(larger, (width, height), interpolation=cv2.INTER_AREA)
    larger += cv2.resize(cv2.blur(shift, (COLOURS_PX, COLOURS_PX)), size)
    white = (photo.min(axis=2) == 255).view(np.uint8)
    ground = cv2.resize(cv2.erode(white, np.ones((3, 3), np.uint8)), size, interpolation=cv2.INTER_NEAREST)
    larger[ground > 0] = 1
    rounded: UInt8 = np.round(255 * np.clip(larger, 0, 1)).astype(np.uint8)
    return rounded


@lru_cache(maxsize=1)
def _network() -> onnxruntime.InferenceSession:
    from pix2pix.inference.engines.on_onnxruntime import make_session

    if not NETWORK.exists():
        raise BundleNotFound(f"{NETWORK} is missing, which enlarges photos: install pix2pix again")
    return make_session(str(NETWORK))

"""Matting: the colour and coverage of a product whose mask and white ground are known.

foreground, alpha = estimate_foreground(photo, mask)   # photo = alpha * foreground + (1 - alpha) * white

Masks are whole pixels, and often one or two too wide. Pixels at a product's rim are mixed with the ground,
and thin parts, such as handles, have few others.
"""

from __future__ import annotations

import cv2
import numpy as np

from pix2pix.images.framing import UInt8

RIM_PX = 3  # depth of the mask at which its pixels are not mixed
REACH_PX = 11  # side of the square from which a mixed pixel gets its colour
MIXED_WEIGHT = 0.02  # of a mixed pixel in that colour, against 1, if it is black; less if it is lighter
FAINT = 55.0  # levels off white, over three channels: alpha is not visible in lighter products


def estimate_foreground(photo: UInt8, mask: UInt8) -> tuple[UInt8, UInt8]:
    """Returns the foreground (H, W, 3) and alpha (H, W) of a photo (H, W, 3) on white; all are uint8.

    `mask` (H, W) is 255 for product and 0 for ground. Within three pixels of its border, the foreground is
    the mean of unmixed pixels nearby, or of the darkest where all are mixed, and alpha is the share of it
    that explains the pixel. Elsewhere the photo and the mask stay as they are.
    """
    product = (mask > 127).astype(np.uint8)
    inner = cv2.erode(product, np.ones((2 * RIM_PX + 1, 2 * RIM_PX + 1), np.uint8))
    mixed = (cv2.dilate(product, np.ones((3, 3), np.uint8)) > 0) & (inner == 0)
    off_white = 255 - photo.astype(np.float32)
    darkness = (off_white.max(axis=2) / 255) ** 4
    weight = inner + product * (MIXED_WEIGHT * darkness + 1e-6).astype(np.float32)
    sums = cv2.blur(np.dstack([off_white * weight[..., None], weight]), (REACH_PX, REACH_PX))
    nearby = sums[..., :3] / np.maximum(sums[..., 3:], 1e-9)
    length = np.square(nearby).sum(axis=2)
    share = (off_white * nearby).sum(axis=2) / np.maximum(length, 1)
    share = np.where(length > FAINT**2, share.clip(0, 1), product)
    mixed &= share < 1
    foreground = 255 - np.where(mixed[..., None], nearby, off_white)
    alpha = 255 * np.where(mixed, share, product)
    return foreground.round().astype(np.uint8), alpha.round().astype(np.uint8)

"""What the doctor reads off a mask: how much is product, and whether that can be."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pix2pix.images.framing import UInt8

AROUND_LINES_PX = 4  # a mask may reach so far beyond the outermost lines


@dataclass(frozen=True)
class Silhouette:
    """`covered`, `border` and `beyond` are shares in 0..1, `holes` is a number.

    `covered` of the picture, and `border` of its outermost pixels, is product; `beyond` of the product lies
    outside of the convex hull of the sketch's lines; `holes` are regions of ground inside of the product.
    """

    covered: float
    holes: int
    border: float
    beyond: float


def silhouette(mask: UInt8, sketch: UInt8) -> Silhouette:
    """Of a mask (H, W) uint8, product 255, and its sketch (H, W) uint8, paper 255."""
    product = (mask > 0).view(np.uint8)
    area = max(int(product.sum()), 1)
    border = np.concatenate([product[0], product[-1], product[:, 0], product[:, -1]])
    ground = cv2.copyMakeBorder(1 - product, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    regions = cv2.connectedComponents(ground, connectivity=4)[0] - 1  # label 0 is the product
    return Silhouette(
        covered=float(product.mean()),
        holes=regions - 1,  # one region is outside
        border=float(border.mean()),
        beyond=float((product & ~_hull(sketch)).sum()) / area,
    )


def _hull(sketch: UInt8) -> UInt8:
    """The convex hull (H, W) of {0, 1} of a sketch's lines, and a little around it."""
    inside = np.zeros_like(sketch)
    lines = cv2.findNonZero((sketch < 128).view(np.uint8))
    if lines is not None:
        cv2.fillConvexPoly(inside, cv2.convexHull(lines), (1,))
    side = 2 * AROUND_LINES_PX + 1
    return np.asarray(cv2.dilate(inside, np.ones((side, side), np.uint8)), np.uint8)

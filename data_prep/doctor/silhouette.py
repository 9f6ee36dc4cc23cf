"""Measures a mask: how much is product, and whether that is plausible."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pix2pix.images.framing import UInt8

AROUND_LINES_PX = 4  # by which a mask may extend beyond the outermost lines


@dataclass(frozen=True)
class Silhouette:
    """Measurements of a mask; `covered`, `border` and `beyond` are shares in [0, 1].

    `covered`: share of the picture that is product; `holes`: number of background regions inside the product;
    `border`: share of the picture's outermost pixels that is product; `beyond`: share of the product outside
    of the convex hull of the sketch's lines.
    """

    covered: float
    holes: int
    border: float
    beyond: float


def silhouette(mask: UInt8, sketch: UInt8) -> Silhouette:
    """Measures a mask (H, W) uint8, product 255, with its sketch (H, W) uint8, paper 255."""
    product = (mask > 0).view(np.uint8)
    area = max(int(product.sum()), 1)
    border = np.concatenate([product[0], product[-1], product[:, 0], product[:, -1]])
    ground = cv2.copyMakeBorder(1 - product, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    regions = cv2.connectedComponents(ground, connectivity=4)[0] - 1  # label 0 is the product
    return Silhouette(
        covered=float(product.mean()),
        holes=regions - 1,  # one region is the background around the product
        border=float(border.mean()),
        beyond=float((product & ~_hull(sketch)).sum()) / area,
    )


def _hull(sketch: UInt8) -> UInt8:
    """The convex hull of a sketch's lines and AROUND_LINES_PX around it, as (H, W) of {0, 1}."""
    inside = np.zeros_like(sketch)
    lines = cv2.findNonZero((sketch < 128).view(np.uint8))
    if lines is not None:
        cv2.fillConvexPoly(inside, cv2.convexHull(lines), (1,))
    side = 2 * AROUND_LINES_PX + 1
    return np.asarray(cv2.dilate(inside, np.ones((side, side), np.uint8)), np.uint8)

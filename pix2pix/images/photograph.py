"""Recognises photographs that are given as sketches."""

from __future__ import annotations

import cv2
import numpy as np

from pix2pix.images.framing import UInt8
from pix2pix.images.sketch_or_photo import number_of_colours, small

RIM_PX = 2  # lengths are in pixels of the copy that `small` makes
LIGHT = 200  # the least level of the ground
PLAIN, PLAIN_SHARE = 6, 0.6  # most levels off the ground, of this share of the rim
DARKER, DARKER_PER_NOISE = 8, 2  # levels below the ground where the subject begins
GAP_PX = 5  # narrower gaps in an outline count as closed
SOLID_PX, LEAST_SOLID = 7, 0.5  # a square that fits in no stroke; least share of the subject where it fits
FEWEST_LEVELS, BINS = 10, 64  # equally frequent levels with the subject's entropy, of this number of bins
FAINT, STEEP, LEAST_GRADUAL = 6, 40, 0.15  # levels between neighbours, and least share between these limits
SOFTEST_SHARE, SHARPEST = 0.1, 26  # this share of an outline is no steeper, in levels between neighbours
COLOURS_OF_SCENE = 170  # all but one of 1,900 made-up drawings without a plain ground have fewer
LINE, MOST_LINED = 24, 0.75  # levels that a drawn outline is darker than the inside; most of the outline


def is_photograph(pixels: UInt8) -> bool:
    """Returns whether (H, W) or (H, W, 3) uint8 is a photo: a product on a light plain ground, or a scene.

    The limits were chosen on 728 product photos, 1,902 drawings and edge maps, and 2,400 drawings that were
    made up (shaded, filled, scanned, photographed), so that drawings are hardly ever taken for photos: none
    of the 1,902, and 0.8 % of the made-up ones. 82 % of the photos are recognised. A scene has very many
    colours: most photos of drawings have no plain ground either, as they are lit unevenly. For a product all
    of this must hold:

    1. The ground is light and plain.
    2. The subject, which is all that the ground does not reach from the rim, is solid: lines are thin, and
       between them is paper.
    3. The subject has many levels. Silhouettes and flat clip art have few.
    4. Much of it changes gradually, neither evenly filled nor hatched.
    5. Its outline is blurred somewhere, and is no dark line all around: shaded drawings have one.
    """
    picture = small(pixels)
    planes = [np.asarray(plane, np.uint8) for plane in cv2.split(picture)]
    rim = np.stack([_rim(plane) for plane in planes], axis=1).astype(np.int16)  # (N, channels)
    ground = np.median(rim, axis=0).astype(np.uint8)
    noise = float(np.quantile(np.abs(rim - ground).max(axis=1), PLAIN_SHARE))
    if ground.min() < LIGHT or noise > PLAIN:
        return picture.ndim == 3 and number_of_colours(picture) >= COLOURS_OF_SCENE
    below = [level - np.minimum(plane, level) for plane, level in zip(planes, ground, strict=True)]
    darkness: UInt8 = np.maximum.reduce(below)
    marks = (darkness > DARKER + DARKER_PER_NOISE * noise).view(np.uint8)
    subject = _filled(marks)
    solid = cv2.morphologyEx(marks, cv2.MORPH_OPEN, _square(SOLID_PX))
    if np.count_nonzero(solid) < max(1.0, LEAST_SOLID * np.count_nonzero(subject)):
        return False
    brightness = np.mean(planes, axis=0).astype(np.uint8)
    return _is_shaded(subject, darkness, brightness) and not _is_drawn_round(subject, darkness)


def _is_shaded(subject: UInt8, darkness: UInt8, brightness: UInt8) -> bool:
    """Whether the inside of a subject {0, 1} has many levels, and gradients between them."""
    inside = cv2.erode(subject, _square(5)) > 0
    if not inside.any():
        return False
    steps = _steps(darkness)[inside]
    gradual = float(np.mean((steps > FAINT) & (steps <= STEEP)))
    return gradual >= LEAST_GRADUAL and _number_of_levels(brightness[inside]) >= FEWEST_LEVELS


def _is_drawn_round(subject: UInt8, darkness: UInt8) -> bool:
    """Whether the outline of a subject {0, 1} is a dark line, or sharp everywhere, as pens draw it."""
    outline = _steps(subject) > 0
    if not outline.any():  # it fills the picture
        return True
    line = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    thin = cv2.dilate(cv2.morphologyEx(darkness, cv2.MORPH_TOPHAT, line), _square(5))
    softest = float(np.quantile(_steps(darkness)[outline], SOFTEST_SHARE))
    return softest > SHARPEST or float(np.mean(thin[outline] >= LINE)) > MOST_LINED


def _steps(levels: UInt8) -> UInt8:
    """Returns the range of levels in the 3 x 3 pixels around each, (H, W)."""
    return np.asarray(cv2.morphologyEx(levels, cv2.MORPH_GRADIENT, _square(3)), np.uint8)


def _rim(plane: UInt8) -> UInt8:
    ends, sides = (plane[:RIM_PX], plane[-RIM_PX:]), (plane[:, :RIM_PX], plane[:, -RIM_PX:])
    return np.concatenate([part.ravel() for part in (*ends, *sides)])


def _filled(marks: UInt8) -> UInt8:
    """Returns marks {0, 1} with what they enclose."""
    closed = cv2.morphologyEx(marks, cv2.MORPH_CLOSE, _square(GAP_PX))
    padded = np.pad(np.asarray(closed, np.uint8), 1)
    cv2.floodFill(padded, None, (0, 0), (2.0,))
    return np.asarray(padded[1:-1, 1:-1] != 2, np.uint8)


def _number_of_levels(levels: UInt8) -> float:
    """Returns e to the entropy: how many equally full bins are as varied."""
    shares = np.bincount(levels // (256 // BINS)) / levels.size
    shares = shares[shares > 0]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def _square(side_px: int) -> UInt8:
    return np.ones((side_px, side_px), np.uint8)

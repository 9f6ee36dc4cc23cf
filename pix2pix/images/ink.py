"""Separates ink from paper: the computation of `read_sketch`, on arrays.

Ink is what differs from the paper in any channel and direction: yellow on white and white on black are ink,
as is black on white. Flat paper (drawn on a screen, or scanned) has one colour; under uneven light the paper
is estimated around every pixel and divided out, as document scanners do.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from pix2pix.images.flat_areas import outlined_areas, outlines
from pix2pix.images.framing import UInt8, small_copy
from pix2pix.images.notices import AREAS, BLANK, PAIR, PHOTOGRAPH, Notice
from pix2pix.images.photograph import is_photograph
from pix2pix.images.ruled_paper import without_rules
from pix2pix.images.sketch_or_photo import is_pair

Float32 = npt.NDArray[np.float32]
Scalar = TypeVar("Scalar", np.uint8, np.float32)

NOISE_SHARE = 0.12  # of the full stroke strength; JPEG noise of the official edge maps stays under 0.11
SMALL_PX = 160  # longer side of the small copies below
FAINTEST = 0.05  # the weakest strength that counts as ink: 13 of 255 levels
FAINTEST_PHOTO = 0.12  # the same on a photographed page, whose paper has grain
DARKEST_SHADE = 0.45  # share of the light that paper in shadow keeps at least; darker areas are ink
KERNEL = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13))  # wider than strokes of a small copy
LOUDEST_GRAIN = 0.15  # limit of the noise of photographed paper
THICKEST = 0.02  # of the picture's side: half the width of the widest stroke on a photographed page
LEAST_OUTLINED = 0.005  # share of the picture that the borders of areas cover at least
NEAR_LEVELS = 6  # largest distance of paper from its colour
OFF_LEVELS = 40  # the same in a soft shade
SHADOW_LEVELS = 130  # the same in a hard shadow


def ink_on_paper(pixels: UInt8) -> tuple[UInt8, tuple[Notice, ...]]:
    """Turns (H, W) or (H, W, 3) uint8 of any polarity into a sketch (H, W) uint8, paper 255, ink 0.

    Also returns notices for the user.
    """
    pixels = _single_channel_if_grey(pixels)
    sketch, notices = _strokes_or_borders(pixels)
    if pixels.ndim == 3 and is_pair(pixels):
        return sketch, (PAIR,)
    if is_photograph(pixels):
        return sketch, (PHOTOGRAPH,)
    return sketch, notices if sketch.min() < 255 else (*notices, BLANK)


def strokes_alone(pixels: UInt8) -> UInt8:
    """Returns the sketch as `ink_on_paper`, but does not look for rules, areas or photos."""
    pixels = _single_channel_if_grey(pixels)
    return _strokes_on_paper(pixels, _paper_colour(pixels), may_be_ruled=False)[0]


def light_of_paper(pixels: UInt8) -> Float32:
    """Returns the colour of a drawing's paper: (3,) if it is flat, else at every pixel, (H, W, 3).

    `pixels` are (H, W, 3) uint8, and the colour is in levels, 1 to 255.
    """
    paper = _paper_colour(pixels)
    if _is_flat(pixels, paper):
        return np.maximum(paper, 1)
    channels = zip(cv2.split(pixels), paper, strict=True)
    return np.dstack([_light(np.asarray(channel, np.uint8), float(level)) for channel, level in channels])


def _strokes_or_borders(pixels: UInt8) -> tuple[UInt8, tuple[Notice, ...]]:
    paper = _paper_colour(pixels)
    if (outlined := outlined_areas(pixels, paper)) is not None:
        return outlined, (AREAS,)
    sketch, notice = _strokes_on_paper(pixels, paper)
    if sketch.min() == 255:
        outlined = outlines(pixels)
        if float(np.mean(outlined < 128)) > LEAST_OUTLINED:
            return outlined, (AREAS,)
    return sketch, () if notice is None else (notice,)


def _strokes_on_paper(
    pixels: UInt8, paper: Float32, *, may_be_ruled: bool = True
) -> tuple[UInt8, Notice | None]:
    is_flat = _is_flat(pixels, paper)
    strength = (_strength_on_flat_paper if is_flat else _strength_under_uneven_light)(pixels, paper)
    strength, notice = without_rules(strength) if may_be_ruled else (strength, None)
    faintest, across = (FAINTEST, 1) if is_flat else (FAINTEST_PHOTO, 6)
    levels = _levels(strength, faintest, _grain(strength, across))
    if levels is None:
        return np.full(pixels.shape[:2], 255, np.uint8), notice
    floor, full = levels
    # Ink below the noise floor is cut, not faded, so that a second pass changes nothing.
    kept = strength >= floor if is_flat else _connected_to_strong(strength, floor, full)
    ink = np.where(kept, np.minimum(strength / full, 1.0), 0.0)
    return (255.0 - np.round(255.0 * ink)).astype(np.uint8), notice


def _single_channel_if_grey(pixels: UInt8) -> UInt8:
    if pixels.ndim == 2:
        return pixels
    red, green, blue = cv2.split(pixels)
    grey = np.array_equal(red, green) and np.array_equal(green, blue)
    return np.asarray(red, np.uint8) if grey else pixels


def _samples(pixels: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """Returns every n-th pixel both ways, about 256 x 256: enough for the statistics below."""
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1])) // 256)
    return pixels[::step, ::step].reshape(-1, *pixels.shape[2:])


def _paper_colour(pixels: UInt8) -> Float32:
    """Returns the paper's colour, () or (3,): the lighter median, of all pixels or of the rim.

    The rim is right for a large filled drawing, the whole for a page in a dark frame.
    """
    rim = max(1, min(pixels.shape[:2]) // 64)
    edges = (pixels[:rim], pixels[-rim:], pixels[:, :rim], pixels[:, -rim:])
    border = np.concatenate([edge.reshape(-1, *pixels.shape[2:]) for edge in edges])
    candidates = [
        np.median(part, axis=0) for part in (_samples(pixels), border[:: max(1, len(border) // 4096)])
    ]
    return np.asarray(max(candidates, key=lambda colour: float(np.mean(colour))), np.float32)


def _is_flat(pixels: UInt8, paper: Float32) -> bool:
    """Whether the paper has one colour: many tiles have it, and few are a little off it.

    A tile's median ignores strokes and JPEG noise; tiles far off the colour are filled with ink. Paper of
    exactly one level, which only drawing programs make, may have fills of lighter colours, too.
    """
    drawn = float(np.mean(_distance(_samples(pixels), paper) <= 1)) >= 0.3
    across = max(1, min(12, min(pixels.shape[:2]) // 8))
    distance = _distance(np.median(_tiles(pixels, across), axis=1), paper)
    near = float(np.mean(distance <= NEAR_LEVELS))
    shaded = (distance > NEAR_LEVELS) & (distance <= (OFF_LEVELS if drawn else SHADOW_LEVELS))
    return near >= 0.2 and float(np.mean(shaded)) <= 0.15 * near


def _distance(colours: npt.NDArray[Any], paper: Float32) -> npt.NDArray[Any]:
    """Returns the distance (N,) of colours (N,) or (N, 3) from the paper: the largest of the channels."""
    return np.asarray(np.abs(colours - paper).reshape(len(colours), -1).max(axis=1))


def _tiles(values: npt.NDArray[Scalar], across: int, samples: int = 16) -> npt.NDArray[Scalar]:
    """Samples `across` x `across` tiles of (H, W, ...) values: (across**2, samples**2, ...)."""
    rows, columns = (np.linspace(0, side - 1, across * samples).astype(int) for side in values.shape[:2])
    grid: npt.NDArray[Scalar] = values[rows[:, None], columns]
    grid = grid.reshape(across, samples, across, samples, *values.shape[2:])
    return grid.swapaxes(1, 2).reshape(across**2, samples**2, *values.shape[2:])


def _strength_on_flat_paper(pixels: UInt8, paper: Float32) -> Float32:
    """Returns the distance from the paper's colour, the largest of the channels, (H, W) in [0, 1]."""
    planes = [pixels] if pixels.ndim == 2 else [pixels[:, :, index] for index in range(3)]
    tables = [np.abs(np.arange(256) - level).round().astype(np.uint8) for level in np.atleast_1d(paper)]
    strength = reduce(np.maximum, (table[plane] for table, plane in zip(tables, planes, strict=True)))
    return np.asarray(strength, np.float32) / np.float32(255)


def _strength_under_uneven_light(pixels: UInt8, paper: Float32) -> Float32:
    """Returns the missing share of the local paper's light, the largest of the channels, (H, W) in [0, 1]."""
    if float(np.mean(paper)) < 150 and _strokes_are_lighter(pixels):  # chalk on a blackboard
        pixels, paper = 255 - pixels, 255 - paper
    if min(pixels.shape[:2]) > 64:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (3, 3), 0), np.uint8)  # the sensor's grain
    strength = np.zeros(pixels.shape[:2], np.float32)
    for channel, paper_level in zip(
        np.atleast_3d(pixels).transpose(2, 0, 1), np.atleast_1d(paper), strict=True
    ):
        light = _light(np.ascontiguousarray(channel), float(paper_level))
        np.maximum(strength, 1.0 - channel / light, out=strength)
    return strength


def _light(channel: UInt8, paper_level: float) -> Float32:
    """Returns the light on the paper at every pixel (H, W), in shadow a share of its level at least."""
    return np.maximum(_local_paper(channel), np.float32(max(DARKEST_SHADE * paper_level, 32.0)))


def _strokes_are_lighter(pixels: UInt8) -> bool:
    """Whether thin light strokes outweigh thin dark ones: top-hat against black-hat on a small copy."""
    small = small_copy(pixels, SMALL_PX)
    small = small if small.ndim == 2 else small.max(axis=2)
    tops, blacks = (
        cv2.morphologyEx(small, hat, np.ones((5, 5), np.uint8))
        for hat in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    )
    return float(np.mean(tops)) > float(np.mean(blacks))


def _local_paper(channel: UInt8) -> Float32:
    """Returns the paper's brightness at every pixel, (H, W): a small copy with closed strokes, smoothed."""
    height, width = channel.shape
    small = small_copy(channel, SMALL_PX)
    closed = cv2.morphologyEx(small, cv2.MORPH_CLOSE, KERNEL, borderType=cv2.BORDER_REPLICATE)
    closed = np.asarray(closed, np.float32)
    smooth = np.minimum(closed, cv2.GaussianBlur(closed, (0, 0), 2.5))  # no halo on a dark table
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _levels(strength: Float32, faintest: float, grain: float) -> tuple[float, float] | None:
    """Returns (noise floor, full stroke) of a strength map, or None for a blank page."""
    drawn = strength[strength > max(faintest, grain)]
    if drawn.size == 0:
        return None
    full = float(np.quantile(drawn, 0.95))
    return max(NOISE_SHARE * full, grain), full


def _grain(strength: Float32, across: int) -> float:
    """Returns the noise of the worst of `across` x `across` tiles: dark corners are the noisiest."""
    medians = [0.0]
    for tile in _tiles(strength, across, samples=192 // across):
        paper = tile[tile <= OFF_LEVELS / 255]
        if paper.size:
            medians.append(float(np.median(paper)))
    return min(5.0 * float(np.quantile(medians, 0.9)), LOUDEST_GRAIN)


def _connected_to_strong(strength: Float32, floor: float, full: float) -> npt.NDArray[np.bool_]:
    """Returns pixels above the floor in patches with a strong pixel: drops grain, creases and the table."""
    floor = max(floor, 0.2 * full)
    weak = (strength >= floor).astype(np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    strong = np.zeros(count, np.bool_)
    strong[labels[strength >= max(0.5 * full, floor)]] = True
    strong &= boxes[:, 2:4].max(axis=1) > max(strength.shape) / 90  # width and height: longer than a speck
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    thick = cv2.distanceTransform(weak, cv2.DIST_L2, 3) > THICKEST * max(strength.shape)
    on_rim, is_thick = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    on_rim[rim], is_thick[labels[thick]] = True, True
    strong &= ~(on_rim & is_thick)  # the table around the page
    strong[0] = False  # label 0 is the paper
    return np.asarray(strong[labels], np.bool_)

"""Redraws edge maps as a hand would: vectorised into pen strokes, and drawn again with errors.

    strokes = trace(sketch)                                  # thinning, and following the lines
    rough = redraw(strokes, 0.6, np.random.default_rng(7))

Two parameters, both 0 to 1, set the errors; both kinds occur in the drawings of QMUL Shoe-V1 and Handbag (Yu
et al. 2016). *Roughness* is how far the lines are from where they should be: proportions, angles, long waves.
It cannot be read off the drawing alone. *Haste* can: lines smooth where an edge map is jagged, inner detail
left out, tremble, ends that miss or overshoot, gaps, a line drawn twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from skimage.morphology import skeletonize

from pix2pix.images.framing import UInt8

Points = npt.NDArray[np.float32]

INK_BELOW = 160  # of 255
SUBPIXEL_BITS = 4
# Deviations at roughness 1. Lengths are shares of the picture's side.
STROKE_SHIFT, STROKE_TURN_DEG, STROKE_SCALE = 0.010, 4.0, 0.05
PAGE_SHIFT, PAGE_TURN_DEG, PAGE_SCALE = 0.02, 3.0, 0.05
PROPORTIONS, PROPORTION_CELLS = 0.028, 3  # a smooth warp of the whole, by the nodes of a grid
WAVE, TREMBLE = (0.010, 0.20), (0.003, 0.05)  # (deviation, wavelength) along a stroke
SMOOTHING = 0.025  # of the jags of an edge map
LONGEST_DROPPED = 0.35  # strokes up to this long may be left out; a silhouette's only up to a quarter of it
GAPS = 0.25  # in a stroke as long as the side
LONGEST_GAP, LONGEST_OVERSHOOT = 0.10, 0.05
MISSED_ENDS, REPEATED = 0.4, 0.12  # shares
LINE_WIDTHS_PX = (1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6)  # as often as in people's drawings
LONGEST_JUMP_PX = 7  # over a break in an edge map's line


@dataclass(frozen=True)
class Strokes:
    """An edge map as pen strokes: `lines` are (n, 2) float32 x, y in pixels, in drawing order.

    `outer` is the share of each line, 0 to 1, that lies on the silhouette.
    """

    size: tuple[int, int]  # width, height of the page
    lines: tuple[Points, ...]
    outer: tuple[float, ...]


def trace(sketch: UInt8) -> Strokes:
    """Returns the strokes of a sketch (H, W) uint8, paper 255; blank paper has none.

    A stroke goes straight on through junctions.
    """
    ink = (sketch < INK_BELOW).astype(np.uint8)
    cv2.dilate(ink, np.ones((3, 3), np.uint8), ink)  # closes short breaks
    lines = tuple(_follow(skeletonize(ink > 0)))
    rim = _silhouette(ink)
    height, width = sketch.shape
    outer = tuple(float(rim[line[:, 1].astype(int), line[:, 0].astype(int)].mean()) for line in lines)
    return Strokes((width, height), lines, outer)


def redraw(
    strokes: Strokes,
    roughness: float,
    rng: np.random.Generator,
    *,
    haste: float | None = None,
    line_width_px: int | None = None,
) -> UInt8:
    """Returns the strokes as a drawing (H, W) uint8, paper 255; a function of `rng`.

    `roughness` and `haste` are 0 to 1; haste is equal to roughness by default. Lines are 1 to 6 px wide, at
    random, by default. At roughness 0 lines are where they should be; with haste 0 as well, nothing changes.
    """
    haste = roughness if haste is None else haste
    side = max(strokes.size)
    page = np.full(strokes.size[::-1], 255, np.uint8)
    lines = [_distort(line, side, roughness, haste, rng) for line in _choose(strokes, side, haste, rng)]
    pieces = [piece for line in lines for piece in _with_gaps(line, side, haste, rng)]
    misplaced = _misplace(pieces, side, roughness, rng)
    fixed = [np.round(line * (1 << SUBPIXEL_BITS)).astype(np.int32) for line in misplaced]
    width = line_width_px or LINE_WIDTHS_PX[rng.integers(len(LINE_WIDTHS_PX))]
    cv2.polylines(page, fixed, False, 0, 1, cv2.LINE_AA, SUBPIXEL_BITS)
    # The pen's tip; OpenCV draws lines of 2 px 3.5 px wide.
    tip = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return cv2.erode(page, tip).astype(np.uint8, copy=False)


def _follow(skeleton: npt.NDArray[np.bool_]) -> Iterator[Points]:
    """Yields the lines of a skeleton: from free ends first, each pixel once, as straight on as possible."""
    width = skeleton.shape[1] + 2
    padded = np.pad(skeleton, 1)
    turns = (1, width + 1, width, width - 1, -1, -width - 1, -width, -width + 1)  # clockwise from the right
    # From direction d: straight on, then ever sharper; never back.
    ahead = [tuple((d + turn) % 8 for turn in (0, 1, -1, 2, -2, 3, -3)) for d in range(8)]
    degree = cv2.filter2D(padded.astype(np.uint8), -1, np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT)
    places = np.flatnonzero(padded)
    places = places[np.argsort(degree.ravel()[places], kind="stable")]
    left = set(places.tolist())
    for start in places.tolist():
        if start not in left:
            continue
        left.remove(start)
        line = [start]
        for _ in range(2):  # to one end, and from the start to the other
            way = tuple(range(8)) if len(line) == 1 else ()
            while True:
                for direction in way:
                    if (there := line[-1] + turns[direction]) in left:
                        way = ahead[direction]
                        break
                else:
                    if not (there := _beyond_a_break(line, left, width)):
                        break
                    way = tuple(range(8))
                left.remove(there)
                line.append(there)
            line.reverse()
        if len(line) > 1:
            y, x = np.divmod(np.array(line), width)
            yield np.stack([x - 1, y - 1], axis=1).astype(np.float32)


def _beyond_a_break(line: list[int], left: set[int], width: int) -> int:
    """Returns the pixel at which the line goes on, in its direction, past a few pixels of paper.

    Returns 0, which is border, if it ends.
    """
    y, x = divmod(line[-1], width)
    y_before, x_before = divmod(line[max(-8, -len(line))], width)
    length = math.hypot(x - x_before, y - y_before)
    if length < 3:
        return 0
    right, down = (x - x_before) / length, (y - y_before) / length
    for distance in range(2, LONGEST_JUMP_PX):
        column = round(x + right * distance)
        if not 0 < column < width - 1:
            return 0
        there = round(y + down * distance) * width + column
        for beside in (0, 1, -1, width, -width):
            if there + beside in left:
                return there + beside
    return 0


def _silhouette(ink: UInt8) -> npt.NDArray[np.bool_]:
    """Returns (H, W): ink next to the paper around the drawing, after gaps in the outline are closed."""
    reach = max(3, max(ink.shape) // 24) | 1
    closed = cv2.morphologyEx(
        np.pad(ink, reach), cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    )
    cv2.floodFill(closed, None, (0, 0), 2)
    outside = cv2.dilate((closed == 2).astype(np.uint8), np.ones((5, 5), np.uint8))
    return outside[reach:-reach, reach:-reach] > 0


def _choose(strokes: Strokes, side: int, haste: float, rng: np.random.Generator) -> list[Points]:
    """Returns the strokes that a hasty hand draws: from all of them down to the silhouette's."""
    left_out = rng.uniform(0, min(1.0, 2 * haste))
    shortest = LONGEST_DROPPED * left_out * side
    skipped = rng.random(len(strokes.lines)) < left_out**3
    longest = max(map(len, strokes.lines), default=0)
    kept = [
        line
        for line, outer, skip in zip(strokes.lines, strokes.outer, skipped, strict=True)
        if len(line) == longest
        or (len(line) >= shortest / 4 if outer > 0.5 else len(line) >= shortest and not skip)
    ]
    again = [line for line in kept if rng.random() < REPEATED * haste]
    return kept + again


def _distort(line: Points, side: int, roughness: float, haste: float, rng: np.random.Generator) -> Points:
    """Returns a stroke smoothed, with waves, slightly displaced, its ends cut short or overshot."""
    if not roughness and not haste:
        return line
    sigma = min(SMOOTHING * haste * side, len(line) / 6)
    reach = (1, 2 * math.ceil(3 * sigma) + 1)
    smooth = cv2.GaussianBlur(line[:, None], reach, max(sigma, 1e-3), borderType=cv2.BORDER_REPLICATE)
    drawn = smooth[:, 0].astype(np.float32, copy=False)
    for (amplitude, wavelength), extent in ((WAVE, roughness), (TREMBLE, haste)):
        nodes = 2 + int(len(line) / (wavelength * side))
        swing = rng.normal(0, amplitude * extent * side, (nodes, 1, 2)).astype(np.float32)
        drawn += cv2.resize(swing, (1, len(line)), interpolation=cv2.INTER_CUBIC)[:, 0]
    centre = drawn.mean(axis=0)
    turned = (drawn - centre) @ _turn(rng.normal(0, STROKE_TURN_DEG * roughness))
    scale = 1 + rng.normal(0, STROKE_SCALE * roughness)
    drawn = centre + turned * scale + rng.normal(0, STROKE_SHIFT * roughness * side, 2)
    for end in (0, -1):
        if rng.random() < MISSED_ENDS * haste:
            drawn = _missed_end(drawn, end, rng.uniform(-1, 1) * LONGEST_OVERSHOOT * side)
    return drawn.astype(np.float32)


def _missed_end(line: Points, end: int, by: float) -> Points:
    """Returns the stroke with one end, 0 or -1, `by` pixels too far, or too short if negative."""
    reach = min(8, len(line) - 1)
    if by < 0:
        cut = min(int(-by), len(line) - 2)
        return line[cut:] if end == 0 else line[: len(line) - cut]
    tip, before = (line[0], line[reach]) if end == 0 else (line[-1], line[-1 - reach])
    step = (tip - before) / max(1e-3, float(np.hypot(*(tip - before))))
    beyond = (tip + by * step)[None]
    return np.concatenate([beyond, line] if end == 0 else [line, beyond])


def _with_gaps(line: Points, side: int, haste: float, rng: np.random.Generator) -> list[Points]:
    """Returns the pieces of a stroke between random gaps."""
    pieces = [line]
    for _ in range(rng.poisson(GAPS * haste * len(line) / side)):
        last = pieces.pop()
        start = int(rng.integers(0, len(last)))
        end = start + int(rng.uniform(0, LONGEST_GAP) * side)
        pieces += [piece for piece in (last[:start], last[end:]) if len(piece) > 1]
        if not pieces:
            return [line]
    return pieces


def _misplace(lines: list[Points], side: int, roughness: float, rng: np.random.Generator) -> list[Points]:
    """Returns the whole drawing slightly turned, scaled, moved and warped."""
    if not roughness or not lines:
        return lines
    points = np.concatenate(lines)
    nodes = PROPORTION_CELLS + 1
    warp = rng.normal(0, PROPORTIONS * roughness * side, (nodes, nodes, 2)).astype(np.float32)
    at = np.clip(points / side, 0, 1) * PROPORTION_CELLS
    cell = np.minimum(at.astype(int), PROPORTION_CELLS - 1)
    (right, down), (column, row) = (at - cell).T[:, :, None], cell.T
    above = warp[row, column] * (1 - right) + warp[row, column + 1] * right
    below = warp[row + 1, column] * (1 - right) + warp[row + 1, column + 1] * right
    points = points + above * (1 - down) + below * down
    centre = points.mean(axis=0)
    scale = 1 + rng.normal(0, PAGE_SCALE * roughness, 2)
    shift = rng.normal(0, PAGE_SHIFT * roughness * side, 2)
    points = (points - centre) * scale @ _turn(rng.normal(0, PAGE_TURN_DEG * roughness)) + centre + shift
    return np.split(points, np.cumsum([len(line) for line in lines])[:-1])


def _turn(degrees: float) -> npt.NDArray[np.float64]:
    """Returns the rotation matrix (2, 2) for rows of points."""
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

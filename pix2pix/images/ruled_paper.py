"""Removes the printed lines or dots of ruled, squared and dotted paper from a map of stroke strength.

Rules are straight, evenly spaced, reach from edge to edge of the paper, and are weaker than the strokes. The
Hough transform finds them on a small copy: rules along the rows, then, transposed, those along the columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pix2pix.images.framing import UInt8
from pix2pix.images.notices import RULES_KEPT, RULES_LEFT_OUT, Notice

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

LOOKED_AT_PX = 640  # the longer side of the copy; the lengths below are in its pixels
THICKEST_PX = 7
NEAREST_PX, FEWEST = 6, 6  # the distance of two rules, and their number
DARK, DARK_PX = 0.25, 15  # strength and side of squares that are no paper, such as the table
WINDOWS = 16  # across the paper; in one, the dots of dotted paper become a line
FAINTEST = 0.004  # limit of a rule's mean strength in a window
STEEPEST = np.deg2rad(6)
SEEN = 0.6  # least share of a rule's length where it is seen: strokes hide some of it
EDGE = 0.01  # share of the length, at each end, where it must be half as strong as elsewhere
SURE = 0.4  # least strength of a rule, as a share of that of others; JPEG blocks have weaker ones
UNEVEN = 0.2  # largest deviation of distances, as a share of their median
COVERED = 0.5  # least share of the paper between the first and the last rule
WEAKER = 0.7  # most strength of rules, as a share of that of the strokes
CROSSING = 1.8  # most strength where two rules cross, as a share of that of one
DOTTED = 0.6  # limit of the share of a line that dots cover
FEWEST_DRAWN = 0.0005  # share of the pixels that strokes cover at least


@dataclass(frozen=True)
class _Rules:
    """Lines y = c0 x^2 + c1 x + c2 from edge to edge of the copy, (N, 3); those along columns with y as x."""

    curves: Float64
    are_even: bool


def without_rules(strength: Float32) -> tuple[Float32, Notice | None]:
    """Returns a strength map (H, W) in [0, 1] without rules, and what was seen; the map itself if none."""
    scale = min(1.0, LOOKED_AT_PX / max(strength.shape))
    size = [max(1, round(side * scale)) for side in strength.shape[::-1]]
    if min(size) < FEWEST * NEAREST_PX:
        return strength, None
    small = cv2.resize(strength, size, interpolation=cv2.INTER_AREA) if scale < 1 else strength
    searched = [_Search(np.ascontiguousarray(view, np.float32)) for view in (small, small.T)]
    if not any(one.may_be_even() for one in searched):  # of most drawings: fitting lines takes longer
        return strength, None
    both = [one.rules() for one in searched]
    if not any(rules.are_even for rules in both):
        return strength, None
    reach = int(np.ceil(2 / scale)) + 1  # pixels from the middle of a rule to paper
    near, level = _near_rules(strength, both, scale, reach)
    drawn = strength[(near == 0) & (strength > level)]
    full = float(np.quantile(drawn, 0.95)) if drawn.size > FEWEST_DRAWN * strength.size else 0.0
    if level > WEAKER * full:
        return strength, RULES_KEPT
    is_stroke = (strength > min(CROSSING * level, (level + full) / 2)).view(np.uint8)
    with_soft_edges = cv2.dilate(is_stroke, np.ones((3, 3), np.uint8))
    return np.where((near > 0) & (with_soft_edges == 0), np.float32(0), strength), RULES_LEFT_OUT


class _Search:
    """The search for rules along the rows of the copy (H, W)."""

    def __init__(self, small: Float32) -> None:
        self.shape = small.shape
        width = small.shape[1]
        self.profile, self.crests = _crests(small)
        upright, steepest = np.pi / 2, STEEPEST
        angles = {"min_theta": upright - steepest, "max_theta": upright + steepest}
        found = cv2.HoughLines(self.crests, 1, np.pi / 720, width // 3, **angles)  # the most certain first
        self.lines = np.empty((0, 2)) if found is None else found[:, 0]  # (N, 2): rho, theta
        self.middles = _heights_at(np.array(width // 2), *self.lines.T)
        square = np.ones((DARK_PX, DARK_PX), np.uint8)
        dark = cv2.morphologyEx((small > DARK).view(np.uint8), cv2.MORPH_OPEN, square)
        self.dark = np.asarray(dark, np.uint8)
        self.paper_px = int(np.count_nonzero(self.dark[:, width // 2] == 0))

    def may_be_even(self) -> bool:
        """Whether there are enough lines, far enough apart, for `_are_even`."""
        apart: list[float] = []
        for middle in np.sort(self.middles):
            if not apart or middle - apart[-1] >= NEAREST_PX:
                apart.append(float(middle))
        return len(apart) >= FEWEST and bool(np.ptp(self.middles) >= COVERED * self.paper_px)

    def rules(self) -> _Rules:
        """Returns the lines that are rules."""
        found: dict[float, Float64] = {}  # by the height at the middle
        levels: list[float] = []
        across = np.arange(self.shape[1])
        for line, middle in zip(self.lines, self.middles.tolist(), strict=True):
            if all(abs(middle - other) >= NEAREST_PX for other in found):
                curve = _fitted(self.crests, _heights_at(across, *line))
                if curve is None:
                    continue
                level = _level_from_edge_to_edge(curve, self.profile, self.crests, self.dark)
                if level > 0:
                    found[middle] = curve
                    levels.append(level)
        sure = sorted(
            one for one, level in zip(found, levels, strict=True) if level >= SURE * np.quantile(levels, 0.75)
        )
        curves = np.array([found[middle] for middle in sure]).reshape(-1, 3)
        if not _are_even(np.array(sure), self.paper_px):
            return _Rules(curves, False)
        return _Rules(_completed(curves, self.shape), True)


def _heights_at(x: npt.NDArray[Any], rho: npt.NDArray[Any], theta: npt.NDArray[Any]) -> Float64:
    """Returns y of lines at columns; one of them may be an array."""
    return np.asarray((rho - x * np.cos(theta)) / np.sin(theta), np.float64)


def _crests(small: Float32) -> tuple[Float32, UInt8]:
    """Returns thin structures along the rows, averaged in windows, and their middles, {0, 1}."""
    thin = cv2.morphologyEx(small, cv2.MORPH_TOPHAT, np.ones((THICKEST_PX, 1), np.uint8))
    profile = np.asarray(cv2.blur(thin, (max(1, small.shape[1] // WINDOWS), 1)), np.float32)
    some = profile[::5, ::5]
    grain = float(np.median(some))
    limit = grain + max(FAINTEST, 3 * float(np.median(np.abs(some - grain))))
    is_crest = (profile > limit) & (profile >= cv2.dilate(profile, np.ones((5, 1), np.uint8)))
    return profile, np.asarray(is_crest, np.uint8)


def _fitted(crests: UInt8, line: Float64) -> Float64 | None:
    """Returns the curve through the crests close to a line y(x) (W,); None if there are few."""
    rows = np.rint(line).astype(int) + np.arange(-2, 3)[:, None]  # (5, W)
    inside = (rows >= 0) & (rows < len(crests))
    hits = inside & (crests[np.clip(rows, 0, len(crests) - 1), np.arange(len(line))] > 0)
    if np.count_nonzero(hits) < 0.3 * len(line):
        return None
    return np.asarray(np.polyfit(np.nonzero(hits)[1], rows[hits], 2), np.float64)


def _level_from_edge_to_edge(curve: Float64, profile: Float32, crests: UInt8, dark: UInt8) -> float:
    """Returns the median of the profile along a curve; 0 if it does not reach from edge to edge.

    Only what lies on paper counts.
    """
    columns = np.arange(crests.shape[1])
    rows = np.rint(np.polyval(curve, columns)).astype(int)
    on = (rows >= 1) & (rows < len(crests) - 1)
    on[on] = dark[rows[on], columns[on]] == 0
    rows, columns = rows[on], columns[on]
    if len(rows) < 0.5 * len(on):
        return 0.0
    is_seen = crests[rows + np.array([[-1], [0], [1]]), columns].any(axis=0)
    levels = profile[rows, columns]
    level, end = float(np.median(levels)), max(1, round(EDGE * len(rows)))
    starts = (
        min(levels[:end].mean(), levels[-end:].mean()) >= 0.5 * level
    )  # else it began inside of the paper
    return level if is_seen.mean() >= SEEN and starts else 0.0


def _are_even(middles: Float64, paper_px: int) -> bool:
    """Whether sorted heights (N,) are multiples of one distance apart, over most of the paper."""
    if len(middles) < FEWEST or middles[-1] - middles[0] < COVERED * paper_px:
        return False
    gaps = np.diff(middles)
    steps = gaps / np.median(gaps)
    return bool(np.mean(np.abs(steps - np.rint(steps)) <= UNEVEN) >= 0.8)


def _completed(curves: Float64, shape: tuple[int, ...]) -> Float64:
    """Adds to even rules (N, 3) those that strokes hide, and short ones in the corners of a turned page.

    Curves that strokes have drawn off their place are put back.
    """
    height, width = shape
    columns = np.array([0, width / 2, width])
    heights = curves @ np.vander(columns, 3).T  # (N, 3)
    middles = heights[:, 1]
    step = float(np.median(np.diff(middles)))
    numbers = np.cumsum(np.rint(np.diff(middles, prepend=middles[0]) / step)).astype(int)
    corner = width * np.tan(STEEPEST) / 2
    first = numbers[0] - int((middles[0] + corner) / step)
    last = numbers[-1] + int((height - middles[-1] + corner) / step)
    lines = np.polyfit(numbers, heights, 1)  # (2, 3)
    off = np.abs(heights - np.vander(numbers, 2) @ lines).max(axis=1)
    in_place = off <= max(1.5, 2 * float(np.median(off)))
    lines = np.polyfit(numbers[in_place], heights[in_place], 1)
    missing = np.setdiff1d(np.arange(first, last + 1), numbers[in_place])
    added = np.polyfit(columns, (np.vander(missing, 2) @ lines).T, 2).T
    return np.concatenate([curves[in_place], added])


def _near_rules(strength: Float32, both: list[_Rules], scale: float, reach: int) -> tuple[UInt8, float]:
    """Returns the pixels (H, W), > 0, on and next to rules, and the strength of the rules."""
    sampled = [_sample(strength, rules, scale, reach, turned) for turned, rules in enumerate(both)]
    levels = [_level_of_each(samples) for samples in sampled]
    printed = np.concatenate([one for one, rules in zip(levels, both, strict=True) if rules.are_even])
    level = float(np.median(printed[printed > 0])) if printed.any() else 1.0
    masks, are_dotted = [], []
    for turned, (rules, samples, own) in enumerate(zip(both, sampled, levels, strict=True)):
        kept = (own <= CROSSING * level) | rules.are_even  # others are strokes that a ruler drew
        masks.append(_drawn(strength.shape, rules.curves[kept], scale, reach, turned))
        are_dotted.append(rules.are_even and bool(np.mean(samples[kept] > level / 2) < DOTTED))
    combine = cv2.bitwise_and if all(are_dotted) else cv2.bitwise_or
    return np.asarray(combine(*masks), np.uint8), level


def _level_of_each(samples: Float32) -> Float64:
    """Returns the strength (N,) of rules: without the gaps between dots, crossings and strokes."""
    highest = np.quantile(samples.max(axis=2), 0.25, axis=1)  # strokes cross most windows of some rules
    inked = np.where(samples >= highest[:, None, None] / 2, samples, np.nan)
    return np.asarray(np.nanmedian(inked, axis=(1, 2)), np.float64)


def _sample(strength: Float32, rules: _Rules, scale: float, reach: int, turned: int) -> Float32:
    """Returns the strongest pixel across each rule, (N, WINDOWS, samples), 0 outside of the picture."""
    across = np.ones((1, 2 * reach + 1) if turned else (2 * reach + 1, 1), np.uint8)
    strongest = np.asarray(cv2.dilate(strength, across), np.float32)
    strongest = strongest.T if turned else strongest
    height, width = strongest.shape
    in_window = -(-width // WINDOWS)
    columns = np.linspace(0, width - 1, WINDOWS * in_window).astype(int)
    rows = np.rint(_heights(rules.curves, columns, scale)).astype(int)
    inside = (rows >= 0) & (rows < height)
    samples = np.where(inside, strongest[np.clip(rows, 0, height - 1), columns], np.float32(0))
    return samples.reshape(len(rows), WINDOWS, in_window)


def _drawn(shape: tuple[int, ...], curves: Float64, scale: float, reach: int, turned: int) -> UInt8:
    mask = np.zeros(shape, np.uint8)
    columns = np.linspace(-1, shape[1 - turned], 65)
    points = [np.stack([columns, rows], axis=1) for rows in _heights(curves, columns, scale)]
    lines = [np.rint(line[:, ::-1] if turned else line).astype(np.int32) for line in points]
    cv2.polylines(mask, lines, False, (1.0,), 2 * reach + 1)
    return mask


def _heights(curves: Float64, columns: npt.NDArray[Any], scale: float) -> Float64:
    """Returns y (N, W) of curves of the copy at columns (W,) of the picture."""
    x = (columns + 0.5) * scale - 0.5
    powers = np.stack([x**2, x, np.ones_like(x)])
    return np.asarray((curves @ powers + 0.5) / scale - 0.5, np.float64)

"""What the doctor reads off one pair: each file is decoded once, and the pair becomes a few numbers.

How well a photo fits its sketch is the normalised cross-correlation of the sketch's ink with the root of
the photo's gradient, both as (128, 128) maps, band-passed. On the 2,000 official training pairs it is 0.44
and more with the own photo, and under 0.24 with 99 of 100 other photos.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from data_prep.doctor.silhouette import Silhouette, silhouette
from data_prep.near_duplicates import Hashes, perceptual_hash
from data_prep.pair_worker import one_cv2_thread
from pix2pix.errors import ImageError
from pix2pix.images.framing import UInt8
from pix2pix.images.io import open_image, read_photo, read_sketch
from pix2pix.images.mask import stored_or_found

Float32 = npt.NDArray[np.float32]

MAP_PX = 128  # side of the copies that are compared; the lengths below are in its pixels
SMOOTH_PX, FLATTEN_PX = 1.0, 6.0  # sigmas of the band-pass on the edge maps
REACH_PX = 26  # shifts are looked for up to 20 % of the side
THICK_PX = 5  # what holds a square of this side is an area, not a line
OFF_PAPER = 24  # levels off the commonest colour that make a mark
COLOURED = 32  # levels between the channels of a pixel that has a colour
DARK_PAPER = 100  # of 255
SAME = 0.9  # correlation of ink with darkness; official pairs: at most 0.5


@dataclass(frozen=True)
class PairFiles:
    """One pair by file; `key` is SPLIT/NAME. Pairs of earlier versions have no mask."""

    key: str
    sketch: Path
    photo: Path
    mask: Path | None = None


@dataclass(frozen=True)
class Fit:
    """How well the photo's edges lie on the sketch's lines.

    `score` in [-1, 1]; `lead` is how many standard deviations that is above the scores with other pairs'
    photos (0 where there are too few); `best` is the highest score under any shift, got by moving the photo
    by (`right`, `down`), shares of its side; `mirrored` is the score with the photo's mirror image.
    """

    score: float
    lead: float
    best: float
    right: float
    down: float
    mirrored: float


@dataclass(frozen=True)
class Looks:
    """What two decoded pictures look like.

    Sizes are (width, height); digests are of the decoded pixels; `ink` is the share of the sketch that is
    ink, `contrast` the standard deviation of the photo's levels, `background` the CIELAB colour of its rim.
    `silhouette` is of the stored mask, or of the one that training finds; None where the sizes differ.
    """

    sketch_px: tuple[int, int]
    photo_px: tuple[int, int]
    sketch_digest: str
    photo_digest: str
    likeness: Hashes
    ink: float
    sketch_in_lines: bool
    sketch_inverted: bool
    photo_in_lines: bool
    same_picture: bool
    contrast: float
    background: tuple[float, float, float]
    fit: Fit
    silhouette: Silhouette | None


@dataclass(frozen=True)
class Measured:
    """A pair with the SHA-256 of its files ("" for a mask that is not there), and its looks.

    Without looks, `faults` has the reasons, one a file.
    """

    pair: PairFiles
    sketch_sha256: str
    photo_sha256: str
    mask_sha256: str
    looks: Looks | None
    faults: tuple[str, ...] = ()


def measure(pairs: Sequence[PairFiles], others: tuple[PairFiles, ...]) -> list[Measured]:
    """Measure pairs; the photos of `others` are what each sketch should fit less well than its own."""
    with one_cv2_thread():
        return [_measured(pair, others) for pair in pairs]


def _measured(pair: PairFiles, others: tuple[PairFiles, ...]) -> Measured:
    looks, faults = None, []
    pictures: dict[Path, Image] = {}
    for path in filter(None, (pair.sketch, pair.photo, pair.mask)):
        try:
            pictures[path] = open_image(path)
        except ImageError as error:
            faults.append(str(error))
    if not faults:
        looks = _looks(pair, pictures, others)
    sketch, photo, mask = (
        _file_sha256(path) if path else "" for path in (pair.sketch, pair.photo, pair.mask)
    )
    return Measured(pair, sketch, photo, mask, looks, tuple(faults))


def _looks(pair: PairFiles, pictures: dict[Path, Image], others: tuple[PairFiles, ...]) -> Looks:
    sketch_picture, photo_picture = pictures[pair.sketch], pictures[pair.photo]
    mask_picture = pictures[pair.mask] if pair.mask else None
    sketch, photo = read_sketch(sketch_picture), read_photo(photo_picture)
    small = _small(photo)
    # As the file has it, before it is turned to black on white:
    sketch_in_lines, sketch_paper = _in_lines(_small(read_photo(sketch_picture)))
    photo_in_lines, _ = _in_lines(small)
    ink = _ink_map(sketch)
    rim = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    lab = cv2.cvtColor((np.median(rim, axis=0) / 255).astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)
    light, green_red, blue_yellow = (float(value) for value in lab[0, 0])
    return Looks(
        sketch_px=(sketch.shape[1], sketch.shape[0]),
        photo_px=(photo.shape[1], photo.shape[0]),
        sketch_digest=_pixel_digest(sketch),
        photo_digest=_pixel_digest(photo),
        likeness=perceptual_hash(photo),
        ink=float(np.mean(sketch < 128)),
        sketch_in_lines=sketch_in_lines,
        sketch_inverted=sketch_in_lines and sketch_paper < DARK_PAPER,
        photo_in_lines=photo_in_lines and not _coloured(small),
        same_picture=_correlation(ink, 255 - _over_channels(np.min, small)) > SAME,
        contrast=float(small.std()),
        background=(light, green_red, blue_yellow),
        fit=_fit(_band_passed(ink), _edge_map(small), pair.key, others),
        silhouette=_silhouette(mask_picture, sketch, photo),
    )


def _silhouette(mask: Image | None, sketch: UInt8, photo: UInt8) -> Silhouette | None:
    if sketch.shape != photo.shape[:2]:
        return None
    return silhouette(stored_or_found(mask, sketch, photo), sketch)


def _fit(ink: Float32, edges: Float32, key: str, others: tuple[PairFiles, ...]) -> Fit:
    keys, maps = _edge_maps(others)
    scores = np.einsum("rp,p->r", maps, ink.ravel())  # not @: BLAS would take threads of its own
    elsewhere = scores[[other != key for other in keys]]
    score = float(np.vdot(ink, edges))
    spread = float(elsewhere.std()) if len(elsewhere) >= 8 else 0.0
    lead = (score - float(elsewhere.mean())) / spread if spread else 0.0
    best, right, down = _best_shift(ink, edges)
    return Fit(score, lead, best, right, down, float(np.vdot(ink, edges[:, ::-1])))


@lru_cache(maxsize=1)
def _edge_maps(pairs: tuple[PairFiles, ...]) -> tuple[list[str], Float32]:
    """Keys and edge maps (R, MAP_PX**2) of the readable ones among these pairs' photos."""
    keys, maps = [], [np.zeros((0, MAP_PX**2), np.float32)]
    for pair in pairs:
        try:
            photo = read_photo(pair.photo)
        except ImageError:
            continue
        keys.append(pair.key)
        maps.append(_edge_map(_small(photo)).reshape(1, -1))
    return keys, np.concatenate(maps)


def _best_shift(ink: Float32, edges: Float32) -> tuple[float, float, float]:
    """The highest score when the photo is moved, and by which share of the side it was: right, down."""
    side = MAP_PX + REACH_PX  # padded, so that nothing comes back in on the other side
    spectrum = np.conj(np.fft.rfft2(edges, (side, side))) * np.fft.rfft2(ink, (side, side))
    scores = np.fft.irfft2(spectrum, (side, side))
    scores = np.roll(scores, (REACH_PX, REACH_PX), axis=(0, 1))[: 2 * REACH_PX + 1, : 2 * REACH_PX + 1]
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    return float(scores[row, column]), (column - REACH_PX) / MAP_PX, (row - REACH_PX) / MAP_PX


def _edge_map(photo: UInt8) -> Float32:
    """(MAP_PX, MAP_PX, 3) uint8 -> its edges, band-passed: the root of the steepest channel's gradient."""
    levels = photo.astype(np.float32) / 255
    across, down = cv2.Sobel(levels, cv2.CV_32F, 1, 0), cv2.Sobel(levels, cv2.CV_32F, 0, 1)
    steepest = _over_channels(np.max, across * across + down * down)
    return _band_passed(np.sqrt(np.sqrt(steepest)))


def _ink_map(sketch: UInt8) -> Float32:
    return np.asarray(255 - _small(sketch), np.float32)


def _band_passed(values: Float32) -> Float32:
    """Smoothed, without what is broad, of mean 0 and norm 1 (or all 0)."""
    smooth = cv2.GaussianBlur(values, (0, 0), SMOOTH_PX)
    kept = smooth - cv2.GaussianBlur(smooth, (0, 0), FLATTEN_PX)
    kept = kept - kept.mean()
    return np.asarray(kept / max(float(np.linalg.norm(kept)), 1e-6), np.float32)


def _correlation(ink: Float32, darkness: UInt8) -> float:
    pair = [values - values.mean() for values in (ink, darkness.astype(np.float32))]
    norm = float(np.linalg.norm(pair[0]) * np.linalg.norm(pair[1]))
    return float(np.vdot(*pair)) / norm if norm else 0.0


def _in_lines(picture: UInt8) -> tuple[bool, float]:
    """Whether (MAP_PX, MAP_PX, 3) shows thin marks and hardly any area, and how light its paper is."""
    paper = np.median(picture.reshape(-1, 3), axis=0)
    off = cv2.absdiff(picture, np.full_like(picture, paper))
    marks = (_over_channels(np.max, off) > OFF_PAPER).astype(np.uint8)
    areas = cv2.morphologyEx(marks, cv2.MORPH_OPEN, np.ones((THICK_PX, THICK_PX), np.uint8))
    # Of their marks, official edge maps have at most 0.015 in areas, people's drawings 0.12, most photos 0.8.
    return bool(marks.any()) and float(areas.sum()) < 0.15 * float(marks.sum()), float(paper.mean())


def _coloured(picture: UInt8) -> bool:
    spread = _over_channels(np.max, picture) - _over_channels(np.min, picture)
    return float(np.mean(spread > COLOURED)) > 0.002


def _over_channels(reduce: Callable[..., npt.NDArray[Any]], picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(H, W, 3) -> (H, W); several times faster than along the last axis."""
    return reduce(cv2.split(picture), axis=0)


def _small(picture: UInt8) -> UInt8:
    return np.asarray(cv2.resize(picture, (MAP_PX, MAP_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _pixel_digest(picture: UInt8) -> str:
    digest = hashlib.blake2b(repr(picture.shape).encode(), digest_size=16)
    digest.update(picture.tobytes())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    """In hex; empty for a file that cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""

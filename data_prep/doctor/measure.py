"""Measures one pair: decodes each file once and returns a few numbers.

The fit of a photo to its sketch is the normalised cross-correlation of the sketch's ink with the square root
of the photo's gradient, both as band-passed (128, 128) maps. On the 2,000 official training pairs it is at
least 0.44 with the pair's own photo, and under 0.24 with 99 of 100 other photos.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from data_prep.doctor.silhouette import Silhouette, silhouette
from data_prep.near_duplicates import Hashes, perceptual_hash
from data_prep.orientation import exif_orientation
from data_prep.pair_worker import one_cv2_thread
from pix2pix.errors import ImageError
from pix2pix.images.framing import UInt8
from pix2pix.images.io import open_image, read_photo, read_sketch
from pix2pix.images.mask import stored_or_found
from pix2pix.images.sketch_or_photo import MAP_PX, in_lines, is_coloured, over_channels, small

Float32 = npt.NDArray[np.float32]

SMOOTH_PX, FLATTEN_PX = 1.0, 6.0  # sigmas of the band-pass on the edge maps
REACH_PX = 26  # the largest shift tried, 20 % of the side
DARK_PAPER = 100  # of 255
SAME = 0.9  # correlation of ink with darkness; official pairs: at most 0.5


@dataclass(frozen=True)
class PairFiles:
    """The files of one pair; `key` is SPLIT/NAME. Pairs of earlier versions have no mask."""

    key: str
    sketch: Path
    photo: Path
    mask: Path | None = None


@dataclass(frozen=True)
class Fit:
    """How well the photo's edges lie on the sketch's lines.

    `score` in [-1, 1]; `lead`: standard deviations by which it exceeds the scores with other pairs' photos (0
    if there are too few); `best`: the highest score of all shifts, with the photo moved by (`right`, `down`)
    in shares of its side; `mirrored`: the score with the photo's mirror image; `turned`: the highest score
    with the photo turned clockwise by `quarters` of a turn, 1 to 3.
    """

    score: float
    lead: float
    best: float
    right: float
    down: float
    mirrored: float
    turned: float
    quarters: int


@dataclass(frozen=True)
class Looks:
    """Measurements of the two decoded pictures of a pair.

    Sizes are (width, height) after turning upright by the EXIF `orientations`, 1 to 8; digests are of the
    decoded pixels; `ink` is the share of the sketch that is ink, `contrast` the standard deviation of the
    photo's levels, `background` the CIELAB colour of its rim. `silhouette` is of the stored mask, or of the
    one that training computes; None if the sizes differ.
    """

    sketch_px: tuple[int, int]
    photo_px: tuple[int, int]
    sketch_orientation: int
    photo_orientation: int
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
    """A pair with the SHA-256 of its files ("" for a missing mask), and its looks.

    Without looks, `faults` has one reason for each unreadable file.
    """

    pair: PairFiles
    sketch_sha256: str
    photo_sha256: str
    mask_sha256: str
    looks: Looks | None
    faults: tuple[str, ...] = ()


def measure(pairs: Sequence[PairFiles], others: tuple[PairFiles, ...]) -> list[Measured]:
    """Measures pairs; each sketch should fit the photos of `others` less well than its own."""
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
    reduced = small(photo)
    # of the file, before inverted sketches are turned to black on white, and areas are outlined:
    sketch_file = small(read_photo(sketch_picture))
    sketch_in_lines, sketch_paper = in_lines(sketch_file)
    photo_in_lines, _ = in_lines(reduced)
    ink = _ink_map(sketch)
    rim = np.concatenate([reduced[0], reduced[-1], reduced[:, 0], reduced[:, -1]])
    lab = cv2.cvtColor((np.median(rim, axis=0) / 255).astype(np.float32)[None, None], cv2.COLOR_RGB2LAB)
    light, green_red, blue_yellow = (float(value) for value in lab[0, 0])
    return Looks(
        sketch_px=(sketch.shape[1], sketch.shape[0]),
        photo_px=(photo.shape[1], photo.shape[0]),
        sketch_orientation=exif_orientation(pair.sketch),
        photo_orientation=exif_orientation(pair.photo),
        sketch_digest=_pixel_digest(sketch),
        photo_digest=_pixel_digest(photo),
        likeness=perceptual_hash(photo),
        ink=float(np.mean(sketch < 128)),
        sketch_in_lines=sketch_in_lines,
        sketch_inverted=sketch_in_lines and sketch_paper < DARK_PAPER,
        photo_in_lines=photo_in_lines and not is_coloured(reduced),
        same_picture=_correlation(_darkness(sketch_file), _darkness(reduced)) > SAME,
        contrast=float(reduced.std()),
        background=(light, green_red, blue_yellow),
        fit=_fit(_band_passed(ink), _edge_map(reduced), pair.key, others),
        silhouette=_silhouette(mask_picture, sketch, photo),
    )


def _silhouette(mask: Image | None, sketch: UInt8, photo: UInt8) -> Silhouette | None:
    if sketch.shape != photo.shape[:2]:
        return None
    return silhouette(stored_or_found(mask, sketch, photo), sketch)


def _fit(ink: Float32, edges: Float32, key: str, others: tuple[PairFiles, ...]) -> Fit:
    keys, maps = _edge_maps(others)
    scores = np.einsum("rp,p->r", maps, ink.ravel())  # not @: BLAS would start threads
    elsewhere = scores[[other != key for other in keys]]
    score = float(np.vdot(ink, edges))
    spread = float(elsewhere.std()) if len(elsewhere) >= 8 else 0.0
    lead = (score - float(elsewhere.mean())) / spread if spread else 0.0
    best, right, down = _best_shift(ink, edges)
    turned, quarters = max((float(np.vdot(ink, np.rot90(edges, -turns))), turns) for turns in (1, 2, 3))
    return Fit(score, lead, best, right, down, float(np.vdot(ink, edges[:, ::-1])), turned, quarters)


@lru_cache(maxsize=1)
def _edge_maps(pairs: tuple[PairFiles, ...]) -> tuple[list[str], Float32]:
    """Keys and edge maps (R, MAP_PX**2) of those pairs whose photos can be read."""
    keys, maps = [], [np.zeros((0, MAP_PX**2), np.float32)]
    for pair in pairs:
        try:
            photo = read_photo(pair.photo)
        except ImageError:
            continue
        keys.append(pair.key)
        maps.append(_edge_map(small(photo)).reshape(1, -1))
    return keys, np.concatenate(maps)


def _best_shift(ink: Float32, edges: Float32) -> tuple[float, float, float]:
    """The highest score of all shifts of the photo, and its shift right and down in shares of the side."""
    side = MAP_PX + REACH_PX  # padded, so that shifts do not wrap around
    spectrum = np.conj(np.fft.rfft2(edges, (side, side))) * np.fft.rfft2(ink, (side, side))
    scores = np.fft.irfft2(spectrum, (side, side))
    scores = np.roll(scores, (REACH_PX, REACH_PX), axis=(0, 1))[: 2 * REACH_PX + 1, : 2 * REACH_PX + 1]
    row, column = divmod(int(scores.argmax()), scores.shape[1])
    return float(scores[row, column]), (column - REACH_PX) / MAP_PX, (row - REACH_PX) / MAP_PX


def _edge_map(photo: UInt8) -> Float32:
    """(MAP_PX, MAP_PX, 3) uint8 -> band-passed edges: square root of the steepest channel's gradient."""
    levels = photo.astype(np.float32) / 255
    across, down = cv2.Sobel(levels, cv2.CV_32F, 1, 0), cv2.Sobel(levels, cv2.CV_32F, 0, 1)
    steepest = over_channels(np.max, across * across + down * down)
    return _band_passed(np.sqrt(np.sqrt(steepest)))


def _ink_map(sketch: UInt8) -> Float32:
    return np.asarray(255 - small(sketch), np.float32)


def _band_passed(values: Float32) -> Float32:
    """Returns values without high and low frequencies, with mean 0 and norm 1 (or all 0)."""
    smooth = cv2.GaussianBlur(values, (0, 0), SMOOTH_PX)
    kept = smooth - cv2.GaussianBlur(smooth, (0, 0), FLATTEN_PX)
    kept = kept - kept.mean()
    return np.asarray(kept / max(float(np.linalg.norm(kept)), 1e-6), np.float32)


def _darkness(picture: UInt8) -> Float32:
    """Returns how far (H, W, 3) is from white, the largest of the channels, (H, W)."""
    return np.float32(255) - over_channels(np.min, picture)


def _correlation(first: Float32, second: Float32) -> float:
    pair = [values - values.mean() for values in (first, second)]
    norm = float(np.linalg.norm(pair[0]) * np.linalg.norm(pair[1]))
    return float(np.vdot(*pair)) / norm if norm else 0.0


def _pixel_digest(picture: UInt8) -> str:
    digest = hashlib.blake2b(repr(picture.shape).encode(), digest_size=16)
    digest.update(picture.tobytes())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    """The hash in hex; empty if the file cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""

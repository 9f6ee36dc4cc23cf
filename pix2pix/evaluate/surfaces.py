"""Ground, plain surfaces, thin parts and openings of a photo, found by its sketch's lines; and its texture.

A weave is an artefact of upsampling in a decoder: lines at periods of 2, 4 and 8 px.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pix2pix.errors import UsageError
from pix2pix.evaluate.colours import WHITE, inside_of_product, to_lab
from pix2pix.evaluate.estimates import Float64, gradient_energy
from pix2pix.images.framing import INK_BELOW, UInt8
from pix2pix.images.mask import product_mask
from pix2pix.images.matte import estimate_foreground

Mask = NDArray[np.bool_]

NOT_TRACED = "these sketches were not traced from the photos"

MARGIN_PX = 6  # of 256: distance of ground and plain surfaces from a line
BLOCK_PX = 32  # side of the blocks of a plain surface, which begin every 16 px
PERIODS = (2, 4, 8)  # px
ROUNDING = 1 / 12 / 255**2  # variance of rounding to 8 bits: lower energies cannot be measured
OPAQUE, CLEAR = 230, 10  # alpha of pixels that count as product, and as ground, of 255
THIN_PX = 19  # a part is thin if no disc of this diameter fits into it
LEAST_THIN_PX, LEAST_BODY_PX, LEAST_OPENING_PX = 100, 1000, 60  # areas


class Lines:
    """The lines of a sketch (256, 256) uint8, paper 255; and its photo, if it was traced from one."""

    def __init__(self, sketch: UInt8, photo: UInt8 | None = None) -> None:
        """Thickens the lines by `MARGIN_PX`, which closes gaps of twice that. The photo is (256, 256, 3)."""
        self._sketch, self._photo = sketch, photo
        side = 2 * MARGIN_PX + 1
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        self._thick = cv2.dilate((sketch < INK_BELOW).astype(np.uint8), brush) > 0

    @cached_property
    def ground(self) -> Mask:
        """Pixels from which a straight path up, down, left or right to the border crosses no line.

        Through a gap in an outline this includes a strip of the product; a flood fill would include all.
        """
        free = np.zeros_like(self._thick)
        for axis in (0, 1):
            free |= ~np.logical_or.accumulate(self._thick, axis)
            back = np.flip(self._thick, axis)
            free |= np.flip(~np.logical_or.accumulate(back, axis), axis)
        return free

    @cached_property
    def inside(self) -> Mask:
        """Pixels that are neither ground nor near a line."""
        return ~(self._thick | self.ground)

    @cached_property
    def parts(self) -> Parts:
        """Thin parts, body and openings of the photo. Raises UsageError if there is no photo."""
        if self._photo is None:
            raise UsageError(NOT_TRACED)
        _, alpha = estimate_foreground(self._photo, product_mask(self._sketch, self._photo))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (THIN_PX, THIN_PX))
        product = alpha > OPAQUE
        body = cv2.morphologyEx(product.astype(np.uint8), cv2.MORPH_OPEN, disc)
        near_body = cv2.dilate(body, np.ones((MARGIN_PX + 1, MARGIN_PX + 1), np.uint8)) > 0
        ground = np.pad((alpha < CLEAR).astype(np.uint8), 1, constant_values=1)
        _, labels = cv2.connectedComponents(ground, connectivity=4)
        openings = (ground > 0) & (labels != labels[0, 0])
        return Parts(product & ~near_body, body > 0, openings[1:-1, 1:-1])


class Parts(NamedTuple):
    """Masks (256, 256): thin parts of a product, such as handles; its body; ground that it encloses."""

    thin: Mask
    body: Mask
    openings: Mask


class Surface(NamedTuple):
    """The plain surface of a photo.

    energies  natural logarithm of the energy at each of `PERIODS`, (3,)
    weave     binary logarithm of the energy there over that at neighbouring periods, mean over `PERIODS`
    """

    energies: Float64
    weave: float


def ground_not_white(photo: UInt8, lines: Lines) -> float | None:
    """Returns the percent of the ground of a photo (256, 256, 3) uint8 that is not white; None without."""
    return _not_white(photo[lines.ground]) if lines.ground.any() else None


def thin_lightness(photo: UInt8, lines: Lines) -> float | None:
    """Returns the mean L* (0 to 100) of thin parts minus that of the body, of a photo (256, 256, 3) uint8.

    None if either is small. Raises UsageError as `Lines.parts`.
    """
    thin, body, _ = lines.parts
    if thin.sum() < LEAST_THIN_PX or body.sum() < LEAST_BODY_PX:
        return None
    lightness = to_lab(photo)[..., 0]
    return float(lightness[thin].mean() - lightness[body].mean())


def openings_not_white(photo: UInt8, lines: Lines) -> float | None:
    """Returns the percent of the openings of a photo (256, 256, 3) uint8 that is not white; None without.

    Raises UsageError as `Lines.parts`.
    """
    openings = lines.parts.openings
    return _not_white(photo[openings]) if openings.sum() >= LEAST_OPENING_PX else None


def plain_surface(photo: UInt8, lines: Lines) -> Surface | None:
    """Returns the plain surface of a photo (256, 256, 3) uint8: its blocks without line, ground or white.

    The energy at a period of p px is |DFT|^2 of a block at the frequencies (1/p, 0) and (0, 1/p), averaged
    over both, channels and blocks: for white noise, its variance, with pixels in [0, 1]. The linear shading
    of a block is subtracted first, and a Hann window applied. Energies are at least that of rounding.
    Neighbouring periods are two of 32 bins to either side (the geometric mean). None without such a block.
    """
    outside = ~lines.inside | (photo.min(axis=2) >= WHITE)
    plain = ~_blocks(outside).any(axis=(-2, -1))
    if not plain.any():
        return None
    energies = np.maximum(_energies(_blocks(photo / 255)[plain]), ROUNDING)
    bins = np.array([BLOCK_PX // period for period in PERIODS])
    neighbours = np.sqrt(energies[bins - 2] * energies[(bins + 2) % BLOCK_PX])
    return Surface(np.log(energies[bins]), float(np.log2(energies[bins] / neighbours).mean()))


def _not_white(pixels: UInt8) -> float:
    """Returns the percent of pixels (N, 3) that are not white."""
    return 100 * float((pixels.min(axis=1) < WHITE).mean())


def _blocks(picture: NDArray[np.generic]) -> NDArray[np.generic]:
    """Returns half overlapping blocks (rows, columns, ..., 32, 32) of (H, W, ...)."""
    step = BLOCK_PX // 2
    return np.lib.stride_tricks.sliding_window_view(picture, (BLOCK_PX, BLOCK_PX), (0, 1))[::step, ::step]


def _energies(blocks: NDArray[np.generic]) -> Float64:
    """Returns the energy (32,) of blocks (N, 3, 32, 32) by frequency, the mean of across and down."""
    at = np.arange(BLOCK_PX)
    across, down = np.meshgrid(at, at)
    plane = np.linalg.qr(np.stack([np.ones(BLOCK_PX**2), across.ravel(), down.ravel()], axis=1))[0]
    flat = blocks.reshape(-1, BLOCK_PX**2)
    flat = flat - flat @ plane @ plane.T
    hann = np.sin(np.pi * at / BLOCK_PX) ** 2
    window = np.outer(hann, hann)
    power = np.abs(np.fft.fft2(flat.reshape(-1, BLOCK_PX, BLOCK_PX) * window)) ** 2 / (window**2).sum()
    mean = power.mean(axis=0)
    return np.asarray((mean[0] + mean[:, 0]) / 2, np.float64)


def texture(photo: UInt8) -> float | None:
    """Returns the gradient energy inside of a product, without its outline; None if there is no inside.

    The photo is (256, 256, 3) uint8.
    """
    inside = inside_of_product(photo)
    return gradient_energy(photo, inside) if inside[1:].any() and inside[:, 1:].any() else None

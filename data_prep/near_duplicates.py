"""A perceptual hash: similar for copies of a photo, different for one shoe in other colours.

hashes = np.stack([perceptual_hash(photo) for photo in photos])      # (N, K) uint64
near_duplicates(hashes)                                              # [(0, 17), ...]

The subject is framed by its centre and spread (image moments; a cropped margin or noise hardly changes them,
unlike a bounding box) and described by the low frequencies of its lightness and colours (DCT), 64 numbers of
one byte. Photos are near-duplicates if the Euclidean distance of these is small, also relative to their
contrast.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from pix2pix.images.framing import UInt8
from pix2pix.images.subject import background, levelled

Hashes = npt.NDArray[np.uint64]
Levels = npt.NDArray[np.float32]

WORDS = 8  # K
MAX_DISTANCE = 9.0  # grey levels, root of the sum of squares
MAX_SHARE = 0.2  # of the lower contrast of the two: without it all white shoes are near-duplicates
STEPS = 2.0  # of a byte per grey level
WORKING_PX, THUMBNAIL_PX = 128, 32  # the longer side; the frame
OFF_BACKGROUND = 16, 80  # levels below white: weight of the subject 0 to 1
SPREAD = 2.0  # standard deviations from the centre to the frame
LIGHTNESS, COLOUR = 36, 14  # low frequencies: of lightness without its mean, of each of two colours
BLOCK = 512  # photos compared with all others together: 40 MB for 20,000


def perceptual_hash(photo: UInt8) -> Hashes:
    """Returns the hash (8,) uint64 of (H, W, 3) uint8; compare it with `near_duplicates` or `HashIndex` only.

    Background, margin, size and aspect have little effect; mirrored copies differ.
    """
    channels = cv2.split(cv2.cvtColor(_framed(photo), cv2.COLOR_RGB2YCrCb).astype(np.float32))
    frequencies = [np.asarray(cv2.dct(channel) / THUMBNAIL_PX, np.float32) for channel in channels]
    kept = [_lowest(frequencies[0], LIGHTNESS + 1)[1:], *(_lowest(f, COLOUR) for f in frequencies[1:])]
    kept[1][0] -= 128
    kept[2][0] -= 128
    levels = np.round(np.concatenate(kept) * STEPS) + 128
    return np.clip(levels, 0, 255).astype(np.uint8).view(np.uint64)


def near_duplicates(hashes: Hashes) -> list[tuple[int, int]]:
    """Returns the index pairs i < j of the near-duplicates among hashes (N, K), sorted."""
    levels = _levels(hashes)
    squares = np.square(levels).sum(axis=1)
    found: list[tuple[int, int]] = []
    for start in range(0, len(levels), BLOCK):
        block, rest = slice(start, start + BLOCK), slice(start, None)
        near = _near(levels[block] @ levels[rest].T, squares[block, None], squares[rest])
        first, second = np.nonzero(near)
        later = first < second
        found += zip((start + first[later]).tolist(), (start + second[later]).tolist(), strict=True)
    return found


class HashIndex:
    """A growing list of hashes, searched for near-duplicates; 0.5 ms among 20,000."""

    def __init__(self) -> None:
        """Empty."""
        self._count = 0
        self._levels = np.zeros((1024, 8 * WORDS), np.float32)
        self._squares = np.zeros(1024, np.float32)

    def add(self, likeness: Hashes) -> None:
        """Adds the hash (K,) of a photo."""
        if self._count == len(self._levels):
            self._levels = np.concatenate([self._levels, np.zeros_like(self._levels)])
            self._squares = np.concatenate([self._squares, np.zeros_like(self._squares)])
        self._levels[self._count] = _levels(likeness[None])
        self._squares[self._count] = np.square(self._levels[self._count]).sum()
        self._count += 1

    def like(self, likeness: Hashes) -> list[int]:
        """Returns the indices, in order of `add`, of the near-duplicates of a photo with this hash (K,)."""
        one, others = _levels(likeness[None])[0], slice(self._count)
        # Not BLAS: its threads cost more than this
        products = np.einsum("nd,d->n", self._levels[others], one)
        near = _near(products, np.square(one).sum(), self._squares[others])
        return np.flatnonzero(near).tolist()


def _near(products: Levels, squares: Levels | np.float32, others: Levels) -> npt.NDArray[np.bool_]:
    """Whether photos are within MAX_DISTANCE, and within MAX_SHARE of the shorter vector's length.

    Computed from scalar products and squares, which are integers below 2**24, exact in float32.
    """
    apart = squares + others - 2 * products
    bound = np.minimum((MAX_DISTANCE * STEPS) ** 2, MAX_SHARE**2 * np.minimum(squares, others))
    return np.asarray(apart <= bound)


def _framed(photo: UInt8) -> UInt8:
    """(THUMBNAIL_PX, THUMBNAIL_PX, 3): the subject, framed by its moments; the whole photo without one."""
    height, width = photo.shape[:2]
    scale = min(1.0, WORKING_PX / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
    white = background(small)
    if white is not None:
        small = levelled(small, white)
        small = _frame_by_moments(small, 255 - small.min(axis=2))
    return np.asarray(cv2.resize(small, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _frame_by_moments(photo: UInt8, off_white: UInt8) -> UInt8:
    low, high = OFF_BACKGROUND
    moments = cv2.moments(np.clip(off_white, low, high).astype(np.float32) - low)
    mass = moments["m00"]
    if mass == 0:
        return photo
    centre = np.array([moments["m10"], moments["m01"]]) / mass
    spread = SPREAD * np.sqrt(np.maximum([moments["mu20"] / mass, moments["mu02"] / mass], 0.25))
    side = 2 * THUMBNAIL_PX
    step = 2 * spread / side  # from one pixel of the frame to the next, in pixels of the photo
    frame_to_photo = np.column_stack([np.diag(step), centre - spread + step / 2])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(photo, frame_to_photo, (side, side), flags=how, borderValue=(255, 255, 255)), np.uint8
    )


def _lowest(frequencies: Levels, count: int) -> Levels:
    """Returns the `count` lowest frequencies of a square DCT, lowest first."""
    rows, columns = np.indices(frequencies.shape)
    order = np.argsort((rows**2 + columns**2).ravel(), kind="stable")[:count]
    return np.asarray(frequencies.ravel()[order], np.float32)


def _levels(hashes: Hashes) -> Levels:
    """Returns the numbers in hashes (N, K): (N, 8 K) integers in [-128, 127] as float32."""
    return np.ascontiguousarray(hashes).view(np.uint8).astype(np.float32) - 128

"""Finds colours that products of a pairs folder often have: the colour pens of the canvas.

find_palette(list_pairs(folder, "train"))   # ("#1d1b1c", ..., "#e4ddd4"), from dark to light
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from pix2pix.errors import PairsError
from pix2pix.evaluate.colours import to_lab
from pix2pix.images.framing import UInt8, resized
from pix2pix.model.latents import spread
from pix2pix.pairs import Pair, evenly, load_mask, load_pair

COLOURS = 8
PAIRS = 200  # that are looked at, spread over the folder
SIDE_PX = 32
CANDIDATES = 64  # mean colours of groups of pixels
LEAST_SHARE = 0.002  # of all pixels, in a group


def find_palette(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Returns up to 8 colours that lie far apart, #rrggbb, among those that products have, dark ones first.

    Pairs that cannot be read are left out.
    """
    pixels = [_product_pixels(pair) for pair in evenly(pairs, PAIRS)]
    found = np.concatenate([np.empty((0, 3), np.uint8), *pixels])
    if not len(found):
        return ()
    groups = Image.fromarray(found[None]).quantize(CANDIDATES, kmeans=2)
    counts = np.bincount(np.asarray(groups).ravel())
    frequent = np.flatnonzero(counts >= LEAST_SHARE * len(found))
    rgb = np.array(groups.getpalette(), np.uint8).reshape(-1, 3)[frequent]
    lab = to_lab(rgb[None])[0]
    from_dark = np.argsort(lab[:, 0])
    rgb, lab = rgb[from_dark], lab[from_dark]
    return tuple("#" + rgb[i].tobytes().hex() for i in sorted(spread(lab, min(COLOURS, len(lab)))))


def _product_pixels(pair: Pair) -> UInt8:
    """Returns the colours (P, 3) of a pair's product."""
    try:
        sketch, photo = load_pair(pair)
        mask = load_mask(pair, sketch, photo)
    except PairsError:
        return np.empty((0, 3), np.uint8)
    small, covered = (resized(x, (SIDE_PX, SIDE_PX)) for x in (photo, mask))
    inside: UInt8 = small[covered == 255]
    return inside

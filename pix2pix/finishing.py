"""The end of a run: what is done once to the weights before they are shipped."""

from __future__ import annotations

import numpy as np
import torch

from pix2pix.architecture import ENCODER_PX
from pix2pix.bundle import Direction
from pix2pix.dataset import Pair
from pix2pix.directions import find_directions
from pix2pix.errors import ImageError, PairsError
from pix2pix.framing import resized
from pix2pix.images import read_photo
from pix2pix.networks import Model
from pix2pix.pixels import from_pixels
from pix2pix.whitening import whiten

WHITENED_BY = 512  # training photos, from all over the list
FEWEST = 8  # that must be readable


def finish(model: Model, pairs: list[Pair], sketches: torch.Tensor) -> tuple[Direction, ...]:
    """Whiten z by photos of `pairs`, in place, and find its directions on sketches (M, 1, S, S) in [-1, 1].

    Photos that cannot be read are passed over. Raises PairsError if fewer than 8 can be, or all of fewer.
    """
    if model.encoder is not None:
        device = next(model.parameters()).device
        whiten(model.generator, model.encoder, from_pixels(_some_photos(pairs)).to(device))
    return find_directions(model.generator, model.config.latent_size, sketches)


def _some_photos(pairs: list[Pair]) -> torch.Tensor:
    """(N, 3, S, S) uint8, at the size at which E looks at them."""
    at = np.linspace(0, len(pairs) - 1, min(len(pairs), WHITENED_BY)).round().astype(int)
    photos = []
    for pair in (pairs[i] for i in at):
        try:
            photos.append(resized(read_photo(pair.photo), (ENCODER_PX, ENCODER_PX)))
        except ImageError as error:
            refusal = error
    if len(photos) < min(len(pairs), FEWEST):
        raise PairsError(f"{len(at) - len(photos)} of {len(at)} photos cannot be read: {refusal}")
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)

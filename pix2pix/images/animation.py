"""Writes a series of pictures as one file: an animation, a film, or a strip."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pix2pix.errors import UnsupportedImage, UsageError
from pix2pix.files import write_atomically
from pix2pix.images.io import save_image

FORMATS = (".gif", ".webp", ".mp4", ".png")
FRAMES_PER_S = 12
HOLD_S = 0.8  # on the first and the last frame of an animation


def check_format(path: Path) -> None:
    """Raises UnsupportedImage, naming those allowed, for a suffix that `save_frames` cannot write."""
    if path.suffix.lower() not in FORMATS:
        raise UnsupportedImage(f"{path.name} must end in one of {', '.join(FORMATS)}")


def save_frames(path: Path, frames: Sequence[Image.Image]) -> None:
    """Writes RGB pictures of one size, atomically: GIF, WebP or MP4, or a PNG with all side by side.

    Creates the folder if it is missing. Raises UnsupportedImage for another suffix, UsageError if this
    machine cannot write MP4.
    """
    check_format(path)
    suffix = path.suffix.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".png":
        save_image(path, np.concatenate([np.asarray(frame) for frame in frames], axis=1))
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        whole = Path(folder) / f"frames{suffix}"
        (_write_film if suffix == ".mp4" else _write_animation)(whole, frames)
        write_atomically(path, whole.read_bytes())


def _write_animation(path: Path, frames: Sequence[Image.Image]) -> None:
    durations_ms = [round(1000 / FRAMES_PER_S)] * len(frames)
    durations_ms[0] = durations_ms[-1] = round(1000 * HOLD_S)
    first, *rest = frames
    first.save(path, save_all=True, append_images=rest, duration=durations_ms, loop=0)


def _write_film(path: Path, frames: Sequence[Image.Image]) -> None:
    width, height = frames[0].size
    even = (width + width % 2, height + height % 2)  # the codec does not support odd sides
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FRAMES_PER_S, even)
    if not film.isOpened():
        raise UsageError("this machine's OpenCV cannot write MP4; use .gif, .webp or .png")
    for frame in frames:
        padded = cv2.copyMakeBorder(
            np.asarray(frame), 0, even[1] - height, 0, even[0] - width, cv2.BORDER_REPLICATE
        )
        film.write(cv2.cvtColor(padded, cv2.COLOR_RGB2BGR))
    film.release()

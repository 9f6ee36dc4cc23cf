"""EXIF orientations: phones store photos turned, with a note how to turn them upright.

Programs that ignore the note, or drop it when they save, leave sketch and photo turned against each other.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from pix2pix.images.decode import FORMATS, ORIENTATION_TAG, TRANSPOSED

UPRIGHT = 1


def exif_orientation(path: Path) -> int:
    """Returns the EXIF orientation of a picture, 1 to 8; 1 (upright) if it has none or cannot be read."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            orientation = image.getexif().get(ORIENTATION_TAG, UPRIGHT)
    except Exception:  # Pillow's parsers raise many kinds on damaged headers
        return UPRIGHT
    return orientation if orientation in TRANSPOSED else UPRIGHT


def exchanges_sides(orientation: int) -> bool:
    """Returns whether turning a picture upright makes its width its height."""
    return orientation >= 5

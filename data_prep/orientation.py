"""EXIF orientations: phones store rotated pixels, and a tag that says how to rotate them upright.

If a program ignores the tag, or drops it when it saves, the sketch and the photo of a pair are rotated
against each other.
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

"""Reads and writes pictures: decoding, orientation, size limits, sketches. Does not import torch.

sketch = read_sketch("drawing.png")              # (H, W) uint8, paper 255, ink 0
fitted, placement = fit_sketch(sketch, 256)      # (256, 256) uint8
page = restore_photo(photo, placement)           # (H, W, 3) uint8
save_image(Path("shoe.png"), page)
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from pix2pix.errors import ImageError, ImageTooLarge, UnreadableImage, UnsupportedImage
from pix2pix.files import write_atomically
from pix2pix.images.colour_strokes import has_colours, split_colours
from pix2pix.images.decode import (
    MAX_PIXELS,
    OWN,
    SUFFIXES,
    WEB,
    Limits,
    Source,
    count_pixels,
    open_image,
    reading_factor,
    size_of,
)
from pix2pix.images.framing import Placement, UInt8, fit_hints, fit_sketch, restore_photo
from pix2pix.images.ink import ink_on_paper, strokes_alone
from pix2pix.images.notices import COLOURS, Notice
from pix2pix.images.transparency import WHITE, over, over_paper

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "WEB",
    "Limits",
    "Notice",
    "Placement",
    "Source",
    "check_answer_size",
    "check_suffix",
    "count_pixels",
    "encode_jpeg",
    "encode_png",
    "fit_hints",
    "fit_sketch",
    "inspect_sketch",
    "open_image",
    "read_coloured_sketch",
    "read_hints",
    "read_note",
    "read_photo",
    "read_prepared_sketch",
    "read_sketch",
    "reading_factor",
    "restore_photo",
    "save_image",
    "size_of",
]

SAVED_AS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 1, "compress_type": zlib.Z_RLE},  # measured in docs/experiments.md
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
}


def read_sketch(source: Source | npt.NDArray[Any], limits: Limits = OWN) -> UInt8:
    """Reads a drawing of any kind as a sketch: (H, W) uint8, paper 255, ink 0.

    `source` and `limits` are as in `open_image`; or `source` is an array, (H, W), (H, W, 1), (H, W, 3) RGB
    or (H, W, 4) RGBA, of bool, uint8 or uint16. Ink is what differs from the paper: coloured strokes, white
    on black, strokes on transparency, pencil, a photographed page; printed rules are paper, and areas of
    colour are outlined. A blank page is all 255. Clean sketches only lose noise; reading a result again does
    not change it.

    Raises as `open_image`.
    """
    return inspect_sketch(source, limits)[0]


def read_prepared_sketch(source: Source) -> UInt8:
    """Reads a sketch of a pairs folder as `read_sketch`, but does not look for rules, areas or photos."""
    return strokes_alone(_on_paper(open_image(source)))


def inspect_sketch(
    source: Source | npt.NDArray[Any], limits: Limits = OWN, *, tell_colours: bool = False
) -> tuple[UInt8, tuple[Notice, ...]]:
    """Returns the sketch as `read_sketch`, and notices for the user. Raises as `open_image`."""
    pixels = _on_paper(_opened(source, limits))
    sketch, notices = ink_on_paper(pixels)
    # Rules, areas and photos have colours that are no strokes.
    if tell_colours and not notices and pixels.ndim == 3 and has_colours(pixels):
        notices = (*notices, COLOURS)
    return sketch, notices


def read_coloured_sketch(
    source: Source | npt.NDArray[Any], limits: Limits = OWN
) -> tuple[UInt8, UInt8 | None, tuple[Notice, ...]]:
    """Reads a drawing whose saturated strokes are colours, and dark and grey ones ink.

    Returns sketch and notices as `inspect_sketch`, and between them the strokes as `read_hints`, None if
    there are none. Takes and raises as `read_sketch`; raises ImageError if there are colours and no ink.
    """
    pixels = _on_paper(_opened(source, limits))
    separated = split_colours(pixels) if pixels.ndim == 3 else None
    if separated is None:
        sketch, notices = ink_on_paper(pixels)
        return sketch, None, notices
    sketch, notices = ink_on_paper(separated[0])
    if sketch.min() == 255:
        raise ImageError("The drawing has no dark or grey lines: all strokes are coloured.")
    return sketch, separated[1], notices


def read_hints(source: Source | npt.NDArray[Any], limits: Limits = OWN) -> UInt8:
    """Reads colour strokes, a picture with transparency or an array (H, W, 4): (H, W, 4) straight RGBA uint8.

    Takes `source` and `limits` and raises as `read_sketch`; raises ImageError if nothing is transparent.
    """
    rgba = np.asarray(_opened(source, limits).convert("RGBA"))
    if rgba[..., 3].min() == 255:
        raise ImageError(
            "The hints have no transparent pixels: use a PNG or WebP that is transparent outside of the "
            "colour strokes."
        )
    return rgba


def read_photo(source: Source, limits: Limits = OWN) -> UInt8:
    """Reads a photo as (H, W, 3) uint8 RGB, transparency over white. Takes and raises as `open_image`."""
    image = _eight_bit(open_image(source, limits))
    if image.has_transparency_data:
        return over(np.asarray(image.convert("RGBA")), WHITE)
    return np.asarray(image.convert("RGB"), np.uint8)


def encode_png(photo: UInt8) -> bytes:
    """Encodes (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) grey uint8 as PNG bytes."""
    return _encoded(photo, "PNG")


def encode_jpeg(photo: UInt8) -> bytes:
    """Encodes (H, W, 3) RGB or (H, W) grey uint8 as JPEG bytes of quality 95, without chroma subsampling."""
    return _encoded(photo, "JPEG")


def save_image(path: Path, array: UInt8, note: str = "") -> None:
    """Writes (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) grey uint8 in the format of the suffix, atomically.

    PNG and WebP are lossless, JPEG has quality 95 and no alpha. An ASCII `note` is stored as the picture's
    Exif description; BMP has none. Raises `UnsupportedImage` for another suffix, and for a size that the
    format does not support.
    """
    write_atomically(path, _encoded(array, check_suffix(path), note))


def read_note(path: Path) -> str:
    """Returns the `note` of a picture that `save_image` wrote; "" if it has none or cannot be read."""
    try:
        with path.open("rb") as file, Image.open(file) as image:
            return str(image.getexif().get(ExifTags.Base.ImageDescription, ""))
    except (OSError, ValueError, SyntaxError):
        return ""


def check_answer_size(shape: tuple[int, ...], count: int, noun: str, max_pixels: int = MAX_PIXELS) -> None:
    """Raises ImageTooLarge if `count` pictures of `shape` have more than `max_pixels` together."""
    height, width = shape[:2]
    if height * width * count > max_pixels:
        raise ImageTooLarge(
            f"{count} {noun} of {width} x {height} pixels exceed the {max_pixels:,} pixels "
            f"allowed in one result: request fewer {noun}, or send a smaller sketch."
        )


def check_suffix(path: Path) -> str:
    """Returns the format of a file name's suffix. Raises `UnsupportedImage`, naming those allowed."""
    kind = SAVED_AS.get(path.suffix.lower())
    if kind is None:
        allowed = ", ".join(SAVED_AS)
        raise UnsupportedImage(
            f"Pictures cannot be saved as {path.suffix or 'a name without suffix'!r}; use one of {allowed}."
        )
    return kind


def _encoded(array: UInt8, kind: str, note: str = "") -> bytes:
    buffer = io.BytesIO()
    options = SAVE_OPTIONS.get(kind, {})
    if note:
        exif = Image.Exif()
        exif[ExifTags.Base.ImageDescription] = note
        options = {**options, "exif": exif}
    try:
        Image.fromarray(np.ascontiguousarray(array)).save(buffer, kind, **options)
    except ValueError as error:
        height, width = array.shape[:2]
        raise UnsupportedImage(f"{width} x {height} pixels cannot be saved as {kind}: {error}") from error
    return buffer.getvalue()


def _opened(source: Source | npt.NDArray[Any], limits: Limits) -> Image.Image:
    return _image_of_array(source) if isinstance(source, np.ndarray) else open_image(source, limits)


def _on_paper(image: Image.Image) -> UInt8:
    """Returns a drawing's pixels, (H, W) or (H, W, 3), transparency over paper."""
    image = _eight_bit(image)
    if image.has_transparency_data:
        return over_paper(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scales 16- and 32-bit grey so that its maximum is 255: scanners store 10 or 12 bits in 16."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.nan_to_num(np.asarray(image, np.float32), posinf=0.0, neginf=0.0)
    values = np.clip(values, 0.0, None)
    return Image.fromarray(np.round(values * (255.0 / max(float(values.max()), 1e-6))).astype(np.uint8))


def _image_of_array(array: npt.NDArray[Any]) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not shaped or array.dtype not in (np.dtype(bool), np.dtype(np.uint8), np.dtype(np.uint16)):
        raise UnsupportedImage(
            f"An array of shape {array.shape} and dtype {array.dtype} is not a picture; "
            "allowed are (H, W), (H, W, 1), (H, W, 3) and (H, W, 4) of bool, uint8 or uint16."
        )
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise ImageTooLarge(
            f"The array has {array.shape[0] * array.shape[1]:,} pixels; the limit is {MAX_PIXELS:,}."
        )
    if array.size == 0:
        raise UnreadableImage(f"The array has no pixels: its shape is {array.shape}.")
    if array.dtype == np.dtype(bool):
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype == np.dtype(np.uint16):
        array = np.round(array * (255.0 / max(int(array.max()), 1))).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array))

"""Decodes picture files: limits their size, and turns them upright."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

from PIL import Image, UnidentifiedImageError

from pix2pix.errors import ImageTooLarge, UnreadableImage, UnsupportedImage

Source: TypeAlias = bytes | BinaryIO | str | Path | Image.Image

MAX_PIXELS = 40_000_000
MAX_SCANS = 100  # of a JPEG: encoders write a dozen
MAX_SEGMENTS = 10_000  # of a JPEG: metadata is split into segments of 64 kB
MAX_SIDE_PX = 32_000  # a longer strip is not a drawing, and slow to process
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
WEB_FORMATS = ("PNG", "JPEG", "WEBP")  # accepted from the network: fewer decoders to attack
SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".webp",
        ".bmp",
        ".tif",
        ".tiff",
        ".gif",
        ".ppm",
        ".pgm",
        ".pbm",
    ]
)
OTHER_KINDS = {
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop file",
    b"<svg": "an SVG",
    b"<?xml": "an SVG or other XML",
    b"%!PS": "PostScript",
    b"\x00\x00\x01\x00": "a Windows icon",
    b"gimp xcf": "a GIMP file",
}
ORIENTATION_TAG = 0x0112
MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]", re.DOTALL)  # of a segment; scan data contain no such bytes
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
TRANSPOSED = {  # EXIF orientation -> transposition that makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_image(source: Source, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Opens a picture, decodes it and turns it upright; keeps its mode (any that Pillow has).

    `source` is the encoded bytes, a binary file, a path, or a Pillow image. Colour profiles are not applied.

    Raises `UnreadableImage` (missing, empty, truncated, not an image), `UnsupportedImage` (a format outside
    of `formats`, or an animation or several pages) and `ImageTooLarge` (over `MAX_PIXELS` by its header;
    nothing is decoded then).
    """
    if isinstance(source, Image.Image):
        return _decoded(source, "the image")
    if isinstance(source, (str, Path)):
        name = Path(source).name
        try:
            if not Path(source).is_file() and Path(source).exists():
                raise UnreadableImage(f"{source} is not a regular file.")
            data = Path(source).read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise UnreadableImage(f"{source} cannot be read: {reason}.") from error
    else:
        name = "the image"
        data = source if isinstance(source, bytes) else source.read()
    return _decoded(_identified(data, name, formats), name)


def count_pixels(data: bytes, formats: tuple[str, ...] = FORMATS) -> int:
    """Returns the number of pixels from the picture's header: decoding needs memory for so many.

    Raises as `open_image`, except for errors that only decoding finds.
    """
    image = _identified(data, "the image", formats)
    _bound(image, "the image")
    return image.width * image.height


def _identified(data: bytes, name: str, formats: tuple[str, ...]) -> Image.Image:
    """Opens the picture lazily: reads only the header."""
    if not data:
        raise UnreadableImage(f"{name} is empty (0 bytes).")
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(f"{name} has over {MAX_PIXELS:,} pixels, the limit.") from error
    except UnidentifiedImageError as error:
        raise _not_a_picture(data, name, formats) from error
    except Exception as error:  # Pillow's parsers raise many kinds on damaged headers
        raise UnreadableImage(f"{name} is damaged: {error}.") from error
    if image.format in ("JPEG", "MPO") and not _is_quickly_read(data):
        raise UnsupportedImage(f"{name} is a JPEG of more than {MAX_SCANS} scans; save it again.")
    return image


def _is_quickly_read(jpeg: bytes) -> bool:
    """Whether a JPEG has few scans: decoding one goes through the whole picture, however few bytes it has.

    Goes from marker to marker (ITU T.81, annex B), at most `MAX_SEGMENTS` of them.
    """
    scans, at = 0, 2
    for _ in range(MAX_SEGMENTS):
        found = MARKER.search(jpeg, at)
        if found is None or found[0] == END_OF_IMAGE:
            return True
        scans += found[0] == START_OF_SCAN
        if scans > MAX_SCANS:
            return False
        at = found.end() + max(2, int.from_bytes(jpeg[found.end() : found.end() + 2], "big"))
    return False


def _not_a_picture(data: bytes, name: str, formats: tuple[str, ...]) -> UnreadableImage | UnsupportedImage:
    start = data[:64].lstrip()
    found = next((kind for magic, kind in OTHER_KINDS.items() if start.startswith(magic)), None)
    if data[4:8] == b"ftyp":
        found = "HEIC, AVIF or a video"
    if len(formats) < len(FORMATS):
        with suppress(Exception):  # Pillow's parsers raise many kinds on damaged headers
            found = f"a {Image.open(io.BytesIO(data), formats=FORMATS).format} file"
    accepted = ", ".join(formats)
    if found:
        return UnsupportedImage(f"{name} is {found}; accepted are {accepted}.")
    return UnreadableImage(
        f"{name} is not a picture, or is cut short: {len(data)} bytes; accepted are {accepted}."
    )


def _decoded(image: Image.Image, name: str) -> Image.Image:
    """Checks the limits, decodes all pixels and turns the picture upright."""
    _bound(image, name)
    try:
        several = image.format != "MPO"  # a phone's JPEG with a second view: the first is the picture
        if several and getattr(image, "is_animated", False):
            raise UnsupportedImage(f"{name} is an animation or has several pages; use a single picture.")
        image.load()
    except UnsupportedImage:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged data
        raise UnreadableImage(f"{name} is damaged or cut short: {error}.") from error
    return _upright(image)


def _bound(image: Image.Image, name: str) -> None:
    """Raises ImageTooLarge or UnreadableImage for too many pixels, and for none."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageTooLarge(
            f"{name} is {width}x{height} = {width * height:,} pixels; the limit is {MAX_PIXELS:,}."
        )
    if max(width, height) > MAX_SIDE_PX:
        raise ImageTooLarge(f"{name} is {width}x{height}; no side may be over {MAX_SIDE_PX} pixels.")
    if width * height == 0:
        raise UnreadableImage(f"{name} has no pixels ({width}x{height}).")


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = TRANSPOSED.get(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # a damaged EXIF block; the pixels may be fine
        turn = None
    if turn is None:
        return image
    upright = image.transpose(turn)
    kept = ("transparency", "icc_profile")  # not EXIF: it would turn the picture a second time
    upright.info = {key: value for key, value in image.info.items() if key in kept}
    return upright

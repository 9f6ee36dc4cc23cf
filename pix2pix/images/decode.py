"""From bytes to upright pixels: the part of `images` that deals with files as people have them."""

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
MAX_SEGMENTS = 10_000  # of a JPEG: metadata comes in pieces of 64 kB
MAX_SIDE_PX = 32_000  # a longer strip is no drawing, and slow to look through
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
WEB_FORMATS = ("PNG", "JPEG", "WEBP")  # what strangers may send: the fewer decoders, the better
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
KNOWN_ELSEWHERE = {
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop file",
    b"<svg": "an SVG",
    b"<?xml": "an SVG or other XML",
    b"%!PS": "PostScript",
    b"\x00\x00\x01\x00": "a Windows icon",
    b"gimp xcf": "a GIMP file",
}
ORIENTATION_TAG = 0x0112
MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]", re.DOTALL)  # of a segment: within a scan there is none
START_OF_SCAN, END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"
TRANSPOSED = {  # EXIF orientation -> what makes it upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_image(source: Source, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Open a picture: bounded, fully decoded and upright, in its own mode (any that Pillow has).

    `source` is the encoded bytes, a binary file, a path, or a Pillow image. Colour profiles are not applied.

    Raises `UnreadableImage` (missing, empty, truncated, not an image), `UnsupportedImage` (a format outside
    of `formats`, or an animation or several pages) and `ImageTooLarge` (over `MAX_PIXELS`, told from the
    header, before anything is decoded).
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
    """How many pixels a picture has, told from its header: what decoding takes memory for.

    Raises as `open_image`, but for what only decoding shows.
    """
    image = _identified(data, "the image", formats)
    _bound(image, "the image")
    return image.width * image.height


def _identified(data: bytes, name: str, formats: tuple[str, ...]) -> Image.Image:
    """Open lazily: only the header is read here."""
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
        raise UnsupportedImage(f"{name} is a JPEG of more than {MAX_SCANS} scans; save it anew.")
    return image


def _is_quickly_read(jpeg: bytes) -> bool:
    """Whether a JPEG has few scans: each goes through all of its picture, however few bytes it has.

    Goes from marker to marker (ITU T.81, annex B), not further than any encoder would.
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
    found = next((kind for magic, kind in KNOWN_ELSEWHERE.items() if start.startswith(magic)), None)
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
    """Check the bounds, decode every pixel and turn upright."""
    _bound(image, name)
    try:
        several = image.format != "MPO"  # a phone's JPEG with a second view: the first is the picture
        if several and getattr(image, "is_animated", False):
            raise UnsupportedImage(f"{name} is an animation or has several pages; bring a single picture.")
        image.load()
    except UnsupportedImage:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged data
        raise UnreadableImage(f"{name} is damaged or cut short: {error}.") from error
    return _upright(image)


def _bound(image: Image.Image, name: str) -> None:
    """Refuse a picture of more pixels than are allowed, or of none."""
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
    except Exception:  # a damaged EXIF block says nothing about orientation; the pixels are fine
        turn = None
    if turn is None:
        return image
    upright = image.transpose(turn)
    kept = ("transparency", "icc_profile")  # not the EXIF: read again, it would turn the picture twice
    upright.info = {key: value for key, value in image.info.items() if key in kept}
    return upright

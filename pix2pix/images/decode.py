"""Decodes picture files: limits their size, and turns them upright."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from pix2pix.errors import ImageTooLarge, UnreadableImage, UnsupportedImage

try:
    from pillow_heif import register_heif_opener  # the extra "heic"

    register_heif_opener()
    HEIF: tuple[str, ...] = ("HEIF",)
except ImportError:
    HEIF = ()

Source: TypeAlias = bytes | BinaryIO | str | Path | Image.Image

MAX_PIXELS = 40_000_000  # of a picture from the network, and of any picture once it is read
MAX_FILE_PIXELS = 300_000_000  # of a file of one's own: A1 at 600 dpi
MAX_SCANS = 100  # of a JPEG: encoders write a dozen
MAX_SEGMENTS = 10_000  # of a JPEG: metadata is split into segments of 64 kB
MAX_SIDE_PX = 32_000  # a longer strip is not a drawing, and slow to process
STRIP_PIXELS = 4_000_000  # reduced at a time
WEB_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", *(("AVIF",) if features.check("avif") else ()), *HEIF)
FORMATS = (*WEB_FORMATS, "BMP", "PPM")
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
        ".avif",
        ".heic",
        ".heif",
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
BRANDS = {  # of files that begin with a box "ftyp" (ISO/IEC 14496-12): their format
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIF"),
}
MISSING = {
    "AVIF": "an AVIF picture, which the installed Pillow cannot read: save it as PNG",
    "HEIF": "an HEIC photo: install the extra heic (pip install -e '.[heic]'), or export JPEG",
    "": "a video, or an unknown kind of picture",
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
GREY_STEPS = {"L;2": 85, "L;4": 17}  # between the levels of PNGs of few bits, by Pillow's raw mode
AVERAGED_AS = {"1": "L", "P": "RGB"}  # modes that have no averages

Image.MAX_IMAGE_PIXELS = None  # Pillow would warn; `_bound` refuses before anything is decoded


@dataclass(frozen=True)
class Limits:
    """The pictures that are accepted: Pillow's names of formats, and the number of pixels."""

    formats: tuple[str, ...]
    max_pixels: int


OWN = Limits(FORMATS, MAX_FILE_PIXELS)  # files of the user who runs this process
WEB = Limits(WEB_FORMATS, MAX_PIXELS)  # from the network: fewer decoders to attack


def open_image(source: Source, limits: Limits = OWN) -> Image.Image:
    """Opens a picture, decodes it and turns it upright; keeps its mode (any that Pillow has).

    But 16-bit grey with a transparent level becomes 8-bit grey with alpha.
    `source` is the encoded bytes, a binary file, a path, or a Pillow image. Colour profiles are not applied.
    A picture of more than `MAX_PIXELS` is read at half or a quarter of its width and height.

    Raises `UnreadableImage` (missing, empty, truncated, not an image), `UnsupportedImage` (a format that is
    not accepted, or an animation or several pages) and `ImageTooLarge` (too many pixels by its header;
    nothing is decoded then).
    """
    if isinstance(source, Image.Image):
        _bound(source, "the image", limits)
        return _decoded(source, "the image")
    data, name = _read(source)
    image = _identified(data, name, limits)
    _bound(image, name, limits)
    if (factor := reading_factor(*image.size)) > 1:
        image.draft(None, (image.width // factor, image.height // factor))  # only JPEG: decodes a fraction
    return _decoded(image, name)


def reading_factor(width: int, height: int) -> int:
    """Returns 1, 2 or 4: a picture of that size is read at 1/factor of it, rounded up."""
    return next(f for f in (1, 2, 4) if f == 4 or -(-width // f) * -(-height // f) <= MAX_PIXELS)


def _read(source: bytes | BinaryIO | str | Path) -> tuple[bytes, str]:
    """Returns the encoded bytes and the name for messages. Raises UnreadableImage."""
    if isinstance(source, (str, Path)):
        name = Path(source).name
        try:
            if not Path(source).is_file() and Path(source).exists():
                raise UnreadableImage(f"{source} is not a regular file.")
            data = Path(source).read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise UnreadableImage(f"{source} cannot be read: {reason}.") from error
        return data, name
    return source if isinstance(source, bytes) else source.read(), "the image"


def size_of(data: bytes, limits: Limits = OWN) -> tuple[int, int]:
    """Returns width and height from the picture's header, before it is turned upright.

    Raises as `open_image`, except for errors that only decoding finds.
    """
    image = _identified(data, "the image", limits)
    _bound(image, "the image", limits)
    return image.size


def count_pixels(data: bytes, limits: Limits = OWN) -> int:
    """Returns the number of pixels: decoding needs memory for so many. Raises as `size_of`."""
    width, height = size_of(data, limits)
    return width * height


def _identified(data: bytes, name: str, limits: Limits) -> Image.Image:
    """Opens the picture lazily: reads only the header."""
    if not data:
        raise UnreadableImage(f"{name} is empty (0 bytes).")
    try:
        image = Image.open(io.BytesIO(data), formats=limits.formats)
    except UnidentifiedImageError as error:
        raise _not_a_picture(data, name, limits.formats) from error
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
        kind = BRANDS.get(data[8:12], "")
        found = None if kind in formats else MISSING[kind]
    if len(formats) < len(FORMATS):
        with suppress(Exception):  # Pillow's parsers raise many kinds on damaged headers
            found = f"a {Image.open(io.BytesIO(data), formats=FORMATS).format} file"
    accepted = ", ".join(formats)
    if found:
        return UnsupportedImage(f"{name} is {found}; supported formats: {accepted}.")
    return UnreadableImage(
        f"{name} is not a picture, or is truncated ({len(data)} bytes); supported formats: {accepted}."
    )


def _decoded(image: Image.Image, name: str) -> Image.Image:
    """Decodes all pixels, reduces too many of them, and turns the picture upright."""
    try:
        is_phones = image.format in ("MPO", "HEIF")  # may have a second view: the first is the picture
        if not is_phones and getattr(image, "is_animated", False):
            raise UnsupportedImage(f"{name} is an animation or has several pages; use a single picture.")
        _scale_transparent_level(image)
        image.load()
    except UnsupportedImage:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged data
        raise UnreadableImage(f"{name} is damaged or truncated: {error}.") from error
    turn = _turn(image)
    factor = reading_factor(*image.size)
    image = _reduced(image, factor) if factor > 1 else _with_alpha(image)
    return image if turn is None else _turned(image, turn)


def _scale_transparent_level(image: Image.Image) -> None:
    """Brings the transparent level of a PNG, which has the file's depth, to the depth of Pillow's pixels."""
    level, tiles = image.info.get("transparency"), getattr(image, "tile", ())
    raw_mode = tiles[0][3] if image.format == "PNG" and tiles else None
    if isinstance(level, int) and raw_mode in GREY_STEPS:
        image.info["transparency"] = GREY_STEPS[raw_mode] * level
    elif isinstance(level, tuple) and raw_mode == "RGB;16B":
        image.info["transparency"] = tuple(channel >> 8 for channel in level)


def _with_alpha(image: Image.Image) -> Image.Image:
    """Returns 16-bit grey with a transparent level as 8-bit grey with alpha, which Pillow does not."""
    level = image.info.get("transparency")
    if level is None or not image.mode.startswith("I;16"):
        return image
    levels = np.asarray(image)
    grey = Image.fromarray((levels >> 8).astype(np.uint8))
    grey.putalpha(Image.fromarray(np.where(levels == level, 0, 255).astype(np.uint8)))
    return grey


def _bound(image: Image.Image, name: str, limits: Limits) -> None:
    """Raises ImageTooLarge or UnreadableImage for too many pixels, and for none."""
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageTooLarge(
            f"{name} is {width}x{height} = {width * height:,} pixels; the limit is {limits.max_pixels:,}: "
            "reduce it."
        )
    if max(width, height) > MAX_SIDE_PX:
        raise ImageTooLarge(
            f"{name} is {width}x{height}; the limit is {MAX_SIDE_PX} pixels per side: reduce or crop it."
        )
    if width * height == 0:
        raise UnreadableImage(f"{name} has no pixels ({width}x{height}).")


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Averages squares of `factor` pixels; in strips, as a converted copy of the whole takes gigabytes."""
    mode = "I" if image.mode.startswith("I;") else AVERAGED_AS.get(image.mode, image.mode)
    mode = "RGBA" if image.has_transparency_data else mode
    rows = factor * max(1, STRIP_PIXELS // (factor * image.width))
    reduced = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    for top in range(0, image.height, rows):
        strip = _with_alpha(image.crop((0, top, image.width, min(top + rows, image.height))))
        reduced.paste(strip.convert(mode).reduce(factor), (0, top // factor))
    return reduced


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return TRANSPOSED.get(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # a damaged EXIF block; the pixels may be fine
        return None


def _turned(image: Image.Image, turn: Image.Transpose) -> Image.Image:
    upright = image.transpose(turn)
    kept = ("transparency", "icc_profile")  # not EXIF: it would turn the picture a second time
    upright.info = {key: value for key, value in image.info.items() if key in kept}
    return upright

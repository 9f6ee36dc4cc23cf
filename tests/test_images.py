"""Drawings and photos of all kinds, read and written."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw

from pix2pix.errors import ImageError, ImageTooLarge, UnreadableImage, UnsupportedImage
from pix2pix.images import decode
from pix2pix.images.io import (
    WEB,
    Limits,
    encode_png,
    open_image,
    read_hints,
    read_photo,
    read_sketch,
    save_image,
)


def drawing(height: int = 96, width: int = 128) -> np.ndarray:
    """A box and a diagonal, 3 px black lines on white, (H, W) uint8."""
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    draw.rectangle((12, 10, width - 13, height - 11), outline=0, width=3)
    draw.line((20, 20, width - 30, height - 20), fill=0, width=3)
    return np.asarray(image)


def coloured(paper: tuple[int, int, int], ink: tuple[int, int, int]) -> Image.Image:
    inked = drawing()[..., None] < 128
    return Image.fromarray(np.where(inked, np.uint8(ink), np.uint8(paper)))


def strokes(colour: tuple[int, int, int]) -> Image.Image:
    """The drawing as strokes of one colour on a transparent ground."""
    flat = np.broadcast_to(np.uint8(colour), (*drawing().shape, 3))
    return Image.fromarray(np.dstack([flat, 255 - drawing()]))


def palette_with_transparency() -> Image.Image:
    image = (
        Image.fromarray((drawing() < 128).astype(np.uint8), "P") if False else coloured((1, 2, 3), (0, 0, 0))
    )
    paletted = image.quantize(2)
    paper = paletted.getpixel((0, 0))
    encoded = io.BytesIO()
    paletted.save(encoded, "PNG", transparency=paper)
    return open_image(encoded.getvalue())


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


GREY = Image.fromarray(drawing())
BROUGHT = {
    "L": GREY,
    "1": GREY.convert("1"),
    "RGB": GREY.convert("RGB"),
    "CMYK": GREY.convert("RGB").convert("CMYK"),
    "YCbCr": GREY.convert("RGB").convert("YCbCr"),
    "LA": GREY.convert("LA"),
    "RGBA, opaque": GREY.convert("RGBA"),
    "P": GREY.convert("P"),
    "P with a transparent paper": palette_with_transparency(),
    "I;16": Image.fromarray(drawing().astype(np.uint16) * 257),
    "I;16 with 12 bits used": Image.fromarray(drawing().astype(np.uint16) * 16),
    "I": Image.fromarray(drawing().astype(np.int32) * 257),
    "F": Image.fromarray(drawing().astype(np.float32) / 255),
    "black on transparent": strokes((0, 0, 0)),
    "white on transparent": strokes((255, 255, 255)),
    "red on transparent": strokes((220, 20, 30)),
    "white on black": Image.fromarray(255 - drawing()),
    "yellow on white": coloured((255, 255, 255), (255, 255, 0)),
    "light grey on white": coloured((255, 255, 255), (225, 225, 225)),
    "dark blue on cream": coloured((250, 240, 215), (20, 20, 110)),
    "red on green": coloured((30, 160, 30), (160, 30, 30)),
    "white on grey": coloured((128, 128, 128), (255, 255, 255)),
    "uint8 array": drawing(),
    "uint8 array (H, W, 1)": drawing()[..., None],
    "bool array": drawing() > 128,
    "uint16 array": drawing().astype(np.uint16) * 257,
    "PNG bytes": encoded(GREY, "PNG"),
    "BMP bytes": encoded(GREY, "BMP"),
    "GIF bytes": encoded(GREY, "GIF"),
    "TIFF bytes": encoded(GREY, "TIFF"),
    "16-bit PNG bytes": encoded(Image.fromarray(drawing().astype(np.uint16) * 257), "PNG"),
    "CMYK JPEG bytes": encoded(GREY.convert("CMYK"), "JPEG", quality=95),
    "WebP bytes": encoded(GREY, "WEBP", lossless=True),
    "AVIF bytes": encoded(GREY.convert("RGB"), "AVIF", quality=100),
    "binary file": io.BytesIO(encoded(GREY, "PNG")),
}


@pytest.mark.parametrize("kind", BROUGHT)
def test_whatever_is_brought_becomes_black_on_white(kind: str) -> None:
    sketch = read_sketch(BROUGHT[kind])
    assert sketch.dtype == np.uint8
    assert sketch.shape == drawing().shape
    assert np.abs(sketch.astype(int) - drawing()).max() <= (60 if "JPEG" in kind else 0)


def photographed(sketch: np.ndarray, seed: int = 0) -> np.ndarray:
    """A phone's picture of the page: light falls off to a third, yellowish paper, sensor noise."""
    height, width = sketch.shape
    down, across = np.mgrid[0:height, 0:width]
    light = 0.9 - 0.5 * across / width - 0.1 * down / height
    page = (0.2 + 0.8 * sketch / 255.0) * light
    noise = np.random.default_rng(seed).normal(0, 0.012, (height, width, 3))
    return np.round(255 * np.clip(page[..., None] * [1, 0.96, 0.88] + noise, 0, 1)).astype(np.uint8)


def test_a_photographed_page_loses_its_shadow_and_keeps_its_lines() -> None:
    page = np.asarray(Image.fromarray(drawing()).resize((640, 480)))
    sketch = read_sketch(photographed(page))
    assert (sketch[page > 250] < 240).mean() < 0.02  # the blur of the lines, no shadow
    assert (sketch[page < 20] < 128).mean() > 0.97


def test_the_table_round_a_photographed_page_is_no_ink() -> None:
    page = np.asarray(Image.fromarray(drawing()).resize((640, 480)))
    scene = np.full((600, 800, 3), (90, 60, 40), np.uint8)
    scene[50:530, 80:720] = photographed(page)
    sketch = read_sketch(scene)
    assert (sketch[:40] == 255).all() and (sketch[:, :70] == 255).all()
    assert (sketch[50:530, 80:720][page < 20] < 128).mean() > 0.9


def test_a_tiny_doodle_keeps_its_lines() -> None:
    """Tiles of two pixels once took a 28 px icon's lines for uneven paper."""
    tiny = np.asarray(Image.fromarray(drawing(112, 112)).resize((28, 28), Image.Resampling.BOX))
    assert (read_sketch(tiny)[tiny < 120] < 120).all()


def test_chalk_on_an_unevenly_lit_board_is_ink() -> None:
    page = np.asarray(Image.fromarray(drawing()).resize((640, 480)))
    sketch = read_sketch(255 - photographed(page))
    assert (sketch[page > 250] < 240).mean() < 0.02
    assert (sketch[page < 20] < 128).mean() > 0.97


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_page_is_all_paper(level: int) -> None:
    assert (read_sketch(np.full((40, 30), level, np.uint8)) == 255).all()


def test_a_photographed_blank_page_is_all_paper() -> None:
    assert (read_sketch(photographed(np.full((480, 640), 255, np.uint8))) == 255).all()


def test_an_empty_transparent_canvas_is_all_paper() -> None:
    assert (read_sketch(Image.new("RGBA", (30, 20), (0, 0, 0, 0))) == 255).all()


def test_jpeg_noise_goes_and_lines_stay() -> None:
    """The official edge maps are JPEG: paper wobbles down to 230 beside the lines."""
    noisy = drawing().astype(int)
    noisy[::2, ::3] = np.clip(noisy[::2, ::3] - 20, 0, 255)
    assert np.abs(read_sketch(noisy.astype(np.uint8)).astype(int) - drawing()).max() == 0


def test_half_strong_strokes_beside_strong_ones_keep_their_strength() -> None:
    page = drawing().copy()
    page[40:44, 40:60] = 128
    assert read_sketch(page)[42, 50] == 128


def test_a_large_filled_shape_is_ink_not_paper() -> None:
    page = np.full((100, 100), 255, np.uint8)
    page[8:92, 8:92] = 0
    assert (read_sketch(page) == page).all()


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)))
def test_any_pixels_make_a_sketch_of_their_size(pixels: np.ndarray) -> None:
    sketch = read_sketch(pixels)
    assert sketch.shape == pixels.shape
    assert sketch.dtype == np.uint8


@settings(max_examples=40, deadline=None)
@given(paper=st.integers(140, 255), ink=st.integers(0, 100), noise=st.integers(0, 6))
def test_reading_twice_is_reading_once(paper: int, ink: int, noise: int) -> None:
    wobble = np.random.default_rng(0).integers(-noise, noise + 1, drawing().shape)
    page = np.clip(np.where(drawing() < 128, ink, paper) + wobble, 0, 255).astype(np.uint8)
    once = read_sketch(page)
    assert np.abs(read_sketch(once).astype(int) - once).max() <= 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(orientation: int) -> None:
    corner = np.full((20, 30, 3), 255, np.uint8)
    corner[:5, :5] = 0
    turned = {1: "", 2: "h", 3: "hv", 4: "v", 5: "t", 6: "tv", 7: "hvt", 8: "th"}[orientation]
    stored = corner
    for step in turned:
        stored = {"h": stored[:, ::-1], "v": stored[::-1], "t": stored.transpose(1, 0, 2)}[step]
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = open_image(encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif))
    assert upright.size == (30, 20)
    assert (np.asarray(upright) == corner).all()
    assert (np.asarray(open_image(upright)) == corner).all()


def test_a_photo_comes_as_rgb_with_transparency_over_white() -> None:
    image = Image.new("RGBA", (2, 1), (200, 100, 0, 0))
    image.putpixel((1, 0), (200, 100, 0, 128))
    # by hand: (200, 100, 0) * 128/255 + 255 * 127/255 = (227.4, 177.2, 127)
    assert read_photo(image).tolist() == [[[255, 255, 255], [227, 177, 127]]]


def png(width: int, height: int, depth: int, kind: int, *chunks: bytes) -> bytes:
    """A PNG (ISO/IEC 15948) of a depth and colour type, with chunks that begin with their names."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, *chunks)
    )


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims any size."""
    return png(width, height, 8, 0, b"IDAT" + zlib.compress(b""))


@pytest.mark.parametrize(
    ("depth", "kind", "row", "transparent", "rgba"),
    [
        (
            16,
            0,
            "0000 8080 FFFF FFFE",
            "FFFF",
            [(0, 0, 0, 255), (128, 128, 128, 255), (255, 255, 255, 0), (255, 255, 255, 255)],
        ),
        (16, 0, "8080 8081", "8080", [(128, 128, 128, 0), (128, 128, 128, 255)]),
        (16, 2, "FFFF 0000 0000 8080 4040 0000", "8080 4040 0000", [(255, 0, 0, 255), (128, 64, 0, 0)]),
        (4, 0, "0F 70", "000F", [(0, 0, 0, 255), (255, 255, 255, 0), (119, 119, 119, 255)]),
        (2, 0, "30", "0003", [(0, 0, 0, 255), (255, 255, 255, 0), (0, 0, 0, 255)]),
        (1, 0, "40", "0001", [(0, 0, 0, 255), (255, 255, 255, 0)]),
    ],
)
def test_the_transparent_level_of_a_png_has_the_depth_of_the_file(
    depth: int, kind: int, row: str, transparent: str, rgba: list[tuple[int, ...]]
) -> None:
    """It was compared with 8-bit levels; of 16-bit grey, all levels from 255 on became white."""
    pixels = b"IDAT" + zlib.compress(b"\0" + bytes.fromhex(row))
    file = png(len(rgba), 1, depth, kind, b"tRNS" + bytes.fromhex(transparent), pixels)
    assert read_hints(file).tolist() == [[list(pixel) for pixel in rgba]]
    opaque = [list(pixel[:3]) if pixel[3] else [255] * 3 for pixel in rgba]
    assert read_photo(file).tolist() == [opaque]


def test_sixteen_bit_strokes_on_transparency_are_a_sketch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Black on transparent black was a black page. A large file is read in strips."""
    levels = np.where(drawing() < 128, 1, 0).astype(np.uint16)  # black, and what is transparent
    file = encoded(Image.fromarray(levels), "PNG", transparency=0)
    same = encoded(strokes((0, 0, 0)), "PNG")
    assert (read_sketch(file) == read_sketch(same)).all()
    monkeypatch.setattr(decode, "MAX_PIXELS", levels.size // 2)
    monkeypatch.setattr(decode, "STRIP_PIXELS", 2000)
    assert read_sketch(file).shape == (48, 64) and (read_sketch(file) == read_sketch(same)).all()


@pytest.mark.parametrize("side", [6_400, 10_000, 60_000])
def test_a_bomb_is_refused_from_its_header(side: int) -> None:
    with pytest.raises(ImageTooLarge, match="40,000,000"):
        open_image(bomb(side, side), WEB)


@pytest.mark.parametrize("side", [17_400, 60_000])
def test_a_file_of_ones_own_has_a_limit_too(side: int) -> None:
    with pytest.raises(ImageTooLarge, match=r"300,000,000.*: reduce it"):
        open_image(bomb(side, side))


def with_corner(mode: str, width: int, height: int) -> Image.Image:
    """A page with a dark box at its top left, 8 x 16 of 32 x 40 parts."""
    page = Image.new("L", (width, height), 255)
    page.paste(0, (0, 0, width * 8 // 32, height * 16 // 40))
    if mode == "I;16":
        return Image.fromarray(np.asarray(page, np.uint16) * 257)
    return page.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "PNG"),
        ("1", "TIFF"),
        ("P", "GIF"),
        ("I;16", "PNG"),
        ("RGBA", "PNG"),
        ("CMYK", "JPEG"),
        ("L", "JPEG"),
        ("RGB", "AVIF"),
    ],
)
def test_a_large_file_is_read_at_half_its_size_and_turned_upright(
    mode: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 1000)
    monkeypatch.setattr(decode, "STRIP_PIXELS", 200)  # several strips
    exif = Image.Exif()
    exif[0x0112] = 6
    file = encoded(with_corner(mode, 47, 61), kind, **({} if kind == "GIF" else {"exif": exif.tobytes()}))
    seen = read_photo(file)
    if kind == "GIF":
        seen = np.rot90(seen, -1)
    assert seen.shape == (24, 31, 3)
    assert seen[:5, -11:].max() < 30 and seen[7:].min() > 225 and seen[:, :18].min() > 225


def test_a_very_large_file_is_read_at_a_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 200)
    assert read_sketch(encoded(with_corner("L", 48, 60), "PNG")).shape == (15, 12)
    image = with_corner("L", 48, 60)
    assert read_photo(image).shape == (15, 12, 3) and image.size == (48, 60)


def test_only_a_fraction_of_a_large_jpeg_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 1000)
    monkeypatch.setattr(decode, "_reduced", lambda *_: pytest.fail("decoded in full"))
    assert open_image(encoded(with_corner("RGB", 48, 60), "JPEG")).size == (24, 30)


WHOLE = encoded(GREY.convert("RGB"), "JPEG")
REFUSED = {
    "empty": (b"", UnreadableImage, "empty"),
    "text": (b"hello, this is a text", UnreadableImage, "not a picture"),
    "truncated JPEG": (WHOLE[: len(WHOLE) // 2], UnreadableImage, "truncated"),
    "truncated PNG": (encoded(GREY, "PNG")[:-40], UnreadableImage, "truncated"),
    "header only": (WHOLE[:3], UnreadableImage, "truncated"),
    "PDF": (b"%PDF-1.7 ...", UnsupportedImage, "PDF"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UnsupportedImage, "SVG"),
    "video": (b"\x00\x00\x00\x18ftypisom....", UnsupportedImage, "video"),
    "truncated AVIF": (encoded(GREY, "AVIF")[:-40], UnreadableImage, "truncated"),
    "header of an AVIF only": (encoded(GREY, "AVIF")[:60], UnreadableImage, "truncated|damaged"),
    "icon": (encoded(GREY, "ICO"), UnsupportedImage, "icon"),
    "animation": (
        encoded(GREY, "GIF", save_all=True, append_images=[Image.new("L", GREY.size)]),
        UnsupportedImage,
        "animation",
    ),
    "float array": (np.zeros((4, 4)), UnsupportedImage, "float64"),
    "volume": (np.zeros((4, 4, 4, 4), np.uint8), UnsupportedImage, "shape"),
    "array without pixels": (np.zeros((0, 4), np.uint8), UnreadableImage, "no pixels"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_refused_in_plain_words(kind: str) -> None:
    brought, error, words = REFUSED[kind]
    with pytest.raises(error, match=words):
        read_sketch(brought)


@pytest.mark.parametrize(
    ("brand", "words"), [(b"heic", r"HEIC.*\.\[heic\]"), (b"avif", "AVIF.*save it as PNG")]
)
def test_what_would_read_a_format_that_is_missing_is_named(brand: bytes, words: str) -> None:
    few = Limits(tuple(kind for kind in decode.FORMATS if kind not in ("AVIF", "HEIF")), 1000)
    with pytest.raises(UnsupportedImage, match=words):
        open_image(b"\x00\x00\x00\x18ftyp" + brand + b"....", few)


def test_an_iphones_photo_is_read_and_turned_upright_once() -> None:
    pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = read_photo(encoded(with_corner("RGB", 64, 80), "HEIF", quality=90, exif=exif.tobytes()))
    assert seen.shape == (64, 80, 3)
    assert seen[:14, -30:].max() < 60 and seen[:, :40].min() > 200


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"gone\.png"):
        open_image(tmp_path / "gone.png")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_raise_image_errors_only(data: st.DataObject) -> None:
    whole = data.draw(
        st.sampled_from([WHOLE, encoded(GREY, "PNG"), encoded(GREY, "GIF"), encoded(GREY, "BMP")])
    )
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        read_sketch(bytes(damaged))


def test_png_bytes_hold_the_very_pixels() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    assert (read_photo(encode_png(photo)) == photo).all()


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".TIFF"])
def test_saving_leaves_the_whole_file_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    photo = np.full((8, 8, 3), 90, np.uint8)
    save_image(tmp_path / f"photo{suffix}", photo)
    save_image(tmp_path / f"photo{suffix}", photo)
    assert [path.name for path in tmp_path.iterdir()] == [f"photo{suffix}"]
    assert np.abs(read_photo(tmp_path / f"photo{suffix}").astype(int) - photo).max() <= 2


def test_a_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    save_image(path, np.full((8, 8, 3), 90, np.uint8))
    before = path.read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_image(path, np.full((8, 8, 3), 10, np.uint8))
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["photo.png"]


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedImage, match="txt"):
        save_image(tmp_path / "photo.txt", np.zeros((4, 4), np.uint8))


def test_an_endless_strip_is_too_large_though_it_has_few_pixels() -> None:
    """A 5 kB PNG of 40,000,000 x 1 pixels kept a server thread busy for most of a minute."""
    buffer = io.BytesIO()
    Image.new("1", (40_000, 1)).save(buffer, "PNG")
    with pytest.raises(ImageTooLarge, match="40000x1"):
        read_sketch(buffer.getvalue())

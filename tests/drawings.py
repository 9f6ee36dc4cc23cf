"""Drawings of the kinds that people bring: on ruled paper, filled, or made of areas."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw

PEN, PENCIL = (30, 30, 50), (115, 115, 115)
RULE_COLOUR = (165, 195, 225)
OUTLINE = [(60, 330), (70, 250), (170, 220), (260, 130), (330, 150), (440, 170), (450, 330)]  # of a shoe
LACES = [((200, 200), (250, 230)), ((225, 175), (275, 205)), ((250, 150), (300, 180))]
SOLE = (50, 330, 460, 370)


def shoe(height: int, width: int, line_px: int, scale: float = 1.0) -> np.ndarray:
    """Ink (H, W), {0, 1}, of a shoe in the middle of a page."""
    page = np.zeros((height, width), np.uint8)
    factor = scale * min(height, width) / 512
    left, top = (width - 512 * factor) / 2, (height - 512 * factor) / 2

    def at(point: tuple[int, int]) -> tuple[int, int]:
        return round(left + factor * point[0]), round(top + factor * point[1])

    cv2.polylines(page, [np.array([at(point) for point in OUTLINE])], True, (1.0,), line_px)
    cv2.rectangle(page, at(SOLE[:2]), at(SOLE[2:]), (1.0,), line_px)
    for start, end in LACES:
        cv2.line(page, at(start), at(end), (1.0,), line_px)
    return page


def printed(kind: str, height: int, width: int, step_px: int, degrees: float) -> np.ndarray:
    """What is printed on "ruled", "squared" or "dotted" paper, (H, W) in [0, 1]; turned round its middle."""
    side = 2 * max(height, width)
    page = np.zeros((side, side), np.float32)
    if kind == "dotted":
        for y in range(step_px, side, step_px):
            for x in range(step_px, side, step_px):
                cv2.circle(page, (x, y), 2, (1.0,), cv2.FILLED)
    else:
        page[::step_px] = page[1::step_px] = 1
        if kind == "squared":
            page[:, ::step_px] = page[:, 1::step_px] = 1
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), degrees, 1)
    page = cv2.warpAffine(page, turn, (side, side))
    top, left = (side - height) // 2, (side - width) // 2
    return np.asarray(page[top : top + height, left : left + width])


def on_paper(
    ink: np.ndarray,
    rules: np.ndarray,
    colour: tuple[int, int, int] = PEN,
    rule_colour: tuple[int, int, int] = RULE_COLOUR,
    is_photo: bool = False,
) -> np.ndarray:
    """A scan of a drawing on printed paper, (H, W, 3) uint8; as a photo, lit from one side, with noise."""
    page = np.full((*ink.shape, 3), (0.97, 0.965, 0.95))
    for layer, level in ((rules, rule_colour), (ink, colour)):
        page *= 1 - layer[..., None] * (1 - np.array(level) / 255)
    if is_photo:
        down, across = np.mgrid[0 : ink.shape[0], 0 : ink.shape[1]]
        page *= (0.95 - 0.4 * across / ink.shape[1] - 0.1 * down / ink.shape[0])[..., None]
        page = cv2.GaussianBlur(page, (0, 0), 0.8)
    page += np.random.default_rng(0).normal(0, 0.012 if is_photo else 0.003, page.shape)
    return np.round(255 * np.clip(page, 0, 1)).astype(np.uint8)


def filled(side_px: int, line_px: int, filling: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """A shoe as vector programs export it: dark lines, the inside filled, the rest transparent."""
    ink = shoe(side_px, side_px, line_px)
    inside = ink.copy()
    contours, _ = cv2.findContours(ink, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(inside, contours, -1, (1.0,), cv2.FILLED)
    colours = np.where(ink[..., None] > 0, np.uint8([20, 20, 20]), np.uint8(filling))
    return Image.fromarray(np.dstack([colours, 255 * inside]))


def clip_art(outline: tuple[int, int, int] | None) -> Image.Image:
    """A red shoe with a grey sole on white, with or without outlines, 512 px."""
    page = Image.new("RGB", (512, 512), "white")
    draw = ImageDraw.Draw(page)
    draw.polygon(OUTLINE, fill=(220, 40, 40), outline=outline, width=5)
    draw.rectangle(SOLE, fill=(120, 120, 130), outline=outline, width=5)
    return page


def label_map(side_px: int = 256) -> Image.Image:
    """Windows in a wall, each class in its colour."""
    page = Image.new("RGB", (side_px, side_px), (0, 0, 220))
    draw = ImageDraw.Draw(page)
    colours = [(170, 0, 0), (255, 155, 0), (0, 255, 255), (15, 60, 255)]
    for number in range(16):
        x, y = 20 + 60 * (number % 4), 20 + 60 * (number // 4)
        draw.rectangle((x, y, x + 35, y + 40), fill=colours[number % 3 + number // 12])
    return page


def product_photo(height: int, width: int) -> np.ndarray:
    """A shoe of red leather, lit from above, on white, with a soft shadow below, (H, W, 3) uint8."""
    mask = np.zeros((height, width), np.uint8)
    corners = np.array(OUTLINE) * [width / 512, height / 512]
    cv2.fillPoly(mask, [corners.round().astype(np.int32)], (1.0,))
    light = np.linspace(1.4, 0.4, height)[:, None] + 0.25 * np.sin(np.arange(width) / 25)
    grain = np.random.default_rng(0).normal(0, 0.25, (height, width, 3))
    leather = np.array([170, 70, 60]) * (light[..., None] + grain)
    ground = np.repeat(255 - soft_shadow(mask)[..., None], 3, axis=2)
    return np.where(mask[..., None] > 0, np.clip(leather, 0, 255), ground).astype(np.uint8)


def soft_shadow(mask: np.ndarray) -> np.ndarray:
    """Levels (H, W) that a lamp above takes from the ground below what a mask {0, 1} shows."""
    height = len(mask)
    below = np.roll(mask, height // 40, axis=0) * (np.indices(mask.shape)[0] > 0.6 * height)
    return np.asarray(90 * cv2.GaussianBlur(below.astype(np.float64), (0, 0), height / 50))


def side_by_side(height: int) -> np.ndarray:
    """A drawing and the photo beside it, as training pairs are stored, (H, 2 H, 3) uint8."""
    lines = 255 * (1 - shoe(height, height, 2))
    return np.concatenate([np.repeat(lines[..., None], 3, axis=2), product_photo(height, height)], axis=1)

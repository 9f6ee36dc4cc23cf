// Frames the drawing in the model's square, and puts the photo back on the page.

import { loadImage } from "../files.js";
import { PAPER_SIZE } from "./drawing.js";

/**
 * Content of at least this share of the square's side stays where it is. The server's own framing
 * (`pix2pix/images/framing.py`) leaves content of 0.75 where it is, so it returns every square of this page unchanged.
 */
const FILLS_SQUARE = 0.8;
const MARGIN = 0.04; // on each side of content that is framed more closely, as in the training pairs
/** The next three make the result a fixed point of the server's `pix2pix/images/ink.py`. */
const FAINTEST = 12; // levels: weaker ink is not measured
const FULL_STROKE = 0.95; // quantile of the ink that becomes black
const MIN_INK = 31; // levels: 12 % of a full stroke; weaker ink is noise

/**
 * @typedef {{left: number, top: number, side: number, size: number}} Square  the part of the paper that the model
 *   sees: its place in units of the paper, negative or too large where it reaches over an edge; `size` in pixels
 */

/** @param {number} size  in pixels @returns {Square} */
export function wholePaper(size) {
  return { left: 0, top: 0, side: PAPER_SIZE, size };
}

/**
 * Stretches the ink to full contrast and removes noise.
 * @param {Uint8Array} levels  of grey, paper 255
 * @returns {Uint8Array} paper 255, full ink 0
 */
export function cleanInk(levels) {
  const drawn = levels.map((level) => 255 - level).filter((ink) => ink > FAINTEST).sort();
  if (drawn.length === 0) return new Uint8Array(levels.length).fill(255);
  const full = drawn[Math.floor(FULL_STROKE * (drawn.length - 1))];
  return levels.map((level) => {
    const ink = Math.min(Math.round((255 * (255 - level)) / full), 255);
    return ink < MIN_INK ? 255 : 255 - ink;
  });
}

/**
 * Finds the square to look at: the given one if the content fills it, else a smaller one around the content.
 * @param {Uint8Array} levels  (size, size) of clean ink, seen through `square`
 * @param {Square} square
 * @returns {Square | null} null for a blank square
 */
export function squareAround(levels, square) {
  const { size } = square;
  const [rows, columns] = [0, 1].map(() => ({ first: size, last: -1 }));
  levels.forEach((level, i) => {
    if (level === 255) return;
    for (const [span, at] of [[rows, Math.floor(i / size)], [columns, i % size]]) {
      [span.first, span.last] = [Math.min(span.first, at), Math.max(span.last, at)];
    }
  });
  if (rows.last < 0) return null;
  const longest = Math.max(rows.last - rows.first, columns.last - columns.first) + 1;
  if (longest >= FILLS_SQUARE * size) return square;
  const units = square.side / size;
  const side = (longest * units) / (1 - 2 * MARGIN);
  const start = (corner, { first, last }) => corner + ((first + last + 1) / 2) * units - side / 2;
  return { left: start(square.left, columns), top: start(square.top, rows), side, size };
}

/**
 * Puts a picture of the square back on the paper.
 * @param {string} url  of the picture
 * @param {Square} square
 * @param {string} [background]  colour outside the square
 * @returns {Promise<string>} a PNG of PAPER_SIZE x PAPER_SIZE pixels as a data: URL
 */
export async function putBack(url, { left, top, side, size }, background = "transparent") {
  if (side === PAPER_SIZE && size === PAPER_SIZE) return url;
  const image = await loadImage(url);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = PAPER_SIZE;
  const context = canvas.getContext("2d");
  context.fillStyle = background;
  context.fillRect(0, 0, PAPER_SIZE, PAPER_SIZE);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, side, side);
  return canvas.toDataURL("image/png");
}

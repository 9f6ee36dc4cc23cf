// Frames the drawing in the model's square, and puts the photo back on the page.

import { newCanvas } from "../blank.js";
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
const LEAST_COVERED = 64; // alpha: colours that cover less of a block are left out, as by the server

/**
 * @typedef {{left: number, top: number, side: number, size: number}} Square  the part of the paper that the model
 *   sees: its place in units of the paper, negative or too large where it reaches over an edge; `size` in pixels
 */

/** @param {number} size  in pixels @returns {Square} */
export function wholePaper(size) {
  return { left: 0, top: 0, side: PAPER_SIZE, size };
}

/**
 * @param {Uint8ClampedArray} pixels  RGBA, on paper
 * @returns {Uint8Array} their luma (ITU-R BT.601), one level a pixel
 */
export function greyLevels(pixels) {
  const levels = new Uint8Array(pixels.length / 4);
  for (let i = 0; i < levels.length; i++) {
    levels[i] = (77 * pixels[4 * i] + 150 * pixels[4 * i + 1] + 29 * pixels[4 * i + 2] + 128) >> 8;
  }
  return levels;
}

/**
 * Stretches the ink to full contrast and removes noise.
 * @param {Uint8Array} levels  of grey, paper 255
 * @returns {Uint8Array} paper 255, full ink 0
 */
export function cleanInk(levels) {
  const counts = new Uint32Array(256); // indexed loops: for...of is 20 times slower here
  for (let i = 0; i < levels.length; i++) counts[levels[i]]++;
  const full = fullInk(counts.subarray(0, 255 - FAINTEST));
  const cleanLevel = new Uint8Array(256).map((_, level) => {
    const ink = Math.min(Math.round((255 * (255 - level)) / full), 255);
    return ink < MIN_INK ? 255 : 255 - ink;
  });
  const clean = new Uint8Array(levels.length);
  for (let i = 0; i < clean.length; i++) clean[i] = cleanLevel[levels[i]];
  return clean;
}

/** @param {Uint32Array} counts  of pixels by grey level @returns {number} the ink of a full stroke; Infinity for none */
function fullInk(counts) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let darker = 0;
  const level = counts.findIndex((count) => (darker += count) >= (1 - FULL_STROKE) * (total - 1) + 1);
  return level < 0 ? Infinity : 255 - level;
}

/**
 * Returns colours as the model sees them, in blocks of 2 x 2 pixels that are covered or not. The server's own fitting
 * (`fit_hints`) does not change the result.
 * @param {Uint8ClampedArray} pixels  (size, size) of RGBA
 * @param {number} size  even
 * @returns {Uint8ClampedArray} (size, size) of RGBA, alpha 0 or 255
 */
export function inBlocks(pixels, size) {
  const blocks = new Uint8ClampedArray(pixels.length);
  for (let y = 0; y < size; y += 2) {
    for (let x = 0; x < size; x += 2) {
      const block = 4 * (y * size + x);
      const corners = [block, block + 4, block + 4 * size, block + 4 * size + 4];
      const alpha = corners.reduce((sum, i) => sum + pixels[i + 3], 0);
      if (Math.round(alpha / 4) < LEAST_COVERED) continue;
      const mean = (channel) => corners.reduce((sum, i) => sum + pixels[i + channel] * pixels[i + 3], 0) / alpha;
      const colour = [mean(0), mean(1), mean(2), 255];
      for (const i of corners) blocks.set(colour, i);
    }
  }
  return blocks;
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
  for (let i = 0; i < levels.length; i++) {
    if (levels[i] === 255) continue;
    extend(rows, Math.floor(i / size));
    extend(columns, i % size);
  }
  if (rows.last < 0) return null;
  const longest = Math.max(rows.last - rows.first, columns.last - columns.first) + 1;
  if (longest >= FILLS_SQUARE * size) return square;
  const units = square.side / size;
  const side = (longest * units) / (1 - 2 * MARGIN);
  const start = (corner, { first, last }) => corner + ((first + last + 1) / 2) * units - side / 2;
  return { left: start(square.left, columns), top: start(square.top, rows), side, size };
}

/** @param {{first: number, last: number}} span @param {number} at */
function extend(span, at) {
  span.first = Math.min(span.first, at);
  span.last = Math.max(span.last, at);
}

/**
 * Puts a picture of the square back on the paper.
 * @param {string} url  of the picture
 * @param {Square} square
 * @param {string} [background]  colour outside the square
 * @param {number} [paperPx]  side of the paper in pixels
 * @returns {Promise<string>} a PNG of paperPx x paperPx pixels as a data: URL
 */
export async function putBack(url, { left, top, side, size }, background = "transparent", paperPx = PAPER_SIZE) {
  if (side === PAPER_SIZE && size === paperPx) return url;
  const image = await loadImage(url);
  const canvas = newCanvas(paperPx);
  const context = canvas.getContext("2d");
  context.scale(paperPx / PAPER_SIZE, paperPx / PAPER_SIZE);
  context.fillStyle = background;
  context.fillRect(0, 0, PAPER_SIZE, PAPER_SIZE);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, side, side);
  return canvas.toDataURL("image/png");
}

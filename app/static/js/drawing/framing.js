// Fitting a sketch to the model's square, and putting the photo back where the sketch was: `pix2pix/images/framing.py`.

import { quantile, roundEven } from "./numbers.js";
import { byArea, byCubics, byLines } from "./resize.js";

const { fround } = Math; // numpy counts in single precision: halves fall to the same side
const INK_BELOW = 240;
const FILLS_FRAME = 0.75;
const MARGIN = 0.04;
const MAX_ENLARGEMENT = 4;

/**
 * @typedef {import("./resize.js").Picture} Picture
 * @typedef {{side: number, top: number, left: number, square: number}} Placement  where the square of `square`
 *   pixels lies on a page of `side` x `side`; negative where it reaches over the edge
 * @typedef {{first: number, last: number}} Span
 */

/**
 * @param {Uint8Array} sketch  (side, side), paper 255
 * @param {number} side  of the page
 * @param {number} size  of the model's square
 * @returns {{fitted: Uint8Array, placement: Placement}}
 */
export function fitSketch(sketch, side, size) {
  const placement = frame(sketch, side, size);
  const [rows, columns] = overlap(placement, size);
  const page = { data: sketch, width: side, height: side, channels: 1 };
  const seen = cut(page, rows.page, columns.page);
  const [width, height] = [columns.square, rows.square].map(({ first, last }) => last - first);
  const factor = size / placement.square;
  const scaled = factor < 1 ? shrunk(seen, width, height, 1 / factor) : factor > 1 ? enlarged(seen, width, height, factor) : seen;
  const fitted = { data: new Uint8Array(size * size).fill(255), width: size, height: size, channels: 1 };
  paste(scaled, fitted, rows.square.first, columns.square.first);
  return { fitted: fitted.data, placement };
}

/**
 * @param {Uint8Array} photo  (size, size, 3)
 * @param {number} size
 * @param {Placement} placement
 * @returns {Uint8Array} (side, side, 3), white outside of the square
 */
export function restorePhoto(photo, size, placement) {
  const { side } = placement;
  const [rows, columns] = overlap(placement, size);
  const seen = cut({ data: photo, width: size, height: size, channels: 3 }, rows.square, columns.square);
  const [width, height] = [columns.page, rows.page].map(({ first, last }) => last - first);
  const page = { data: new Uint8Array(side * side * 3).fill(255), width: side, height: side, channels: 3 };
  paste(resized(seen, width, height), page, rows.page.first, columns.page.first);
  return page.data;
}

/** Averaging when it shrinks, cubics when it grows. @param {Picture} photo @param {number} width @param {number} height */
function resized(photo, width, height) {
  if (photo.width === width && photo.height === height) return photo;
  const shrinks = photo.width * photo.height > width * height;
  return (shrinks ? byArea : byCubics)(photo, width, height);
}

/**
 * The square: the page, or one round the content where that is small.
 * @param {Uint8Array} sketch @param {number} side @param {number} size
 * @returns {Placement}
 */
function frame(sketch, side, size) {
  const whole = { side, top: 0, left: 0, square: side };
  const [rows, columns] = inked(sketch, side);
  if (rows.last < 0) return whole;
  const longest = Math.max(rows.last - rows.first, columns.last - columns.first) + 1;
  if (longest >= FILLS_FRAME * side) return whole;
  const square = Math.max(
    roundEven(longest / (1 - 2 * MARGIN)),
    Math.min(side, Math.ceil(size / MAX_ENLARGEMENT)),
  );
  const [top, left] = [rows, columns].map(({ first, last }) => Math.floor((first + last + 1 - square) / 2));
  return { side, top, left, square };
}

/** Rows and columns of the content; `last` is -1 where there is none. @param {Uint8Array} sketch @param {number} side */
function inked(sketch, side) {
  const [rows, columns] = [0, 1].map(() => ({ first: side, last: -1 }));
  sketch.forEach((level, i) => {
    if (level >= INK_BELOW) return;
    for (const [span, at] of [[rows, Math.floor(i / side)], [columns, i % side]]) {
      [span.first, span.last] = [Math.min(span.first, at), Math.max(span.last, at)];
    }
  });
  return [rows, columns];
}

/** The part of the page inside the square, in pixels of both: rows, then columns. @param {Placement} placement @param {number} size */
function overlap({ side, top, left, square }, size) {
  return [top, left].map((start) => {
    const page = { first: Math.max(start, 0), last: Math.min(start + square, side) };
    const scale = size / square;
    const low = Math.min(roundEven((page.first - start) * scale), size - 1);
    const high = Math.max(roundEven((page.last - start) * scale), low + 1);
    return { page, square: { first: low, last: high } };
  });
}

/** @param {Picture} picture @param {Span} rows @param {Span} columns @returns {Picture} */
function cut({ data, width, channels }, rows, columns) {
  const [height, across] = [rows.last - rows.first, (columns.last - columns.first) * channels];
  const part = new Uint8Array(height * across);
  for (let y = 0; y < height; y++) {
    const start = ((rows.first + y) * width + columns.first) * channels;
    part.set(data.subarray(start, start + across), y * across);
  }
  return { data: part, width: across / channels, height, channels };
}

/** @param {Picture} part @param {Picture} whole @param {number} top @param {number} left */
function paste({ data, width, height, channels }, whole, top, left) {
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width * channels, (y + 1) * width * channels);
    whole.data.set(row, ((top + y) * whole.width + left) * channels);
  }
}

/** Averaged, then darkened until the thinner lines' crests are ink again. @param {Picture} sketch @param {number} factor */
function shrunk(sketch, width, height, factor) {
  const { data } = byArea(sketch, width, height);
  const ink = data.map((level) => 255 - level);
  const crests = ink.filter((level, i) => level > 4 && level >= around(ink, width, height, i, 1, 1));
  const gain = crests.length > 0 ? Math.min(Math.max(255 / quantile(crests, 0.25), 1), factor) : 1;
  const darkened = ink.map((level) => roundEven(255 - Math.min(fround(level * fround(gain)), 255)));
  return { data: darkened, width, height, channels: 1 };
}

/** Interpolated, its ramps sharpened, its lines pared. @param {Picture} sketch @param {number} factor */
function enlarged(sketch, width, height, factor) {
  const { data } = byLines(sketch, width, height);
  const sharp = new Uint8Array(256).map((_, level) => {
    const ink = fround(fround(fround(1 - fround(level / 255)) - fround(0.3)) / fround(0.2));
    return roundEven(fround(255 * fround(1 - Math.min(Math.max(ink, 0), 1))));
  });
  const paper = data.map((level) => sharp[level]);
  const pare = Math.floor(0.35 * factor);
  const before = (pare + 1) >> 1; // OpenCV's anchor of an even kernel lies right of its middle
  const pared = pare === 0 ? paper : paper.map((_, i) => around(paper, width, height, i, before, pare - before));
  return { data: pared, width, height, channels: 1 };
}

/** The most of pixel i and of some before and after it, both ways, as far as there are any. */
function around(data, width, height, i, before, after) {
  const [y, x] = [Math.floor(i / width), i % width];
  let found = data[i];
  for (let row = Math.max(y - before, 0); row <= Math.min(y + after, height - 1); row++) {
    for (let column = Math.max(x - before, 0); column <= Math.min(x + after, width - 1); column++) {
      found = Math.max(found, data[row * width + column]);
    }
  }
  return found;
}

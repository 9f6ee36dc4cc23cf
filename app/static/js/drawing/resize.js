// Pictures at other sizes, as OpenCV makes them: its weights, and its fixed point where it has one.

import { roundEven } from "./numbers.js";

/**
 * @typedef {{data: Uint8Array, width: number, height: number, channels: number}} Picture
 * @typedef {{at: number, weight: number}[]} Taps  what one place of the result is made of, along one axis
 */

const ONE = 2048; // OpenCV's fixed point has 11 bits
const CUBIC_A = -0.75;
const SLIVER = 1e-3;

/**
 * Averaging: each place of the result is what it covers. cv2.INTER_AREA, for pictures that shrink.
 * @param {Picture} picture @param {number} width @param {number} height
 */
export function byArea(picture, width, height) {
  const columns = areaTaps(picture.width, width);
  const halved = picture.width === 2 * width && picture.height === 2 * height; // has a way of its own, halves up
  const round = halved ? (sum) => Math.floor(sum + 0.5) : roundEven;
  return resample(picture, columns, areaTaps(picture.height, height), Math.fround, round);
}

/**
 * Straight lines between neighbours. cv2.INTER_LINEAR of bytes.
 * @param {Picture} picture @param {number} width @param {number} height
 */
export function byLines(picture, width, height) {
  const [columns, rows] = [lineTaps(picture.width, width), lineTaps(picture.height, height)];
  const down = (product) => Math.floor(product / 65536);
  return resampleRows(picture, columns, height, (lines, y, x) => {
    let sum = 2;
    for (const { at, weight } of rows[y]) sum += down(weight * Math.floor(lines[at][x] / 16));
    return sum >> 2;
  });
}

/**
 * Cubics between neighbours, for pictures that grow. cv2.INTER_CUBIC of bytes.
 * @param {Picture} picture @param {number} width @param {number} height
 */
export function byCubics(picture, width, height) {
  const [columns, rows] = [cubicTaps(picture.width, width), cubicTaps(picture.height, height)];
  return resample(picture, columns, rows, (sum) => sum, (sum) => roundEven(sum / (ONE * ONE)));
}

/**
 * @param {Picture} picture
 * @param {Taps[]} columns @param {Taps[]} rows
 * @param {(sum: number) => number} keep  of what is summed along a row
 * @param {(sum: number) => number} round
 */
function resample(picture, columns, rows, keep, round) {
  return resampleRows(picture, columns, rows.length, (lines, y, x) => {
    let sum = 0;
    for (const { at, weight } of rows[y]) sum += weight * keep(lines[at][x]);
    return Math.min(Math.max(round(sum), 0), 255);
  });
}

/**
 * @param {Picture} picture
 * @param {Taps[]} columns
 * @param {number} height
 * @param {(lines: Float64Array[], y: number, x: number) => number} mix  x counts channels, too
 * @returns {Picture}
 */
function resampleRows(picture, columns, height, mix) {
  const { channels } = picture;
  const across = columns.length * channels;
  const lines = Array.from({ length: picture.height }, (_, y) => mixedRow(picture, y, columns));
  const data = new Uint8Array(across * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < across; x++) data[y * across + x] = mix(lines, y, x);
  }
  return { data, width: columns.length, height, channels };
}

/** @param {Picture} picture @param {number} y @param {Taps[]} columns */
function mixedRow({ data, width, channels }, y, columns) {
  const row = new Float64Array(columns.length * channels);
  const start = y * width * channels;
  for (let x = 0; x < columns.length; x++) {
    for (const { at, weight } of columns[x]) {
      for (let c = 0; c < channels; c++) row[x * channels + c] += weight * data[start + at * channels + c];
    }
  }
  return row;
}

/** @param {number} from @param {number} to @returns {Taps[]} */
function areaTaps(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, place) => {
    const [begin, end] = [place * scale, place * scale + scale];
    const cell = Math.min(scale, from - begin);
    const last = Math.min(Math.floor(end), from - 1);
    const first = Math.min(Math.ceil(begin), last);
    /** @type {Taps} */
    const taps = [];
    const add = (at, share) => taps.push({ at, weight: Math.fround(share / cell) });
    if (first - begin > SLIVER) add(first - 1, first - begin);
    for (let at = first; at < last; at++) add(at, 1);
    if (end - last > SLIVER) add(last, Math.min(end - last, 1, cell));
    return taps;
  });
}

/** @param {number} from @param {number} to @returns {Taps[]} */
function lineTaps(from, to) {
  return tapsAt(from, to, (t) => [1 - t, t], 0);
}

/** @param {number} from @param {number} to @returns {Taps[]} */
function cubicTaps(from, to) {
  const near = (t) => ((CUBIC_A + 2) * t - (CUBIC_A + 3)) * t * t + 1;
  const far = (t) => ((CUBIC_A * t - 5 * CUBIC_A) * t + 8 * CUBIC_A) * t - 4 * CUBIC_A;
  const weights = (t) => {
    const three = [far(t + 1), near(t), near(1 - t)];
    return [...three, 1 - three[0] - three[1] - three[2]];
  };
  return tapsAt(from, to, weights, 1);
}

/**
 * @param {number} from @param {number} to
 * @param {(t: number) => number[]} weightsOf  t: how far a place lies beyond its neighbour
 * @param {number} before  how many weights are of neighbours before that one
 * @returns {Taps[]} in fixed point; beyond an edge there is its last pixel again
 */
function tapsAt(from, to, weightsOf, before) {
  const scale = from / to;
  return Array.from({ length: to }, (_, place) => {
    const position = Math.fround((place + 0.5) * scale - 0.5);
    const first = Math.floor(position);
    return weightsOf(Math.fround(position - first)).map((weight, i) => ({
      at: Math.min(Math.max(first - before + i, 0), from - 1),
      weight: roundEven(Math.fround(weight) * ONE),
    }));
  });
}

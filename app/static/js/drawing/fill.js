// Finds the area that a tap fills: bounded by ink, with gaps in it closed. No DOM here.
//
// Widened ink closes gaps; what remains of the paper are the cores of areas. Areas grow from their cores back to the
// ink and into corners. Where two areas meet in a gap, both stop.

import { clamp } from "../clamp.js";

/** Half of the widest gap that is closed, in pixels of the paper. */
const REACH = 3;
/** How far an area grows from its core, in reaches: far enough for a corner of 30 degrees. */
const GROWTH = 4;
const DIAGONAL = Math.SQRT2;
const [NONE, INSIDE, OUTSIDE] = [0, 1, 2];

/**
 * @param {Uint8Array} levels  (size, size) of clean ink, paper 255
 * @param {number} size
 * @param {{x: number, y: number}[]} points  in pixels; the area around each is filled
 * @returns {string | null} outlines as SVG path data, "" for none; null for an area that is open: it reaches a corner of
 *   the paper
 */
export function areaAround(levels, size, points) {
  const width = size + 2; // with a frame around the paper, where no area grows
  const distance = distancesToInk(levels, size);
  const filled = new Uint8Array(distance.length);
  for (const { x, y } of points) {
    const [column, row] = [x, y].map((value) => clamp(Math.floor(value), 0, size - 1) + 1);
    const area = oneArea(distance, width, row * width + column);
    const corners = [width + 1, width + size, size * width + 1, size * width + size];
    if (corners.some((corner) => area[corner] === INSIDE)) return null;
    for (let i = 0; i < area.length; i++) if (area[i] === INSIDE) filled[i] = 1;
  }
  return outlineOf(belowInk(filled, width), width);
}

/**
 * @param {Uint8Array} levels
 * @param {number} size
 * @returns {Float32Array} (size + 2, size + 2), of each pixel to the next ink, in pixels. The edge of the paper is no
 *   ink, the frame around it is 0
 */
function distancesToInk(levels, size) {
  const width = size + 2;
  const distance = new Float32Array(width * width).fill(Infinity);
  const inner = Array.from(levels, (_, i) => (Math.floor(i / size) + 1) * width + (i % size) + 1);
  for (let i = 0; i < levels.length; i++) if (levels[i] < 255) distance[inner[i]] = 0;
  const pass = (before) => {
    for (const i of inner) {
      distance[i] = Math.min(
        distance[i],
        distance[i + before] + 1,
        distance[i + before * width] + 1,
        distance[i + before * (width + 1)] + DIAGONAL,
        distance[i + before * (width - 1)] + DIAGONAL,
      );
    }
  };
  pass(-1);
  inner.reverse();
  pass(1);
  for (let i = 0; i < width; i++) {
    distance[i] = distance[i * width] = distance[i * width + width - 1] = distance[distance.length - 1 - i] = 0;
  }
  return distance;
}

/**
 * @param {Float32Array} distance  with its frame
 * @param {number} width
 * @param {number} start  index of a pixel
 * @returns {Uint8Array} INSIDE for the pixels of the area around `start`
 */
function oneArea(distance, width, start) {
  const beside = [-width, -1, 1, width];
  const area = new Uint8Array(distance.length);
  const peak = climb(distance, [...beside, -width - 1, 1 - width, width - 1, width + 1], start);
  if (distance[peak] === 0) return area;
  const reach = distance[peak] > REACH ? REACH : distance[peak] / 2; // narrow areas have a core, too
  const front = [peak];
  area[peak] = INSIDE;
  for (const i of front) spread(i, (j) => distance[j] > reach);
  for (let i = 0; i < area.length; i++) {
    if (distance[i] > reach && area[i] === NONE) area[i] = OUTSIDE;
    if (area[i] === OUTSIDE) front.push(i);
  }
  for (let step = 0, first = 0; step < GROWTH * reach; step++) {
    const end = front.length;
    for (; first < end; first++) spread(front[first], (j) => distance[j] > 0);
  }
  return area;

  /** @param {number} i @param {(j: number) => boolean} isFree */
  function spread(i, isFree) {
    for (const step of beside) {
      const j = i + step;
      if (area[j] !== NONE || !isFree(j)) continue;
      area[j] = area[i];
      front.push(j);
    }
  }
}

/** Goes from a pixel to the middle of its area. @param {Float32Array} distance @param {number[]} steps @param {number} at */
function climb(distance, steps, at) {
  while (distance[at] <= REACH) {
    const next = steps.map((step) => at + step).reduce((a, b) => (distance[b] > distance[a] ? b : a));
    if (distance[next] <= distance[at]) break;
    at = next;
  }
  return at;
}

/** Extends an area by a pixel, so that it ends below the line around it. @param {Uint8Array} area @param {number} width */
function belowInk(area, width) {
  return area.map((isInside, i) => isInside || area[i - 1] || area[i + 1] || area[i - width] || area[i + width] || 0);
}

/**
 * @param {Uint8Array} area  with its frame, 1 inside
 * @param {number} width
 * @returns {string} its outlines, through the middles of the pixels' sides
 */
function outlineOf(area, width) {
  const next = sidesOf(area, width);
  let path = "";
  for (const start of next.keys()) {
    const middles = [];
    let at = start;
    do {
      const to = next.get(at).pop();
      if (next.get(at).length === 0) next.delete(at);
      middles.push(middleOf(at, to, width));
      at = to;
    } while (at !== start);
    path += pathThrough(middles);
  }
  return path;
}

/**
 * The sides of pixels that bound the area, clockwise.
 * @param {Uint8Array} area @param {number} width
 * @returns {Map<number, number[]>} the corners after a corner; a corner's index is that of the pixel right below it
 */
function sidesOf(area, width) {
  const next = new Map();
  const add = (from, to) => next.set(from, [...(next.get(from) ?? []), to]);
  for (let i = 0; i < area.length; i++) {
    if (!area[i]) continue;
    if (!area[i - width]) add(i, i + 1);
    if (!area[i + 1]) add(i + 1, i + 1 + width);
    if (!area[i + width]) add(i + 1 + width, i + width);
    if (!area[i - 1]) add(i + width, i);
  }
  return next;
}

/** @param {number} a @param {number} b @param {number} width @returns {number[]} x, y on the paper */
function middleOf(a, b, width) {
  return [((a % width) + (b % width)) / 2 - 1, (Math.floor(a / width) + Math.floor(b / width)) / 2 - 1];
}

/** @param {number[][]} points  x, y of a closed line; those on straight parts are left out */
function pathThrough(points) {
  const corners = points.filter(([x, y], i) => {
    const [before, after] = [points.at(i - 1), points[(i + 1) % points.length]];
    return (x - before[0]) * (after[1] - y) !== (y - before[1]) * (after[0] - x);
  });
  return `M${corners.map((corner) => corner.join(" ")).join("L")}z`;
}

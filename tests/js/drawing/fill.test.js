import assert from "node:assert/strict";
import { test } from "node:test";

import { areaAround } from "../../../app/static/js/drawing/fill.js";

const SIZE = 64;

/** Paper with a square line from (12, 12) to (51, 51), 2 px wide, and a gap of `gap` px in its upper side. */
function boxed(gap = 0) {
  const levels = new Uint8Array(SIZE * SIZE).fill(255);
  for (let y = 12; y < 52; y++) {
    for (let x = 12; x < 52; x++) {
      const isLine = Math.min(x - 12, y - 12, 51 - x, 51 - y) < 2;
      if (isLine && !(y < 14 && x >= 24 && x < 24 + gap)) levels[y * SIZE + x] = 0;
    }
  }
  return levels;
}

/** @param {Uint8Array} levels @param {{x: number, y: number}[]} points @returns {string} */
const pathAround = (levels, ...points) => areaAround(levels, SIZE, points);

/** Whether each point is in the path, by counting the crossings of a ray. @param {string} path */
function contains(path, x, y) {
  const loops = path.split("z").filter(Boolean).map((loop) => loop.slice(1).split("L").map((point) => point.split(" ").map(Number)));
  let inside = false;
  for (const loop of loops) {
    for (const [i, [bx, by]] of loop.entries()) {
      const [ax, ay] = loop.at(i - 1);
      if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) inside = !inside;
    }
  }
  return inside;
}

test("a tap fills up to the line and below its half, into the corners, and nothing beyond it", () => {
  const path = pathAround(boxed(), { x: 20, y: 40 });
  for (const [x, y] of [[32, 32], [14.5, 14.5], [49.5, 49.5], [13.2, 30], [50.8, 30]]) assert.ok(contains(path, x, y), `${x} ${y}`);
  for (const [x, y] of [[11, 30], [53, 30], [30, 8], [60, 60]]) assert.ok(!contains(path, x, y), `${x} ${y}`);
});

test("gaps of up to 6 pixels are closed; a wider one opens the area", () => {
  for (const gap of [1, 3, 6]) {
    const path = pathAround(boxed(gap), { x: 30, y: 30 });
    assert.ok(contains(path, 32, 32) && !contains(path, 27, 9), `${gap}`);
  }
  assert.equal(areaAround(boxed(8), SIZE, [{ x: 30, y: 30 }]), null);
});

test("what is outside all lines is open", () => {
  assert.equal(areaAround(boxed(), SIZE, [{ x: 3, y: 30 }]), null);
  assert.equal(areaAround(new Uint8Array(SIZE * SIZE).fill(255), SIZE, [{ x: 30, y: 30 }]), null);
});

test("an area narrower than the gaps that are closed is filled, and only it", () => {
  const levels = boxed();
  for (let x = 12; x < 52; x++) levels.fill(0, 46 * SIZE + 12, 46 * SIZE + 52); // 3 pixels above the lower side
  const path = pathAround(levels, { x: 30.4, y: 48.5 });
  assert.ok(contains(path, 16.5, 48.5) && contains(path, 47.5, 48.5));
  assert.ok(!contains(path, 30, 40) && !contains(path, 30, 56));
});

test("an island of ink stays unfilled, and a corner of 30 degrees is filled", () => {
  const levels = boxed();
  for (let y = 26; y < 36; y++) levels.fill(0, y * SIZE + 26, y * SIZE + 36);
  for (let x = 14; x < 50; x++) {
    const y = 50 - Math.round((x - 14) * Math.tan(Math.PI / 6));
    levels[y * SIZE + x] = levels[(y - 1) * SIZE + x] = 0;
  }
  const upper = pathAround(levels, { x: 20, y: 20 });
  assert.ok(contains(upper, 20, 20) && !contains(upper, 31, 31));
  const lower = pathAround(levels, { x: 45, y: 45 });
  assert.ok(contains(lower, 24, 48.5) && !contains(lower, 20, 20));
});

test("with two points, both areas are filled", () => {
  const levels = boxed();
  for (let y = 12; y < 52; y++) levels[y * SIZE + 31] = levels[y * SIZE + 32] = 0;
  const path = pathAround(levels, { x: 20, y: 30 }, { x: 44, y: 30 });
  assert.ok(contains(path, 20, 30) && contains(path, 44, 30));
});

test("the paper's edge bounds an area that holds no corner of it", () => {
  const levels = new Uint8Array(SIZE * SIZE).fill(255);
  for (let y = 0; y < SIZE; y++) for (const x of [20, 44]) levels[y * SIZE + x] = 0;
  assert.ok(contains(pathAround(levels, { x: 30, y: 30 }), 32, 0.6));
});

test("a tap on thick ink fills nothing", () => {
  const levels = boxed();
  levels.fill(0, 58 * SIZE, 64 * SIZE);
  assert.equal(pathAround(levels, { x: 30, y: 61 }), "");
});

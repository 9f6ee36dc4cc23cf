import assert from "node:assert/strict";
import test from "node:test";

import { cleanInk, greyLevels, inBlocks, squareAround, wholePaper } from "../../../app/static/js/drawing/framing.js";

const SIZE = 256;
const WHOLE = wholePaper(SIZE);
const blank = () => new Uint8Array(SIZE * SIZE).fill(255);

/** A page with a box of ink. */
function withBox(top, left, height, width, level = 0) {
  const page = blank();
  for (let y = top; y < top + height; y++) page.fill(level, y * SIZE + left, y * SIZE + left + width);
  return page;
}

test("a drawing that fills the square stays where it is", () => {
  assert.equal(squareAround(withBox(20, 20, 2, 210), WHOLE), WHOLE);
});

test("a small drawing gets a square around it, with a margin", () => {
  assert.deepEqual(squareAround(withBox(100, 30, 92, 92), WHOLE), { left: 26, top: 96, side: 100, size: SIZE });
  assert.deepEqual(squareAround(withBox(0, 0, 46, 23), WHOLE), { left: -13.5, top: -2, side: 50, size: SIZE });
});

test("a square within a square is in units of the paper", () => {
  const square = { left: 100, top: 50, side: 64, size: SIZE };
  const closer = squareAround(withBox(64, 128, 92, 92), square);
  assert.deepEqual(closer, { left: 131, top: 65, side: 25, size: SIZE });
});

test("blank paper has no square", () => {
  assert.equal(squareAround(blank(), WHOLE), null);
});

test("grey strokes become black, noise becomes paper, and cleaning twice changes nothing", () => {
  const page = withBox(50, 50, 40, 40, 128);
  page[0] = 245; // 12 % of the strokes is 15 levels
  const clean = cleanInk(page);
  assert.deepEqual([clean[60 * SIZE + 60], clean[0]], [0, 255]);
  assert.deepEqual(cleanInk(clean), clean);
  assert.deepEqual(cleanInk(blank()), blank());
  assert.deepEqual(cleanInk(withBox(7, 7, 1, 1, 128)), withBox(7, 7, 1, 1));
});

test("colours are in blocks that are covered, in the mean of their colours, or not", () => {
  const [none, faint, red, blue] = [[9, 9, 9, 0], [0, 0, 0, 60], [200, 0, 0, 255], [0, 0, 100, 255]];
  const rows = [
    [red, none, faint, faint],
    [none, none, faint, faint],
    [red, blue, none, none],
    [red, blue, none, [0, 80, 0, 250]],
  ];
  const blocks = inBlocks(Uint8ClampedArray.from(rows.flat(2)), 4);
  const at = (x, y) => [...blocks.subarray(4 * (4 * y + x), 4 * (4 * y + x) + 4)];
  for (const [x, y] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
    assert.deepEqual(at(x, y), [200, 0, 0, 255]); // a quarter
    assert.deepEqual(at(x + 2, y), [0, 0, 0, 0]);
    assert.deepEqual(at(x, y + 2), [100, 0, 50, 255]);
    assert.deepEqual(at(x + 2, y + 2), [0, 0, 0, 0]); // hardly less than a quarter
  }
});

test("the grey of a colour is its luma, so that red lines are ink", () => {
  const greys = Array.from({ length: 256 }, (_, level) => [level, level, level, 255]);
  const colours = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]];
  const levels = greyLevels(Uint8ClampedArray.from([...greys, ...colours].flat()));
  assert.deepEqual([...levels.subarray(0, 256)], greys.map(([level]) => level));
  const luma = [0.299, 0.587, 0.114].map((share) => 255 * share); // ITU-R BT.601
  luma.forEach((expected, i) => assert.ok(Math.abs(levels[256 + i] - expected) <= 1));
});

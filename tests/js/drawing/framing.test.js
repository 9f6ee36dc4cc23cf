import assert from "node:assert/strict";
import test from "node:test";

import { fitSketch, restorePhoto } from "../../../app/static/js/drawing/framing.js";
import { inkOnPaper } from "../../../app/static/js/drawing/ink.js";
import { quantile, roundEven } from "../../../app/static/js/drawing/numbers.js";
import { slerp, walk } from "../../../app/static/js/device/slerp.js";

const SIDE = 256;
const blank = () => new Uint8Array(SIDE * SIDE).fill(255);

/** A page with a box of ink. */
function withBox(top, left, height, width, level = 0) {
  const page = blank();
  for (let y = top; y < top + height; y++) page.fill(level, y * SIDE + left, y * SIDE + left + width);
  return page;
}

test("a drawing that fills the page is left as it is", () => {
  const page = withBox(20, 20, 2, 210);
  const { fitted, placement } = fitSketch(page, SIDE, SIDE);
  assert.deepEqual(fitted, page);
  assert.deepEqual(placement, { side: 256, top: 0, left: 0, square: 256 });
});

test("a small drawing gets a square of its own, with a margin, and the photo comes back to it", () => {
  const { placement } = fitSketch(withBox(100, 30, 92, 92), SIDE, SIDE);
  assert.deepEqual(placement, { side: 256, top: 96, left: 26, square: 100 });
  const page = restorePhoto(new Uint8Array(SIDE * SIDE * 3).fill(9), SIDE, placement);
  const at = (y, x) => page[(y * SIDE + x) * 3];
  assert.deepEqual([at(96, 26), at(195, 125), at(95, 26), at(196, 125)], [9, 9, 255, 255]);
});

test("a dot is not blown up to a blot", () => {
  const { placement } = fitSketch(withBox(0, 0, 1, 1), SIDE, SIDE);
  assert.deepEqual(placement, { side: 256, top: -32, left: -32, square: 64 });
});

test("grey strokes on white paper are ink, and a page without paper is for the server", () => {
  assert.equal(inkOnPaper(withBox(50, 50, 40, 40, 128), SIDE)[60 * SIDE + 60], 0);
  assert.deepEqual(inkOnPaper(blank(), SIDE), blank());
  const shaded = blank().map((_, i) => (i % SIDE) / 2 + 60);
  assert.equal(inkOnPaper(shaded, SIDE), null);
});

test("halves go to the even number, quantiles lie between neighbours", () => {
  assert.deepEqual([0.5, 1.5, 2.5, 2.4].map(roundEven), [0, 2, 2, 2]);
  assert.deepEqual([0, 0.25, 0.5, 1].map((q) => quantile(Uint8Array.of(9, 1, 5), q)), [1, 3, 5, 9]);
});

test("a walk turns and keeps its length; towards 0 it is a straight line", () => {
  const middle = slerp([1, 0], [0, 1], 0.5);
  assert.ok(Math.abs(Math.hypot(...middle) - 1) < 1e-12 && Math.abs(middle[0] - middle[1]) < 1e-12);
  assert.deepEqual(walk([0, 0], [2, 4], 3), [[0, 0], [1, 2], [2, 4]]);
});

import assert from "node:assert/strict";
import test from "node:test";

import { onAlpha, opaque, withoutFringe } from "../../../app/static/js/device/pixels.js";

test("a photo without alpha is opaque", () => {
  assert.deepEqual([...opaque(Uint8Array.of(1, 2, 3, 4, 5, 6))], [1, 2, 3, 255, 4, 5, 6, 255]);
});

test("the white of a photo becomes transparent, and on white it looks as before", () => {
  const photo = Uint8Array.of(255, 255, 255, 200, 255, 155, 0, 0, 0);
  const pixels = onAlpha(photo, Uint8Array.of(0, 100, 255));
  assert.deepEqual([...pixels], [255, 255, 255, 0, 115, 255, 0, 100, 0, 0, 0, 255]);
});

test("alpha is raised where a photo is darker than black would be", () => {
  assert.deepEqual([...onAlpha(Uint8Array.of(55, 155, 255), Uint8Array.of(10))], [0, 128, 255, 200]);
});

test("a rim that is lighter than the product gets less alpha, down to the product's colour; other pixels keep theirs", () => {
  const size = 9; // each row: product, a light pixel, a pixel as dark as the product, ground
  const colours = [100, 100, 100, 100, 100, 178, 100, 255, 255];
  const row = [255, 255, 255, 255, 255, 200, 120, 0, 0];
  const alpha = Uint8Array.from({ length: size * size }, (_, i) => row[i % size]);
  const photo = Uint8Array.from({ length: 3 * size * size }, (_, i) => colours[Math.floor(i / 3) % size]);
  const lowered = withoutFringe(photo, alpha, size);
  assert.deepEqual([...lowered.subarray(36, 45)], [255, 255, 255, 255, 255, 127, 120, 0, 0]); // 255 * 77 / 155
});

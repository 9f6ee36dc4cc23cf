import assert from "node:assert/strict";
import test from "node:test";

import { onAlpha, opaque } from "../../../app/static/js/device/pixels.js";

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

import assert from "node:assert/strict";
import test from "node:test";

import { interpolate, slerp } from "../../../app/static/js/device/slerp.js";

test("slerp keeps the length; towards 0 it is linear", () => {
  const middle = slerp([1, 0], [0, 1], 0.5);
  assert.ok(Math.abs(Math.hypot(...middle) - 1) < 1e-12 && Math.abs(middle[0] - middle[1]) < 1e-12);
  assert.deepEqual(interpolate([0, 0], [2, 4], 3), [[0, 0], [1, 2], [2, 4]]);
});

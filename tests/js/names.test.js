import assert from "node:assert/strict";
import { test } from "node:test";

import { distinctLabels } from "../../app/static/js/names.js";

test("equal names get different labels", () => {
  assert.deepEqual(distinctLabels(["lightness", "hue", "lightness", "lightness"]), ["Lightness", "Hue", "Lightness 2", "Lightness 3"]);
});

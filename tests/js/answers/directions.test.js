import assert from "node:assert/strict";
import { test } from "node:test";

import { nameDirections } from "../../../app/static/js/answers/directions.js";

test("directions are named by what they change, no two alike", () => {
  const directions = ["lightness", "hue", "lightness", "lightness"].map((attribute) => ({ attribute }));
  assert.deepEqual(nameDirections(directions), ["Lightness", "Hue", "Lightness 2", "Lightness 3"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { nameDirections } from "../../../app/static/js/answers/directions.js";

test("each direction has a different name, after what it changes", () => {
  const directions = ["lightness", "hue", "lightness", "lightness"].map((attribute) => ({ attribute }));
  assert.deepEqual(nameDirections(directions), ["Lightness", "Hue", "Lightness 2", "Lightness 3"]);
});

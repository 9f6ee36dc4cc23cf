import assert from "node:assert/strict";
import { test } from "node:test";

import { nameColour } from "../../../app/static/js/drawing/colour_names.js";

/** Colours that CSS has a name for, which is not always the usual one. */
const OF_CSS = {
  black: ["#000000"],
  white: ["#ffffff", "#fffff0", "#faf0e6"], // ivory, linen
  grey: ["#808080"],
  "dark grey": ["#696969"], // dimgrey
  "light grey": ["#d3d3d3"],
  red: ["#ff0000", "#b22222", "#dc143c"], // firebrick, crimson
  "dark red": ["#8b0000"],
  pink: ["#ffc0cb", "#ff69b4", "#ff1493", "#fa8072"], // hotpink, deeppink, salmon
  orange: ["#ffa500", "#ff8c00", "#ff4500"], // darkorange, orangered
  brown: ["#8b4513", "#a0522d"], // saddlebrown, sienna
  "light brown": ["#d2b48c"], // tan
  beige: ["#f5f5dc", "#f5deb3"], // wheat
  yellow: ["#ffff00", "#ffd700"], // gold
  olive: ["#808000"],
  green: ["#008000", "#2e8b57"], // seagreen
  "dark green": ["#006400"],
  "light green": ["#90ee90"],
  turquoise: ["#008080"], // teal
  blue: ["#0000ff", "#4169e1", "#4682b4"], // royalblue, steelblue
  "dark blue": ["#00008b", "#000080"], // navy
  "light blue": ["#add8e6", "#87ceeb"], // skyblue
  purple: ["#9932cc"], // darkorchid
  "dark purple": ["#4b0082"], // indigo
  "light purple": ["#e6e6fa", "#dda0dd"], // lavender, plum
};

for (const [name, colours] of Object.entries(OF_CSS)) {
  test(`${name} is called so`, () => assert.deepEqual(colours.map(nameColour), colours.map(() => name)));
}

test("very dark, pale and greyish colours of products are called what people see", () => {
  const seen = { "#070606": "black", "#262424": "black", "#e4ddd4": "white", "#8c7f73": "grey", "#3b2a1f": "dark brown", "#1a2233": "dark blue" };
  for (const [colour, name] of Object.entries(seen)) assert.equal(nameColour(colour), name, colour);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { examplesFor } from "../../../app/static/js/drawing/examples.js";
import { itemsIn, svgIn, svgWithItems, toSvg } from "../../../app/static/js/drawing/svg.js";

const STROKE = { kind: "stroke", points: [{ x: 1, y: 2 }, { x: 30, y: 4 }], width: 3, erase: false, mirrored: false };

test("strokes become paths, bottom first, and the eraser paints paper", () => {
  const picture = { kind: "picture", url: "data:image/png;base64,QQ==", image: {} };
  const lines = toSvg([picture, STROKE, { ...STROKE, erase: true }]).trim().split("\n");
  assert.match(lines[0], /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 256 256"/);
  assert.equal(lines[2], '<image width="256" height="256" href="data:image/png;base64,QQ=="/>');
  assert.equal(lines[3], '<path stroke="#000" stroke-width="3" d="M1 2Q30 4 30 4"/>');
  assert.equal(lines[4], '<path stroke="#fff" stroke-width="3" d="M1 2Q30 4 30 4"/>');
  assert.equal(lines.at(-1), "</svg>");
});

test("the examples of every shipped model lie on the paper", () => {
  for (const model of ["shoes", "handbags"]) {
    const examples = examplesFor(model);
    assert.ok(examples.length >= 3);
    for (const { name, items } of examples) {
      const numbers = items.flatMap(({ points }) => points.flatMap(({ x, y }) => [x, y]));
      assert.ok(numbers.every((number) => number >= 0 && number <= 256), name);
    }
  }
  assert.deepEqual(examplesFor("chairs"), []);
});

test("the colour layer is a group under the ink, and its eraser masks what was drawn before", () => {
  const red = { ...STROKE, layer: "colour", colour: "#cc0000" };
  const area = { kind: "fill", layer: "colour", colour: "#0000cc", path: "M0 0L9 0L9 9z" };
  const lines = toSvg([STROKE, red, { ...red, erase: true }, area]).trim().split("\n");
  assert.deepEqual(lines.slice(2), [
    '<g class="colours">',
    '<mask id="erased-1" maskUnits="userSpaceOnUse" x="0" y="0" width="256" height="256"><path fill="#fff" d="M0 0h256v256H0z"/>',
    '<path stroke="#000" stroke-width="3" d="M1 2Q30 4 30 4"/>',
    "</mask>",
    '<g mask="url(#erased-1)">',
    '<path stroke="#cc0000" stroke-width="3" d="M1 2Q30 4 30 4"/>',
    "</g>",
    '<path fill="#0000cc" d="M0 0L9 0L9 9z"/>',
    "</g>",
    "<g>",
    '<path stroke="#000" stroke-width="3" d="M1 2Q30 4 30 4"/>',
    "</g>",
    "</svg>",
  ]);
});

test("over colours, paper of the ink is multiplied", () => {
  const colour = { ...STROKE, layer: "colour", colour: "#cc0000" };
  assert.match(toSvg([colour, { ...STROKE, erase: true }]), /<g style="mix-blend-mode:multiply">\n<path stroke="#fff"/);
});

test("a saved drawing holds its items, with and without colours", () => {
  const items = [STROKE, { ...STROKE, mirrored: true, note: "ä & <b>" }];
  for (const drawing of [items, [...items, { ...STROKE, layer: "colour", colour: "#cc0000" }]]) {
    const text = svgWithItems(drawing);
    assert.match(text, /^[\x00-\x7f]*$/);
    assert.deepEqual(itemsIn(text), drawing);
    assert.equal(itemsIn(text.replace('width="3"', 'width="4"')), null); // another program has changed it
  }
  for (const text of ["<svg/>", "<svg><metadata>5</metadata></svg>", "<svg><metadata><rdf/></metadata></svg>"]) {
    assert.equal(itemsIn(text), null);
  }
});

test("an SVG may begin with a byte order mark and empty lines", () => {
  const text = svgWithItems([STROKE]);
  for (const before of ["", "\ufeff", "\n", "\ufeff\r\n\t "]) {
    assert.equal(svgIn(new TextEncoder().encode(before + text)), text);
  }
  for (const other of [[137, 80, 78, 71, 13, 10, 26, 10], [], [10, 13], [0xff, 0xd8, 0xff]]) {
    assert.equal(svgIn(Uint8Array.from(other)), "");
  }
});

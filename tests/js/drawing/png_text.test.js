import assert from "node:assert/strict";
import { test } from "node:test";

import { textOf, withText } from "../../../app/static/js/drawing/png_text.js";

/** A white pixel. */
const PNG = Uint8Array.from(
  Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAG7buVgAAAABJRU5ErkJggg==", "base64"),
);

test("a text in a PNG is read back, and the rest of the file stays", () => {
  const png = withText(PNG, "Drawing", "<svg/>");
  assert.equal(textOf(png, "Drawing"), "<svg/>");
  assert.equal(textOf(png, "Title"), "");
  assert.deepEqual([...png.subarray(0, 33), ...png.subarray(33 + 12 + 14)], [...PNG]);
});

test("its chunk has the length and the checksum that the specification asks for", () => {
  const chunk = Buffer.from(withText(PNG, "Drawing", "<svg/>").subarray(33, 33 + 12 + 14));
  assert.equal(chunk.readUInt32BE(0), 14);
  assert.equal(chunk.readUInt32BE(22), 0xa30cbd69); // zlib.crc32(b"tEXtDrawing\0<svg/>") in Python;
});

test("other files and torn ones have no text", () => {
  const png = withText(PNG, "Drawing", "<svg/>");
  for (const file of [PNG, new Uint8Array(), new TextEncoder().encode("tEXtDrawing\0<svg/>"), png.subarray(0, 40)]) {
    assert.equal(textOf(file, "Drawing"), "");
  }
});

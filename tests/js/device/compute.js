// Computes what test_on_device.py compares with Python: reads JSON from standard input, writes JSON.

import { readFileSync } from "node:fs";

import { interpolate } from "../../../app/static/js/device/slerp.js";
import { cleanInk, squareAround, wholePaper } from "../../../app/static/js/drawing/framing.js";

function frame({ page, size }) {
  const levels = cleanInk(new Uint8Array(Buffer.from(page, "base64")));
  return { sketch: Buffer.from(levels).toString("base64"), square: squareAround(levels, wholePaper(size)) };
}

const { pages = [], paths = [] } = JSON.parse(readFileSync(0, "utf8"));
const results = { pages: pages.map(frame), paths: paths.map(({ from, to, steps }) => interpolate(from, to, steps)) };
process.stdout.write(JSON.stringify(results));

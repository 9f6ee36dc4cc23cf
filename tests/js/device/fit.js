// What test_on_device.py compares with Python: reads questions as JSON from standard input, writes the answers.

import { readFileSync } from "node:fs";

import { fitSketch, restorePhoto } from "../../../app/static/js/drawing/framing.js";
import { inkOnPaper } from "../../../app/static/js/drawing/ink.js";
import { walk } from "../../../app/static/js/device/slerp.js";

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const text = (data) => Buffer.from(data).toString("base64");

function fit({ page, side, size, photo }) {
  const sketch = inkOnPaper(bytes(page), side);
  if (sketch === null) return null;
  const { fitted, placement } = fitSketch(sketch, side, size);
  const restored = restorePhoto(bytes(photo), size, placement);
  return { sketch: text(sketch), fitted: text(fitted), restored: text(restored), placement };
}

const { pages, walks } = JSON.parse(readFileSync(0, "utf8"));
const answers = { pages: pages.map(fit), walks: walks.map(({ from, to, steps }) => walk(from, to, steps)) };
process.stdout.write(JSON.stringify(answers));

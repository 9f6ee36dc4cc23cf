// Keyboard shortcuts.

import { TEXT_INPUT } from "./elements.js";

/**
 * The help panel of canvas.html lists them.
 * @typedef {Record<"undo" | "redo" | "brush" | "colour" | "fill" | "dropper" | "layer" | "eraser" | "thinner" | "wider"
 *   | "mirror" | "smooth" | "zoomIn" | "zoomOut" | "fit" | "reroll" | "pin" | "realism" | "transparent" | "keep" | "save"
 *   | "help", () => void>} Actions
 */

const WITH_CONTROL = { z: "undo", Z: "redo", y: "redo", s: "save" };
const WITHOUT_CONTROL = {
  b: "brush",
  c: "colour",
  f: "fill",
  i: "dropper",
  h: "layer",
  e: "eraser",
  "[": "thinner",
  "]": "wider",
  m: "mirror",
  s: "smooth",
  "+": "zoomIn",
  "=": "zoomIn",
  "-": "zoomOut",
  0: "fit",
  r: "reroll",
  p: "pin",
  d: "realism",
  t: "transparent",
  k: "keep",
  "?": "help",
};

/**
 * @param {Actions} actions
 * @param {(i: number) => void} choose  selects the answer of a digit key
 */
export function handleKeys(actions, choose) {
  document.addEventListener("keydown", (event) => {
    if (event.target.closest(`select, dialog, ${TEXT_INPUT}`) || event.altKey) return;
    const { key } = event;
    const withControl = event.ctrlKey || event.metaKey;
    const digit = !withControl && /^[1-9]$/.test(key);
    const name = withControl ? WITH_CONTROL[event.shiftKey ? key.toUpperCase() : key.toLowerCase()] : WITHOUT_CONTROL[key.toLowerCase()];
    if (!digit && !name) return;
    event.preventDefault();
    if (digit) choose(Number(key) - 1);
    else actions[name]();
  });
}

// The keyboard.

/**
 * Each by its name in the help panel of canvas.html.
 * @typedef {Record<"undo" | "redo" | "brush" | "eraser" | "thinner" | "wider" | "mirror" | "smooth" | "zoomIn" | "zoomOut"
 *   | "fit" | "reroll" | "pin" | "judge" | "keep" | "save" | "help", () => void>} Actions
 */

const WITH_CONTROL = { z: "undo", Z: "redo", y: "redo", s: "save" };
const ALONE = {
  b: "brush",
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
  d: "judge",
  k: "keep",
  "?": "help",
};

/**
 * @param {Actions} actions
 * @param {(i: number) => void} choose  an answer, by its digit
 */
export function takeKeys(actions, choose) {
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("select, dialog, input:not([type=range], [type=radio])") || event.altKey) return;
    const { key } = event;
    const withControl = event.ctrlKey || event.metaKey;
    const digit = !withControl && /^[1-9]$/.test(key);
    const name = withControl ? WITH_CONTROL[event.shiftKey ? key.toUpperCase() : key.toLowerCase()] : ALONE[key.toLowerCase()];
    if (!digit && !name) return;
    event.preventDefault();
    if (digit) choose(Number(key) - 1);
    else actions[name]();
  });
}

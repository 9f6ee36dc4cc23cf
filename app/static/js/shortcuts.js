// The keyboard.

/**
 * @typedef {object} Actions
 * @property {() => void} undo
 * @property {() => void} redo
 * @property {(tool: "brush" | "eraser") => void} pick
 * @property {(step: number) => void} widen
 * @property {(i: number) => void} choose
 * @property {() => void} reroll
 * @property {() => void} pin
 * @property {() => void} judge
 */

/** @param {Actions} actions */
export function takeKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("select, input:not([type=range], [type=radio])") || event.altKey) return;
    const act = event.ctrlKey || event.metaKey ? withControl(event, actions) : alone(event, actions);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/**
 * @param {KeyboardEvent} event
 * @param {Actions} actions
 */
function withControl({ key, shiftKey }, { undo, redo }) {
  return { z: shiftKey ? redo : undo, y: redo }[key.toLowerCase()];
}

/**
 * @param {KeyboardEvent} event
 * @param {Actions} actions
 */
function alone({ key }, { pick, widen, choose, reroll, pin, judge }) {
  if (/^[1-9]$/.test(key)) return () => choose(Number(key) - 1);
  const act = {
    b: () => pick("brush"),
    e: () => pick("eraser"),
    "[": () => widen(-1),
    "]": () => widen(1),
    r: reroll,
    p: pin,
    d: judge,
  };
  return act[key.toLowerCase()];
}

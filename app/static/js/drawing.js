// The drawing as data: what was done, in order. No DOM here.

/** Side of the paper, in the units of all points and widths. */
export const PAPER_SIZE = 256;

/** Points closer than this to the one before add nothing that can be seen. */
const MIN_STEP = 0.4;

/**
 * @typedef {{x: number, y: number}} Point
 * @typedef {{kind: "stroke", points: Point[], width: number, erase: boolean}} Stroke
 * @typedef {{kind: "picture", image: CanvasImageSource}} Picture  an opened image; it replaces what was there
 * @typedef {{kind: "clear"}} Clear
 * @typedef {Stroke | Picture | Clear} Item
 */

/** A list of items; undo takes the last one off. Items are never changed once added. */
export class Drawing {
  /** @type {Item[]} */
  #done = [];
  /** @type {Item[]} */
  #undone = [];

  /** @param {Item} item */
  add(item) {
    this.#done.push(item);
    this.#undone = [];
  }

  /** Empty the paper, as one more step that can be undone. */
  clear() {
    if (this.items.length > 0) this.add({ kind: "clear" });
  }

  undo() {
    const item = this.#done.pop();
    if (item) this.#undone.push(item);
  }

  redo() {
    const item = this.#undone.pop();
    if (item) this.#done.push(item);
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /**
   * What is on the paper, bottom first: everything since the last clear or opened picture.
   * @returns {Item[]}
   */
  get items() {
    const start = this.#done.findLastIndex((item) => item.kind !== "stroke");
    if (start < 0) return [...this.#done];
    return this.#done.slice(this.#done[start].kind === "clear" ? start + 1 : start);
  }
}

/**
 * @param {Point} point
 * @param {{width: number, erase: boolean}} tool
 * @returns {Stroke}
 */
export function beginStroke(point, { width, erase }) {
  return { kind: "stroke", points: [point], width, erase };
}

/**
 * Lengthen a stroke that is still being drawn.
 * @param {Stroke} stroke
 * @param {Point} point
 */
export function extendStroke(stroke, point) {
  const last = stroke.points[stroke.points.length - 1];
  if (Math.hypot(point.x - last.x, point.y - last.y) >= MIN_STEP) stroke.points.push(point);
}

/**
 * Smooth a polyline into quadratic curves: each inner point becomes a control point, the curves meet at the
 * midpoints between them.
 * @param {Point[]} points
 * @returns {{control: Point, end: Point}[]} curves that start at points[0]
 */
export function smoothCurves(points) {
  const curves = [];
  for (let i = 1; i < points.length; i++) {
    const control = points[i];
    const next = points[i + 1];
    const end = next ? { x: (control.x + next.x) / 2, y: (control.y + next.y) / 2 } : control;
    curves.push({ control, end });
  }
  return curves;
}

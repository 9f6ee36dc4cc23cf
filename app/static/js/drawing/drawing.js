// The drawing as data: a list of steps. No DOM here.

/** Side of the paper. All points and widths are in these units. */
export const PAPER_SIZE = 256;

/** Points closer than this to the last one are left out: they would not be visible. */
const MIN_STEP = 0.4;
/** A smoothed line follows the pen at this distance. */
const SMOOTHING_DISTANCE = 2.5;
/** How quickly the width follows the pressure: the weight of a new point. */
const PRESSURE_SHARE = 0.3;

/**
 * @typedef {{x: number, y: number, pressure?: number}} Point  `pressure` in [0, 1], of pens that report it
 * @typedef {{layer?: "colour", colour?: string}} Layered  an item without a layer is ink; the colour layer is under the
 *   ink. `colour` is "#rrggbb"
 * @typedef {Layered & {width: number, erase: boolean, mirrored: boolean, smooth: boolean, fill?: boolean}} Tool  erases
 *   its own layer; with `fill`, a tap fills an area
 * @typedef {Layered & {kind: "stroke", points: Point[], width: number, erase: boolean, mirrored: boolean}} Stroke
 * @typedef {Layered & {kind: "fill", path: string}} Fill  SVG path data
 * @typedef {Layered & {kind: "picture", url: string, image: CanvasImageSource, notice?: string}} Picture  covers the
 *   paper; `notice` is about how it was read
 * @typedef {{kind: "sheet", items: Item[]}} Sheet  a new sheet of paper with these items
 * @typedef {Stroke | Fill | Picture} Item
 * @typedef {Item | Sheet} Step
 */

/** @param {Item} item */
export function isColour({ layer }) {
  return layer === "colour";
}

/** A list of steps; undo removes the last one. Steps are never changed after they are added. */
export class Drawing {
  /** @type {Step[]} */
  done = [];
  /** @type {Step[]} */
  undone = [];

  /** @param {Step} step */
  add(step) {
    this.done.push(step);
    this.undone = [];
  }

  /**
   * Replaces everything with other items, as one step that can be undone.
   * @param {Item[]} items
   */
  replace(items) {
    if (this.items.length + items.length > 0) this.add({ kind: "sheet", items });
  }

  clear() {
    this.replace([]);
  }

  /**
   * Removes steps, if they are the last, so that they can be neither undone nor redone.
   * @param {Step[]} steps
   */
  takeBack(steps) {
    while (steps.includes(this.done.at(-1))) this.done.pop();
  }

  undo() {
    const step = this.done.pop();
    if (step) this.undone.push(step);
  }

  redo() {
    const step = this.undone.pop();
    if (step) this.done.push(step);
  }

  /**
   * The items on the paper, bottom first.
   * @returns {Item[]}
   */
  get items() {
    const start = this.done.findLastIndex(({ kind }) => kind === "sheet");
    return start < 0 ? [...this.done] : [...this.done[start].items, ...this.done.slice(start + 1)];
  }
}

/** A stroke while it is drawn. A smoothed one follows the pen at a short distance, which removes tremor. */
export class OpenStroke {
  /**
   * @param {Point} point
   * @param {Tool} tool
   */
  constructor(point, tool) {
    this.tool = tool;
    this.pen = point;
    this.points = [point];
  }

  /** @param {Point} pen */
  extend(pen) {
    const last = this.points[this.points.length - 1];
    const distance = Math.hypot(pen.x - last.x, pen.y - last.y);
    const pulled = distance - (this.tool.smooth ? SMOOTHING_DISTANCE : 0);
    this.pen = pen;
    if (pulled < MIN_STEP) return;
    const along = (a, b, share) => round(a + share * (b - a));
    const [x, y] = [along(last.x, pen.x, pulled / distance), along(last.y, pen.y, pulled / distance)];
    this.points.push("pressure" in pen ? { x, y, pressure: along(last.pressure, pen.pressure, PRESSURE_SHARE) } : { x, y });
  }

  /**
   * The stroke so far, up to the pen.
   * @returns {Stroke}
   */
  get stroke() {
    const { smooth, fill, ...tool } = this.tool;
    const last = this.points[this.points.length - 1];
    const arrived = Math.hypot(this.pen.x - last.x, this.pen.y - last.y) < MIN_STEP;
    const points = arrived ? [...this.points] : [...this.points, { ...last, x: this.pen.x, y: this.pen.y }];
    return { kind: "stroke", points, ...tool };
  }
}

/** A tap of the fill tool: nothing of it is seen until it ends, so that two fingers can still zoom. */
export class OpenFill {
  stroke = null;

  /**
   * @param {Point} point
   * @param {Tool} tool
   */
  constructor({ x, y }, { mirrored, layer, colour }) {
    this.points = mirrored ? [{ x, y }, { x: PAPER_SIZE - x, y }] : [{ x, y }];
    this.tool = { layer, colour };
  }

  extend() {}
}

/**
 * Returns the lines of a stroke, to be drawn with round ends.
 * @param {Stroke} stroke
 * @returns {{path: string, width: number}[]} SVG path data; many short lines if the pressure varies
 */
export function linesOf({ points, width, mirrored }) {
  const mirror = (point) => ({ ...point, x: round(PAPER_SIZE - point.x) });
  const sides = mirrored ? [points, points.map(mirror)] : [points];
  return sides.flatMap((side) => line(side, width));
}

/**
 * @param {Point[]} points
 * @param {number} width
 */
function line(points, width) {
  const [{ x, y, pressure }] = points;
  const widthAt = (pressure = 0.5) => round(width * (0.5 + pressure));
  if (points.length === 1) return [{ path: `M${x} ${y}h.01`, width: widthAt(pressure) }];
  const curves = smoothCurves(points).map(({ control, end }) => ({
    bow: `Q${control.x} ${control.y} ${end.x} ${end.y}`,
    end: `M${end.x} ${end.y}`,
    width: widthAt(control.pressure),
  }));
  if (pressure === undefined) return [{ path: `M${x} ${y}${curves.map(({ bow }) => bow).join("")}`, width }];
  return curves.map(({ bow, width }, i) => ({ path: (curves[i - 1]?.end ?? `M${x} ${y}`) + bow, width }));
}

/**
 * Smooths a polyline into quadratic curves: each inner point becomes a control point, and the curves meet at the
 * midpoints between them. A repeated point is a corner.
 * @param {Point[]} points
 * @returns {{control: Point, end: Point}[]} curves that start at points[0]
 */
export function smoothCurves(points) {
  const curves = [];
  for (let i = 1; i < points.length; i++) {
    const control = points[i];
    const next = points[i + 1];
    const end = next ? { x: round((control.x + next.x) / 2), y: round((control.y + next.y) / 2) } : control;
    curves.push({ control, end });
  }
  return curves;
}

/**
 * Rounds to hundredths of a unit: finer than any screen, and short as text.
 * @param {number} value
 */
export function round(value) {
  return Math.round(100 * value) / 100;
}

/** A replacer for JSON that leaves out decoded images: their URLs stay. @param {string} key @param {unknown} value */
export function withoutImages(key, value) {
  return key === "image" ? undefined : value;
}

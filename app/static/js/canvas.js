// Painting a drawing, and turning pointer events into strokes.

import { PAPER_SIZE, beginStroke, extendStroke, smoothCurves } from "./drawing.js";

/** @typedef {import("./drawing.js").Drawing} Drawing */
/** @typedef {import("./drawing.js").Item} Item */
/** @typedef {import("./drawing.js").Stroke} Stroke */

const PAPER = "#fff";
const INK = "#000";
/** `buttons` of a pen that is held upside down. */
const PEN_ERASER = 32;

/** A square canvas that shows items. It keeps what it painted, so that a new stroke costs one stroke. */
class Surface {
  /** @type {Item[]} */
  #painted = [];

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {CanvasRenderingContext2DSettings} [settings]
   */
  constructor(canvas, settings) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", settings);
    this.settled = newCanvas(canvas.width).getContext("2d", settings);
    this.resize(canvas.width);
  }

  /** @param {number} side  in device pixels */
  resize(side) {
    for (const { canvas } of [this.context, this.settled]) canvas.width = canvas.height = side;
    this.settled.scale(side / PAPER_SIZE, side / PAPER_SIZE);
    this.context.scale(side / PAPER_SIZE, side / PAPER_SIZE);
    this.#blank();
  }

  /**
   * @param {Item[]} items
   * @param {Stroke | null} current  the stroke being drawn
   */
  paint(items, current) {
    if (!this.#painted.every((item, i) => item === items[i])) this.#blank();
    for (const item of items.slice(this.#painted.length)) paintItem(this.settled, item);
    this.#painted = items;
    this.context.drawImage(this.settled.canvas, 0, 0, PAPER_SIZE, PAPER_SIZE);
    if (current) paintItem(this.context, current);
  }

  hasInk() {
    const { width, height } = this.canvas;
    const { data } = this.context.getImageData(0, 0, width, height);
    return data.some((value) => value < 255);
  }

  #blank() {
    this.#painted = [];
    this.settled.fillStyle = PAPER;
    this.settled.fillRect(0, 0, PAPER_SIZE, PAPER_SIZE);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Item} item
 */
function paintItem(context, item) {
  if (item.kind === "picture") context.drawImage(item.image, 0, 0, PAPER_SIZE, PAPER_SIZE);
  else if (item.kind === "stroke") paintStroke(context, item);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke} stroke
 */
function paintStroke(context, { points, width, erase }) {
  const [start] = points;
  context.strokeStyle = context.fillStyle = erase ? PAPER : INK;
  context.beginPath();
  if (points.length === 1) {
    context.arc(start.x, start.y, width / 2, 0, 2 * Math.PI);
    context.fill();
    return;
  }
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.moveTo(start.x, start.y);
  for (const { control, end } of smoothCurves(points)) context.quadraticCurveTo(control.x, control.y, end.x, end.y);
  context.stroke();
}

/** The canvas that people draw on: mouse, pen or finger. */
export class SketchPad {
  /** @type {Stroke | null} */
  #current = null;
  #pointer = -1;
  #frame = 0;

  /**
   * @param {HTMLCanvasElement} element
   * @param {Drawing} drawing
   * @param {object} options
   * @param {() => {width: number, erase: boolean}} options.tool  asked at the start of each stroke
   * @param {() => void} options.onChange  also while a stroke grows
   */
  constructor(element, drawing, { tool, onChange }) {
    this.element = element;
    this.drawing = drawing;
    this.tool = tool;
    this.onChange = onChange;
    this.screen = new Surface(element);
    this.exported = new Surface(newCanvas(PAPER_SIZE), { willReadFrequently: true });
    element.addEventListener("pointerdown", (event) => this.#begin(event));
    element.addEventListener("pointermove", (event) => this.#extend(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      element.addEventListener(type, (event) => this.#end(event));
    }
    element.addEventListener("contextmenu", (event) => event.preventDefault());
    new ResizeObserver(() => this.#fit()).observe(element);
  }

  get isDrawing() {
    return this.#current !== null;
  }

  /** Paint again before the next frame. */
  refresh() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.screen.paint(this.drawing.items, this.#current);
    });
  }

  /**
   * The drawing as the model sees it, the same on every screen.
   * @returns {string | null} a 256 x 256 PNG as a data: URL; null when the paper is blank
   */
  export() {
    this.exported.paint(this.drawing.items, this.#current);
    return this.exported.hasInk() ? this.exported.canvas.toDataURL("image/png") : null;
  }

  #fit() {
    const side = Math.round(this.element.clientWidth * devicePixelRatio);
    if (side === 0 || side === this.element.width) return;
    this.screen.resize(side);
    this.screen.paint(this.drawing.items, this.#current);
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    const upsideDown = event.buttons === PEN_ERASER;
    if (this.#current || (event.button > 0 && !upsideDown)) return;
    event.preventDefault();
    this.element.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    const { width, erase } = this.tool();
    this.#current = beginStroke(this.#locate(event), { width, erase: erase || upsideDown });
    this.#changed();
  }

  /** @param {PointerEvent} event */
  #extend(event) {
    if (!this.#current || event.pointerId !== this.#pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const step of events.length > 0 ? events : [event]) extendStroke(this.#current, this.#locate(step));
    this.#changed();
  }

  /** @param {PointerEvent} event */
  #end(event) {
    if (!this.#current || event.pointerId !== this.#pointer) return;
    this.drawing.add(this.#current);
    this.#current = null;
    this.#changed();
  }

  #changed() {
    this.refresh();
    this.onChange();
  }

  /** @param {PointerEvent} event */
  #locate(event) {
    const box = this.element.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * PAPER_SIZE,
      y: ((event.clientY - box.top) / box.height) * PAPER_SIZE,
    };
  }
}

/** @param {number} side */
function newCanvas(side) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  return canvas;
}

// Paints the drawing, and turns pointer events into strokes.

import { OpenStroke, PAPER_SIZE, linesOf, round } from "./drawing.js";
import { cleanInk, squareAround, wholePaper } from "./framing.js";

/** @typedef {import("./drawing.js").Drawing} Drawing */
/** @typedef {import("./drawing.js").Item} Item */
/** @typedef {import("./drawing.js").Stroke} Stroke */

const PAPER = "#fff";
const INK = "#000";
/** `buttons` of a pen's eraser end. */
const PEN_ERASER = 32;
/** Strokes of touches that ended this shortly before a pen's stroke were the palm's. */
const PALM_MS = 500;
/** Of a canvas, in pixels: limits the memory that a phone needs. */
const MAX_SIDE = 2048;

/** A canvas that shows items. It caches finished strokes, so that adding a stroke paints only that one. */
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
    this.show(wholePaper(canvas.width));
  }

  /** @param {import("./framing.js").Square} square  the part of the paper to show, and at how many pixels */
  show(square) {
    if (JSON.stringify(square) === JSON.stringify(this.square)) return;
    this.square = square;
    const { left, top, side, size } = square;
    const scale = size / side;
    for (const context of [this.context, this.settled]) {
      context.canvas.width = context.canvas.height = size;
      context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
    }
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
    inPixels(this.context, () => this.context.drawImage(this.settled.canvas, 0, 0));
    if (current) paintItem(this.context, current);
  }

  /** Grey levels, (size, size). @returns {Uint8Array} */
  get levels() {
    const { size } = this.square;
    const { data } = this.context.getImageData(0, 0, size, size);
    const levels = new Uint8Array(size * size);
    for (let i = 0; i < levels.length; i++) levels[i] = data[4 * i]; // strokes and opened sketches are grey
    return levels;
  }

  /** Until the next `paint`. @param {Uint8Array} levels */
  set levels(levels) {
    const { size } = this.square;
    const image = new ImageData(size, size);
    for (let i = 0; i < image.data.length; i++) image.data[i] = i % 4 === 3 ? 255 : levels[i >> 2];
    this.context.putImageData(image, 0, 0);
  }

  #blank() {
    this.#painted = [];
    this.settled.fillStyle = PAPER;
    inPixels(this.settled, () => this.settled.fillRect(0, 0, this.square.size, this.square.size));
  }
}

/** @param {CanvasRenderingContext2D} context @param {() => void} paint  in pixels of the canvas */
function inPixels(context, paint) {
  context.save();
  context.resetTransform();
  paint();
  context.restore();
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
function paintStroke(context, stroke) {
  context.strokeStyle = stroke.erase ? PAPER : INK;
  context.lineCap = context.lineJoin = "round";
  for (const { path, width } of linesOf(stroke)) {
    context.lineWidth = Math.max(width, 1 / context.getTransform().a); // a line below a pixel would be faint
    context.stroke(new Path2D(path));
  }
}

/** The canvas for drawing with mouse, pen or finger. A pen takes the place of a touch, which is the palm's. */
export class SketchPad {
  /** @type {OpenStroke | null} */
  #open = null;
  #pointer = -1;
  #pointerType = "";
  /** The strokes of touches that ended last. @type {{stroke: Stroke, endedMs: number}[]} */
  #touched = [];
  #frame = 0;
  #zoom = 1;

  /**
   * @param {HTMLCanvasElement} element
   * @param {Drawing} drawing
   * @param {object} options
   * @param {() => import("./drawing.js").Tool} options.tool  called at the start of each stroke
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
    return this.#open !== null;
  }

  /** Whether a pen is drawing. */
  get penIsDown() {
    return this.isDrawing && this.#pointerType === "pen";
  }

  /** Repaints before the next frame. */
  refresh() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint(this.screen);
    });
  }

  /**
   * Returns the drawing as the model's input, the same on every screen.
   * @param {number} size  of the model's square, in pixels
   * @returns {{sketch: string, square: import("./framing.js").Square} | null} a (size, size) PNG as a data: URL, and
   *   the part of the paper that it shows; null for blank paper
   */
  export(size) {
    let square = wholePaper(size);
    for (;;) {
      this.exported.show(square);
      this.#paint(this.exported);
      const levels = cleanInk(this.exported.levels);
      const closer = squareAround(levels, square);
      if (closer === null) return null;
      if (closer === square) {
        this.exported.levels = levels;
        return { sketch: this.exported.canvas.toDataURL("image/png"), square };
      }
      square = closer;
    }
  }

  /**
   * Returns the drawing as a picture to save.
   * @param {number} side  in pixels
   * @returns {string} a PNG as a data: URL
   */
  picture(side) {
    const surface = new Surface(newCanvas(side));
    this.#paint(surface);
    return surface.canvas.toDataURL("image/png");
  }

  /** Discards the stroke that is being drawn. */
  cancelStroke() {
    if (!this.#open) return;
    this.#open = null;
    this.#changed();
  }

  /** @param {number} zoom  of the element on the screen, so that lines stay sharp */
  setZoom(zoom) {
    this.#zoom = zoom;
    this.#fit();
  }

  #fit() {
    const wanted = Math.round(this.element.clientWidth * devicePixelRatio * this.#zoom);
    const side = Math.min(wanted, MAX_SIDE);
    if (side === 0 || side === this.element.width) return;
    this.screen.show(wholePaper(side));
    this.#paint(this.screen);
  }

  /** @param {Surface} surface */
  #paint(surface) {
    surface.paint(this.drawing.items, this.#open?.stroke ?? null);
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    const upsideDown = event.buttons === PEN_ERASER;
    if (event.button > 0 && !upsideDown) return;
    if (event.pointerType === "pen") this.#takeBackPalm(event.timeStamp);
    if (this.#open) return;
    event.preventDefault();
    this.element.setPointerCapture(event.pointerId);
    [this.#pointer, this.#pointerType] = [event.pointerId, event.pointerType];
    const tool = this.tool();
    this.#open = new OpenStroke(this.#locate(event), { ...tool, erase: tool.erase || upsideDown });
    this.#changed();
  }

  /** @param {PointerEvent} event */
  #extend(event) {
    if (!this.#open || event.pointerId !== this.#pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const step of events.length > 0 ? events : [event]) this.#open.extend(this.#locate(step));
    this.#changed();
  }

  /** @param {PointerEvent} event */
  #end(event) {
    if (!this.#open || event.pointerId !== this.#pointer) return;
    const { stroke } = this.#open;
    const isTouch = this.#pointerType === "touch";
    this.#open = null;
    // browsers cancel touches that they take for a palm's
    if (!isTouch || event.type !== "pointercancel") this.drawing.add(stroke);
    if (isTouch) this.#touched = [...this.#recentTouches(event.timeStamp), { stroke, endedMs: event.timeStamp }];
    this.#changed();
  }

  /** Removes what the palm of the pen's hand has drawn. @param {number} nowMs */
  #takeBackPalm(nowMs) {
    if (this.#pointerType === "touch") this.#open = null;
    this.drawing.takeBack(this.#recentTouches(nowMs).map(({ stroke }) => stroke));
  }

  /** @param {number} nowMs */
  #recentTouches(nowMs) {
    return this.#touched.filter(({ endedMs }) => nowMs - endedMs < PALM_MS);
  }

  #changed() {
    this.refresh();
    this.onChange();
  }

  /**
   * @param {PointerEvent} event
   * @returns {import("./drawing.js").Point}
   */
  #locate({ clientX, clientY, pointerType, pressure }) {
    const box = this.element.getBoundingClientRect();
    const x = round(((clientX - box.left) / box.width) * PAPER_SIZE);
    const y = round(((clientY - box.top) / box.height) * PAPER_SIZE);
    return pointerType === "pen" ? { x, y, pressure: round(pressure) } : { x, y };
  }
}

/** @param {number} side */
function newCanvas(side) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  return canvas;
}

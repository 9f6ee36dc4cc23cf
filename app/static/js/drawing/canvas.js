// Turns pointer events into strokes and filled areas, and the drawing into the model's input.

import { newCanvas } from "../blank.js";
import { OpenFill, OpenStroke, PAPER_SIZE, isColour, round } from "./drawing.js";
import { areaAround } from "./fill.js";
import { cleanInk, inBlocks, squareAround, wholePaper } from "./framing.js";
import { Surface } from "./surface.js";

/** @typedef {import("./drawing.js").Drawing} Drawing */
/** @typedef {import("./drawing.js").Item} Item */
/** @typedef {import("./drawing.js").Stroke} Stroke */

/** `buttons` of a pen's eraser end. */
const PEN_ERASER = 32;
/** Strokes of touches that ended this shortly before a pen's stroke were the palm's. */
const PALM_MS = 500;
/** Of a canvas, in pixels: limits the memory that a phone needs. */
const MAX_SIDE = 2048;

/** The canvas for drawing with mouse, pen or finger. A pen takes the place of a touch, which is the palm's. */
export class SketchPad {
  /** Whether the colour layer is seen and sent. */
  showsColours = true;
  /** @type {OpenStroke | OpenFill | null} */
  #open = null;
  #pointer = -1;
  #pointerType = "";
  /** The items of recent touches, and when the touches ended. @type {{item: Item | null, endedMs: number}[]} */
  #touched = [];
  #frame = 0;
  #zoom = 1;

  /**
   * @param {HTMLCanvasElement} element
   * @param {Drawing} drawing
   * @param {object} options
   * @param {() => import("./drawing.js").Tool} options.tool  called at the start of each stroke
   * @param {() => void} options.onChange  also while a stroke grows
   * @param {() => void} options.onOpenArea  a tap was to fill an area that is open
   */
  constructor(element, drawing, { tool, onChange, onOpenArea }) {
    [this.element, this.drawing] = [element, drawing];
    [this.tool, this.onChange, this.onOpenArea] = [tool, onChange, onOpenArea];
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
      this.screen.paint(this.#seen, this.#stroke);
    });
  }

  /**
   * Returns the drawing as the model's input, the same on every screen.
   * @param {number} size  of the model's square, in pixels
   * @returns {{sketch: string, hints?: string, square: import("./framing.js").Square} | null} the ink and the colours
   *   as (size, size) PNGs in data: URLs, `hints` only if there are any, and the part of the paper that they show;
   *   null for paper without ink
   */
  export(size) {
    let square = wholePaper(size);
    for (;;) {
      this.exported.show(square);
      this.exported.paintInk(this.#seen, this.#stroke);
      const levels = cleanInk(this.exported.levels);
      const closer = squareAround(levels, square);
      if (closer === null) return null;
      if (closer === square) {
        this.exported.levels = levels;
        return { sketch: this.exported.canvas.toDataURL("image/png"), ...this.#hints(), square };
      }
      square = closer;
    }
  }

  /**
   * Returns the drawing as a picture to save, with all its colours.
   * @param {number} side  in pixels
   * @returns {string} a PNG as a data: URL
   */
  picture(side) {
    const surface = new Surface(newCanvas(side));
    surface.paint(this.drawing.items, null);
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
    this.screen.paint(this.#seen, this.#stroke);
  }

  /** The items that are seen. @returns {Item[]} */
  get #seen() {
    const { items } = this.drawing;
    return this.showsColours ? items : items.filter((item) => !isColour(item));
  }

  /** The stroke that is being drawn. */
  get #stroke() {
    return this.#open?.stroke ?? null;
  }

  /** The colours in the square that `exported` shows. @returns {{hints?: string}} */
  #hints() {
    const colours = [...this.#seen, this.#stroke].filter((item) => item && isColour(item));
    if (colours.length === 0) return {};
    this.exported.paintColours(colours);
    const blocks = inBlocks(this.exported.pixels, this.exported.square.size);
    if (!blocks.some((value) => value > 0)) return {};
    blocks.fill(0, 0, 4); // the API refuses hints without a transparent pixel; a block without one is still covered
    this.exported.pixels = blocks;
    return { hints: this.exported.canvas.toDataURL("image/png") };
  }

  /** @param {OpenFill} open @returns {import("./drawing.js").Fill | null} null if there is nothing to fill */
  #fill({ points, tool }) {
    this.exported.show(wholePaper(PAPER_SIZE));
    this.exported.paintInk(this.drawing.items, null);
    const path = areaAround(cleanInk(this.exported.levels), PAPER_SIZE, points);
    if (path === null) this.onOpenArea();
    return path ? { kind: "fill", path, ...tool } : null;
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
    const point = this.#locate(event);
    if (tool.fill && !upsideDown) this.#open = new OpenFill(point, tool);
    else this.#open = new OpenStroke(point, { ...tool, erase: tool.erase || upsideDown });
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
    const open = this.#open;
    const isTouch = this.#pointerType === "touch";
    this.#open = null;
    // browsers cancel touches that they take for a palm's
    const counts = !isTouch || event.type !== "pointercancel";
    const item = open.stroke ?? (counts ? this.#fill(open) : null);
    if (counts && item) this.drawing.add(item);
    if (isTouch) this.#touched = [...this.#recentTouches(event.timeStamp), { item, endedMs: event.timeStamp }];
    this.#changed();
  }

  /** Removes what the palm of the pen's hand has drawn. @param {number} nowMs */
  #takeBackPalm(nowMs) {
    if (this.#pointerType === "touch") this.#open = null;
    this.drawing.takeBack(this.#recentTouches(nowMs).map(({ item }) => item));
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

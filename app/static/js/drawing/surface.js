// Paints the drawing: its ink on white paper, and the colour layer under the ink.

import { newCanvas } from "../blank.js";
import { PAPER_SIZE, isColour, linesOf } from "./drawing.js";
import { greyLevels, wholePaper } from "./framing.js";

/** @typedef {import("./drawing.js").Item} Item */
/** @typedef {import("./drawing.js").Stroke} Stroke */
/** @typedef {import("./framing.js").Square} Square */

const PAPER = "#fff";
const INK = "#000";

/** A canvas that shows items. It caches finished ones, so that adding an item paints only that one. */
export class Surface {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {CanvasRenderingContext2DSettings} [settings]
   */
  constructor(canvas, settings) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", settings);
    this.ink = new Layer(PAPER, settings);
    this.colours = new Layer("transparent", settings);
    this.show(wholePaper(canvas.width));
  }

  /** @param {Square} square  the part of the paper to show, and at how many pixels */
  show(square) {
    if (JSON.stringify(square) === JSON.stringify(this.square)) return;
    this.square = square;
    showSquare(this.context, square);
    for (const layer of [this.ink, this.colours]) layer.show(square);
  }

  /**
   * @param {Item[]} items
   * @param {Stroke | null} current  the stroke being drawn
   */
  paint(items, current) {
    const inkIsFirst = !current || !isColour(current);
    if (inkIsFirst) this.paintInk(items, current);
    else this.#paintOne(this.colours.paint(items.filter(isColour)), current);
    const other = (inkIsFirst ? this.colours : this.ink).paint(items.filter((item) => isColour(item) === inkIsFirst));
    inPixels(this.context, () => {
      this.context.globalCompositeOperation = "destination-over";
      fill(this.context, PAPER);
      this.context.globalCompositeOperation = "multiply"; // white paper and no colour change nothing
      this.context.drawImage(other, 0, 0);
    });
  }

  /** Paints the ink alone, on paper. @param {Item[]} items @param {Stroke | null} current */
  paintInk(items, current) {
    this.#paintOne(this.ink.paint(items.filter((item) => !isColour(item))), current && !isColour(current) ? current : null);
  }

  /** Paints colours alone, on nothing. @param {Item[]} colours */
  paintColours(colours) {
    const { width, height } = this.canvas;
    inPixels(this.context, () => this.context.clearRect(0, 0, width, height));
    for (const item of colours) paintItem(this.context, item);
  }

  /** RGBA, (size, size). @returns {Uint8ClampedArray} */
  get pixels() {
    const { size } = this.square;
    return this.context.getImageData(0, 0, size, size).data;
  }

  /** Until the next `paint`. @param {Uint8ClampedArray} pixels */
  set pixels(pixels) {
    const { size } = this.square;
    this.context.putImageData(new ImageData(pixels, size, size), 0, 0);
  }

  /** Grey levels, (size, size). @returns {Uint8Array} */
  get levels() {
    return greyLevels(this.pixels);
  }

  set levels(levels) {
    const pixels = new Uint8ClampedArray(4 * levels.length);
    for (let i = 0; i < pixels.length; i++) pixels[i] = i % 4 === 3 ? 255 : levels[i >> 2];
    this.pixels = pixels;
  }

  /** @param {HTMLCanvasElement} layer @param {Stroke | null} current  of the same layer */
  #paintOne(layer, current) {
    inPixels(this.context, () => {
      this.context.clearRect(0, 0, layer.width, layer.height);
      this.context.drawImage(layer, 0, 0);
    });
    if (current) paintItem(this.context, current);
  }
}

/** The finished items of one layer. */
class Layer {
  /** @type {Item[]} */
  #painted = [];

  /**
   * @param {string} background
   * @param {CanvasRenderingContext2DSettings} [settings]
   */
  constructor(background, settings) {
    this.background = background;
    this.context = newCanvas(1).getContext("2d", settings);
  }

  /** @param {Square} square */
  show(square) {
    showSquare(this.context, square);
    this.#blank();
  }

  /** @param {Item[]} items @returns {HTMLCanvasElement} */
  paint(items) {
    if (!this.#painted.every((item, i) => item === items[i])) this.#blank();
    for (const item of items.slice(this.#painted.length)) paintItem(this.context, item);
    this.#painted = items;
    return this.context.canvas;
  }

  #blank() {
    this.#painted = [];
    inPixels(this.context, () => {
      this.context.clearRect(0, 0, this.context.canvas.width, this.context.canvas.height);
      fill(this.context, this.background);
    });
  }
}

/** Makes a canvas show a square of the paper. @param {CanvasRenderingContext2D} context @param {Square} square */
function showSquare(context, { left, top, side, size }) {
  const scale = size / side;
  context.canvas.width = context.canvas.height = size;
  context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
}

/** @param {CanvasRenderingContext2D} context @param {() => void} paint  in pixels of the canvas */
function inPixels(context, paint) {
  context.save();
  context.resetTransform();
  paint();
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {string} colour */
function fill(context, colour) {
  context.fillStyle = colour;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Item} item
 */
function paintItem(context, item) {
  if (item.kind === "picture") context.drawImage(item.image, 0, 0, PAPER_SIZE, PAPER_SIZE);
  else if (item.kind === "stroke") paintStroke(context, item);
  else if (item.kind === "fill") {
    context.fillStyle = item.colour;
    context.fill(new Path2D(item.path));
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Stroke} stroke
 */
function paintStroke(context, stroke) {
  const { erase, colour = INK } = stroke;
  context.globalCompositeOperation = erase && isColour(stroke) ? "destination-out" : "source-over";
  context.strokeStyle = erase ? PAPER : colour;
  context.lineCap = context.lineJoin = "round";
  for (const { path, width } of linesOf(stroke)) {
    context.lineWidth = Math.max(width, 1 / context.getTransform().a); // a line below a pixel would be faint
    context.stroke(new Path2D(path));
  }
  context.globalCompositeOperation = "source-over";
}

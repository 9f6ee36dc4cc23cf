// The drawing tools: brush, colour pen, fill and eraser, their widths, mirror, and smoothing.

import { PAPER_SIZE } from "./drawing.js";
import { isPressed, press } from "../toggle.js";

/** @typedef {"brush" | "colour" | "fill" | "eraser"} Tool */

export class Tools {
  #widths = { brush: 2, colour: 14, eraser: 18 };
  /** @type {Tool} */
  #tool = "brush";
  /** Of the last pen, which the eraser erases. @type {"colour" | undefined} */
  #layer;

  /**
   * @param {object} elements
   * @param {Record<Tool, HTMLButtonElement>} elements.buttons
   * @param {HTMLInputElement} elements.slider
   * @param {HTMLButtonElement} elements.mirror
   * @param {HTMLElement} elements.guide  the mirror axis
   * @param {HTMLButtonElement} elements.smooth
   * @param {HTMLElement} elements.ring  shows the width at the pointer
   * @param {HTMLElement} elements.paper
   * @param {import("./palette.js").Palette} palette
   */
  constructor({ buttons, slider, mirror, guide, smooth, ring, paper }, palette) {
    [this.buttons, this.slider, this.ring, this.palette] = [buttons, slider, ring, palette];
    [this.mirror, this.guide, this.smooth] = [mirror, guide, smooth];
    mirror.addEventListener("click", () => this.toggleMirror());
    smooth.addEventListener("click", () => this.toggleSmooth());
    for (const name of Object.keys(buttons)) buttons[name].addEventListener("click", () => this.select(name));
    palette.button.addEventListener("click", () => this.fills || this.select("colour"));
    slider.addEventListener("input", () => this.#setWidth(Number(slider.value)));
    paper.addEventListener("pointermove", (event) => this.#moveRing(event));
    this.select("brush");
  }

  get current() {
    const [mirrored, smooth, erase, fill] = [isPressed(this.mirror), isPressed(this.smooth), this.#tool === "eraser", this.fills];
    const width = this.#widths[this.#tool] ?? this.#widths.eraser; // of a pen's eraser end
    return { width, erase, mirrored, smooth, fill, ...(this.#layer && { layer: this.#layer, colour: this.palette.colour }) };
  }

  get fills() {
    return this.#tool === "fill";
  }

  /** The state to save. */
  get state() {
    return { widths: this.#widths, mirrored: isPressed(this.mirror), smooth: isPressed(this.smooth) };
  }

  set state({ widths, mirrored, smooth }) {
    this.#widths = { ...this.#widths, ...widths };
    press(this.smooth, smooth);
    this.toggleMirror(mirrored);
    this.select(this.#tool);
  }

  toggleMirror(on = !isPressed(this.mirror)) {
    press(this.mirror, on);
    this.guide.hidden = !on;
  }

  toggleSmooth() {
    press(this.smooth, !isPressed(this.smooth));
  }

  /** @param {Tool} tool */
  select(tool) {
    const isColour = tool === "colour" || tool === "fill";
    if (isColour && !this.palette.isOffered) return;
    this.#tool = tool;
    if (tool !== "eraser") this.#layer = isColour ? "colour" : undefined;
    for (const [name, button] of Object.entries(this.buttons)) press(button, name === tool);
    press(this.palette.button, isColour);
    this.palette.button.classList.toggle("fills", this.fills);
    if (isColour) this.palette.showLayer(true);
    const label = this.#layer ? "Eraser of colours" : "Eraser";
    [this.buttons.eraser.ariaLabel, this.buttons.eraser.title] = [label, `${label} (E)`];
    this.buttons.eraser.classList.toggle("of-colours", this.#layer !== undefined);
    this.slider.disabled = this.fills;
    this.#setWidth(this.#widths[tool] ?? 0);
  }

  /** @param {number} step  in drawing units */
  widen(step) {
    if (!this.fills) this.#setWidth(this.#widths[this.#tool] + step);
  }

  /** @param {number} width */
  #setWidth(width) {
    this.slider.value = String(width);
    if (!this.fills) this.#widths[this.#tool] = Number(this.slider.value);
    this.slider.setAttribute("aria-valuetext", `${this.slider.value} of ${this.slider.max}`);
    this.ring.style.setProperty("--width", String(Number(this.slider.value) / PAPER_SIZE));
  }

  /** @param {PointerEvent} event */
  #moveRing(event) {
    const box = this.ring.parentElement.getBoundingClientRect();
    this.ring.hidden = event.pointerType === "touch";
    this.ring.style.setProperty("--x", `${event.clientX - box.left}px`);
    this.ring.style.setProperty("--y", `${event.clientY - box.top}px`);
  }
}

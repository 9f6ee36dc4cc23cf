// The drawing tools: brush and eraser with their widths, mirror, and smoothing.

import { PAPER_SIZE } from "./drawing.js";
import { isPressed, press } from "../toggle.js";

/** @typedef {"brush" | "eraser"} Tool */

export class Tools {
  #widths = { brush: 2, eraser: 18 };
  /** @type {Tool} */
  #tool = "brush";

  /**
   * @param {object} elements
   * @param {Record<Tool, HTMLButtonElement>} elements.buttons
   * @param {HTMLInputElement} elements.slider
   * @param {HTMLButtonElement} elements.mirror
   * @param {HTMLElement} elements.guide  the mirror axis
   * @param {HTMLButtonElement} elements.smooth
   * @param {HTMLElement} elements.ring  shows the width at the pointer
   * @param {HTMLElement} elements.paper
   */
  constructor({ buttons, slider, mirror, guide, smooth, ring, paper }) {
    [this.buttons, this.slider, this.ring] = [buttons, slider, ring];
    [this.mirror, this.guide, this.smooth] = [mirror, guide, smooth];
    mirror.addEventListener("click", () => this.toggleMirror());
    smooth.addEventListener("click", () => this.toggleSmooth());
    for (const name of Object.keys(buttons)) buttons[name].addEventListener("click", () => this.select(name));
    slider.addEventListener("input", () => this.#setWidth(Number(slider.value)));
    paper.addEventListener("pointermove", (event) => this.#moveRing(event));
    this.select("brush");
  }

  get current() {
    const [mirrored, smooth] = [isPressed(this.mirror), isPressed(this.smooth)];
    return { width: this.#widths[this.#tool], erase: this.#tool === "eraser", mirrored, smooth };
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
    this.#tool = tool;
    for (const [name, button] of Object.entries(this.buttons)) press(button, name === tool);
    this.#setWidth(this.#widths[tool]);
  }

  /** @param {number} step  in drawing units */
  widen(step) {
    this.#setWidth(this.#widths[this.#tool] + step);
  }

  /** @param {number} width */
  #setWidth(width) {
    this.slider.value = String(width);
    this.#widths[this.#tool] = Number(this.slider.value);
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

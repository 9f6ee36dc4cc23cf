// The drawing tools: brush and eraser, each with its width, and the ring that shows it.

import { PAPER_SIZE } from "./drawing.js";

/** @typedef {"brush" | "eraser"} Tool */

export class Tools {
  #widths = { brush: 2, eraser: 18 };
  /** @type {Tool} */
  #tool = "brush";

  /**
   * @param {object} elements
   * @param {Record<Tool, HTMLButtonElement>} elements.buttons
   * @param {HTMLInputElement} elements.slider
   * @param {HTMLElement} elements.ring  follows the pointer over the paper
   * @param {HTMLElement} elements.paper
   */
  constructor({ buttons, slider, ring, paper }) {
    this.buttons = buttons;
    this.slider = slider;
    this.ring = ring;
    for (const name of Object.keys(buttons)) buttons[name].addEventListener("click", () => this.pick(name));
    slider.addEventListener("input", () => this.#setWidth(Number(slider.value)));
    paper.addEventListener("pointermove", (event) => this.#moveRing(event, paper));
    this.pick("brush");
  }

  get current() {
    return { width: this.#widths[this.#tool], erase: this.#tool === "eraser" };
  }

  /** @param {Tool} tool */
  pick(tool) {
    this.#tool = tool;
    for (const [name, button] of Object.entries(this.buttons)) {
      button.setAttribute("aria-pressed", String(name === tool));
    }
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

  /**
   * @param {PointerEvent} event
   * @param {HTMLElement} paper
   */
  #moveRing(event, paper) {
    const box = paper.getBoundingClientRect();
    this.ring.hidden = event.pointerType === "touch";
    this.ring.style.setProperty("--x", `${event.clientX - box.left}px`);
    this.ring.style.setProperty("--y", `${event.clientY - box.top}px`);
  }
}

// Zoom and pan: with two fingers, Ctrl and the wheel, or the space bar or the middle button and a drag.
// A hand that holds a pen touches the paper, too. While a pen draws, the canvas gets no touches. After the first use
// of a pen, it gets no single touches.

import { clamp } from "../clamp.js";

const MAX_SCALE = 8;
const STEP = 1.25;
const WHEEL_SHARE = 0.01;
const MIDDLE_BUTTON = 1;

/** @typedef {{x: number, y: number}} Point  in CSS pixels from the paper's corner */

/** Shows a part of the sheet in the square of the paper. */
export class View {
  #scale = 1;
  /** The sheet's top left corner, in shares of the paper's side: 0 or less. @type {Point} */
  #corner = { x: 0, y: 0 };
  /** The position of each finger, or of the dragging mouse. @type {Map<number, Point>} */
  #held = new Map();
  #spaceIsDown = false;
  #penWasSeen = false;

  /**
   * @param {object} elements
   * @param {HTMLElement} elements.paper
   * @param {HTMLElement} elements.sheet  the element in the paper that is zoomed
   * @param {Record<"out" | "fit" | "in", HTMLButtonElement>} elements.buttons
   * @param {object} hooks
   * @param {() => void} hooks.onGrab  a drag begins, so the first finger's stroke has to be discarded
   * @param {(scale: number) => void} hooks.onZoom
   * @param {() => boolean} hooks.penIsDown
   */
  constructor({ paper, sheet, buttons }, { onGrab, onZoom, penIsDown }) {
    [this.paper, this.sheet, this.buttons] = [paper, sheet, buttons];
    [this.onGrab, this.onZoom, this.penIsDown] = [onGrab, onZoom, penIsDown];
    buttons.out.addEventListener("click", () => this.zoom(1 / STEP));
    buttons.in.addEventListener("click", () => this.zoom(STEP));
    buttons.fit.addEventListener("click", () => this.fit());
    paper.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    // before the canvas receives them, so that moving the view draws nothing
    paper.addEventListener("pointerdown", (event) => this.#grab(event), { capture: true });
    paper.addEventListener("pointermove", (event) => this.#drag(event), { capture: true });
    for (const type of ["pointerup", "pointercancel"]) {
      paper.addEventListener(type, ({ pointerId }) => this.#release(pointerId), { capture: true });
    }
    document.addEventListener("keydown", (event) => this.#hold(event));
    document.addEventListener("keyup", ({ key }) => key === " " && this.#setSpace(false));
    addEventListener("blur", () => this.#setSpace(false)); // another window gets the keyup
    this.fit();
  }

  fit() {
    this.#scale = 1;
    this.#move({ x: 0, y: 0 });
  }

  /**
   * @param {number} factor
   * @param {Point} [at]  the fixed point; by default the middle
   */
  zoom(factor, at = { x: this.paper.clientWidth / 2, y: this.paper.clientHeight / 2 }) {
    const scale = clamp(this.#scale * factor, 1, MAX_SCALE);
    const keep = (corner, place) => place / this.paper.clientWidth - (place / this.paper.clientWidth - corner) * (scale / this.#scale);
    const corner = { x: keep(this.#corner.x, at.x), y: keep(this.#corner.y, at.y) };
    this.#scale = scale;
    this.#move(corner);
  }

  /**
   * @param {number} dx  in CSS pixels
   * @param {number} dy
   */
  pan(dx, dy) {
    const side = this.paper.clientWidth;
    this.#move({ x: this.#corner.x + dx / side, y: this.#corner.y + dy / side });
  }

  /** @param {Point} corner */
  #move(corner) {
    const inside = (value) => clamp(value, 1 - this.#scale, 0);
    this.#corner = { x: inside(corner.x), y: inside(corner.y) };
    const { x, y } = this.#corner;
    this.sheet.style.transform = `translate(${100 * x}%, ${100 * y}%) scale(${this.#scale})`;
    this.paper.style.setProperty("--zoom", String(this.#scale));
    this.paper.classList.toggle("zoomed", this.#scale > 1);
    this.buttons.fit.textContent = `${Math.round(100 * this.#scale)} %`;
    this.buttons.fit.disabled = this.buttons.out.disabled = this.#scale === 1;
    this.buttons.in.disabled = this.#scale === MAX_SCALE;
    this.onZoom(this.#scale);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    const zooms = event.ctrlKey || event.metaKey;
    if (!zooms && this.#scale === 1) return; // the page scrolls
    event.preventDefault();
    if (zooms) this.zoom(Math.exp(-WHEEL_SHARE * event.deltaY), this.#locate(event));
    else this.pan(-event.deltaX, -event.deltaY);
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.target.closest("button, input, label")) return;
    const isTouch = event.pointerType === "touch";
    if (isTouch && this.penIsDown()) return event.stopPropagation();
    if (event.pointerType === "pen") {
      this.#penWasSeen = true;
      this.#letGo(); // the touches so far are of its hand
    }
    const drags = event.button === MIDDLE_BUTTON || this.#spaceIsDown;
    if (!isTouch && !drags) return;
    if (event.isPrimary) this.#held.clear(); // no other finger is down, even if its pointerup was lost
    this.#held.set(event.pointerId, this.#locate(event));
    if (!drags && this.#held.size < 2) {
      if (this.#penWasSeen) event.stopPropagation();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.paper.setPointerCapture(event.pointerId);
    this.paper.classList.add("grabbed");
    this.onGrab();
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    this.#penWasSeen ||= event.pointerType === "pen"; // above the paper, too
    if (event.pointerType === "touch" && this.penIsDown()) return event.stopPropagation();
    const isHeld = this.#held.has(event.pointerId);
    if (!isHeld || !this.paper.classList.contains("grabbed")) return;
    event.stopPropagation();
    const before = middleAndSpread([...this.#held.values()]);
    this.#held.set(event.pointerId, this.#locate(event));
    const { middle, spread } = middleAndSpread([...this.#held.values()]);
    this.pan(middle.x - before.middle.x, middle.y - before.middle.y);
    if (before.spread > 0) this.zoom(spread / before.spread, middle);
  }

  /** @param {number} pointer */
  #release(pointer) {
    this.#held.delete(pointer);
    if (this.#held.size === 0) this.#letGo();
  }

  #letGo() {
    this.#held.clear();
    this.paper.classList.remove("grabbed");
  }

  /** @param {KeyboardEvent} event */
  #hold(event) {
    if (event.key !== " " || event.target.closest("button, select, dialog, input:not([type=range])")) return;
    event.preventDefault(); // it would scroll the page
    this.#setSpace(true);
  }

  /** @param {boolean} isDown */
  #setSpace(isDown) {
    this.#spaceIsDown = isDown;
    this.paper.classList.toggle("grabs", isDown);
  }

  /**
   * @param {MouseEvent} event
   * @returns {Point}
   */
  #locate({ clientX, clientY }) {
    const box = this.paper.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  }
}

/**
 * @param {Point[]} points  at least one
 * @returns {{middle: Point, spread: number}} `spread` is the distance of the first two, 0 for one point
 */
function middleAndSpread(points) {
  const [first, second = first] = points;
  const middle = { x: (first.x + second.x) / 2, y: (first.y + second.y) / 2 };
  return { middle, spread: Math.hypot(first.x - second.x, first.y - second.y) };
}

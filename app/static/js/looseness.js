// How literally the lines are taken: left to the model, sketch by sketch, until somebody says.

import { isPressed, press } from "./toggle.js";

/** A slider from 0, "follow my lines", to 1, "fix them", and a button that is pressed while the model decides. */
export class Looseness {
  /**
   * @param {object} elements
   * @param {HTMLElement} elements.group  holds the others; hidden where the model knows no looseness
   * @param {HTMLInputElement} elements.slider
   * @param {HTMLButtonElement} elements.auto
   * @param {() => void} onChange
   */
  constructor({ group, slider, auto }, onChange) {
    this.group = group;
    this.slider = slider;
    this.auto = auto;
    this.onChange = onChange;
    slider.addEventListener("input", () => this.#setAuto(false));
    auto.addEventListener("click", () => this.#setAuto(!this.isAuto));
  }

  get isAuto() {
    return isPressed(this.auto);
  }

  /** What there is to remember: null for auto. */
  get state() {
    return this.isAuto ? null : Number(this.slider.value);
  }

  set state(loose) {
    if (loose !== null) this.slider.value = String(loose);
    press(this.auto, loose === null);
    this.#describe();
  }

  /** @param {{takes_loose: boolean}} model */
  offerFor(model) {
    this.group.hidden = !model.takes_loose;
  }

  /**
   * What to ask for.
   * @returns {number | null} in [0, 1]; null lets the model guess
   */
  get asked() {
    return this.group.hidden ? null : this.state;
  }

  /**
   * Show where the model's guess lies, unless somebody has said otherwise meanwhile.
   * @param {{loose: number | null, looseGuessed: boolean}} photo
   */
  show({ loose, looseGuessed }) {
    if (!looseGuessed || !this.isAuto) return;
    this.slider.value = String(loose);
    this.#describe();
  }

  /** @param {boolean} isAuto */
  #setAuto(isAuto) {
    press(this.auto, isAuto);
    this.#describe();
    this.onChange();
  }

  #describe() {
    this.slider.setAttribute("aria-valuetext", `${this.isAuto ? "auto, " : ""}${this.slider.value}`);
  }
}

// A photo to trace: visible under the paper, but not part of the sketch.

import { shrink } from "../files.js";

const LONGEST_PX = 640;

export class Trace {
  /**
   * @param {object} elements
   * @param {HTMLImageElement} elements.image  blended over the sketch, so that it only darkens white paper
   * @param {HTMLElement} elements.group  of the two others; hidden if there is no photo
   * @param {HTMLInputElement} elements.slider
   * @param {HTMLButtonElement} elements.remove
   * @param {() => void} onChange
   */
  constructor({ image, group, slider, remove }, onChange) {
    [this.image, this.group, this.slider, this.onChange] = [image, group, slider, onChange];
    slider.addEventListener("input", () => this.#show(this.url));
    remove.addEventListener("click", () => this.#show(""));
  }

  /** @returns {string} a data: URL, or "" */
  get url() {
    return this.image.getAttribute("src") ?? "";
  }

  /** @param {File} file */
  async open(file) {
    const url = await shrink(file, LONGEST_PX);
    if (url === "") throw new Error("This browser cannot show it: save it as PNG or JPEG.");
    this.#show(url);
  }

  /** The state to save. */
  get state() {
    return { url: this.url, strength: this.slider.value };
  }

  set state({ url, strength }) {
    this.slider.value = strength;
    this.#show(url);
  }

  /** @param {string} url */
  #show(url) {
    if (url === "") this.image.removeAttribute("src");
    else this.image.src = url;
    this.image.hidden = this.group.hidden = url === "";
    this.image.style.opacity = this.slider.value;
    this.onChange();
  }
}

// A slider from the chosen answer to another one. Its frames are requested once, then shown without delay.

import { LatestWins } from "./latest_wins.js";

/**
 * @typedef {import("../client.js").Picture} Picture
 * @typedef {import("../device/translator.js").FramedRequest & {from: import("../client.js").Latent,
 *   to: import("../client.js").Latent}} MorphRequest
 */

export class Morph {
  /** @type {Picture[]} */
  #frames = [];
  /** The request that the frames belong to, as JSON. */
  #key = "";

  /**
   * @param {HTMLInputElement} slider
   * @param {object} hooks
   * @param {() => MorphRequest | null} hooks.snapshot  the current request; null if there is nothing to request
   * @param {(request: MorphRequest) => Promise<Picture[]>} hooks.send
   * @param {() => void} hooks.onMove  the slider moved, or its frames have come
   * @param {(problem: Error, retrying: boolean) => void} hooks.onProblem
   */
  constructor(slider, { snapshot, send, onMove, onProblem }) {
    this.slider = slider;
    this.onMove = onMove;
    this.loader = new LatestWins({
      snapshot,
      send: async (request) => {
        const key = JSON.stringify(request);
        return { key, frames: key === this.#key ? this.#frames : await send(request) };
      },
      onResult: ({ key, frames }) => {
        [this.#key, this.#frames] = [key, frames];
        this.onMove();
      },
      onNothing: () => {},
      onProblem,
    });
    slider.addEventListener("input", () => {
      this.#describe();
      this.onMove();
      this.loader.refresh();
    });
  }

  /** From 0, the chosen answer, to 1, the other one. */
  get position() {
    return Number(this.slider.value) / Number(this.slider.max);
  }

  /**
   * The frame at the slider's position. Its url is "" if the drawing has changed since.
   * @returns {Picture | null} null at position 0, or before the frames have come
   */
  get picture() {
    if (this.position === 0 || this.#frames.length === 0) return null;
    return this.#frames[Math.round(this.position * (this.#frames.length - 1))];
  }

  /** The drawing changed: the latents of the frames stay, their pictures do not. */
  expire() {
    if (this.#frames.length === 0) this.reset();
    this.loader.cancel();
    this.#key = "";
    this.#frames = this.#frames.map(({ z }) => ({ z, url: "" }));
  }

  /** An end of the morph changed: back to the chosen answer. */
  reset() {
    this.loader.cancel();
    [this.#key, this.#frames] = ["", []];
    this.slider.value = "0";
    this.#describe();
  }

  #describe() {
    this.slider.setAttribute("aria-valuetext", `${Math.round(100 * this.position)} % of the way`);
  }
}

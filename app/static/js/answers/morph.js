// A slider from the chosen answer to another one. The pictures on the way are fetched once and shown at once.

import { LatestWins } from "./latest_wins.js";

/**
 * @typedef {import("../client.js").Picture} Picture
 * @typedef {import("../client.js").Question & {from: import("../client.js").Latent,
 *   to: import("../client.js").Latent}} Walk
 */

export class Morph {
  /** @type {Picture[]} */
  #frames = [];
  /** The walk that the frames show. */
  #key = "";

  /**
   * @param {HTMLInputElement} slider
   * @param {object} hooks
   * @param {() => Walk | null} hooks.ask  the walk as it is now; null when there is none to show
   * @param {(walk: Walk) => Promise<Picture[]>} hooks.load
   * @param {() => void} hooks.onMove  the slider moved, or what it shows came in
   * @param {(problem: Error, retrying: boolean) => void} hooks.onProblem
   */
  constructor(slider, { ask, load, onMove, onProblem }) {
    this.slider = slider;
    this.onMove = onMove;
    this.loader = new LatestWins({
      snapshot: ask,
      ask: async (walk) => {
        const key = JSON.stringify(walk);
        return { key, frames: key === this.#key ? this.#frames : await load(walk) };
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
   * The picture where the slider stands, as far as it is known; its url is "" if it shows a drawing of before.
   * @returns {Picture | null} null at the chosen answer itself
   */
  get picture() {
    if (this.position === 0 || this.#frames.length === 0) return null;
    return this.#frames[Math.round(this.position * (this.#frames.length - 1))];
  }

  /** The drawing changed: the way is the same, the pictures are not. */
  expire() {
    if (this.#frames.length === 0) this.reset();
    this.loader.withdraw();
    this.#key = "";
    this.#frames = this.#frames.map(({ z }) => ({ z, url: "" }));
  }

  /** The ends changed: back to the chosen answer. */
  reset() {
    this.loader.withdraw();
    [this.#key, this.#frames] = ["", []];
    this.slider.value = "0";
    this.#describe();
  }

  #describe() {
    this.slider.setAttribute("aria-valuetext", `${Math.round(100 * this.position)} % of the way`);
  }
}

// The models that the server offers, and which one is picked.

import { insist } from "./patience.js";

/** @typedef {import("./client.js").Model} Model */

export class ModelMenu {
  /** @type {Model[]} */
  #models = [];

  /**
   * @param {HTMLSelectElement} select  disabled until there is a model
   * @param {() => void} onPick
   */
  constructor(select, onPick) {
    this.select = select;
    select.addEventListener("change", onPick);
  }

  /** @returns {Model | undefined} */
  get current() {
    return this.#models.find(({ name }) => name === this.select.value);
  }

  get isReady() {
    return !this.select.disabled;
  }

  /**
   * @param {string} name
   * @returns {boolean} whether there is such a model
   */
  pick(name) {
    const known = this.#models.some((model) => model.name === name);
    if (known) this.select.value = name;
    return known;
  }

  /**
   * Ask until the server answers.
   * @param {() => Promise<Model[]>} load
   * @param {(problem: Error) => void} onProblem
   */
  async fill(load, onProblem) {
    this.#models = await insist(load, onProblem);
    this.select.replaceChildren(...this.#models.map((model) => new Option(this.#label(model), model.name)));
    this.select.disabled = this.#models.length === 0;
  }

  /** @param {Model} model */
  #label({ name, title }) {
    const alike = this.#models.filter((other) => other.title === title);
    return alike.length > 1 ? `${title} (${name})` : title;
  }
}

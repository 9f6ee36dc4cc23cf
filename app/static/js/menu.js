// The models that the server offers, and which one is picked.

import { ServerProblem } from "./client.js";
import { insist } from "./retry.js";

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
   * Ask until there is a model; none can be picked meanwhile. The one that is picked stays, if it is there.
   * @param {() => Promise<Model[]>} load
   * @param {(problem: Error) => void} onProblem
   */
  async fill(load, onProblem) {
    this.select.disabled = true;
    const found = await insist(async () => {
      const models = await load();
      if (models.length === 0) throw new ServerProblem("No model is loaded on this server.", true);
      return models;
    }, onProblem);
    const picked = this.select.value;
    this.#models = found.map((model) => ({ ...model, title: titleAmong(found, model) }));
    this.select.replaceChildren(...this.#models.map(({ title, name }) => new Option(title, name)));
    this.pick(picked);
    this.select.disabled = false;
  }
}

/**
 * What to call a model, no two alike.
 * @param {Model[]} models
 * @param {Model} model
 */
function titleAmong(models, { name, title }) {
  const alike = models.filter((other) => other.title === title);
  return alike.length > 1 ? `${title} (${name})` : title;
}

// The menu of the server's models.

import { ServerProblem } from "./client.js";
import { retry } from "./retry.js";

/** @typedef {import("./client.js").Model} Model */

export class ModelMenu {
  /** @type {Model[]} */
  #models = [];

  /**
   * @param {HTMLSelectElement} select  disabled until the models are loaded
   * @param {() => void} onSelect
   */
  constructor(select, onSelect) {
    this.select = select;
    select.addEventListener("change", onSelect);
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
   * @returns {boolean} whether the menu has this model
   */
  selectModel(name) {
    const known = this.#models.some((model) => model.name === name);
    if (known) this.select.value = name;
    return known;
  }

  /**
   * Loads the models, with retries. The selected one stays selected if the server still has it.
   * @param {() => Promise<Model[]>} load
   * @param {(problem: Error) => void} onProblem
   */
  async fill(load, onProblem) {
    this.select.disabled = true;
    const found = await retry(async () => {
      // Without models there is no page: every failure is tried again.
      const models = await load().catch(({ message }) => {
        throw new ServerProblem(message, true);
      });
      if (models.length === 0) throw new ServerProblem("No model is loaded on this server.", true);
      return models;
    }, onProblem);
    const selected = this.select.value;
    this.#models = found.map((model) => ({ ...model, title: titleAmong(found, model) }));
    this.select.replaceChildren(...this.#models.map(({ title, name }) => new Option(title, name)));
    this.selectModel(selected);
    this.select.disabled = false;
  }
}

/**
 * Returns a title that no other model has.
 * @param {Model[]} models
 * @param {Model} model
 */
function titleAmong(models, { name, title }) {
  const sameTitle = models.filter((other) => other.title === title);
  return sameTitle.length > 1 ? `${title} (${name})` : title;
}

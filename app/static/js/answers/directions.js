// A slider for each latent direction of the model. Its name is the attribute that it changes most; its track has the
// colours that it leads to.

import { distinctLabels } from "../names.js";
import { MAX_MOVE } from "./answers.js";

/** @typedef {import("../client.js").Direction} Direction */

export class Directions {
  /** @type {HTMLInputElement[]} */
  #sliders = [];

  /**
   * @param {HTMLElement} group  hidden if the model has no directions
   * @param {HTMLTemplateElement} template  of one labelled slider
   * @param {(direction: number, amount: number) => void} onMove
   */
  constructor(group, template, onMove) {
    this.group = group;
    this.template = template;
    this.onMove = onMove;
  }

  /** @param {Direction[]} directions */
  setDirections(directions) {
    const names = distinctLabels(directions.map(({ attribute }) => attribute));
    const rows = names.map((name, i) => this.#row(name, i, directions[i].colours));
    this.#sliders = rows.map((row) => row.querySelector("input"));
    this.group.replaceChildren(...rows);
    this.group.hidden = rows.length === 0;
  }

  /**
   * @param {number[]} moves  of the chosen answer
   * @param {boolean} movable
   */
  show(moves, movable) {
    for (const [i, slider] of this.#sliders.entries()) {
      slider.disabled = !movable;
      slider.value = String(moves[i] ?? 0);
      slider.setAttribute("aria-valuetext", Number(slider.value) === 0 ? "unchanged" : slider.value);
    }
  }

  /**
   * @param {string} name
   * @param {number} i
   * @param {string[]} colours  at both ends; empty if unknown
   * @returns {HTMLElement}
   */
  #row(name, i, colours) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    const slider = row.querySelector("input");
    [slider.min, slider.max] = [String(-MAX_MOVE), String(MAX_MOVE)];
    for (const [end, colour] of colours.entries()) slider.style.setProperty(["--back", "--on"][end], colour);
    row.querySelector("span").textContent = name;
    slider.addEventListener("input", () => this.onMove(i, Number(slider.value)));
    row.addEventListener("dblclick", () => this.onMove(i, 0));
    return row;
  }
}

// The kept results of this session, as thumbnails. Each lends its look to the current drawing, or brings its own back.

import { whiteCanvas } from "../blank.js";
import { loadImage } from "../files.js";

const MAX_RESULTS = 24;
const THUMBNAIL_PX = 96;

/**
 * @typedef {object} Kept
 * @property {string} thumbnail  URL
 * @property {string} model
 * @property {import("../drawing/drawing.js").Item[]} items
 * @property {import("../client.js").Latent} latent
 */

export class Shelf {
  /** Newest first. @type {Kept[]} */
  all = [];

  /**
   * @param {HTMLElement} list
   * @param {HTMLTemplateElement} template  of a result: a button for its look, and one for its drawing
   * @param {(kept: Kept) => void} onLook
   * @param {(kept: Kept) => void} onBack
   */
  constructor(list, template, onLook, onBack) {
    [this.list, this.template, this.onLook, this.onBack] = [list, template, onLook, onBack];
  }

  /**
   * Adds a result in front, unless it is already kept.
   * @param {Omit<Kept, "thumbnail">} result
   * @param {string} url  of its photo
   */
  async add(result, url) {
    const kept = { ...result, thumbnail: await thumbnailOf(url) };
    const key = keyOf(kept);
    if (this.all.every((other) => keyOf(other) !== key)) this.restore([kept, ...this.all].slice(0, MAX_RESULTS));
  }

  /** @param {Kept[]} all */
  restore(all) {
    this.all = all;
    this.list.replaceChildren(...all.map((kept, i) => this.#show(kept, all.length - i)));
  }

  /**
   * @param {Kept} kept
   * @param {number} number
   */
  #show(kept, number) {
    const result = this.template.content.cloneNode(true);
    const [look, back] = result.querySelectorAll("button");
    look.title = look.ariaLabel = `Use the look of result ${number} (${kept.model}) for this drawing`;
    back.title = back.ariaLabel = `Restore result ${number} (${kept.model}) and its drawing`;
    result.querySelector("img").src = kept.thumbnail;
    look.addEventListener("click", () => this.onLook(kept));
    back.addEventListener("click", () => this.onBack(kept));
    return result;
  }
}

/** @param {Kept} result */
function keyOf({ model, items, latent }) {
  return JSON.stringify({ model, items, latent });
}

/** @param {string} url */
async function thumbnailOf(url) {
  const context = whiteCanvas(THUMBNAIL_PX, THUMBNAIL_PX); // JPEG has no transparency
  context.drawImage(await loadImage(url), 0, 0, THUMBNAIL_PX, THUMBNAIL_PX);
  return context.canvas.toDataURL("image/jpeg");
}

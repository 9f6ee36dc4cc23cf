// The kept results of this session, as thumbnails, each with everything that restores it.

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
   * @param {(kept: Kept) => void} onSelect
   */
  constructor(list, onSelect) {
    this.list = list;
    this.onSelect = onSelect;
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
    this.list.replaceChildren(...all.map((kept, i) => this.#button(kept, all.length - i)));
  }

  /**
   * @param {Kept} kept
   * @param {number} number
   */
  #button(kept, number) {
    const button = document.createElement("button");
    const image = document.createElement("img");
    button.type = "button";
    button.title = button.ariaLabel = `Back to result ${number} (${kept.model})`;
    image.src = kept.thumbnail;
    image.alt = "";
    button.append(image);
    button.addEventListener("click", () => this.onSelect(kept));
    return button;
  }
}

/** @param {Kept} result */
function keyOf({ model, items, latent }) {
  return JSON.stringify({ model, items, latent });
}

/** @param {string} url */
async function thumbnailOf(url) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = THUMBNAIL_PX;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // JPEG has no transparency
  context.fillRect(0, 0, THUMBNAIL_PX, THUMBNAIL_PX);
  context.drawImage(await loadImage(url), 0, 0, THUMBNAIL_PX, THUMBNAIL_PX);
  return canvas.toDataURL("image/jpeg");
}

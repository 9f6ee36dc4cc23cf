// The results of this session, small, each with all that it takes to bring it back.

import { loadImage } from "../files.js";

const MOST = 24;
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
   * @param {(kept: Kept) => void} onPick
   */
  constructor(list, onPick) {
    this.list = list;
    this.onPick = onPick;
  }

  /**
   * Put a result in front, unless it is there already.
   * @param {Omit<Kept, "thumbnail">} result
   * @param {string} url  of its photo
   */
  async add(result, url) {
    const kept = { ...result, thumbnail: await thumbnailOf(url) };
    const key = keyOf(kept);
    if (this.all.every((other) => keyOf(other) !== key)) this.restore([kept, ...this.all].slice(0, MOST));
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
    button.addEventListener("click", () => this.onPick(kept));
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
  canvas.getContext("2d").drawImage(await loadImage(url), 0, 0, THUMBNAIL_PX, THUMBNAIL_PX);
  return canvas.toDataURL("image/jpeg");
}

// Shows a sharp copy of the large photo, once the drawing rests.

import { showPicture } from "./gallery.js";
import { sleep } from "../retry.js";

const REST_MS = 500;

/** @typedef {import("./pictures.js").Made} Made */

export class Sharp {
  /** The photo whose copy is shown or awaited. @type {Made | null} */
  #photo = null;

  /**
   * @param {HTMLImageElement} image  over the photo
   * @param {(photo: Made) => Promise<string>} make  returns the copy's URL
   * @param {typeof sleep} [wait]
   */
  constructor(image, make, wait = sleep) {
    [this.image, this.make, this.wait] = [image, make, wait];
  }

  /** @param {Made | null} photo  null while it changes */
  async show(photo) {
    if (photo === this.#photo) return;
    this.#photo = photo;
    showPicture(this.image, "");
    if (!photo) return;
    await this.wait(REST_MS);
    if (photo !== this.#photo) return;
    const url = await this.make(photo).catch(() => ""); // the photo itself stays visible
    if (photo === this.#photo) showPicture(this.image, url);
  }
}

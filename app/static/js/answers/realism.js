// The realism map over the photo: where the model's discriminator takes it for real or generated.

import { Toggle } from "../toggle.js";
import { showPicture } from "./gallery.js";

/** Offered if the model has a discriminator. */
export class Realism extends Toggle {
  /**
   * @param {object} elements
   * @param {HTMLButtonElement} elements.button
   * @param {HTMLImageElement} elements.overlay
   * @param {HTMLElement} elements.legend
   * @param {() => void} onChange
   */
  constructor({ button, overlay, legend }, onChange) {
    super(button, onChange);
    [this.overlay, this.legend] = [overlay, legend];
  }

  /** @param {import("../client.js").Picture | null} picture  the large one */
  show(picture) {
    showPicture(this.overlay, (this.isOn && picture?.realism) || "");
    this.legend.hidden = this.overlay.hidden;
  }
}

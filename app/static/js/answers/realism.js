// The realism map over the photo: where the model's discriminator takes it for real or generated.

import { showPicture } from "./gallery.js";
import { isPressed, press } from "../toggle.js";

export class Realism {
  /**
   * @param {object} elements
   * @param {HTMLButtonElement} elements.button  turns the map on; hidden if the model has no discriminator
   * @param {HTMLImageElement} elements.overlay
   * @param {HTMLElement} elements.legend
   * @param {() => void} onChange
   */
  constructor({ button, overlay, legend }, onChange) {
    this.button = button;
    this.overlay = overlay;
    this.legend = legend;
    this.onChange = onChange;
    button.addEventListener("click", () => this.toggle());
  }

  /** @param {{judges: boolean}} model */
  setModel(model) {
    this.button.hidden = !model.judges;
  }

  /** Whether to request maps. */
  get isOn() {
    return !this.button.hidden && isPressed(this.button);
  }

  toggle() {
    if (this.button.hidden) return;
    press(this.button, !this.isOn);
    this.onChange();
  }

  /** @param {import("../client.js").Picture | null} picture  the large one */
  show(picture) {
    showPicture(this.overlay, (this.isOn && picture?.realism) || "");
    this.legend.hidden = this.overlay.hidden;
  }
}

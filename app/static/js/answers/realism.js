// Where D, the critic that the model was trained against, doubts the photo: laid over it while somebody wants to see.

import { showPicture } from "./gallery.js";
import { isPressed, press } from "../toggle.js";

export class Realism {
  /**
   * @param {object} elements
   * @param {HTMLButtonElement} elements.button  pressed while the map is wanted; hidden where the model has no D
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
  offerFor(model) {
    this.button.hidden = !model.judges;
  }

  /** Whether to ask for maps. */
  get asked() {
    return !this.button.hidden && isPressed(this.button);
  }

  toggle() {
    if (this.button.hidden) return;
    press(this.button, !this.asked);
    this.onChange();
  }

  /** @param {import("../client.js").Picture | null} picture  the large one */
  show(picture) {
    showPicture(this.overlay, (this.asked && picture?.realism) || "");
    this.legend.hidden = this.overlay.hidden;
  }
}

// Photos without background: shown on a checkerboard, and saved with transparency.

import { Toggle, isPressed, press } from "../toggle.js";

/** Offered if the model's photos have transparency. */
export class Transparent extends Toggle {
  /**
   * @param {HTMLButtonElement} button
   * @param {HTMLElement} square  that shows the photo
   * @param {() => void} onChange
   */
  constructor(button, square, onChange) {
    super(button, () => {
      this.#show();
      onChange();
    });
    this.square = square;
  }

  /** @param {boolean} offered */
  set isOffered(offered) {
    super.isOffered = offered;
    this.#show();
  }

  /** The state to save: whether it is on where it is offered. */
  get state() {
    return isPressed(this.button);
  }

  set state(on) {
    press(this.button, on);
    this.#show();
  }

  #show() {
    this.square.classList.toggle("chequered", this.isOn);
  }
}

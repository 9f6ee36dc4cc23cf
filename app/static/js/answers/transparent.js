// Photos without background: shown on a checkerboard, and saved with transparency.

import { isPressed, press } from "../toggle.js";

export class Transparent {
  /**
   * @param {HTMLButtonElement} button  hidden if the model's photos have no transparency
   * @param {HTMLElement} square  that shows the photo
   * @param {() => void} onChange
   */
  constructor(button, square, onChange) {
    [this.button, this.square, this.onChange] = [button, square, onChange];
    button.addEventListener("click", () => this.toggle());
  }

  /** @param {boolean} offered */
  set isOffered(offered) {
    this.button.hidden = !offered;
    this.#show();
  }

  /** Whether to request transparent photos. */
  get isOn() {
    return !this.button.hidden && isPressed(this.button);
  }

  /** The state to save: whether it is on where it is offered. */
  get state() {
    return isPressed(this.button);
  }

  set state(on) {
    press(this.button, on);
    this.#show();
  }

  toggle() {
    if (this.button.hidden) return;
    press(this.button, !this.isOn);
    this.#show();
    this.onChange();
  }

  #show() {
    this.square.classList.toggle("chequered", this.isOn);
  }
}

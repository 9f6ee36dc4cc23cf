// Toggle buttons.

/** @param {HTMLButtonElement} button */
export function isPressed(button) {
  return button.getAttribute("aria-pressed") === "true";
}

/**
 * @param {HTMLButtonElement} button
 * @param {boolean} on
 */
export function press(button, on) {
  button.setAttribute("aria-pressed", String(on));
}

/** A toggle button that is hidden where its feature is not offered. */
export class Toggle {
  /**
   * @param {HTMLButtonElement} button
   * @param {() => void} onChange
   */
  constructor(button, onChange) {
    [this.button, this.onChange] = [button, onChange];
    button.addEventListener("click", () => this.toggle());
  }

  /** @param {boolean} offered */
  set isOffered(offered) {
    this.button.hidden = !offered;
  }

  /** Whether it is offered and on. */
  get isOn() {
    return !this.button.hidden && isPressed(this.button);
  }

  toggle() {
    if (this.button.hidden) return;
    press(this.button, !this.isOn);
    this.onChange();
  }
}

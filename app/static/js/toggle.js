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

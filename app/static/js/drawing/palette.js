// The colours of the colour pen, in a panel that opens above its button, and whether the colour layer is shown.

import { isPressed, press } from "../toggle.js";

/** Usual colours of shoes and handbags. */
const COLOURS = {
  Black: "#262424",
  White: "#e9e5de",
  Brown: "#6b4226",
  Tan: "#c8a06a",
  Red: "#b8232f",
  Navy: "#26365e",
  "Grey-blue": "#8a9cb3",
  Green: "#4d6b4a",
};

export class Palette {
  colour = COLOURS.Red;

  /**
   * @param {object} elements
   * @param {HTMLButtonElement} elements.button  opens the panel, and shows the colour
   * @param {HTMLElement} elements.panel
   * @param {HTMLElement} elements.swatches
   * @param {HTMLInputElement} elements.custom
   * @param {HTMLButtonElement} elements.layer  shows and hides the colour layer
   * @param {object} hooks
   * @param {() => void} hooks.onChoose
   * @param {() => void} hooks.onLayer  the colour layer was shown or hidden
   */
  constructor({ button, panel, swatches, custom, layer }, { onChoose, onLayer }) {
    [this.button, this.panel, this.swatches, this.custom, this.layer] = [button, panel, swatches, custom, layer];
    [this.onChoose, this.onLayer] = [onChoose, onLayer];
    swatches.replaceChildren(...Object.entries(COLOURS).map(([name, colour]) => this.#swatch(name, colour)));
    custom.addEventListener("input", () => this.choose(custom.value));
    custom.addEventListener("change", () => panel.hidePopover());
    layer.addEventListener("click", () => this.showLayer(!this.showsLayer));
    this.#mark(this.colour);
  }

  /** Whether the model takes colours. */
  get isOffered() {
    return !this.button.hidden;
  }

  set isOffered(offered) {
    this.button.hidden = !offered;
  }

  get showsLayer() {
    return isPressed(this.layer);
  }

  /** @param {boolean} on */
  showLayer(on) {
    if (on === this.showsLayer) return;
    press(this.layer, on);
    this.onLayer();
  }

  /** @param {string} colour  "#rrggbb" */
  choose(colour) {
    this.#mark(colour);
    this.onChoose();
  }

  /** The state to save. */
  get state() {
    return { colour: this.colour, showsLayer: this.showsLayer };
  }

  set state({ colour, showsLayer }) {
    this.#mark(colour);
    press(this.layer, showsLayer);
  }

  /** @param {string} colour */
  #mark(colour) {
    this.colour = this.custom.value = colour;
    this.button.parentElement.style.setProperty("--colour", colour); // the eraser shows it, too
    for (const swatch of this.swatches.children) press(swatch, swatch.value === colour);
  }

  /** @param {string} name @param {string} colour */
  #swatch(name, colour) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = button.ariaLabel = name;
    button.value = colour;
    button.style.setProperty("--colour", colour);
    button.addEventListener("click", () => this.choose(colour));
    return button;
  }
}

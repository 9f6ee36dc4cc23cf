// The colours of the colour pen, in a panel that opens above its button, and whether the colour layer is shown.

import { distinctLabels } from "../names.js";
import { isPressed, press } from "../toggle.js";
import { nameColour } from "./colour_names.js";

const FIRST_COLOUR = "#b8232f";
/** For models without a palette. */
const USUAL_COLOURS = ["#262424", "#26365e", "#6b4226", FIRST_COLOUR, "#4d8a57", "#6d4b9a", "#e8853a", "#e3c24a"];
/** For all models whose palettes do not have them. */
const NEUTRAL_COLOURS = ["#ffffff", "#c4c4c4", "#8f8f8f", "#555555"];

export class Palette {
  colour = FIRST_COLOUR;

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
    custom.addEventListener("input", () => this.choose(custom.value));
    custom.addEventListener("change", () => panel.hidePopover());
    layer.addEventListener("click", () => this.showLayer(!this.showsLayer));
    this.offer([]);
  }

  /**
   * Offers the colours of a model's palette, and neutral ones. The chosen colour stays.
   * @param {string[]} colours  "#rrggbb"; usual ones if it is empty
   */
  offer(colours) {
    const own = colours.length > 0 ? colours : USUAL_COLOURS;
    const names = own.map(nameColour);
    const offered = [...own, ...NEUTRAL_COLOURS.filter((colour) => !names.includes(nameColour(colour)))];
    const labels = distinctLabels(offered.map(nameColour));
    this.swatches.replaceChildren(...offered.map((colour, i) => this.#swatch(labels[i], colour)));
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

  /** @param {string} label @param {string} colour */
  #swatch(label, colour) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = button.ariaLabel = label;
    button.value = colour;
    button.style.setProperty("--colour", colour);
    button.addEventListener("click", () => this.choose(colour));
    return button;
  }
}

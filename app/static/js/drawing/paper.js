// The sketch side of the page: the paper, the drawing on it, and the drawing tools.

import { SketchPad } from "./canvas.js";
import { Drawing, isColour } from "./drawing.js";
import { examplesFor } from "./examples.js";
import { download } from "../files.js";
import { Palette } from "./palette.js";
import { pngOf, svgOf, withImages } from "./saved.js";
import { toSvg } from "./svg.js";
import { Tools } from "./tools.js";
import { Trace } from "./trace.js";
import { View } from "./view.js";
import { $ } from "../elements.js";

const SAVED_PX = 1024;

/** @typedef {import("./drawing.js").Item} Item */

export class Paper {
  drawing = new Drawing();

  /**
   * @param {object} hooks
   * @param {() => void} hooks.onChange  the drawing changed, also while a stroke grows
   * @param {() => void} hooks.onTrace  the photo to trace changed
   * @param {(items: Item[]) => void} hooks.onExample  the user chose an example
   * @param {() => void} hooks.onOpenArea  an area could not be filled
   */
  constructor({ onChange, onTrace, onExample, onOpenArea }) {
    [this.onChange, this.onExample] = [onChange, onExample];
    this.palette = new Palette(
      { button: $("colours"), panel: $("palette"), swatches: $("swatches"), custom: $("custom"), layer: $("layer") },
      { onChoose: () => this.tools.fills || this.tools.select("colour"), onLayer: () => this.#showLayer() },
    );
    this.tools = new Tools(
      {
        buttons: { brush: $("brush"), colour: $("colour-pen"), fill: $("fill"), eraser: $("eraser") },
        slider: $("width"),
        mirror: $("mirror"),
        guide: $("guide"),
        smooth: $("smooth"),
        ring: $("ring"),
        paper: $("sketch"),
      },
      this.palette,
    );
    this.pad = new SketchPad($("sketch"), this.drawing, { tool: () => this.tools.current, onChange, onOpenArea });
    this.view = new View(
      { paper: $("paper"), sheet: $("sheet"), buttons: { out: $("zoom-out"), fit: $("fit"), in: $("zoom-in") } },
      {
        onGrab: () => this.pad.cancelStroke(),
        onZoom: (scale) => this.pad.setZoom(scale),
        penIsDown: () => this.pad.penIsDown,
      },
    );
    const tracing = { image: $("trace"), group: $("tracing"), slider: $("strength"), remove: $("trace-remove") };
    this.trace = new Trace(tracing, onTrace);
  }

  get isDrawing() {
    return this.pad.isDrawing;
  }

  get isBlank() {
    return this.drawing.items.length === 0 && !this.pad.isDrawing;
  }

  /** Whether the drawing has colours and no ink. Without ink there is no photo. */
  get hasOnlyColours() {
    const { items } = this.drawing;
    return items.length > 0 && items.every(isColour);
  }

  /** @param {import("../client.js").Model} model */
  setModel({ takes_hints, palette }) {
    this.palette.isOffered = takes_hints;
    this.palette.offer(palette);
    if (!takes_hints) this.tools.select("brush");
  }

  /** Shows or hides the colour layer. Photos are made without hidden colours. */
  #showLayer() {
    this.pad.showsColours = this.palette.showsLayer;
    if (!this.palette.showsLayer) this.tools.select("brush");
    this.onChange();
  }

  show() {
    $("hint").hidden = !this.isBlank;
    $("redo").disabled = this.drawing.undone.length === 0;
    $("clear").disabled = $("save-svg").disabled = $("save-png").disabled = this.drawing.items.length === 0;
    this.pad.refresh();
  }

  /** @param {string} model  whose examples to show */
  showExamples(model) {
    const examples = examplesFor(model);
    $("examples").hidden = examples.length === 0;
    $("examples").replaceChildren(
      ...examples.map(({ name, items }) => {
        const button = document.createElement("button");
        button.type = "button";
        button.ariaLabel = `Start from an example: ${name}`;
        button.title = name;
        button.innerHTML = toSvg(items);
        button.addEventListener("click", () => this.onExample(items));
        return button;
      }),
    );
  }

  /**
   * @param {"png" | "svg"} format
   * @param {string} name  of the file, without the suffix
   */
  save(format, name) {
    const { items } = this.drawing;
    download(format === "svg" ? svgOf(items) : pngOf(this.pad.picture(SAVED_PX), items), `${name}.${format}`);
  }

  /** The state to save. */
  get state() {
    const { done, undone } = this.drawing;
    return { done, undone, tools: this.tools.state, palette: this.palette.state, trace: this.trace.state };
  }

  /** @param {Paper["state"]} state  as parsed from JSON */
  async restore({ done, undone, tools, palette, trace }) {
    [this.drawing.done, this.drawing.undone] = await Promise.all([withImages(done), withImages(undone)]);
    if (palette) this.palette.state = palette; // states that were saved by earlier versions have none
    this.pad.showsColours = this.palette.showsLayer;
    [this.tools.state, this.trace.state] = [tools, trace];
  }
}

// Drawings as files, and back. A picture cannot tell colours from ink: a PNG of a drawing with colours holds the SVG, too.

import { newCanvas } from "../blank.js";
import { contentOf, loadImage } from "../files.js";
import { isColour } from "./drawing.js";
import { textOf, withText } from "./png_text.js";
import { COLOURS, itemsIn, svgIn, svgWithItems } from "./svg.js";

const KEYWORD = "Drawing";
const SIDE_PX = 1024; // of layers that are read back
const SVG_TYPE = "image/svg+xml";

/** @typedef {import("./drawing.js").Item} Item */

/** @param {Item[]} items @returns {string} a data: URL of the drawing as SVG */
export function svgOf(items) {
  return `data:${SVG_TYPE},${encodeURIComponent(svgWithItems(items))}`;
}

/**
 * @param {string} url  of the drawing as PNG
 * @param {Item[]} items
 * @returns {string} a data: URL of the PNG, or with colours of one that also holds the SVG
 */
export function pngOf(url, items) {
  if (!items.some(isColour)) return url;
  const bytes = withText(contentOf(url), KEYWORD, svgWithItems(items));
  return URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
}

/**
 * Reads a drawing that was saved as an SVG, or as a PNG with colours.
 * @param {Blob} file
 * @returns {Promise<Item[] | null>} the items; if another program has changed the SVG, a picture of the colour layer and
 *   one of the ink; null for any other file
 */
export async function readItems(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const text = svgIn(bytes) || textOf(bytes, KEYWORD);
  if (text === "") return null;
  const items = itemsIn(text);
  if (items) return withImages(items);
  const ink = parsed(text);
  const colours = ink.querySelector(`g.${COLOURS}`);
  if (colours === null) return null;
  colours.remove();
  const colourLayer = ink.cloneNode();
  colourLayer.append(colours);
  return [{ ...(await pictureOf(colourLayer)), layer: "colour" }, await pictureOf(ink)];
}

/**
 * Draws SVGs: the server reads none.
 * @param {Blob} file
 * @returns {Promise<Blob>} an SVG as a PNG of its whole page; any other file as it is
 */
export async function asPixels(file) {
  const text = svgIn(new Uint8Array(await file.arrayBuffer()));
  if (text === "") return file; // no XML: the parser's message about it would break the page's CSP
  const svg = parsed(text);
  if (!(svg instanceof SVGSVGElement)) return file;
  const [width, height] = [svg.width.baseVal.value, svg.height.baseVal.value];
  if (!svg.hasAttribute("viewBox") && width > 0 && height > 0) svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const { url } = await pictureOf(svg);
  return new Blob([contentOf(url)], { type: "image/png" });
}

/**
 * Decodes the pictures of steps that come from JSON.
 * @template {import("./drawing.js").Step} Step
 * @param {Step[]} steps
 * @returns {Promise<Step[]>}
 */
export function withImages(steps) {
  return Promise.all(
    steps.map(async (step) => {
      if (step.kind === "sheet") return { ...step, items: await withImages(step.items) };
      return step.kind === "picture" ? { ...step, image: await loadImage(step.url) } : step;
    }),
  );
}

/** @param {string} text  of an SVG or other XML @returns {Element} */
function parsed(text) {
  return new DOMParser().parseFromString(text, SVG_TYPE).documentElement;
}

/** @param {Element} svg @returns {Promise<import("./drawing.js").Picture>} */
async function pictureOf(svg) {
  for (const side of ["width", "height"]) svg.setAttribute(side, String(SIDE_PX));
  const text = new XMLSerializer().serializeToString(svg);
  const drawn = await loadImage(`data:${SVG_TYPE},${encodeURIComponent(text)}`);
  const canvas = newCanvas(SIDE_PX);
  canvas.getContext("2d").drawImage(drawn, 0, 0, SIDE_PX, SIDE_PX);
  const url = canvas.toDataURL("image/png");
  return { kind: "picture", url, image: await loadImage(url) };
}

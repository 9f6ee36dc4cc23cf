// Drawings as files, and back. A picture cannot tell colours from ink: a PNG of a drawing with colours holds the SVG, too.

import { contentOf, loadImage } from "../files.js";
import { isColour } from "./drawing.js";
import { textOf, withText } from "./png_text.js";
import { COLOURS, toSvg } from "./svg.js";

const KEYWORD = "Drawing";
const SIDE_PX = 1024; // of layers that are read back
const SVG_TYPE = "image/svg+xml";
const SVG_START = "<".charCodeAt(0);

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

/** @param {Item[]} items @returns {string} an SVG that, with colours, also holds the items */
function svgWithItems(items) {
  if (!items.some(isColour)) return toSvg(items);
  const json = JSON.stringify(items, (key, value) => (key === "image" ? undefined : value));
  const ascii = json.replace(/[&<\u0080-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return toSvg(items).replace("</svg>", `<metadata>${ascii}</metadata>\n</svg>`);
}

/**
 * Reads a drawing that was saved with colours.
 * @param {Blob} file
 * @returns {Promise<Item[] | null>} the items; if another program has changed the SVG, a picture of the colour layer and
 *   one of the ink; null for any other file
 */
export async function readItems(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const text = bytes[0] === SVG_START ? await file.text() : textOf(bytes, KEYWORD);
  if (text === "") return null;
  const ink = new DOMParser().parseFromString(text, SVG_TYPE).documentElement;
  const colours = ink.querySelector(`g.${COLOURS}`);
  if (colours === null) return null;
  const items = itemsOf(ink, text);
  if (items) return withImages(items);
  colours.remove();
  const colourLayer = ink.cloneNode();
  colourLayer.append(colours);
  return [{ ...(await pictureOf(colourLayer)), layer: "colour" }, await pictureOf(ink)];
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

/** @param {Element} svg @param {string} text  of the SVG @returns {Item[] | null} null unless it is as it was saved */
function itemsOf(svg, text) {
  try {
    const items = JSON.parse(svg.querySelector("metadata").textContent);
    return svgWithItems(items) === text ? items : null;
  } catch {
    return null;
  }
}

/** @param {Element} svg @returns {Promise<import("./drawing.js").Picture>} */
async function pictureOf(svg) {
  for (const side of ["width", "height"]) svg.setAttribute(side, String(SIDE_PX));
  const text = new XMLSerializer().serializeToString(svg);
  const drawn = await loadImage(`data:${SVG_TYPE},${encodeURIComponent(text)}`);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE_PX;
  canvas.getContext("2d").drawImage(drawn, 0, 0, SIDE_PX, SIDE_PX);
  const url = canvas.toDataURL("image/png");
  return { kind: "picture", url, image: await loadImage(url) };
}

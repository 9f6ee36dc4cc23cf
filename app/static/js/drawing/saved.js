// Drawings with a colour layer as files, and back. A picture cannot tell colours from ink, so a PNG holds the SVG, too.
// Loaded when it is needed.

import { asDataUrl, contentOf, loadImage } from "../files.js";
import { withImages } from "./paper.js";
import { textOf, withText } from "./png_text.js";
import { COLOURS, toSvg } from "./svg.js";

const KEYWORD = "Drawing";
const SIDE_PX = 1024; // of layers that are read back
const SVG_TYPE = "image/svg+xml";
const SVG_START = "<".charCodeAt(0);

/** @typedef {import("./drawing.js").Item} Item */

/**
 * @param {Item[]} items
 * @returns {string} an SVG that also holds the items
 */
export function svgWithItems(items) {
  const json = JSON.stringify(items, (key, value) => (key === "image" ? undefined : value));
  const ascii = json.replace(/[&<\u0080-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return toSvg(items).replace("</svg>", `<metadata>${ascii}</metadata>\n</svg>`);
}

/**
 * @param {string} url  of the drawing as PNG
 * @param {Item[]} items
 * @returns {Promise<string>} a data: URL of the PNG, which also holds the SVG
 */
export async function pngWithItems(url, items) {
  return asDataUrl(new Blob([withText(contentOf(url), KEYWORD, svgWithItems(items))], { type: "image/png" }));
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
  const items = parse(ink.querySelector("metadata")?.textContent);
  if (svgWithItems(items) === text) return withImages(items);
  colours.remove();
  const colourLayer = ink.cloneNode();
  colourLayer.append(colours);
  return [{ ...(await pictureOf(colourLayer)), layer: "colour" }, await pictureOf(ink)];
}

/** @param {string | undefined} json @returns {Item[]} empty if it cannot be parsed */
function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return [];
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

// Drawings with a colour layer as files, and back. A picture cannot tell colours from ink, so a PNG holds the SVG, too.
// Loaded when it is needed.

import { asDataUrl, contentOf, loadImage } from "../files.js";
import { COLOURS, toSvg } from "./svg.js";
import { textOf, withText } from "./png_text.js";

const KEYWORD = "Drawing";
const SIDE_PX = 1024; // of layers that are read back
const SVG_TYPE = "image/svg+xml";

/** @typedef {import("./drawing.js").Item} Item */

/**
 * @param {string} url  of the drawing as PNG
 * @param {Item[]} items
 * @returns {Promise<string>} a data: URL of the PNG, with what `readLayers` needs
 */
export async function pngWithLayers(url, items) {
  return asDataUrl(new Blob([withText(contentOf(url), KEYWORD, toSvg(items))], { type: "image/png" }));
}

/**
 * Reads the layers of a drawing that was saved with colours.
 * @param {Blob} file
 * @returns {Promise<Item[] | null>} a picture of the colour layer and one of the ink; null for any other file
 */
export async function readLayers(file) {
  const text = file.type === SVG_TYPE ? await file.text() : textOf(new Uint8Array(await file.arrayBuffer()), KEYWORD);
  if (text === "") return null;
  const ink = new DOMParser().parseFromString(text, SVG_TYPE).documentElement;
  const colours = ink.querySelector(`g.${COLOURS}`);
  if (colours === null) return null;
  colours.remove();
  const colourLayer = ink.cloneNode();
  colourLayer.append(colours);
  return [{ ...(await pictureOf(colourLayer)), layer: "colour" }, await pictureOf(ink)];
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

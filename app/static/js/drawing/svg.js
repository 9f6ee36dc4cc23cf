// The drawing as an SVG: paths for the strokes and filled areas, and opened pictures as images. No DOM here.

import { PAPER_SIZE, isColour, linesOf, withoutImages } from "./drawing.js";

/** The class of the group that holds the colour layer. */
export const COLOURS = "colours";

const START_BYTES = 256; // empty lines and a byte order mark before the first tag take fewer

/** @typedef {import("./drawing.js").Item} Item */

/**
 * @param {Item[]} items  bottom first
 * @returns {string} an SVG document of PAPER_SIZE x PAPER_SIZE units
 */
export function toSvg(items) {
  const [open, side] = ['<svg xmlns="http://www.w3.org/2000/svg"', PAPER_SIZE];
  return [
    `${open} viewBox="0 0 ${side} ${side}" fill="none" stroke-linecap="round" stroke-linejoin="round">`,
    `<path fill="#fff" d="M0 0h${side}v${side}H0z"/>`,
    ...layers(items),
    "</svg>\n",
  ].join("\n");
}

/** @param {Item[]} items @returns {string} an SVG that also holds the items */
export function svgWithItems(items) {
  const json = JSON.stringify(items, withoutImages);
  const ascii = json.replace(/[&<\u0080-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return toSvg(items).replace("</svg>", () => `<metadata>${ascii}</metadata>\n</svg>`);
}

/** @param {string} text  of an SVG @returns {Item[] | null} null unless it is as `svgWithItems` made it */
export function itemsIn(text) {
  try {
    const items = JSON.parse(text.match(/<metadata>(.*)<\/metadata>/)[1]);
    return svgWithItems(items) === text ? items : null;
  } catch {
    return null;
  }
}

/**
 * @param {Uint8Array} file
 * @returns {string} the text of an SVG or other XML, from its first tag on; "" for a file of another kind
 */
export function svgIn(file) {
  const start = new TextDecoder().decode(file.subarray(0, START_BYTES)); // without a byte order mark
  return start.trimStart().startsWith("<") ? new TextDecoder().decode(file).trimStart() : "";
}

/** @param {Item[]} items */
function layers(items) {
  const colours = items.filter(isColour);
  const ink = items.filter((item) => !isColour(item));
  if (colours.length === 0) return ink.flatMap(tags);
  const hasPaper = ink.some(({ kind, erase }) => kind === "picture" || erase);
  const open = hasPaper ? '<g style="mix-blend-mode:multiply">' : "<g>"; // paper must not cover colours
  return [`<g class="${COLOURS}">`, ...colourTags(colours), "</g>", open, ...ink.flatMap(tags), "</g>"];
}

/** The colour layer. Each eraser stroke becomes a mask for the items below it. @param {Item[]} items */
function colourTags(items) {
  return items.reduce((below, item, i) => {
    if (item.kind !== "stroke" || !item.erase) return [...below, ...tags(item)];
    const place = `maskUnits="userSpaceOnUse" x="0" y="0" width="${PAPER_SIZE}" height="${PAPER_SIZE}"`;
    const mask = `<mask id="erased-${i}" ${place}><path fill="#fff" d="M0 0h${PAPER_SIZE}v${PAPER_SIZE}H0z"/>`;
    return [mask, ...strokeTags(item, "#000"), "</mask>", `<g mask="url(#erased-${i})">`, ...below, "</g>"];
  }, []);
}

/** @param {Item} item @returns {string[]} */
function tags(item) {
  if (item.kind === "picture") return [`<image width="${PAPER_SIZE}" height="${PAPER_SIZE}" href="${item.url}"/>`];
  if (item.kind === "fill") return [`<path fill="${item.colour}" d="${item.path}"/>`];
  return strokeTags(item, item.erase ? "#fff" : (item.colour ?? "#000"));
}

/** @param {import("./drawing.js").Stroke} stroke @param {string} colour */
function strokeTags(stroke, colour) {
  return linesOf(stroke).map(({ path, width }) => `<path stroke="${colour}" stroke-width="${width}" d="${path}"/>`);
}

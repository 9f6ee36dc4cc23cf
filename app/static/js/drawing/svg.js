// The drawing as an SVG: paths for the strokes, and opened pictures as images.

import { PAPER_SIZE, linesOf } from "./drawing.js";

/**
 * @param {import("./drawing.js").Item[]} items  bottom first
 * @returns {string} an SVG document of PAPER_SIZE x PAPER_SIZE units
 */
export function toSvg(items) {
  const [open, side] = ['<svg xmlns="http://www.w3.org/2000/svg"', PAPER_SIZE];
  return [
    `${open} viewBox="0 0 ${side} ${side}" fill="none" stroke-linecap="round" stroke-linejoin="round">`,
    `<path fill="#fff" d="M0 0h${side}v${side}H0z"/>`,
    ...items.flatMap((item) => (item.kind === "picture" ? [imageTag(item)] : pathTags(item))),
    "</svg>\n",
  ].join("\n");
}

/** @param {import("./drawing.js").Picture} picture */
function imageTag({ url }) {
  return `<image width="${PAPER_SIZE}" height="${PAPER_SIZE}" href="${url}"/>`;
}

/** @param {import("./drawing.js").Stroke} stroke */
function pathTags(stroke) {
  const colour = stroke.erase ? "#fff" : "#000";
  return linesOf(stroke).map(({ path, width }) => `<path stroke="${colour}" stroke-width="${width}" d="${path}"/>`);
}

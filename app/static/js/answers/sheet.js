// A contact sheet: one drawing in twelve looks.

import { whiteCanvas } from "../blank.js";
import { loadImage } from "../files.js";
import { PAPER_SIZE } from "../drawing/drawing.js";

const [COLUMNS, ROWS] = [4, 3];
/** The number of looks. */
export const LOOKS = COLUMNS * ROWS;
const PHOTOS_PER_REQUEST = 6; // the server makes at most 8
const CAPTION_PX = 24;

/**
 * Makes a sheet of photos with their seeds below them.
 * @param {number[]} seeds
 * @param {(seeds: number[]) => Promise<string[]>} translate  returns URLs of photos
 * @returns {Promise<string>} a PNG as a data: URL
 */
export async function makeSheet(seeds, translate) {
  const context = whiteCanvas(COLUMNS * PAPER_SIZE, ROWS * (PAPER_SIZE + CAPTION_PX));
  for (let first = 0; first < LOOKS; first += PHOTOS_PER_REQUEST) {
    const urls = await translate(seeds.slice(first, first + PHOTOS_PER_REQUEST));
    const photos = await Promise.all(urls.map(loadImage));
    photos.forEach((photo, i) => drawTile(context, first + i, photo, `seed ${seeds[first + i]}`));
  }
  return context.canvas.toDataURL("image/png");
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} place
 * @param {HTMLImageElement} photo
 * @param {string} caption
 */
function drawTile(context, place, photo, caption) {
  const [left, top] = [(place % COLUMNS) * PAPER_SIZE, Math.floor(place / COLUMNS) * (PAPER_SIZE + CAPTION_PX)];
  context.drawImage(photo, left, top, PAPER_SIZE, PAPER_SIZE);
  Object.assign(context, { fillStyle: "#55565c", font: "14px system-ui, sans-serif", textAlign: "center" });
  context.fillText(caption, left + PAPER_SIZE / 2, top + PAPER_SIZE + 16);
}

// Takes a colour from the photo: with a click, or with the arrow keys and Enter.

import { whiteCanvas } from "../blank.js";
import { clamp } from "../clamp.js";

const STEP = 1 / 64; // of the photo, for an arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const AROUND = 2; // pixels on each side of the place that are averaged: a single one may be grain

/**
 * Waits until the user has chosen a place of the photo, or has left it.
 * @param {object} elements
 * @param {HTMLElement} elements.square  that shows the photo
 * @param {HTMLImageElement} elements.image
 * @param {HTMLButtonElement} elements.marker  at the place; hidden before and after
 * @param {(colour: string) => void} onTake  "#rrggbb"
 */
export function takeColour({ square, image, marker }, onTake) {
  const photo = onWhite(image);
  const ends = new AbortController();
  const inside = (share) => clamp(share, 0, 1);
  let [x, y] = [0.5, 0.5];

  const goTo = (newX, newY) => {
    [x, y] = [inside(newX), inside(newY)];
    [marker.style.left, marker.style.top] = [`${100 * x}%`, `${100 * y}%`];
    marker.style.setProperty("--colour", colourAt(photo, x, y));
  };
  const follow = ({ clientX, clientY }) => {
    const box = square.getBoundingClientRect();
    goTo((clientX - box.left) / box.width, (clientY - box.top) / box.height);
  };
  const stop = () => {
    ends.abort();
    square.classList.remove("giving-colour");
    marker.hidden = true;
  };
  const take = () => {
    stop();
    onTake(colourAt(photo, x, y));
  };
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    if (event.key === "Escape") return stop();
    const [dx, dy] = ARROWS[event.key] ?? [0, 0];
    if (dx !== 0 || dy !== 0) event.preventDefault();
    goTo(x + dx * STEP, y + dy * STEP);
  };

  const listen = (element, type, handle) => element.addEventListener(type, handle, { signal: ends.signal });
  listen(square, "pointermove", follow);
  listen(square, "pointerdown", (event) => {
    event.preventDefault(); // the marker keeps the focus
    follow(event);
    take();
  });
  listen(marker, "click", take);
  listen(marker, "keydown", move);
  listen(marker, "blur", stop);
  square.classList.add("giving-colour");
  marker.hidden = false;
  marker.focus();
  goTo(x, y);
}

/** @param {HTMLImageElement} image */
function onWhite(image) {
  const context = whiteCanvas(image.naturalWidth, image.naturalHeight, { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context;
}

/**
 * @param {CanvasRenderingContext2D} photo
 * @param {number} x  share of the width
 * @param {number} y  share of the height
 */
function colourAt(photo, x, y) {
  const { width, height } = photo.canvas;
  const side = 2 * AROUND + 1;
  const from = (share, length) => clamp(Math.floor(share * length) - AROUND, 0, length - side);
  const { data } = photo.getImageData(from(x, width), from(y, height), side, side);
  const mean = (channel) => data.reduce((sum, value, i) => sum + (i % 4 === channel ? value : 0), 0) / side ** 2;
  return `#${[0, 1, 2].map((channel) => Math.round(mean(channel)).toString(16).padStart(2, "0")).join("")}`;
}

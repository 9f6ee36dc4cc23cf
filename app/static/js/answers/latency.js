// Decides how many photos to request at once, from the latency of earlier requests.

import { clamp } from "../clamp.js";

/** Photos that take longer cannot follow the pen. */
const MAX_LIVE_MS = 250;
/** The frames of a morph may take this long. */
const MORPH_MS = 1_500;
const MIN_FRAMES = 5;
const MAX_FRAMES = 17;

/** Records the latency of requests. */
export class Latency {
  /** By the number of photos: four take less than four times as long as one. @type {Map<number, number>} */
  #elapsedMs = new Map();
  /** Per photo of the last request; 0 before the first one. */
  #photoMs = 0;

  /**
   * @param {number} photos  in the request
   * @param {number} elapsedMs
   */
  record(photos, elapsedMs) {
    this.#elapsedMs.set(photos, elapsedMs);
    this.#photoMs = elapsedMs / photos;
  }

  /**
   * Whether this many photos can follow the pen.
   * @param {number} photos
   */
  isLive(photos) {
    return (this.#elapsedMs.get(photos) ?? photos * this.#photoMs) <= MAX_LIVE_MS;
  }

  /** How many frames a morph can have. */
  get morphFrames() {
    return clamp(Math.round(MORPH_MS / this.#photoMs), MIN_FRAMES, MAX_FRAMES);
  }
}

// Saves the page's state in the browser, so that a reload restores it. Each tab has its own state for as long as it is
// open; a new tab starts with the state that was saved last.

import { withoutImages } from "./drawing/drawing.js";

const KEY = "sketch-to-photo";
/** Increase it when the format of the saved state changes. */
const VERSION = 1;
const SAVE_AFTER_MS = 400;

/** @returns {object | null} null if no readable state was saved */
export function loadState() {
  for (const storage of storages()) {
    try {
      const state = JSON.parse(storage.getItem(KEY));
      if (state?.version === VERSION) return state;
    } catch {
      // damaged, or not written by this page
    }
  }
  return null;
}

/** Saves the state shortly after a change, and when the page is left. */
export class Persistence {
  #timer = 0;

  /** @param {() => object[]} states  versions of the current state, fullest first: the first that fits is saved */
  constructor(states) {
    this.states = states;
    addEventListener("pagehide", () => this.#timer && this.#save());
  }

  schedule() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#save(), SAVE_AFTER_MS);
  }

  #save() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const texts = this.states().map((state) => JSON.stringify({ version: VERSION, ...state }, withoutImages));
    for (const storage of storages()) texts.some((text) => write(storage, text));
  }
}

/** The storages that the browser allows. */
function storages() {
  try {
    return [sessionStorage, localStorage];
  } catch {
    return []; // the user has blocked storage
  }
}

/**
 * @param {Storage} storage
 * @param {string} text
 * @returns {boolean} whether it was written
 */
function write(storage, text) {
  try {
    storage.setItem(KEY, text);
    return true;
  } catch {
    return false; // full
  }
}

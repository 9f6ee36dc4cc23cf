// What survives a reload. Each tab has its own, as long as it lives; a new tab begins where the last one stood.

const KEY = "sketch-to-photo";
/** Counts up when what is written changes its shape. */
const VERSION = 1;
const WRITE_AFTER_MS = 400;

/** @returns {object | null} null where there is nothing that can be read */
export function recall() {
  for (const store of stores()) {
    try {
      const found = JSON.parse(store.getItem(KEY));
      if (found?.version === VERSION) return found;
    } catch {
      // torn, or not ours: as if there were none
    }
  }
  return null;
}

/** Writes down the state of the page a moment after it changed, and when the page goes. */
export class Memory {
  #timer = 0;

  /** @param {() => object[]} states  of the page as it is, fullest first: the first that there is room for is kept */
  constructor(states) {
    this.states = states;
    addEventListener("pagehide", () => this.#timer && this.#write());
  }

  note() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#write(), WRITE_AFTER_MS);
  }

  #write() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const texts = this.states().map((state) => JSON.stringify({ version: VERSION, ...state }, withoutImages));
    for (const store of stores()) texts.some((text) => fits(store, text));
  }
}

/** Where the browser lets us write. */
function stores() {
  try {
    return [sessionStorage, localStorage];
  } catch {
    return []; // cookies and storage are forbidden
  }
}

/**
 * @param {Storage} store
 * @param {string} text
 * @returns {boolean} whether it was written
 */
function fits(store, text) {
  try {
    store.setItem(KEY, text);
    return true;
  } catch {
    return false; // full
  }
}

/** Of a picture its url is enough. @param {string} key @param {unknown} value */
function withoutImages(key, value) {
  return key === "image" ? undefined : value;
}

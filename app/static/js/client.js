// Talking to the server.

const API = "/api/v1";
const TIMEOUT_MS = 60_000;
/** The largest seed, and the largest size of a number of z, that the server takes. */
export const MAX_SEED = 2 ** 31 - 1;
export const MAX_Z = 100;
const BUSY = [429, 502, 503, 504];

/**
 * @typedef {{vector: number[], attribute: string, effect: number, share: number,
 *   colours: string[]}} Direction
 * @typedef {{name: string, title: string, size_px: number, latent_size: number, encodes: boolean,
 *   judges: boolean, directions: Direction[], device: string}} Model
 * @typedef {{seed: number} | {z: number[]}} Latent  what makes one answer to a sketch differ from another
 * @typedef {{model: string, sketch: string, realism?: true}} Question
 * @typedef {{z: number[], url: string, realism: string}} Picture  `realism`: URL of the map to lay over it, or ""
 * @typedef {{pictures: Picture[], elapsedMs: number}} Answer
 */

/** A refusal or a failure, in words for the person who draws. */
export class ServerProblem extends Error {
  /**
   * @param {string} message
   * @param {boolean} passing  whether the same request may succeed a little later
   * @param {number} [retryAfterMs]  when to ask again, where the server said so
   */
  constructor(message, passing, retryAfterMs = 0) {
    super(message);
    this.passing = passing;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The server does not take the model that it was asked for: it is gone, or another one has its name. */
export class ModelRefused extends ServerProblem {}

/** The calls that the page makes. `fetch` and `now` are arguments so that tests need no server. */
export class Client {
  /** @param {{fetch?: typeof fetch, now?: () => number}} [options] */
  constructor({ fetch = globalThis.fetch.bind(globalThis), now = () => performance.now() } = {}) {
    this.fetch = fetch;
    this.now = now;
    /** So that the server can leave out sketches that a newer one of this page has overtaken. */
    this.stream = Math.random().toString(36).slice(2);
  }

  /** @returns {Promise<Model[]>} */
  async models() {
    const response = await this.#call("/models", {});
    return (await response.json()).models;
  }

  /**
   * Have the server find the sketch in any picture: dark paper, transparency, a phone photo.
   * @param {Blob} file
   * @returns {Promise<Blob>} a PNG, black ink on white paper
   */
  async openSketch(file) {
    const body = new FormData();
    body.append("sketch", file);
    const response = await this.#call("/sketch", { method: "POST", body });
    return response.blob();
  }

  /**
   * Have a sketch answered in several ways.
   * @param {Question & {latents: Latent[]}} request
   * @returns {Promise<Answer>} a picture for each latent, in their order
   */
  async translate(request) {
    const started = this.now();
    const { images } = await this.#ask("/translate", { ...request, stream: this.stream });
    return { pictures: images.map(asPicture), elapsedMs: this.now() - started };
  }

  /**
   * Walk from one answer to another.
   * @param {Question & {from: Latent, to: Latent, steps: number}} request
   * @returns {Promise<Picture[]>} as many as there are steps, both ends included
   */
  async interpolate(request) {
    return (await this.#ask("/interpolate", request)).frames.map(asPicture);
  }

  /**
   * The z that a seed stands for.
   * @param {string} model
   * @param {number} seed
   * @returns {Promise<number[]>}
   */
  async z(model, seed) {
    return (await this.#ask("/arithmetic", { model, plus: [{ seed }] })).z;
  }

  /**
   * Choose seeds whose answers differ clearly.
   * @param {string} model
   * @param {number} seed  the first of them
   * @param {number} count
   * @returns {Promise<number[]>}
   */
  async seeds(model, seed, count) {
    return (await this.#ask("/seeds", { model, seed, count })).seeds;
  }

  /**
   * Read off a photo what makes another sketch look like it.
   * @param {string} model
   * @param {Blob} photo
   * @returns {Promise<number[]>} z
   */
  async encode(model, photo) {
    const body = new FormData();
    body.append("model", model);
    body.append("photo", photo);
    return (await (await this.#call("/encode", { method: "POST", body })).json()).z;
  }

  /**
   * @param {string} path
   * @param {object} question
   */
  async #ask(path, question) {
    const headers = { "Content-Type": "application/json" };
    const response = await this.#call(path, { method: "POST", headers, body: JSON.stringify(question) });
    return response.json();
  }

  /**
   * @param {string} path
   * @param {RequestInit} options
   */
  async #call(path, options) {
    let response;
    try {
      response = await this.fetch(API + path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch {
      const offline = globalThis.navigator?.onLine === false;
      throw new ServerProblem(offline ? "You are offline." : "The server cannot be reached.", true);
    }
    if (response.ok) return response;
    if (BUSY.includes(response.status)) {
      const retryAfterS = Number(response.headers.get("Retry-After")) || 0; // a date is none that we are sent
      throw new ServerProblem("The server is busy.", true, 1000 * retryAfterS);
    }
    throw await refusal(response);
  }
}

/**
 * @param {{z: number[], png: string, realism?: string}} image
 * @returns {Picture}
 */
function asPicture({ z, png, realism }) {
  return { z, url: asUrl(png), realism: realism ? asUrl(realism) : "" };
}

/** @param {string} png  in base64 */
function asUrl(png) {
  return `data:image/png;base64,${png}`;
}

/**
 * @param {Response} response
 * @returns {Promise<ServerProblem>}
 */
async function refusal(response) {
  try {
    const { detail, errors = [] } = await response.json();
    const ofModel = errors.find(({ pointer }) => pointer === "#/model");
    if (ofModel) return new ModelRefused(ofModel.message, false);
    return new ServerProblem(detail[0].toUpperCase() + detail.slice(1), false); // it may follow a full stop
  } catch {
    return new ServerProblem(`The server answered with status ${response.status}.`, false);
  }
}

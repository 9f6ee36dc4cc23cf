// The client of the HTTP API.

const TIMEOUT_MS = 60_000;
/** The largest seed, and the largest absolute value in z, that the server accepts. */
export const MAX_SEED = 2 ** 31 - 1;
export const MAX_Z = 100;
const BUSY = [429, 502, 503, 504];
const UNREADABLE = "The server sent an answer that this page cannot read.";

/**
 * @typedef {{vector: number[], attribute: string, effect: number, share: number,
 *   colours: string[]}} Direction
 * @typedef {{name: string, title: string, size_px: number, latent_size: number, encodes: boolean,
 *   judges: boolean, takes_hints: boolean, directions: Direction[], palette: string[], device: string}} Model
 * @typedef {{seed: number} | {z: number[]}} Latent  selects one of the possible answers to a sketch
 * @typedef {{model: string, sketch: string, hints?: string, transparent?: true, realism?: true,
 *   stream?: null}} SketchRequest  `hints` are the colour strokes; with `stream: null`, no newer request replaces it
 * @typedef {{z: number[], url: string, realism: string}} Picture  `realism`: URL of the realism map, or ""
 * @typedef {{pictures: Picture[], elapsedMs: number}} Answer
 */

/** A request failed; the message is for the user. */
export class ServerProblem extends Error {
  /**
   * @param {string} message
   * @param {boolean} temporary  whether the same request may succeed later
   * @param {number} [retryAfterMs]  from the Retry-After header
   */
  constructor(message, temporary, retryAfterMs = 0) {
    super(message);
    this.temporary = temporary;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The server does not have the requested model, or no longer has it. */
export class ModelNotFound extends ServerProblem {}

/** Sends the page's requests to `api`. `fetch` and `now` are arguments so that tests need no server. */
export class Client {
  /** @param {{api?: string, fetch?: typeof fetch, now?: () => number}} [options] */
  constructor({ api = "/api/v1", fetch = globalThis.fetch.bind(globalThis), now = () => performance.now() } = {}) {
    this.api = api;
    this.fetch = fetch;
    this.now = now;
    /** Identifies this page, so that the server can skip its sketches that a newer one has replaced. */
    this.stream = Math.random().toString(36).slice(2);
  }

  /** @returns {Promise<Model[]>} */
  async models() {
    const { models } = await this.#send("/models", {});
    if (!Array.isArray(models)) throw new ServerProblem(UNREADABLE, true);
    return models;
  }

  /**
   * Extracts the sketch from any picture: dark paper, transparency, a phone photo.
   * @param {Blob} file
   * @returns {Promise<{picture: Blob, notice: string}>} a PNG, black ink on white paper, and what to tell about it
   */
  async openSketch(file) {
    const body = new FormData();
    body.append("sketch", file);
    return this.#send("/sketch", { method: "POST", body }, async (response) => {
      const notices = JSON.parse(response.headers.get("X-Notices") ?? "[]");
      return { picture: await response.blob(), notice: notices.map(({ message }) => message).join(" ") };
    });
  }

  /**
   * Translates a sketch with each of several latents.
   * @param {SketchRequest & {latents: Latent[], size?: number}} request
   * @returns {Promise<Answer>} a picture for each latent, in order
   */
  async translate(request) {
    const started = this.now();
    const { images } = await this.#postJson("/translate", { stream: this.stream, ...request });
    if (images?.length !== request.latents.length) throw new ServerProblem(UNREADABLE, true);
    return { pictures: images.map(asPicture), elapsedMs: this.now() - started };
  }

  /**
   * Translates a sketch with latents interpolated between two.
   * @param {SketchRequest & {from: Latent, to: Latent, steps: number}} request
   * @returns {Promise<Picture[]>} one for each step, both ends included
   */
  async interpolate(request) {
    return (await this.#postJson("/interpolate", request)).frames.map(asPicture);
  }

  /**
   * Returns the z of a seed.
   * @param {string} model
   * @param {number} seed
   * @returns {Promise<number[]>}
   */
  async z(model, seed) {
    return (await this.#postJson("/arithmetic", { model, plus: [{ seed }] })).z;
  }

  /**
   * Returns seeds whose photos differ clearly.
   * @param {string} model
   * @param {number} seed  the first of them
   * @param {number} count
   * @returns {Promise<number[]>}
   */
  async seeds(model, seed, count) {
    return (await this.#postJson("/seeds", { model, seed, count })).seeds;
  }

  /**
   * Encodes the look of a photo.
   * @param {string} model
   * @param {Blob} photo
   * @returns {Promise<number[]>} z
   */
  async encode(model, photo) {
    const body = new FormData();
    body.append("model", model);
    body.append("photo", photo);
    return (await this.#send("/encode", { method: "POST", body })).z;
  }

  /**
   * @param {string} path
   * @param {object} payload
   */
  #postJson(path, payload) {
    const headers = { "Content-Type": "application/json" };
    return this.#send(path, { method: "POST", headers, body: JSON.stringify(payload) });
  }

  /**
   * @param {string} path
   * @param {RequestInit} options
   * @param {(response: Response) => Promise<any>} [read]  reads the body; by default as JSON
   */
  async #send(path, options, read = (response) => response.json()) {
    let response;
    try {
      response = await this.fetch(this.api + path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (response.ok) return (await read(response)) ?? {}; // the connection may also end in the body
    } catch (error) {
      if (error instanceof SyntaxError) throw new ServerProblem(UNREADABLE, true);
      const offline = globalThis.navigator?.onLine === false;
      throw new ServerProblem(offline ? "You are offline." : "The server cannot be reached.", true);
    }
    if (BUSY.includes(response.status)) {
      const retryAfterS = Number(response.headers.get("Retry-After")) || 0; // this server sends seconds, never a date
      throw new ServerProblem("The server is busy.", true, 1000 * retryAfterS);
    }
    throw await problemOf(response);
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
async function problemOf(response) {
  try {
    const { detail, errors = [] } = await response.json();
    const modelError = errors.find(({ pointer }) => pointer === "#/model");
    if (modelError) return new ModelNotFound(modelError.message, false);
    return new ServerProblem(detail[0].toUpperCase() + detail.slice(1), false); // it may follow another sentence
  } catch {
    return new ServerProblem(`The server answered with status ${response.status}.`, false);
  }
}

// Talking to the server: the calls, and the loop that keeps the photo up to date while somebody draws.

const API = "/api/v1";
const TIMEOUT_MS = 60_000;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 10_000;
const BUSY = [429, 502, 503, 504];

/**
 * @typedef {{name: string, title: string, size_px: number, latent_size: number, takes_loose: boolean,
 *   device: string}} Model
 * @typedef {{model: string, sketch: string, seed: number, loose: number | null}} TranslateRequest
 * @typedef {{model: string, url: string, seed: number, loose: number | null, looseGuessed: boolean,
 *   elapsedMs: number}} Photo
 */

/** A refusal or a failure, in words for the person who draws. */
export class ServerProblem extends Error {
  /**
   * @param {string} message
   * @param {boolean} passing  whether the same request may succeed a little later
   */
  constructor(message, passing) {
    super(message);
    this.passing = passing;
  }
}

/** The calls that the page makes. `fetch` and `now` are arguments so that tests need no server. */
export class Client {
  /** @param {{fetch?: typeof fetch, now?: () => number}} [options] */
  constructor({ fetch = globalThis.fetch.bind(globalThis), now = () => performance.now() } = {}) {
    this.fetch = fetch;
    this.now = now;
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
   * @param {TranslateRequest} request
   * @returns {Promise<Photo>}
   */
  async translate(request) {
    const started = this.now();
    const response = await this.#call("/translate", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(request),
    });
    const { model, images, loose, loose_guessed: looseGuessed } = await response.json();
    const [{ seed, png }] = images;
    const elapsedMs = this.now() - started;
    return { model, seed, loose, looseGuessed, url: `data:image/png;base64,${png}`, elapsedMs };
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
      throw new ServerProblem("The server cannot be reached.", true);
    }
    if (response.ok) return response;
    if (BUSY.includes(response.status)) throw new ServerProblem("The server is busy.", true);
    throw new ServerProblem(await explain(response), false);
  }
}

/**
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function explain(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `The server answered with status ${response.status}.`;
  }
}

/**
 * Keeps one result up to date with something that changes quickly. At most one request is under way; whatever
 * happened meanwhile goes out as one next request; answers to a question that was withdrawn are dropped.
 * @template Request, Result
 */
export class LatestWins {
  #stale = false;
  #running = false;
  #sequence = 0;

  /**
   * @param {object} hooks
   * @param {() => Request | null} hooks.snapshot  what to ask now; null when there is nothing to ask
   * @param {(request: Request) => Promise<Result>} hooks.ask
   * @param {(result: Result, settled: boolean) => void} hooks.onResult  settled: nothing newer is waiting
   * @param {() => void} hooks.onNothing
   * @param {(problem: Error, retrying: boolean) => void} hooks.onProblem
   * @param {(delayMs: number) => Promise<unknown>} [hooks.wait]
   */
  constructor(hooks) {
    this.hooks = { wait: sleep, ...hooks };
  }

  /** Say that the question changed. */
  refresh() {
    this.#stale = true;
    if (!this.#running) this.#run();
  }

  /** Drop the answer under way: it belongs to another question altogether. */
  withdraw() {
    this.#sequence++;
  }

  async #run() {
    this.#running = true;
    let retryMs = FIRST_RETRY_MS;
    while (this.#stale) {
      this.#stale = false;
      const request = this.hooks.snapshot();
      if (request === null) {
        this.hooks.onNothing();
        continue;
      }
      const sequence = this.#sequence;
      try {
        const result = await this.hooks.ask(request);
        if (sequence === this.#sequence) this.hooks.onResult(result, !this.#stale);
        retryMs = FIRST_RETRY_MS;
      } catch (problem) {
        const retrying = problem instanceof ServerProblem && problem.passing;
        if (sequence === this.#sequence) this.hooks.onProblem(problem, retrying);
        if (!retrying) continue;
        await this.hooks.wait(retryMs);
        retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
        this.#stale = true;
      }
    }
    this.#running = false;
  }
}

/** @param {number} delayMs */
export function sleep(delayMs) {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

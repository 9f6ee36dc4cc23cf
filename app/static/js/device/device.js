// Photos made by this device. Loaded when somebody asks for it; on_device_worker.js computes.

import { walk } from "./slerp.js";

const WORKER = new URL("./worker.js", import.meta.url);
const MEGABYTE = 1_000_000;

/**
 * @typedef {import("../client.js").Model} Model
 * @typedef {import("../client.js").Latent} Latent
 * @typedef {import("../client.js").Question} Question
 * @typedef {import("../client.js").Answer & {device: string}} Answer
 */

/** Draws as the client does, with the models that were loaded. */
export class Device {
  /** What each question under way is to be told. @type {Map<number, {resolve: Function, reject: Function, onTold?: Function}>} */
  #waiting = new Map();
  #asked = 0;
  /** @type {Map<string, Model>} */
  #ready = new Map();

  /**
   * @param {(model: string, seed: number) => Promise<number[]>} zOf  asks the server, the first time
   * @param {object} [options]
   * @param {() => Worker} [options.newWorker]
   * @param {number} [options.threads]  if not said, as the engine has it: one for two cores, four at most
   */
  constructor(zOf, { newWorker = () => new Worker(WORKER, { type: "module" }), threads } = {}) {
    [this.zOf, this.threads] = [zOf, threads];
    this.worker = newWorker();
    this.worker.onmessage = ({ data }) => this.#take(data);
    this.worker.onerror = (event) => this.#fail(new Error(event.message || "The engine could not be loaded."));
  }

  /**
   * Fetch what a model needs.
   * @param {Model} model
   * @param {number} engineBytes  of the engine, not compressed
   * @param {(words: string) => void} onProgress
   */
  async load(model, engineBytes, onProgress) {
    if (this.#ready.has(model.name)) return;
    const url = new URL(`/api/v1/models/${encodeURIComponent(model.name)}.onnx`, import.meta.url).href;
    const question = { kind: "load", model: model.name, url, size: model.size_px, threads: this.threads };
    const here = await this.#ask(question, ({ fetched, bytes }) => {
      // the engine comes compressed: its bytes, as they are counted here, are not what was sent
      const share = `${Math.round((100 * bytes) / engineBytes)} %`;
      onProgress(`Fetching the ${fetched}: ${fetched === "engine" ? share : `${Math.round(bytes / MEGABYTE)} MB`}`);
    });
    this.#ready.set(model.name, model);
    for (const name of this.#ready.keys()) if (!here.includes(name)) this.#ready.delete(name);
  }

  /** Those that it draws with. */
  get models() {
    return [...this.#ready.values()];
  }

  get isEmpty() {
    return this.#ready.size === 0;
  }

  /** @param {Question} question  without `realism`: the server has the critic */
  takes({ model, realism }) {
    return !realism && this.#ready.has(model);
  }

  /**
   * @param {Question & {latents: Latent[]}} request
   * @returns {Promise<Answer | null>} null where only the server can read the drawing
   */
  async translate({ model, sketch, latents }) {
    const started = performance.now();
    const z = await Promise.all(latents.map((latent) => this.#z(model, latent)));
    const urls = await this.#ask({ kind: "draw", model, sketch, z });
    if (!urls) return null;
    return {
      pictures: urls.map((url, i) => ({ z: z[i], url, realism: "" })),
      elapsedMs: performance.now() - started,
      device: "this device",
    };
  }

  /**
   * @param {Question & {from: Latent, to: Latent, steps: number}} request
   * @returns {Promise<import("../client.js").Picture[] | null>}
   */
  async interpolate({ from, to, steps, ...question }) {
    const ends = await Promise.all([from, to].map((latent) => this.#z(question.model, latent)));
    const latents = walk(ends[0], ends[1], steps).map((z) => ({ z }));
    return (await this.translate({ ...question, latents }))?.pictures ?? null;
  }

  /** Give back its memory. */
  end() {
    this.worker.terminate();
    this.#fail(new Error("This device draws no more."));
  }

  /** @param {string} model @param {Latent} latent */
  async #z(model, latent) {
    if ("z" in latent) return latent.z;
    if (latent.seed === 0) return new Array(this.#ready.get(model).latent_size).fill(0);
    return this.zOf(model, latent.seed);
  }

  /** @param {object} question @param {(told: object) => void} [onTold] */
  #ask(question, onTold) {
    return new Promise((resolve, reject) => {
      const id = this.#asked++;
      this.#waiting.set(id, { resolve, reject, onTold });
      this.worker.postMessage({ id, ...question });
    });
  }

  #take({ id, result, error, ...told }) {
    const { resolve, reject, onTold } = this.#waiting.get(id);
    if ("fetched" in told) return onTold(told);
    this.#waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(result);
  }

  /** @param {Error} error */
  #fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

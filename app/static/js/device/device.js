// Generates photos on this device. Loaded when the user asks for it; worker.js does the computation.

import { interpolate } from "./slerp.js";

const WORKER = new URL("./worker.js", import.meta.url);
const MEGABYTE = 1_000_000;

/**
 * @typedef {import("../client.js").Model} Model
 * @typedef {import("../client.js").Latent} Latent
 * @typedef {import("../client.js").SketchRequest} SketchRequest
 * @typedef {import("../client.js").Answer & {device: string}} Answer
 */

/** Translates sketches as the client does, with the models that are loaded. */
export class Device {
  /** By the id of the request. @type {Map<number, {resolve: Function, reject: Function, onProgress?: Function}>} */
  #pending = new Map();
  #nextId = 0;
  /** @type {Map<string, Model>} */
  #loaded = new Map();

  /**
   * @param {(model: string, seed: number) => Promise<number[]>} zOf  of a seed; may ask the server
   * @param {object} [options]
   * @param {() => Worker} [options.newWorker]
   * @param {number} [options.threads]  by default the engine's: half of the cores, at most four
   */
  constructor(zOf, { newWorker = () => new Worker(WORKER, { type: "module" }), threads } = {}) {
    [this.zOf, this.threads] = [zOf, threads];
    this.worker = newWorker();
    this.worker.onmessage = ({ data }) => this.#receive(data);
    this.worker.onerror = (event) => this.#rejectAll(new Error(event.message || "The engine could not be loaded."));
  }

  /**
   * Downloads a model, and the engine before the first one.
   * @param {Model} model
   * @param {number} engineBytes  of the engine, not compressed
   * @param {(text: string) => void} onProgress
   */
  async load(model, engineBytes, onProgress) {
    if (this.#loaded.has(model.name)) return;
    const url = new URL(`../../../api/v1/models/${encodeURIComponent(model.name)}.onnx`, import.meta.url).href;
    const request = { kind: "load", model: model.name, url, size: model.size_px, threads: this.threads };
    const names = await this.#request(request, ({ file, bytes }) => {
      // the engine is sent compressed, so the bytes counted here are not those that were sent
      const share = `${Math.round((100 * bytes) / engineBytes)} %`;
      onProgress(`Downloading the ${file}: ${file === "engine" ? share : `${Math.round(bytes / MEGABYTE)} MB`}`);
    });
    this.#loaded.set(model.name, model);
    for (const name of this.#loaded.keys()) if (!names.includes(name)) this.#loaded.delete(name);
  }

  /** The models that are loaded. */
  get models() {
    return [...this.#loaded.values()];
  }

  /** @param {SketchRequest} request  without `realism`: only the server has the discriminator */
  supports({ model, realism }) {
    return !realism && this.#loaded.has(model);
  }

  /**
   * @param {SketchRequest & {latents: Latent[]}} request
   * @returns {Promise<Answer>}
   */
  async translate({ model, sketch, hints, transparent, latents }) {
    const started = performance.now();
    const z = await Promise.all(latents.map((latent) => this.#z(model, latent)));
    const urls = await this.#request({ kind: "generate", model, sketch, hints, transparent, z });
    return {
      pictures: urls.map((url, i) => ({ z: z[i], url, realism: "" })),
      elapsedMs: performance.now() - started,
      device: "this device",
    };
  }

  /**
   * @param {SketchRequest & {from: Latent, to: Latent, steps: number}} request
   * @returns {Promise<import("../client.js").Picture[]>}
   */
  async interpolate({ from, to, steps, ...request }) {
    const ends = await Promise.all([from, to].map((latent) => this.#z(request.model, latent)));
    const latents = interpolate(ends[0], ends[1], steps).map((z) => ({ z }));
    return (await this.translate({ ...request, latents })).pictures;
  }

  /** Stops the worker and frees its memory. */
  close() {
    this.worker.terminate();
    this.#rejectAll(new Error("Drawing on this device was turned off."));
  }

  /** @param {string} model @param {Latent} latent */
  async #z(model, latent) {
    if ("z" in latent) return latent.z;
    if (latent.seed === 0) return new Array(this.#loaded.get(model).latent_size).fill(0);
    return this.zOf(model, latent.seed);
  }

  /** @param {object} request @param {(progress: object) => void} [onProgress] */
  #request(request, onProgress) {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject, onProgress });
      this.worker.postMessage({ id, ...request });
    });
  }

  #receive({ id, progress, result, error }) {
    const { resolve, reject, onProgress } = this.#pending.get(id);
    if (progress) return onProgress(progress);
    this.#pending.delete(id);
    if (error) reject(new Error(error));
    else resolve(result);
  }

  /** @param {Error} error */
  #rejectAll(error) {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}

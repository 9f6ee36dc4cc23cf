// Translates sketches into photos: on this device if the user turned that on, else on the server.

import { ServerProblem } from "../client.js";
import { putBack } from "../drawing/framing.js";
import { isPressed, press } from "../toggle.js";

/**
 * @typedef {import("../client.js").Model} Model
 * @typedef {import("../client.js").Client} Client
 * @typedef {import("../client.js").Picture} Picture
 * @typedef {import("../drawing/framing.js").Square} Square
 * @typedef {import("../client.js").SketchRequest & {square: Square}} FramedRequest  `square` is what the sketch shows
 */

export class Translator {
  /** What is being downloaded, for the status line; "" if nothing is. */
  progress = "";
  /** @type {import("./device.js").Device | null} */
  #device = null;
  /**
   * The z of seeds, by model and seed. Only the server can compute them, with numpy's random generator.
   * @type {Map<string, Promise<number[]>>}
   */
  #zOfSeed = new Map();

  /**
   * @param {Client} client
   * @param {HTMLButtonElement | null} button  turns drawing on this device on and off; null if the server has no engine
   * @param {object} hooks
   * @param {() => Model | undefined} hooks.model  the selected one
   * @param {() => void} hooks.onProgress
   * @param {() => void} hooks.onChange  photos come from another device now
   * @param {(text: string) => void} hooks.onProblem
   */
  constructor(client, button, hooks) {
    [this.client, this.button, this.hooks] = [client, button, hooks];
    button?.addEventListener("click", () => (isPressed(button) ? this.#turnOff() : this.#turnOn()));
  }

  /** Loads the selected model on this device, if drawing on it is on. */
  async loadModel() {
    const [device, model] = [this.#device, this.hooks.model()];
    if (!device || !model || device.supports({ model: model.name })) return;
    try {
      await device.load(model, Number(this.button.dataset.bytes), (text) => this.#report(text));
    } catch (problem) {
      if (device !== this.#device) return;
      if (device.models.length === 0) return this.#fallBack(problem);
      this.#report("");
      if (this.hooks.model() === model) this.hooks.onProblem(`${problem.message} ${this.missingModel}`);
      return;
    }
    if (device !== this.#device) return;
    this.#report("");
    if (this.hooks.model() === model) this.hooks.onChange();
  }

  /** A sentence if the selected model is not on this device though others are; else "". */
  get missingModel() {
    const [device, model] = [this.#device, this.hooks.model()];
    if (!device || device.models.length === 0 || !model || device.supports({ model: model.name })) return "";
    const others = device.models.map(({ title }) => title).join(" or ");
    return `${model.title} was not downloaded to this device. Select ${others} to draw without the server.`;
  }

  /**
   * @param {FramedRequest & {latents: import("../client.js").Latent[]}} request
   * @returns {ReturnType<Client["translate"]>}
   */
  async translate({ square, ...request }) {
    let answer = await this.#tryDevice(request, (device) => device.translate(request));
    if (!answer) {
      answer = await this.client.translate(request);
      request.latents.forEach((latent, i) => {
        if ("seed" in latent) this.#zOfSeed.set(`${request.model} ${latent.seed}`, Promise.resolve(answer.pictures[i].z));
      });
    }
    return { ...answer, pictures: await onPaper(answer.pictures, square, request.transparent) };
  }

  /**
   * @param {FramedRequest & {from: object, to: object, steps: number}} request
   * @returns {ReturnType<Client["interpolate"]>}
   */
  async interpolate({ square, ...request }) {
    const frames = await this.#tryDevice(request, (device) => device.interpolate(request));
    return onPaper(frames ?? (await this.client.interpolate(request)), square, request.transparent);
  }

  /**
   * Makes a photo larger than the paper, on the server.
   * @param {FramedRequest & {latent: import("../client.js").Latent}} request
   * @param {number} size  of the photo's side, in pixels
   * @returns {Promise<string>} a PNG as a data: URL
   */
  async enlarge({ square, latent, ...request }, size) {
    const apart = { realism: false, stream: null, size }; // the pen's next request must not replace it
    const { pictures } = await this.client.translate({ ...request, ...apart, latents: [latent] });
    const background = request.transparent ? "transparent" : "white";
    return putBack(pictures[0].url, { ...square, size }, background, size);
  }

  /** Whether this device makes the photos. */
  get isHere() {
    return this.#device !== null;
  }

  /**
   * @template Result
   * @param {import("../client.js").SketchRequest} request
   * @param {(device: import("./device.js").Device) => Promise<Result>} translate
   * @returns {Promise<Result | null>} null if the server has to do it
   */
  async #tryDevice(request, translate) {
    const device = this.#device;
    if (!device?.supports(request)) return null;
    try {
      return await translate(device);
    } catch (problem) {
      if (problem instanceof ServerProblem) throw problem;
      if (device === this.#device) this.#fallBack(problem);
      return null;
    }
  }

  async #turnOn() {
    press(this.button, true);
    this.#report("Downloading the engine");
    try {
      const { Device } = await import("./device.js");
      if (isPressed(this.button)) this.#device ??= new Device((model, seed) => this.z(model, seed));
    } catch (problem) {
      this.#fallBack(problem);
    }
    await this.loadModel();
  }

  #turnOff() {
    press(this.button, false);
    this.#device?.close();
    this.#device = null;
    this.#report("");
    this.hooks.onChange();
  }

  /** @param {Error} problem */
  #fallBack({ message }) {
    this.#turnOff();
    this.hooks.onProblem(`This device cannot make photos, so the server makes them. ${message}`);
  }

  /** @param {string} text */
  #report(text) {
    this.progress = text;
    this.hooks.onProgress();
  }

  /** Returns the z of a seed; asks the server for it once. @param {string} model @param {number} seed */
  z(model, seed) {
    const key = `${model} ${seed}`;
    if (!this.#zOfSeed.has(key)) {
      const request = this.client.z(model, seed);
      request.catch(() => this.#zOfSeed.delete(key));
      this.#zOfSeed.set(key, request);
    }
    return this.#zOfSeed.get(key);
  }
}

/**
 * Puts pictures of the square back on the paper: photos on white, transparent ones and realism maps on nothing.
 * @param {Picture[]} pictures
 * @param {Square} square
 * @param {true} [transparent]
 * @returns {Promise<Picture[]>}
 */
function onPaper(pictures, square, transparent) {
  return Promise.all(
    pictures.map(async ({ z, url, realism }) => ({
      z,
      url: await putBack(url, square, transparent ? "transparent" : "white"),
      realism: realism && (await putBack(realism, square)),
    })),
  );
}

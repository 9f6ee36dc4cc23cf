// Who makes the photos: the server, or this device once somebody asks for it. What does so is loaded only then.

import { ServerProblem } from "../client.js";
import { isPressed, press } from "../toggle.js";

/**
 * @typedef {import("../client.js").Model} Model
 * @typedef {import("../client.js").Client} Client
 */

export class Painter {
  /** What is being fetched, in words; "" while nothing is. */
  progress = "";
  /** @type {import("./device.js").Device | null} */
  #device = null;
  /** The z of the seeds that the server has told, by model and seed: numpy draws them. @type {Map<string, Promise<number[]>>} */
  #told = new Map();

  /**
   * @param {Client} client
   * @param {HTMLButtonElement | null} button  stays pressed; null where the server has no engine to give away
   * @param {object} hooks
   * @param {() => Model | undefined} hooks.model  the one that is picked
   * @param {() => void} hooks.onProgress
   * @param {() => void} hooks.onChange  photos come from elsewhere now
   * @param {(words: string) => void} hooks.onProblem
   */
  constructor(client, button, hooks) {
    [this.client, this.button, this.hooks] = [client, button, hooks];
    button?.addEventListener("click", () => (isPressed(button) ? this.#end() : this.#begin()));
  }

  /** Another model is picked: this device needs it, too. */
  async follow() {
    const [device, model] = [this.#device, this.hooks.model()];
    if (!device || !model || device.takes({ model: model.name })) return;
    try {
      await device.load(model, Number(this.button.dataset.bytes), (words) => this.#tell(words));
    } catch (problem) {
      if (device !== this.#device) return;
      if (device.isEmpty) return this.#giveUp(problem);
      this.#tell("");
      if (this.hooks.model() === model) this.hooks.onProblem(`${problem.message} ${this.lack}`);
      return;
    }
    if (device !== this.#device) return;
    this.#tell("");
    if (this.hooks.model() === model) this.hooks.onChange();
  }

  /** What this device has in the place of the model that is picked, in words; "" where it is not to draw, or can. */
  get lack() {
    const [device, model] = [this.#device, this.hooks.model()];
    if (!device || device.isEmpty || !model || device.takes({ model: model.name })) return "";
    const others = device.models.map(({ title }) => title).join(" or ");
    return `${model.title} has not been fetched to this device: choose ${others} to draw without the server.`;
  }

  /** @type {Client["translate"]} */
  async translate(request) {
    const drawn = await this.#tryHere(request, (device) => device.translate(request));
    if (drawn) return drawn;
    const answer = await this.client.translate(request);
    request.latents.forEach((latent, i) => {
      if ("seed" in latent) this.#told.set(`${request.model} ${latent.seed}`, Promise.resolve(answer.pictures[i].z));
    });
    return answer;
  }

  /** @type {Client["interpolate"]} */
  async interpolate(request) {
    return (await this.#tryHere(request, (device) => device.interpolate(request))) ?? this.client.interpolate(request);
  }

  /**
   * @template Result
   * @param {import("../client.js").Question} question
   * @param {(device: import("./device.js").Device) => Promise<Result | null>} ask
   * @returns {Promise<Result | null>} null where the server is to be asked
   */
  async #tryHere(question, ask) {
    const device = this.#device;
    if (!device?.takes(question)) return null;
    try {
      return await ask(device);
    } catch (problem) {
      if (problem instanceof ServerProblem) throw problem;
      if (device === this.#device) this.#giveUp(problem);
      return null;
    }
  }

  async #begin() {
    press(this.button, true);
    this.#tell("Fetching the engine");
    try {
      const { Device } = await import("./device.js");
      if (isPressed(this.button)) this.#device ??= new Device((model, seed) => this.z(model, seed));
    } catch (problem) {
      this.#giveUp(problem);
    }
    await this.follow();
  }

  #end() {
    press(this.button, false);
    this.#device?.end();
    this.#device = null;
    this.#tell("");
    this.hooks.onChange();
  }

  /** @param {Error} problem */
  #giveUp({ message }) {
    this.#end();
    this.hooks.onProblem(`This device cannot draw, the server does. ${message}`);
  }

  /** @param {string} words */
  #tell(words) {
    this.progress = words;
    this.hooks.onProgress();
  }

  /** That of a seed, from the server once. @param {string} model @param {number} seed */
  z(model, seed) {
    const key = `${model} ${seed}`;
    if (!this.#told.has(key)) {
      const asked = this.client.z(model, seed);
      asked.catch(() => this.#told.delete(key));
      this.#told.set(key, asked);
    }
    return this.#told.get(key);
  }
}

// The answers to a sketch as data: their latents, which one is chosen, which ones are pinned. No DOM here.

import { MAX_SEED, MAX_Z } from "../client.js";
import { clamp } from "../clamp.js";

/** Limit of a move along a direction, and of the place that it leads to. z is N(0, 1): 99 % of it lies within. */
export const MAX_MOVE = 2.5;
const FROM_SHELF = "from shelf";

/**
 * @typedef {import("../client.js").Latent} Latent
 * @typedef {import("../client.js").Direction} Direction
 * @typedef {object} Answer
 * @property {Latent} latent
 * @property {number[] | null} z  of `latent`; null until a picture of it has come
 * @property {string} origin  where it came from, as text; "" for a seed that is not from a link
 * @property {string} look  URL of a small copy of the photo whose look it has, or ""
 * @property {number[]} moves  along each direction, in [-MAX_MOVE, MAX_MOVE]
 * @property {boolean} pinned
 */

/**
 * @param {Latent} latent
 * @param {Partial<Answer>} [more]
 * @returns {Answer}
 */
function answerOf(latent, more = {}) {
  const z = "z" in latent ? latent.z : null;
  return { latent, z, origin: "", look: "", moves: [], pinned: false, ...more };
}

/** Several answers. One is chosen; another one is the target of the morph. */
export class Answers {
  chosen = 0;
  target = 1;
  /** @type {Answer[]} */
  all = [];
  /** @type {Direction[]} */
  #directions = [];
  #seed = 0;
  /** What the last `reseed` replaced, until another change. @type {{all: Answer[], seed: number} | null} */
  #beforeReseed = null;

  /**
   * Starts over for a model. Seeds stay; the z of another model has no meaning for this one.
   * @param {number} count
   * @param {Direction[]} directions
   * @param {Latent | null} latent  of the first answer; null keeps the seeds
   */
  reset(count, directions, latent) {
    this.#directions = directions;
    this.all = Array.from({ length: count }, () => answerOf({ seed: 0 }));
    [this.chosen, this.target] = [0, Math.min(1, count - 1)];
    if (latent && "z" in latent) this.all[0] = answerOf(latent, { pinned: true });
    this.reseed(latent && "seed" in latent ? latent.seed : this.#seed);
    if (latent) this.all[0].origin = "from link";
    this.forgetReseed();
  }

  /**
   * Gives the unpinned answers `seeds`, by default `seed` and those after it; 0 follows the largest.
   * @param {number} seed
   * @param {number[]} [seeds]
   * @returns {boolean} false, without a change, if all are pinned
   */
  reseed(seed, seeds = this.all.map((_, i) => (seed + i) % (MAX_SEED + 1))) {
    if (this.all.every(({ pinned }) => pinned)) return false;
    this.#beforeReseed = { all: this.all, seed: this.#seed };
    this.#seed = seed;
    const next = seeds.values();
    this.all = this.all.map((answer) => (answer.pinned ? answer : answerOf({ seed: next.next().value })));
    return true;
  }

  /**
   * Gives the answers after the first `seeds`, those after its own. It is part of the start: no change to undo.
   * @param {number[]} seeds
   */
  spread([, ...seeds]) {
    this.all = [this.all[0], ...seeds.map((seed) => answerOf({ seed }))];
  }

  /** The state to save. */
  get state() {
    return { all: this.all, chosen: this.chosen, target: this.target, seed: this.#seed };
  }

  /**
   * Restores a `state` if it fits this model.
   * @param {{all: Answer[], chosen: number, target: number, seed: number}} state
   * @param {number} latentSize
   * @returns {boolean} false, without a change, if it does not fit
   */
  restore({ all, chosen, target, seed }, latentSize) {
    const fits = ({ z, moves }) => (z === null || z.length === latentSize) && moves.length <= this.#directions.length;
    if (all.length !== this.all.length || !all.every(fits)) return false;
    [this.all, this.chosen, this.target, this.#seed] = [all, chosen, target, seed];
    this.forgetReseed();
    return true;
  }

  /** Whether the last change was a `reseed`. */
  get canUndoReseed() {
    return this.#beforeReseed !== null;
  }

  /** Restores what the last `reseed` replaced. */
  undoReseed() {
    ({ all: this.all, seed: this.#seed } = this.#beforeReseed);
    this.forgetReseed();
  }

  /** After another change, the last `reseed` cannot be undone. */
  forgetReseed() {
    this.#beforeReseed = null;
  }

  /**
   * Gives the unpinned answers `seed` and those after it, and chooses the first of them.
   * @param {number} seed
   * @returns {boolean} false, without a change, if all are pinned
   */
  showSeed(seed) {
    if (!this.reseed(seed)) return false;
    this.choose(this.all.findIndex(({ pinned }) => !pinned));
    return true;
  }

  /**
   * Chooses the answer of a kept result's latent; adds it, not pinned, if there is none.
   * @param {Latent} latent
   * @returns {boolean} false, without a change, if all are pinned
   */
  useKept(latent) {
    const known = this.all.findIndex((_, i) => JSON.stringify(this.latent(i)) === JSON.stringify(latent));
    if (known < 0) return this.#place(answerOf(latent, { origin: FROM_SHELF }));
    this.all[known].origin ||= FROM_SHELF;
    this.choose(known);
    return true;
  }

  /** @param {number} i */
  choose(i) {
    if (i === this.chosen || i >= this.all.length) return;
    const before = this.chosen;
    this.chosen = i;
    const pinned = this.all.findLastIndex((answer, other) => answer.pinned && other !== i);
    this.target = this.all[before].pinned || pinned < 0 ? before : pinned;
  }

  /** Makes the next of the other answers the morph's target. */
  nextTarget() {
    const next = (this.target + 1) % this.all.length;
    this.target = next === this.chosen ? (next + 1) % this.all.length : next;
  }

  togglePin() {
    const answer = this.all[this.chosen];
    answer.pinned = !answer.pinned;
    this.forgetReseed();
  }

  /**
   * Adds an answer, pinned and chosen.
   * @param {number[]} z
   * @param {string} origin
   * @param {string} [look]
   * @returns {boolean} false, without a change, if all are pinned
   */
  add(z, origin, look = "") {
    return this.#place(answerOf({ z }, { origin, look, pinned: true }));
  }

  /**
   * Chooses `answer`, in place of an unpinned one: of one that is no end of the morph if possible, else of the morph's
   * target, else of the chosen one.
   * @param {Answer} answer
   * @returns {boolean} false, without a change, if all are pinned
   */
  #place(answer) {
    const isEnd = (i) => i === this.chosen || i === this.target;
    const inside = this.all.findLastIndex(({ pinned }, i) => !pinned && !isEnd(i));
    const place = [inside, this.target, this.chosen].find((i) => i >= 0 && !this.all[i].pinned);
    if (place === undefined) return false;
    this.all[place] = answer;
    this.choose(place);
    this.forgetReseed();
    return true;
  }

  /**
   * Moves the chosen answer along a direction.
   * @param {number} direction  its index
   * @param {number} amount
   */
  move(direction, amount) {
    const { moves } = this.all[this.chosen];
    this.#directions.forEach((_, i) => (moves[i] = i === direction ? amount : (moves[i] ?? 0)));
    this.forgetReseed();
  }

  /**
   * Records the z of an answer, unless the answer was moved.
   * @param {number} i
   * @param {number[]} z
   */
  setZ(i, z) {
    if (!isMoved(this.all[i])) this.all[i].z = z;
  }

  /**
   * Returns the latent to request.
   * @param {number} i
   * @returns {Latent}
   */
  latent(i) {
    const answer = this.all[i];
    if (!isMoved(answer) || !answer.z) return answer.latent;
    const steps = answer.moves.map((amount, i) => Answers.#step(answer.z, amount, this.#directions[i].vector));
    return {
      z: answer.z.map((value, d) => {
        const sum = steps.reduce((sum, step, i) => sum + step * this.#directions[i].vector[d], value);
        return clamp(sum, -MAX_Z, MAX_Z);
      }),
    };
  }

  /**
   * Limits a move along a direction of length 1, so that it does not leave the range of the training photos.
   * @param {number[]} z
   * @param {number} amount
   * @param {number[]} vector
   */
  static #step(z, amount, vector) {
    const place = z.reduce((sum, value, d) => sum + value * vector[d], 0);
    const [least, most] = [Math.min(place, -MAX_MOVE), Math.max(place, MAX_MOVE)];
    return clamp(place + amount, least, most) - place;
  }

  /**
   * Describes an answer.
   * @param {number} i
   * @returns {string} such as "seed 7" or "from photo, moved"
   */
  describe(i) {
    const { latent, origin } = this.all[i];
    const start = "seed" in latent ? `seed ${latent.seed}` : origin;
    return isMoved(this.all[i]) ? `${start}, moved` : start;
  }
}

/** @param {Answer} answer */
function isMoved({ moves }) {
  return moves.some((amount) => amount !== 0);
}

// The answers side by side, as data: what each is made of, which one is chosen, which ones stay. No DOM here.

import { MAX_SEED, MAX_Z } from "../client.js";

/** How far a slider moves an answer along a direction, either way, and where it ends: z is spread like N(0, 1). */
export const FURTHEST = 2.5;

/**
 * @typedef {import("../client.js").Latent} Latent
 * @typedef {import("../client.js").Direction} Direction
 * @typedef {object} Answer
 * @property {Latent} latent
 * @property {number[] | null} z  that of `latent`; null until the server has told it
 * @property {string} origin  where it came from, in words; "" for a seed that nobody's link named
 * @property {string} look  URL of a small copy of the photo that it borrowed its look from, or ""
 * @property {number[]} moves  along each direction, in [-FURTHEST, FURTHEST]
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

/** Some answers, of which one is chosen; another one is the target of a morph. */
export class Answers {
  chosen = 0;
  target = 1;
  /** @type {Answer[]} */
  all = [];
  /** @type {Direction[]} */
  #directions = [];
  #seed = 0;
  /** What the last `reseed` replaced, until something else changes. @type {{all: Answer[], seed: number} | null} */
  #former = null;

  /**
   * Begin anew for a model: a z of one means nothing to another, seeds do no harm.
   * @param {number} count
   * @param {Direction[]} directions
   * @param {Latent | null} latent  of the first answer; null stays with the seeds there were
   */
  begin(count, directions, latent) {
    this.#directions = directions;
    this.all = Array.from({ length: count }, () => answerOf({ seed: 0 }));
    [this.chosen, this.target] = [0, Math.min(1, count - 1)];
    if (latent && "z" in latent) this.all[0] = answerOf(latent, { pinned: true });
    this.reseed(latent && "seed" in latent ? latent.seed : this.#seed);
    if (latent) this.all[0].origin = "from link";
    this.settle();
  }

  /**
   * Give the answers that are not pinned `seeds`, or `seed` and those after it; after the largest comes 0.
   * @param {number} seed
   * @param {number[]} [seeds]
   * @returns {boolean} false, and nothing is changed, where all are pinned
   */
  reseed(seed, seeds = this.all.map((_, i) => (seed + i) % (MAX_SEED + 1))) {
    if (this.all.every(({ pinned }) => pinned)) return false;
    this.#former = { all: this.all, seed: this.#seed };
    this.#seed = seed;
    const next = seeds.values();
    this.all = this.all.map((answer) => (answer.pinned ? answer : answerOf({ seed: next.next().value })));
    return true;
  }

  /** What there is to remember. */
  get state() {
    return { all: this.all, chosen: this.chosen, target: this.target, seed: this.#seed };
  }

  /**
   * Bring back a `state`, if it is one of this model's.
   * @param {{all: Answer[], chosen: number, target: number, seed: number}} state
   * @param {number} latentSize
   * @returns {boolean} false, and nothing is changed, where it is another's
   */
  restore({ all, chosen, target, seed }, latentSize) {
    const fits = ({ z, moves }) => (z === null || z.length === latentSize) && moves.length <= this.#directions.length;
    if (all.length !== this.all.length || !all.every(fits)) return false;
    [this.all, this.chosen, this.target, this.#seed] = [all, chosen, target, seed];
    this.settle();
    return true;
  }

  /** Whether the last change was a `reseed`. */
  get canTakeBack() {
    return this.#former !== null;
  }

  /** Bring back what the last `reseed` replaced. */
  takeBack() {
    ({ all: this.all, seed: this.#seed } = this.#former);
    this.settle();
  }

  /** Something else changed: what was replaced does not come back. */
  settle() {
    this.#former = null;
  }

  /**
   * Have an answer among them, and choose it; those that are pinned stay.
   * @param {Latent} latent
   * @returns {boolean} false, and nothing is changed, where all are pinned
   */
  show(latent) {
    if ("z" in latent) return this.add(latent.z, "from shelf");
    if (!this.reseed(latent.seed)) return false;
    this.choose(this.all.findIndex(({ pinned }) => !pinned));
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

  /** Morph to the next of the other answers. */
  retarget() {
    const step = (this.target + 1) % this.all.length;
    this.target = step === this.chosen ? (step + 1) % this.all.length : step;
  }

  togglePin() {
    const answer = this.all[this.chosen];
    answer.pinned = !answer.pinned;
    this.settle();
  }

  /**
   * Add an answer, pinned and chosen, in the place of one that is not: one that is neither end of the morph if
   * there is such a one, else the morph's target, else the chosen one.
   * @param {number[]} z
   * @param {string} origin
   * @param {string} [look]
   * @returns {boolean} false, and nothing is changed, where all are pinned
   */
  add(z, origin, look = "") {
    const isEnd = (i) => i === this.chosen || i === this.target;
    const inside = this.all.findLastIndex(({ pinned }, i) => !pinned && !isEnd(i));
    const place = [inside, this.target, this.chosen].find((i) => i >= 0 && !this.all[i].pinned);
    if (place === undefined) return false;
    this.all[place] = answerOf({ z }, { origin, look, pinned: true });
    this.choose(place);
    this.settle();
    return true;
  }

  /**
   * Move the chosen answer along a direction.
   * @param {number} direction  its index
   * @param {number} amount
   */
  move(direction, amount) {
    const { moves } = this.all[this.chosen];
    this.#directions.forEach((_, i) => (moves[i] = i === direction ? amount : (moves[i] ?? 0)));
    this.settle();
  }

  /**
   * Note the z that an answer has before it is moved.
   * @param {number} i
   * @param {number[]} z
   */
  tell(i, z) {
    if (!isMoved(this.all[i])) this.all[i].z = z;
  }

  /**
   * What to ask the server for.
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
        return Math.min(Math.max(sum, -MAX_Z), MAX_Z);
      }),
    };
  }

  /**
   * How far along a direction of length 1 an answer goes: not to where no photo of the training lies.
   * @param {number[]} z
   * @param {number} amount
   * @param {number[]} vector
   */
  static #step(z, amount, vector) {
    const place = z.reduce((sum, value, d) => sum + value * vector[d], 0);
    const [least, most] = [Math.min(place, -FURTHEST), Math.max(place, FURTHEST)];
    return Math.min(Math.max(place + amount, least), most) - place;
  }

  /**
   * What an answer is, in words.
   * @param {number} i
   * @returns {string} such as "seed 7" or "from photo, moved"
   */
  describe(i) {
    const { latent, origin, moves } = this.all[i];
    const start = "seed" in latent ? `seed ${latent.seed}` : origin;
    return moves.some((amount) => amount !== 0) ? `${start}, moved` : start;
  }
}

/** @param {Answer} answer */
function isMoved({ moves }) {
  return moves.some((amount) => amount !== 0);
}

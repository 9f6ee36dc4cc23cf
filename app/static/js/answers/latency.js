// How much to ask for at once, from how long the server took before.

/** Answers that take longer than this do not follow a pen. */
const LIVE_MS = 250;
/** A morph may take this long to fetch. */
const MORPH_MS = 1_500;
const FEWEST_FRAMES = 5;
const MOST_FRAMES = 17;

/** Measures the server while somebody works with it. */
export class Pace {
  /** By the number of answers in one request: four take less than four times one. @type {Map<number, number>} */
  #elapsedMs = new Map();
  /** Of one answer in the last request; 0 while nobody knows. */
  #answerMs = 0;

  /**
   * @param {number} answers  in one request
   * @param {number} elapsedMs
   */
  note(answers, elapsedMs) {
    this.#elapsedMs.set(answers, elapsedMs);
    this.#answerMs = elapsedMs / answers;
  }

  /**
   * Whether this many answers follow a pen that moves.
   * @param {number} answers
   */
  isLive(answers) {
    return (this.#elapsedMs.get(answers) ?? answers * this.#answerMs) <= LIVE_MS;
  }

  /** Pictures of a morph that can be waited for. */
  get frames() {
    return Math.min(Math.max(Math.round(MORPH_MS / this.#answerMs), FEWEST_FRAMES), MOST_FRAMES);
  }
}

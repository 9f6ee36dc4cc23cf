// Waiting for a server that cannot be reached or is busy.

import { ServerProblem } from "./client.js";

const FIRST_MS = 1_000;
const LONGEST_MS = 10_000;

/** How long to wait before one asks again: longer each time, and as long as the server says. */
export class Patience {
  #nextMs = FIRST_MS;

  /** The server answered. */
  renew() {
    this.#nextMs = FIRST_MS;
  }

  /**
   * @param {Error} problem
   * @returns {number | null} ms; null where asking again is of no use
   */
  delayAfter(problem) {
    if (!(problem instanceof ServerProblem) || !problem.passing) return null;
    const delay = Math.max(this.#nextMs, problem.retryAfterMs);
    this.#nextMs = Math.min(2 * this.#nextMs, LONGEST_MS);
    return delay;
  }
}

/**
 * Ask until the server answers or refuses.
 * @template Result
 * @param {() => Promise<Result>} ask
 * @param {(problem: Error) => void} onWait
 * @returns {Promise<Result>}
 */
export async function insist(ask, onWait) {
  const patience = new Patience();
  for (;;) {
    try {
      return await ask();
    } catch (problem) {
      const delay = patience.delayAfter(problem);
      if (delay === null) throw problem;
      onWait(problem);
      await sleep(delay);
    }
  }
}

/** @param {number} delayMs */
export function sleep(delayMs) {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

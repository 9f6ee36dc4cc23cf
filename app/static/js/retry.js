// Retries with a growing delay, for a server that is busy or cannot be reached.

import { ServerProblem } from "./client.js";

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 10_000;

/** The delay before the next attempt: doubles each time, and is at least what the server asks for. */
export class Backoff {
  #nextMs = FIRST_DELAY_MS;

  /** Call it after a success. */
  reset() {
    this.#nextMs = FIRST_DELAY_MS;
  }

  /**
   * @param {Error} problem
   * @returns {number | null} ms; null if a retry cannot help
   */
  delayAfter(problem) {
    if (!(problem instanceof ServerProblem) || !problem.temporary) return null;
    const delay = Math.max(this.#nextMs, problem.retryAfterMs);
    this.#nextMs = Math.min(2 * this.#nextMs, MAX_DELAY_MS);
    return delay;
  }
}

/**
 * Repeats a request until it succeeds, or fails for good.
 * @template Result
 * @param {() => Promise<Result>} request
 * @param {(problem: Error) => void} onRetry  called before each delay
 * @returns {Promise<Result>}
 */
export async function retry(request, onRetry) {
  const backoff = new Backoff();
  for (;;) {
    try {
      return await request();
    } catch (problem) {
      const delay = backoff.delayAfter(problem);
      if (delay === null) throw problem;
      onRetry(problem);
      await sleep(delay);
    }
  }
}

/** @param {number} delayMs */
export function sleep(delayMs) {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

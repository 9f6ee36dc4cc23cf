// The loop that keeps a picture up to date with something that changes quickly.

import { Patience, sleep } from "../retry.js";

const SLICE_MS = 1_000; // of waiting

/**
 * Keeps one result up to date with something that changes quickly. At most one request is under way; whatever
 * happened meanwhile goes out as one next request; answers to a question that was withdrawn are dropped.
 * @template Request, Result
 */
export class LatestWins {
  #stale = false;
  #running = false;
  #sequence = 0;
  #waiting = false;

  /**
   * @param {object} hooks
   * @param {() => Request | null} hooks.snapshot  what to ask now; null when there is nothing to ask
   * @param {(request: Request) => Promise<Result>} hooks.ask
   * @param {(result: Result) => void} hooks.onResult
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

  /** Whether it waits before it asks again. */
  get isWaiting() {
    return this.#waiting;
  }

  /** Drop the answer under way: it belongs to another question altogether. */
  withdraw() {
    this.#sequence++;
  }

  async #run() {
    this.#running = true;
    const patience = new Patience();
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
        if (sequence === this.#sequence) this.hooks.onResult(result);
        patience.renew();
      } catch (problem) {
        const delay = patience.delayAfter(problem);
        if (sequence === this.#sequence) this.hooks.onProblem(problem, delay !== null);
        if (delay === null) continue;
        await this.#wait(delay, problem);
        this.#stale = true;
      }
    }
    this.#running = false;
  }

  /**
   * Wait before asking again; not for long once the question changes, unless the server said how long.
   * @param {number} delayMs
   * @param {Error & {retryAfterMs?: number}} problem
   */
  async #wait(delayMs, problem) {
    this.#waiting = true;
    for (let left = delayMs; left > 0 && (problem.retryAfterMs || !this.#stale); left -= SLICE_MS) {
      await this.hooks.wait(Math.min(left, SLICE_MS));
    }
    this.#waiting = false;
  }
}

import { Backoff, sleep } from "../retry.js";

const WAIT_STEP_MS = 1_000;

/**
 * Keeps a result up to date with input that changes quickly. At most one request is pending; all changes in the
 * meantime make one next request. Results of cancelled requests are dropped.
 * @template Request, Result
 */
export class LatestWins {
  #stale = false;
  #running = false;
  #sequence = 0;
  #waiting = false;

  /**
   * @param {object} hooks
   * @param {() => Request | null} hooks.snapshot  the current request; null if there is nothing to request
   * @param {(request: Request) => Promise<Result>} hooks.send
   * @param {(result: Result) => void} hooks.onResult
   * @param {() => void} hooks.onNothing
   * @param {(problem: Error, retrying: boolean) => void} hooks.onProblem
   * @param {(delayMs: number) => Promise<unknown>} [hooks.wait]
   */
  constructor(hooks) {
    this.hooks = { wait: sleep, ...hooks };
  }

  /** Call it when the input changed. Rejects with the error of a hook. */
  async refresh() {
    this.#stale = true;
    if (!this.#running) await this.#run();
  }

  /** Whether it waits before a retry. */
  get isWaiting() {
    return this.#waiting;
  }

  /** Drops the result of the pending request. */
  cancel() {
    this.#sequence++;
  }

  async #run() {
    this.#running = true;
    try {
      await this.#sendAll();
    } finally {
      this.#running = false;
    }
  }

  async #sendAll() {
    const backoff = new Backoff();
    while (this.#stale) {
      this.#stale = false;
      const request = this.hooks.snapshot();
      if (request === null) {
        this.hooks.onNothing();
        continue;
      }
      const sequence = this.#sequence;
      try {
        const result = await this.hooks.send(request);
        if (sequence === this.#sequence) this.hooks.onResult(result);
        backoff.reset();
      } catch (problem) {
        const delay = backoff.delayAfter(problem);
        if (sequence === this.#sequence) this.hooks.onProblem(problem, delay !== null);
        if (delay === null) continue;
        await this.#wait(delay, problem);
        this.#stale = true;
      }
    }
  }

  /**
   * Waits before a retry. A change of the input ends the wait, unless the server asked for the delay.
   * @param {number} delayMs
   * @param {Error & {retryAfterMs?: number}} problem
   */
  async #wait(delayMs, problem) {
    this.#waiting = true;
    for (let left = delayMs; left > 0 && (problem.retryAfterMs || !this.#stale); left -= WAIT_STEP_MS) {
      await this.hooks.wait(Math.min(left, WAIT_STEP_MS));
    }
    this.#waiting = false;
  }
}

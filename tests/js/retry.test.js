import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerProblem } from "../../app/static/js/client.js";
import { Backoff, retry } from "../../app/static/js/retry.js";

const BUSY = new ServerProblem("busy", true);

test("the delay doubles up to a limit, and starts over after a success", () => {
  const backoff = new Backoff();
  assert.deepEqual(Array.from({ length: 6 }, () => backoff.delayAfter(BUSY)), [1000, 2000, 4000, 8000, 10000, 10000]);
  backoff.reset();
  assert.equal(backoff.delayAfter(BUSY), 1000);
});

test("the delay is at least what the server asks for", () => {
  assert.equal(new Backoff().delayAfter(new ServerProblem("busy", true, 3000)), 3000);
});

test("a lasting error is not retried", async () => {
  assert.equal(new Backoff().delayAfter(new ServerProblem("no", false)), null);
  let attempts = 0;
  const fail = async () => {
    attempts++;
    throw new ServerProblem("no", false);
  };
  await assert.rejects(retry(fail, () => {}), { message: "no" });
  assert.equal(attempts, 1);
});

test("a busy server is retried until it answers, and each wait is reported", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const reported = [];
  const results = [BUSY, BUSY, "photo"];
  const request = async () => {
    const result = results.shift();
    if (result instanceof Error) throw result;
    return result;
  };
  const answer = retry(request, ({ message }) => reported.push(message));
  for (const ms of [1000, 2000]) {
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(ms);
  }
  assert.equal(await answer, "photo");
  assert.deepEqual(reported, ["busy", "busy"]);
});

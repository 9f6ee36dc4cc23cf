import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerProblem } from "../../app/static/js/client.js";
import { Patience, insist } from "../../app/static/js/retry.js";

const BUSY = new ServerProblem("busy", true);

test("one waits longer each time, up to a bound, and anew once the server answered", () => {
  const patience = new Patience();
  assert.deepEqual(Array.from({ length: 6 }, () => patience.delayAfter(BUSY)), [1000, 2000, 4000, 8000, 10000, 10000]);
  patience.renew();
  assert.equal(patience.delayAfter(BUSY), 1000);
});

test("one waits as long as the server says", () => {
  assert.equal(new Patience().delayAfter(new ServerProblem("busy", true, 3000)), 3000);
});

test("a refusal is not asked again", async () => {
  assert.equal(new Patience().delayAfter(new ServerProblem("no", false)), null);
  let asked = 0;
  const refuse = async () => {
    asked++;
    throw new ServerProblem("no", false);
  };
  await assert.rejects(insist(refuse, () => {}), { message: "no" });
  assert.equal(asked, 1);
});

test("a busy server is asked until it answers, and the waiting is told", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const told = [];
  const answers = [BUSY, BUSY, "photo"];
  const ask = async () => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const answer = insist(ask, ({ message }) => told.push(message));
  for (const ms of [1000, 2000]) {
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(ms);
  }
  assert.equal(await answer, "photo");
  assert.deepEqual(told, ["busy", "busy"]);
});

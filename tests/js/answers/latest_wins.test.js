import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerProblem } from "../../../app/static/js/client.js";
import { LatestWins } from "../../../app/static/js/answers/latest_wins.js";

/** Let everything that is ready to run do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A LatestWins whose questions are answered by hand and whose waits end by hand. */
function harness() {
  const seen = { asked: [], results: [], nothing: 0, problems: [], waits: [] };
  const world = { question: "a" };
  const live = new LatestWins({
    snapshot: () => world.question,
    ask: (request) => new Promise((resolve, reject) => seen.asked.push({ request, resolve, reject })),
    onResult: (result) => seen.results.push(result),
    onNothing: () => seen.nothing++,
    onProblem: (problem, retrying) => seen.problems.push([problem.message, retrying]),
    wait: (delayMs) => new Promise((resolve) => seen.waits.push({ delayMs, resolve })),
  });
  return { live, world, seen };
}

test("at most one request is under way, and only the latest drawing follows", async () => {
  const { live, world, seen } = harness();
  live.refresh();
  for (const question of ["b", "c", "d"]) {
    world.question = question;
    live.refresh();
  }
  assert.deepEqual(seen.asked.map(({ request }) => request), ["a"]);
  seen.asked[0].resolve("photo a");
  await settle();
  assert.deepEqual(seen.asked.map(({ request }) => request), ["a", "d"]);
  seen.asked[1].resolve("photo d");
  await settle();
  assert.deepEqual(seen.results, ["photo a", "photo d"]);
  assert.equal(seen.asked.length, 2);
});

test("an empty drawing asks nothing", async () => {
  const { live, world, seen } = harness();
  world.question = null;
  live.refresh();
  await settle();
  assert.equal(seen.asked.length, 0);
  assert.equal(seen.nothing, 1);
});

test("an answer that was withdrawn is dropped", async () => {
  const { live, world, seen } = harness();
  live.refresh();
  live.withdraw();
  world.question = "b";
  live.refresh();
  seen.asked[0].resolve("photo of a drawing that was cleared");
  await settle();
  assert.deepEqual(seen.results, []);
  seen.asked[1].resolve("photo b");
  await settle();
  assert.deepEqual(seen.results, ["photo b"]);
});

test("a passing problem is retried with the drawing as it is then, waiting longer each time", async () => {
  const { live, world, seen } = harness();
  live.refresh();
  seen.asked[0].reject(new ServerProblem("offline", true));
  await settle();
  assert.ok(live.isWaiting);
  world.question = "b";
  seen.waits[0].resolve();
  await settle();
  seen.asked[1].reject(new ServerProblem("offline", true));
  await settle();
  for (const i of [1, 2]) {
    seen.waits[i].resolve();
    await settle();
  }
  seen.asked[2].resolve("photo b");
  await settle();
  assert.ok(!live.isWaiting);
  assert.deepEqual(seen.asked.map(({ request }) => request), ["a", "b", "b"]);
  assert.deepEqual(seen.waits.map(({ delayMs }) => delayMs), [1000, 1000, 1000], "a second, then two");
  assert.deepEqual(seen.problems, [["offline", true], ["offline", true]]);
  assert.deepEqual(seen.results, ["photo b"]);
});

test("a change cuts the wait short, but not what the server asked for", async () => {
  const { live, seen } = harness();
  live.refresh();
  for (const i of [0, 1]) {
    seen.asked[i].reject(new ServerProblem("offline", true));
    await settle();
    if (i === 1) live.refresh();
    seen.waits[i].resolve();
    await settle();
  }
  assert.equal(seen.asked.length, 3, "after one of two seconds");
  seen.asked[2].reject(new ServerProblem("busy", true, 6000));
  await settle();
  live.refresh();
  for (let i = 2; i < 8; i++) {
    assert.equal(seen.asked.length, 3);
    seen.waits[i].resolve();
    await settle();
  }
  assert.equal(seen.asked.length, 4);
});

test("a lasting problem is reported once and not retried until the drawing changes", async () => {
  const { live, seen } = harness();
  live.refresh();
  seen.asked[0].reject(new ServerProblem("too large", false));
  await settle();
  assert.deepEqual(seen.problems, [["too large", false]]);
  assert.equal(seen.waits.length, 0);
  live.refresh();
  assert.equal(seen.asked.length, 2);
});

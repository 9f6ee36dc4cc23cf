import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerProblem } from "../../../app/static/js/client.js";
import { LatestWins } from "../../../app/static/js/answers/latest_wins.js";

/** Runs all pending callbacks. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A LatestWins whose requests and delays the test completes. */
function harness() {
  const seen = { sent: [], results: [], nothing: 0, problems: [], waits: [] };
  const state = { input: "a" };
  const live = new LatestWins({
    snapshot: () => state.input,
    send: (request) => new Promise((resolve, reject) => seen.sent.push({ request, resolve, reject })),
    onResult: (result) => seen.results.push(result),
    onNothing: () => seen.nothing++,
    onProblem: (problem, retrying) => seen.problems.push([problem.message, retrying]),
    wait: (delayMs) => new Promise((resolve) => seen.waits.push({ delayMs, resolve })),
  });
  return { live, state, seen };
}

test("at most one request is pending, and only the latest input follows", async () => {
  const { live, state, seen } = harness();
  live.refresh();
  for (const input of ["b", "c", "d"]) {
    state.input = input;
    live.refresh();
  }
  assert.deepEqual(seen.sent.map(({ request }) => request), ["a"]);
  seen.sent[0].resolve("photo a");
  await settle();
  assert.deepEqual(seen.sent.map(({ request }) => request), ["a", "d"]);
  seen.sent[1].resolve("photo d");
  await settle();
  assert.deepEqual(seen.results, ["photo a", "photo d"]);
  assert.equal(seen.sent.length, 2);
});

test("without input nothing is requested", async () => {
  const { live, state, seen } = harness();
  state.input = null;
  live.refresh();
  await settle();
  assert.equal(seen.sent.length, 0);
  assert.equal(seen.nothing, 1);
});

test("the result of a cancelled request is dropped", async () => {
  const { live, state, seen } = harness();
  live.refresh();
  live.cancel();
  state.input = "b";
  live.refresh();
  seen.sent[0].resolve("cancelled");
  await settle();
  assert.deepEqual(seen.results, []);
  seen.sent[1].resolve("photo b");
  await settle();
  assert.deepEqual(seen.results, ["photo b"]);
});

test("a temporary problem is retried with the current input, after a growing delay", async () => {
  const { live, state, seen } = harness();
  live.refresh();
  seen.sent[0].reject(new ServerProblem("offline", true));
  await settle();
  assert.ok(live.isWaiting);
  state.input = "b";
  seen.waits[0].resolve();
  await settle();
  seen.sent[1].reject(new ServerProblem("offline", true));
  await settle();
  for (const i of [1, 2]) {
    seen.waits[i].resolve();
    await settle();
  }
  seen.sent[2].resolve("photo b");
  await settle();
  assert.ok(!live.isWaiting);
  assert.deepEqual(seen.sent.map(({ request }) => request), ["a", "b", "b"]);
  assert.deepEqual(seen.waits.map(({ delayMs }) => delayMs), [1000, 1000, 1000], "a second, then two");
  assert.deepEqual(seen.problems, [["offline", true], ["offline", true]]);
  assert.deepEqual(seen.results, ["photo b"]);
});

test("a change ends the wait early, unless the server asked for it", async () => {
  const { live, seen } = harness();
  live.refresh();
  for (const i of [0, 1]) {
    seen.sent[i].reject(new ServerProblem("offline", true));
    await settle();
    if (i === 1) live.refresh();
    seen.waits[i].resolve();
    await settle();
  }
  assert.equal(seen.sent.length, 3, "after one of two seconds");
  seen.sent[2].reject(new ServerProblem("busy", true, 6000));
  await settle();
  live.refresh();
  for (let i = 2; i < 8; i++) {
    assert.equal(seen.sent.length, 3);
    seen.waits[i].resolve();
    await settle();
  }
  assert.equal(seen.sent.length, 4);
});

test("a lasting problem is reported once and not retried until the input changes", async () => {
  const { live, seen } = harness();
  live.refresh();
  seen.sent[0].reject(new ServerProblem("too large", false));
  await settle();
  assert.deepEqual(seen.problems, [["too large", false]]);
  assert.equal(seen.waits.length, 0);
  live.refresh();
  assert.equal(seen.sent.length, 2);
});

test("after an error in a hook, a change is requested again", async () => {
  const { live, seen } = harness();
  const { snapshot } = live.hooks;
  live.hooks.snapshot = () => {
    throw new Error("no answers yet");
  };
  await assert.rejects(live.refresh(), /no answers yet/);
  live.hooks.snapshot = snapshot;
  live.refresh();
  assert.deepEqual(seen.sent.map(({ request }) => request), ["a"]);
});

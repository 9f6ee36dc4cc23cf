import assert from "node:assert/strict";
import { test } from "node:test";

import { Latency } from "../../../app/static/js/answers/latency.js";

test("all photos are requested until the server turns out to be too slow", () => {
  const latency = new Latency();
  assert.ok(latency.isLive(4));
  latency.record(4, 240);
  assert.ok(latency.isLive(4));
  latency.record(4, 400);
  assert.ok(!latency.isLive(4));
  assert.ok(latency.isLive(2));
});

test("the latency of one photo says little about four, which share some work", () => {
  const latency = new Latency();
  latency.record(1, 70);
  assert.ok(!latency.isLive(4), "by the estimate from one photo");
  latency.record(4, 160);
  latency.record(1, 70);
  assert.ok(latency.isLive(4));
  latency.record(4, 300);
  latency.record(1, 30);
  assert.ok(!latency.isLive(4), "four were slow when they were last requested");
});

test("a morph has as many frames as the time allows, and at least five", () => {
  const latency = new Latency();
  const frames = [30, 150, 3000].map((ms) => {
    latency.record(1, ms);
    return latency.morphFrames;
  });
  assert.deepEqual(frames, [17, 10, 5]);
  assert.equal(new Latency().morphFrames, 17);
});

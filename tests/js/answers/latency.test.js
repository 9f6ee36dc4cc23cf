import assert from "node:assert/strict";
import { test } from "node:test";

import { Pace } from "../../../app/static/js/answers/latency.js";

test("all answers are asked for until the server shows that it cannot keep up", () => {
  const pace = new Pace();
  assert.ok(pace.isLive(4));
  pace.note(4, 240);
  assert.ok(pace.isLive(4));
  pace.note(4, 400);
  assert.ok(!pace.isLive(4));
  assert.ok(pace.isLive(2));
});

test("one answer says little about four, which share some of the work", () => {
  const pace = new Pace();
  pace.note(1, 70);
  assert.ok(!pace.isLive(4), "as far as is known");
  pace.note(4, 160);
  pace.note(1, 70);
  assert.ok(pace.isLive(4));
  pace.note(4, 300);
  pace.note(1, 30);
  assert.ok(!pace.isLive(4), "four were slow when they were last asked for");
});

test("a morph has as many pictures as can be waited for, and never fewer than five", () => {
  const pace = new Pace();
  const frames = [30, 150, 3000].map((ms) => {
    pace.note(1, ms);
    return pace.frames;
  });
  assert.deepEqual(frames, [17, 10, 5]);
  assert.equal(new Pace().frames, 17);
});

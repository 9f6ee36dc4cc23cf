import assert from "node:assert/strict";
import { test } from "node:test";

import { Drawing, beginStroke, extendStroke, smoothCurves } from "../../app/static/js/drawing.js";

const PEN = { width: 2, erase: false };

/** @param {number} x */
const stroke = (x) => beginStroke({ x, y: 0 }, PEN);

test("undo takes off the last stroke and redo brings it back", () => {
  const drawing = new Drawing();
  const [first, second] = [stroke(1), stroke(2)];
  drawing.add(first);
  drawing.add(second);
  drawing.undo();
  assert.deepEqual(drawing.items, [first]);
  assert.ok(drawing.canRedo);
  drawing.redo();
  assert.deepEqual(drawing.items, [first, second]);
  assert.ok(!drawing.canRedo);
});

test("a new stroke after an undo forgets what was undone", () => {
  const drawing = new Drawing();
  drawing.add(stroke(1));
  drawing.undo();
  drawing.add(stroke(2));
  drawing.redo();
  assert.equal(drawing.items.length, 1);
  assert.ok(!drawing.canRedo);
});

test("undo and redo on an empty drawing do nothing", () => {
  const drawing = new Drawing();
  drawing.undo();
  drawing.redo();
  assert.deepEqual(drawing.items, []);
  assert.ok(!drawing.canUndo);
});

test("clear empties the paper, can be undone, and happens only once", () => {
  const drawing = new Drawing();
  const kept = stroke(1);
  drawing.add(kept);
  drawing.clear();
  drawing.clear();
  assert.deepEqual(drawing.items, []);
  drawing.undo();
  assert.deepEqual(drawing.items, [kept]);
});

test("an opened picture replaces what was there, strokes go on top, undo returns", () => {
  const drawing = new Drawing();
  const [before, after] = [stroke(1), stroke(2)];
  const picture = { kind: "picture", image: {} };
  drawing.add(before);
  drawing.add(picture);
  drawing.add(after);
  assert.deepEqual(drawing.items, [picture, after]);
  drawing.undo();
  drawing.undo();
  assert.deepEqual(drawing.items, [before]);
});

test("points that do not move are left out of a stroke", () => {
  const line = stroke(0);
  for (const x of [0.1, 0.2, 3, 3.1, 6]) extendStroke(line, { x, y: 0 });
  assert.deepEqual(line.points.map(({ x }) => x), [0, 3, 6]);
});

test("curves meet at midpoints and end at the last point", () => {
  const corner = [{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 10 }];
  assert.deepEqual(smoothCurves(corner), [
    { control: { x: 10, y: 0 }, end: { x: 10, y: 5 } },
    { control: { x: 10, y: 10 }, end: { x: 10, y: 10 } },
  ]);
  assert.deepEqual(smoothCurves([{ x: 1, y: 1 }]), []);
});

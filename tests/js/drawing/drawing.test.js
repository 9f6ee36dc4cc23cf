import assert from "node:assert/strict";
import { test } from "node:test";

import { Drawing, OpenStroke, linesOf, smoothCurves } from "../../../app/static/js/drawing/drawing.js";

const PEN = { width: 2, erase: false, mirrored: false, smooth: false };

/** @param {number} x */
const stroke = (x) => new OpenStroke({ x, y: 0 }, PEN).stroke;

/**
 * @param {import("../../../app/static/js/drawing/drawing.js").Point[]} points
 * @param {object} [tool]
 */
function drawn([first, ...rest], tool = {}) {
  const open = new OpenStroke(first, { ...PEN, ...tool });
  for (const point of rest) open.extend(point);
  return open.stroke;
}

test("undo removes the last stroke and redo restores it", () => {
  const drawing = new Drawing();
  const [first, second] = [stroke(1), stroke(2)];
  drawing.add(first);
  drawing.add(second);
  drawing.undo();
  assert.deepEqual(drawing.items, [first]);
  assert.ok(drawing.undone.length > 0);
  drawing.redo();
  assert.deepEqual(drawing.items, [first, second]);
  assert.equal(drawing.undone.length, 0);
});

test("a new stroke after an undo removes the redo steps", () => {
  const drawing = new Drawing();
  drawing.add(stroke(1));
  drawing.undo();
  drawing.add(stroke(2));
  drawing.redo();
  assert.equal(drawing.items.length, 1);
  assert.equal(drawing.undone.length, 0);
});

test("steps that are taken back are neither done nor undone, and only if they are the last", () => {
  const drawing = new Drawing();
  const [kept, first, second] = [stroke(1), stroke(2), stroke(3)];
  for (const step of [kept, first, second]) drawing.add(step);
  drawing.takeBack([first]);
  assert.deepEqual(drawing.items, [kept, first, second]);
  drawing.takeBack([first, second]);
  assert.deepEqual(drawing.items, [kept]);
  drawing.redo();
  assert.deepEqual(drawing.items, [kept]);
  drawing.takeBack([]);
  assert.deepEqual(drawing.items, [kept]);
});

test("undo and redo on an empty drawing do nothing", () => {
  const drawing = new Drawing();
  drawing.undo();
  drawing.redo();
  assert.deepEqual(drawing.items, []);
  assert.equal(drawing.done.length, 0);
});

test("clear empties the paper, can be undone, and has no effect on blank paper", () => {
  const drawing = new Drawing();
  const kept = stroke(1);
  drawing.add(kept);
  drawing.clear();
  drawing.clear();
  assert.deepEqual(drawing.items, []);
  drawing.undo();
  assert.deepEqual(drawing.items, [kept]);
});

test("an opened picture replaces the drawing, strokes are on top of it, undo restores the drawing", () => {
  const drawing = new Drawing();
  const [before, after] = [stroke(1), stroke(2)];
  const picture = { kind: "picture", image: {} };
  drawing.add(before);
  drawing.replace([picture]);
  drawing.add(after);
  assert.deepEqual(drawing.items, [picture, after]);
  drawing.undo();
  drawing.undo();
  assert.deepEqual(drawing.items, [before]);
});

test("points that do not move are left out of a stroke", () => {
  const line = drawn([0, 0.1, 0.2, 3, 3.1, 6].map((x) => ({ x, y: 0 })));
  assert.deepEqual(line.points.map(({ x }) => x), [0, 3, 6]);
});

test("smoothing removes tremor, and the line ends at the pen", () => {
  const trembling = Array.from({ length: 60 }, (_, i) => ({ x: i, y: i % 2 }));
  const wobble = ({ points }) => Math.max(...points.slice(5, -1).map(({ y }, i, all) => Math.abs(y - (all[i - 1]?.y ?? y))));
  const [rough, smooth] = [false, true].map((smooth) => drawn(trembling, { smooth }));
  assert.equal(wobble(rough), 1);
  assert.ok(wobble(smooth) < 0.5, `${wobble(smooth)}`);
  assert.deepEqual(smooth.points.at(-1), { x: 59, y: 1 });
});

test("a mirrored stroke is drawn on both sides", () => {
  const lines = linesOf(drawn([{ x: 10, y: 5 }, { x: 20, y: 9 }], { mirrored: true }));
  assert.deepEqual(lines, [
    { path: "M10 5Q20 9 20 9", width: 2 },
    { path: "M246 5Q236 9 236 9", width: 2 },
  ]);
});

test("a pen's pressure changes the width from 0.5 to 1.5 times", () => {
  const widths = (pressure) => linesOf(drawn([0, 5, 10].map((x) => ({ x, y: 0, pressure })))).map(({ width }) => width);
  assert.deepEqual(widths(0), [1, 1]);
  assert.deepEqual(widths(0.5), [2, 2]);
  assert.deepEqual(widths(1), [3, 3]);
});

test("after a jump of the pressure the width follows gradually", () => {
  const line = drawn([0, 5, 10, 15].map((x) => ({ x, y: 0, pressure: x > 0 ? 1 : 0 })));
  const widths = linesOf(line).map(({ width }) => width);
  assert.deepEqual(widths, [...widths].sort((a, b) => a - b));
  assert.ok(widths[0] < 2 && widths[2] > 2, `${widths}`);
});

test("a tap is a dot", () => {
  assert.deepEqual(linesOf(stroke(7)), [{ path: "M7 0h.01", width: 2 }]);
});

test("curves meet at midpoints and end at the last point", () => {
  const corner = [{ x: 0, y: 0 }, { x: 10, y: 0 }, { x: 10, y: 10 }];
  assert.deepEqual(smoothCurves(corner), [
    { control: { x: 10, y: 0 }, end: { x: 10, y: 5 } },
    { control: { x: 10, y: 10 }, end: { x: 10, y: 10 } },
  ]);
  assert.deepEqual(smoothCurves([{ x: 1, y: 1 }]), []);
});

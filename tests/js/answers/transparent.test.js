import assert from "node:assert/strict";
import test from "node:test";

import { Transparent } from "../../../app/static/js/answers/transparent.js";

/** The control with elements that do what it needs. */
function control() {
  const attributes = { "aria-pressed": "false" };
  const button = {
    hidden: false,
    addEventListener() {},
    getAttribute: (name) => attributes[name],
    setAttribute: (name, value) => (attributes[name] = value),
  };
  const classes = {};
  const square = { classList: { toggle: (name, on) => (classes[name] = on) } };
  return { transparent: new Transparent(button, square, () => {}), classes };
}

test("the state that is saved turns transparent photos on again", () => {
  const before = control().transparent;
  before.toggle();
  const { transparent: after, classes } = control();
  after.state = JSON.parse(JSON.stringify(before.state));
  assert.ok(after.isOn && classes.chequered);
});

test("a model without transparency does not change the state", () => {
  const { transparent } = control();
  transparent.state = true;
  transparent.isOffered = false;
  assert.deepEqual([transparent.isOn, transparent.state], [false, true]);
});

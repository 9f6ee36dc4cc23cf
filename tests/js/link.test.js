import assert from "node:assert/strict";
import { test } from "node:test";

import { readLink, writeLink } from "../../app/static/js/link.js";

test("a link holds the model and the seed", () => {
  assert.equal(writeLink("shoes", { seed: 7 }), "#model=shoes&seed=7");
  assert.deepEqual(readLink("#model=shoes&seed=7"), { model: "shoes", latent: { seed: 7 }, valid: true });
});

test("a link holds the z, to three decimals, where there is no seed", () => {
  const link = writeLink("my shoes & bags", { z: [0.12345, -2, 1e-9] });
  assert.equal(link, "#model=my%20shoes%20%26%20bags&z=0.123,-2,0");
  assert.deepEqual(readLink(link), { model: "my shoes & bags", latent: { z: [0.123, -2, 0] }, valid: true });
});

test("the largest seed and the largest z are read", () => {
  assert.deepEqual(readLink("#seed=2147483647").latent, { seed: 2147483647 });
  assert.deepEqual(readLink("#z=100,-100").latent, { z: [100, -100] });
});

for (const hash of ["", "#"]) {
  test(`"${hash}" has no answer`, () => assert.deepEqual(readLink(hash), { model: null, latent: null, valid: true }));
}

const UNREADABLE = ["seed=", "seed=abc", "seed=-1", "seed=1.5", "seed=2147483648", "seed=99999999999"];
for (const hash of [...UNREADABLE, "z=", "z=1,x", "z=1,,2", "z=1e9", "z=100.1", "z=Infinity", "z=x&seed=1"]) {
  // such links once showed seed 0 without a message
  test(`"#${hash}" cannot be read`, () => assert.deepEqual(readLink(`#${hash}`), { model: null, latent: null, valid: false }));
}

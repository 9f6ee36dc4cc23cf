import assert from "node:assert/strict";
import { test } from "node:test";

import { Sharp } from "../../../app/static/js/answers/sharp.js";

/** Runs all pending callbacks. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A Sharp whose waits and copies the test completes. */
function harness() {
  const image = { hidden: true, src: "", getAttribute: () => image.src };
  const [rests, copies] = [[], []];
  const sharp = new Sharp(
    image,
    (photo) => new Promise((resolve, reject) => copies.push({ photo, resolve, reject })),
    () => new Promise((resolve) => rests.push(resolve)),
  );
  return { sharp, image, rests, copies };
}

test("a copy is made once the photo has rested", async () => {
  const { sharp, image, rests, copies } = harness();
  sharp.show("photo");
  sharp.show("photo");
  assert.equal(rests.length, 1);
  assert.equal(copies.length, 0);
  rests[0]();
  await settle();
  copies[0].resolve("copy");
  await settle();
  assert.deepEqual([image.hidden, image.src], [false, "copy"]);
});

test("a photo that changes before it has rested is not copied", async () => {
  const { sharp, rests, copies } = harness();
  sharp.show("old");
  sharp.show(null);
  sharp.show("new");
  rests.forEach((rest) => rest());
  await settle();
  assert.deepEqual(copies.map(({ photo }) => photo), ["new"]);
});

test("a copy that comes late is not shown, and a shown one is hidden once the photo changes", async () => {
  const { sharp, image, rests, copies } = harness();
  sharp.show("old");
  rests[0]();
  await settle();
  sharp.show("new");
  copies[0].resolve("copy of old");
  await settle();
  assert.equal(image.hidden, true);
  rests[1]();
  await settle();
  copies[1].resolve("copy of new");
  await settle();
  assert.equal(image.hidden, false);
  sharp.show(null);
  assert.equal(image.hidden, true);
});

test("without a copy the photo stays", async () => {
  const { sharp, image, rests, copies } = harness();
  sharp.show("photo");
  rests[0]();
  await settle();
  copies[0].reject(new Error("busy"));
  await settle();
  assert.equal(image.hidden, true);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { Answers } from "../../../app/static/js/answers/answers.js";
import { Pictures } from "../../../app/static/js/answers/pictures.js";

function setUp() {
  const answers = new Answers();
  answers.reset(4, [{ vector: [1], attribute: "hue", effect: 1, share: 1 }], null);
  const morph = { picture: null };
  return { answers, morph, pictures: new Pictures(answers, morph) };
}

/** @param {Pictures} pictures */
function keepAll(pictures) {
  for (const one of pictures.stale()) pictures.keep(one, { z: [one.latent.seed ?? one.latent.z[0]], url: `url ${one.key}` });
}

/** @param {Pictures} pictures */
const stalePlaces = (pictures) => pictures.stale().map(({ place }) => place);

test("all pictures are stale after a change of the drawing, the large one first", () => {
  const { answers, pictures } = setUp();
  answers.choose(2);
  assert.deepEqual(stalePlaces(pictures), [2, 0, 1, 3]);
  keepAll(pictures);
  assert.deepEqual(stalePlaces(pictures), []);
  pictures.expire();
  assert.deepEqual(stalePlaces(pictures), [2, 0, 1, 3]);
  assert.ok(pictures.large.url, "the old one is shown until a new one has come");
});

test("only changed pictures are stale", () => {
  const { answers, pictures } = setUp();
  keepAll(pictures);
  answers.move(0, 1);
  assert.deepEqual(pictures.stale().map(({ place, latent }) => [place, latent]), [[0, { z: [1] }]]);
  keepAll(pictures);
  answers.togglePin();
  answers.reseed(9);
  assert.deepEqual(stalePlaces(pictures), [1, 2, 3]);
});

test("a picture of a replaced answer is dropped", () => {
  const { answers, pictures } = setUp();
  const [first] = pictures.stale();
  answers.reseed(9);
  pictures.keep(first, { z: [0], url: "late" });
  assert.equal(pictures.at(0), null);
});

test("a picture of an earlier drawing is kept, but is stale", () => {
  const { pictures } = setUp();
  const [first] = pictures.stale();
  pictures.expire();
  pictures.keep(first, { z: [0], url: "a little late" });
  assert.equal(pictures.large.url, "a little late");
  assert.ok(stalePlaces(pictures).includes(0));
});

test("between two answers, the morph's picture is the large one, and follows the drawing", () => {
  const { morph, pictures } = setUp();
  keepAll(pictures);
  morph.picture = { z: [0.5], url: "frame" };
  pictures.keepMorph();
  assert.equal(pictures.large.url, "frame");
  assert.deepEqual(stalePlaces(pictures), []);
  pictures.expire();
  morph.picture = { z: [0.5], url: "" };
  pictures.keepMorph();
  assert.equal(pictures.stale()[0].place, "between");
  keepAll(pictures);
  assert.notEqual(pictures.large.url, "frame");
  const [between] = [{ place: "between", latent: { z: [0.5] }, key: "" }];
  morph.picture = null;
  pictures.keep(between, { z: [0.5], url: "late" });
  assert.equal(pictures.large, pictures.at(0));
});

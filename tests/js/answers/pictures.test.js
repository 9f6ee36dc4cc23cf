import assert from "node:assert/strict";
import { test } from "node:test";

import { Answers } from "../../../app/static/js/answers/answers.js";
import { Pictures } from "../../../app/static/js/answers/pictures.js";

function world() {
  const answers = new Answers();
  answers.begin(4, [{ vector: [1], attribute: "hue", effect: 1, share: 1 }], null);
  const morph = { picture: null };
  return { answers, morph, pictures: new Pictures(answers, morph) };
}

/** @param {Pictures} pictures */
function answerAll(pictures) {
  for (const one of pictures.due()) pictures.keep(one, { z: [one.latent.seed ?? one.latent.z[0]], url: `url ${one.key}` });
}

/** @param {Pictures} pictures */
const duePlaces = (pictures) => pictures.due().map(({ place }) => place);

test("all pictures are due after a change of the drawing, the large one first", () => {
  const { answers, pictures } = world();
  answers.choose(2);
  assert.deepEqual(duePlaces(pictures), [2, 0, 1, 3]);
  answerAll(pictures);
  assert.deepEqual(duePlaces(pictures), []);
  pictures.expire();
  assert.deepEqual(duePlaces(pictures), [2, 0, 1, 3]);
  assert.ok(pictures.large.url, "the old one is shown until there is another");
});

test("only what changed is due", () => {
  const { answers, pictures } = world();
  answerAll(pictures);
  answers.move(0, 1);
  assert.deepEqual(pictures.due().map(({ place, latent }) => [place, latent]), [[0, { z: [1] }]]);
  answerAll(pictures);
  answers.togglePin();
  answers.reseed(9);
  assert.deepEqual(duePlaces(pictures), [1, 2, 3]);
});

test("a picture of an answer that was replaced meanwhile is dropped", () => {
  const { answers, pictures } = world();
  const [first] = pictures.due();
  answers.reseed(9);
  pictures.keep(first, { z: [0], url: "late" });
  assert.equal(pictures.at(0), null);
});

test("a picture of a drawing before is kept, but is still due", () => {
  const { pictures } = world();
  const [first] = pictures.due();
  pictures.expire();
  pictures.keep(first, { z: [0], url: "a little late" });
  assert.equal(pictures.large.url, "a little late");
  assert.ok(duePlaces(pictures).includes(0));
});

test("between two answers, the morph's picture is the large one, and follows the drawing", () => {
  const { morph, pictures } = world();
  answerAll(pictures);
  morph.picture = { z: [0.5], url: "frame" };
  pictures.keepMorph();
  assert.equal(pictures.large.url, "frame");
  assert.deepEqual(duePlaces(pictures), []);
  pictures.expire();
  morph.picture = { z: [0.5], url: "" };
  pictures.keepMorph();
  assert.equal(pictures.due()[0].place, "between");
  answerAll(pictures);
  assert.notEqual(pictures.large.url, "frame");
  const [between] = [{ place: "between", latent: { z: [0.5] }, key: "" }];
  morph.picture = null;
  pictures.keep(between, { z: [0.5], url: "late" });
  assert.equal(pictures.large, pictures.at(0));
});

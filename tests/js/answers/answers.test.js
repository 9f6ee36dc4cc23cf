import assert from "node:assert/strict";
import { test } from "node:test";

import { Answers } from "../../../app/static/js/answers/answers.js";

const DIRECTIONS = [
  { vector: [1, 0], attribute: "lightness", effect: 1, share: 0.7 },
  { vector: [0, -1], attribute: "hue", effect: 1, share: 0.3 },
];

/** @param {import("../../../app/static/js/client.js").Latent | null} [latent] */
function four(latent = null) {
  const answers = new Answers();
  answers.begin(4, DIRECTIONS, latent);
  return answers;
}

/** @param {Answers} answers */
const latents = (answers) => answers.all.map((_, i) => answers.latent(i));

test("the answers are those of a seed and the three after it, round the end", () => {
  assert.deepEqual(latents(four()), [{ seed: 0 }, { seed: 1 }, { seed: 2 }, { seed: 3 }]);
  const last = 2 ** 31 - 1;
  assert.deepEqual(latents(four({ seed: last })), [{ seed: last }, { seed: 0 }, { seed: 1 }, { seed: 2 }]);
});

test("a pinned answer keeps its z while the others change", () => {
  const answers = four();
  answers.choose(1);
  answers.togglePin();
  answers.reseed(70);
  assert.deepEqual(latents(answers), [{ seed: 70 }, { seed: 1 }, { seed: 71 }, { seed: 72 }]);
  assert.equal(answers.chosen, 1);
  assert.ok(answers.show({ seed: 75 }));
  assert.equal(answers.chosen, 0);
  assert.deepEqual(latents(answers), [{ seed: 75 }, { seed: 1 }, { seed: 76 }, { seed: 77 }]);
  assert.ok(answers.show({ z: [3, 4] }));
  assert.deepEqual(answers.latent(answers.chosen), { z: [3, 4] });
  answers.togglePin();
  answers.choose(1);
  answers.togglePin();
  answers.reseed(80);
  assert.deepEqual(answers.latent(1), { seed: 81 });
});

test("what is left of a model with another number of z is not brought back", () => {
  const answers = four();
  answers.tell(0, [1, 2]);
  answers.move(0, 1);
  const left = answers.state;
  assert.ok(four().restore(left, 2));
  const others = four();
  assert.ok(!others.restore(left, 3));
  assert.deepEqual(latents(others), latents(four()));
});

test("seeds that are given are taken in their order", () => {
  const answers = four();
  pinAll(answers, [1]);
  answers.reseed(70, [70, 91, 75, 99]);
  assert.deepEqual(latents(answers), [{ seed: 70 }, { seed: 1 }, { seed: 91 }, { seed: 75 }]);
});

/** @param {Answers} answers @param {number[]} which  the last one stays chosen */
function pinAll(answers, which) {
  for (const i of which) {
    answers.choose(i);
    answers.togglePin();
  }
}

test("where all are pinned, nothing is replaced", () => {
  const answers = four();
  pinAll(answers, [0, 1, 2, 3]);
  assert.equal(answers.reseed(9), false);
  assert.equal(answers.add([5, 6], "mix"), false);
  assert.deepEqual(latents(answers), [{ seed: 0 }, { seed: 1 }, { seed: 2 }, { seed: 3 }]);
  assert.equal(answers.canTakeBack, false);
  answers.togglePin();
  assert.equal(answers.reseed(9), true);
  assert.deepEqual(answers.latent(3), { seed: 9 });
});

test("a z takes the only free answer, even the morph's target, never a pinned one", () => {
  const answers = four();
  pinAll(answers, [2, 3, 0]);
  while (answers.target !== 1) answers.retarget();
  assert.equal(answers.add([5, 6], "mix"), true);
  assert.deepEqual(latents(answers), [{ seed: 0 }, { z: [5, 6] }, { seed: 2 }, { seed: 3 }]);
  assert.equal(answers.chosen, 1);
  assert.notEqual(answers.target, 1);
});

test("a z takes the chosen answer where only that one is free", () => {
  const answers = four();
  pinAll(answers, [0, 1, 3]);
  answers.choose(2);
  assert.equal(answers.add([5, 6], "mix"), true);
  assert.deepEqual(latents(answers), [{ seed: 0 }, { seed: 1 }, { z: [5, 6] }, { seed: 3 }]);
});

test("a reroll can be taken back until something else changes", () => {
  const answers = four();
  assert.equal(answers.canTakeBack, false, "what the page begins with is no reroll");
  answers.move(0, 1);
  answers.reseed(50);
  answers.choose(2);
  answers.takeBack();
  assert.deepEqual(latents(answers), [{ seed: 0 }, { seed: 1 }, { seed: 2 }, { seed: 3 }]);
  assert.equal(answers.describe(0), "seed 0, moved");
  assert.equal(answers.canTakeBack, false);
  answers.begin(4, DIRECTIONS, null);
  assert.deepEqual(answers.latent(0), { seed: 0 }, "the seeds to begin with come back, too");
  for (const change of [() => answers.togglePin(), () => answers.move(0, 1), () => answers.add([1, 2], "mix"), () => answers.settle()]) {
    answers.reseed(60);
    assert.ok(answers.canTakeBack);
    change();
    assert.equal(answers.canTakeBack, false);
  }
});

test("a direction ends where no photo of the training lies; an answer beyond is not moved further", () => {
  const answers = four({ z: [1, -4] });
  answers.move(0, 2.5);
  answers.move(1, 2.5);
  assert.deepEqual(answers.latent(0), { z: [2.5, -4] });
  answers.move(0, -2.5);
  answers.move(1, -2.5);
  assert.deepEqual(answers.latent(0), { z: [-1.5, -1.5] });
});

test("what a link names has an origin, until it is replaced", () => {
  for (const latent of [{ seed: 42 }, { z: [1, 2] }]) {
    const answers = four(latent);
    assert.deepEqual(answers.all.map(({ origin }) => origin), ["from link", "", "", ""]);
    if (answers.all[0].pinned) answers.togglePin();
    answers.reseed(7);
    assert.equal(answers.all[0].origin, "");
  }
  assert.equal(four().all[0].origin, "");
});

test("a morph leads to a pinned answer, else to the one that was chosen before", () => {
  const answers = four();
  assert.deepEqual([answers.chosen, answers.target], [0, 1]);
  answers.choose(2);
  assert.equal(answers.target, 0);
  answers.togglePin();
  answers.choose(1);
  assert.equal(answers.target, 2);
  answers.choose(3);
  assert.equal(answers.target, 2);
  answers.choose(3);
  answers.choose(7);
  assert.deepEqual([answers.chosen, answers.target], [3, 2]);
});

test("the target goes round the other answers", () => {
  const answers = four();
  answers.choose(2);
  const seen = [1, 2, 3].map(() => {
    answers.retarget();
    return answers.target;
  });
  assert.deepEqual(seen, [1, 3, 0]);
});

test("a z is added pinned and chosen, in the place of neither end of the morph", () => {
  const answers = four();
  answers.add([5, 6], "from photo", "blob:1");
  assert.deepEqual([answers.chosen, answers.target], [3, 0]);
  assert.deepEqual(answers.latent(3), { z: [5, 6] });
  assert.equal(answers.describe(3), "from photo");
  answers.reseed(40);
  assert.deepEqual(latents(answers), [{ seed: 40 }, { seed: 41 }, { seed: 42 }, { z: [5, 6] }]);
  answers.add([7, 8], "mix");
  assert.deepEqual([answers.chosen, answers.target], [2, 3]);
});

test("moving waits for the z of a seed, adds the directions, and can be taken back", () => {
  const answers = four();
  answers.tell(0, [1, -2]);
  answers.move(0, 1.5);
  answers.move(1, -1);
  assert.deepEqual(answers.latent(0), { z: [2.5, -1] });
  assert.equal(answers.describe(0), "seed 0, moved");
  answers.tell(0, [2.5, -1]);
  answers.move(0, 0);
  assert.deepEqual(answers.latent(0), { z: [1, -1] }, "what is told of a moved answer is not where it began");
  answers.move(1, 0);
  assert.deepEqual(answers.latent(0), { seed: 0 });
  answers.reseed(3);
  answers.move(0, 2);
  assert.deepEqual(answers.latent(0), { seed: 3 });
});

test("a link's z is the first answer, pinned; another model knows nothing of it but the seeds", () => {
  const answers = four({ z: [1, 2] });
  assert.deepEqual(latents(answers), [{ z: [1, 2] }, { seed: 0 }, { seed: 1 }, { seed: 2 }]);
  assert.ok(answers.all[0].pinned);
  answers.reseed(30);
  answers.begin(4, [], null);
  assert.deepEqual(latents(answers), [{ seed: 30 }, { seed: 31 }, { seed: 32 }, { seed: 33 }]);
});

test("a model without z has one answer", () => {
  const answers = new Answers();
  answers.begin(1, [], null);
  answers.choose(1);
  assert.deepEqual([latents(answers), answers.chosen, answers.target], [[{ seed: 0 }], 0, 0]);
});

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
  answers.reset(4, DIRECTIONS, latent);
  return answers;
}

/** @param {Answers} answers */
const latents = (answers) => answers.all.map((_, i) => answers.latent(i));

test("the answers are a seed and the three after it; 0 follows the largest", () => {
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
  assert.ok(answers.showSeed(75));
  assert.equal(answers.chosen, 0);
  assert.deepEqual(latents(answers), [{ seed: 75 }, { seed: 1 }, { seed: 76 }, { seed: 77 }]);
  assert.ok(answers.add([3, 4], "mix"));
  assert.deepEqual(answers.latent(answers.chosen), { z: [3, 4] });
  answers.togglePin();
  answers.choose(1);
  answers.togglePin();
  answers.reseed(80);
  assert.deepEqual(answers.latent(1), { seed: 81 });
});

test("a saved state with another latent size is not restored", () => {
  const answers = four();
  answers.setZ(0, [1, 2]);
  answers.move(0, 1);
  const saved = answers.state;
  assert.ok(four().restore(saved, 2));
  const others = four();
  assert.ok(!others.restore(saved, 3));
  assert.deepEqual(latents(others), latents(four()));
});

test("given seeds are used in order", () => {
  const answers = four();
  pinAll(answers, [1]);
  answers.reseed(70, [70, 91, 75, 99]);
  assert.deepEqual(latents(answers), [{ seed: 70 }, { seed: 1 }, { seed: 91 }, { seed: 75 }]);
});

test("the first answers get seeds that differ, except the first of them, and that cannot be undone", () => {
  const answers = four();
  answers.setZ(0, [1, 2]);
  answers.spread([0, 41, 7, 23]);
  assert.deepEqual(latents(answers), [{ seed: 0 }, { seed: 41 }, { seed: 7 }, { seed: 23 }]);
  assert.deepEqual(answers.all.map(({ z }) => z), [[1, 2], null, null, null], "its photo may have come");
  assert.equal(answers.canUndoReseed, false);
});

/** @param {Answers} answers @param {number[]} which  the last one is chosen afterwards */
function pinAll(answers, which) {
  for (const i of which) {
    answers.choose(i);
    answers.togglePin();
  }
}

test("if all are pinned, nothing is replaced", () => {
  const answers = four();
  pinAll(answers, [0, 1, 2, 3]);
  assert.equal(answers.reseed(9), false);
  assert.equal(answers.add([5, 6], "mix"), false);
  assert.deepEqual(latents(answers), [{ seed: 0 }, { seed: 1 }, { seed: 2 }, { seed: 3 }]);
  assert.equal(answers.canUndoReseed, false);
  answers.togglePin();
  assert.equal(answers.reseed(9), true);
  assert.deepEqual(answers.latent(3), { seed: 9 });
});

test("a z replaces the only unpinned answer, even the morph's target", () => {
  const answers = four();
  pinAll(answers, [2, 3, 0]);
  while (answers.target !== 1) answers.nextTarget();
  assert.equal(answers.add([5, 6], "mix"), true);
  assert.deepEqual(latents(answers), [{ seed: 0 }, { z: [5, 6] }, { seed: 2 }, { seed: 3 }]);
  assert.equal(answers.chosen, 1);
  assert.notEqual(answers.target, 1);
});

test("a z replaces the chosen answer if all others are pinned", () => {
  const answers = four();
  pinAll(answers, [0, 1, 3]);
  answers.choose(2);
  assert.equal(answers.add([5, 6], "mix"), true);
  assert.deepEqual(latents(answers), [{ seed: 0 }, { seed: 1 }, { z: [5, 6] }, { seed: 3 }]);
});

test("a reroll can be undone until another change", () => {
  const answers = four();
  assert.equal(answers.canUndoReseed, false, "the initial answers are no reroll");
  answers.move(0, 1);
  answers.reseed(50);
  answers.choose(2);
  answers.undoReseed();
  assert.deepEqual(latents(answers), [{ seed: 0 }, { seed: 1 }, { seed: 2 }, { seed: 3 }]);
  assert.equal(answers.describe(0), "seed 0, moved");
  assert.equal(answers.canUndoReseed, false);
  answers.reset(4, DIRECTIONS, null);
  assert.deepEqual(answers.latent(0), { seed: 0 }, "the first seed is restored, too");
  for (const change of [() => answers.togglePin(), () => answers.move(0, 1), () => answers.add([1, 2], "mix"), () => answers.forgetReseed()]) {
    answers.reseed(60);
    assert.ok(answers.canUndoReseed);
    change();
    assert.equal(answers.canUndoReseed, false);
  }
});

test("a move stays within the range of the training photos; an answer beyond it is not moved further", () => {
  const answers = four({ z: [1, -4] });
  answers.move(0, 2.5);
  answers.move(1, 2.5);
  assert.deepEqual(answers.latent(0), { z: [2.5, -4] });
  answers.move(0, -2.5);
  answers.move(1, -2.5);
  assert.deepEqual(answers.latent(0), { z: [-1.5, -1.5] });
});

test("an answer from a link has an origin until it is replaced", () => {
  for (const latent of [{ seed: 42 }, { z: [1, 2] }]) {
    const answers = four(latent);
    assert.deepEqual(answers.all.map(({ origin }) => origin), ["from link", "", "", ""]);
    if (answers.all[0].pinned) answers.togglePin();
    answers.reseed(7);
    assert.equal(answers.all[0].origin, "");
  }
  assert.equal(four().all[0].origin, "");
});

test("the morph's target is a pinned answer, else the one that was chosen before", () => {
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

test("the target cycles through the other answers", () => {
  const answers = four();
  answers.choose(2);
  const seen = [1, 2, 3].map(() => {
    answers.nextTarget();
    return answers.target;
  });
  assert.deepEqual(seen, [1, 3, 0]);
});

test("a z is added pinned and chosen, and replaces no end of the morph", () => {
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

test("a move waits for the z of a seed, adds the directions, and can be undone", () => {
  const answers = four();
  answers.setZ(0, [1, -2]);
  answers.move(0, 1.5);
  answers.move(1, -1);
  assert.deepEqual(answers.latent(0), { z: [2.5, -1] });
  assert.equal(answers.describe(0), "seed 0, moved");
  answers.setZ(0, [2.5, -1]);
  answers.move(0, 0);
  assert.deepEqual(answers.latent(0), { z: [1, -1] }, "the z of a moved answer is not recorded");
  answers.move(1, 0);
  assert.deepEqual(answers.latent(0), { seed: 0 });
  answers.reseed(3);
  answers.move(0, 2);
  assert.deepEqual(answers.latent(0), { seed: 3 });
});

test("a link's z is the first answer, pinned; another model keeps only the seeds", () => {
  const answers = four({ z: [1, 2] });
  assert.deepEqual(latents(answers), [{ z: [1, 2] }, { seed: 0 }, { seed: 1 }, { seed: 2 }]);
  assert.ok(answers.all[0].pinned);
  answers.reseed(30);
  answers.reset(4, [], null);
  assert.deepEqual(latents(answers), [{ seed: 30 }, { seed: 31 }, { seed: 32 }, { seed: 33 }]);
});

test("a model without z has one answer", () => {
  const answers = new Answers();
  answers.reset(1, [], null);
  answers.choose(1);
  assert.deepEqual([latents(answers), answers.chosen, answers.target], [[{ seed: 0 }], 0, 0]);
});

test("a kept look takes the place of an unpinned answer, or is the answer that has it", () => {
  const answers = four();
  answers.choose(1);
  answers.togglePin();
  assert.ok(answers.useKept({ z: [5, 6] }));
  assert.deepEqual(latents(answers), [{ seed: 0 }, { seed: 1 }, { seed: 2 }, { z: [5, 6] }]);
  assert.deepEqual([answers.chosen, answers.all[3].pinned, answers.describe(3)], [3, false, "from shelf"]);
  assert.ok(answers.useKept({ seed: 2 }));
  assert.equal(answers.chosen, 2);
  pinAll(answers, [0, 3, 2]);
  assert.ok(answers.useKept({ z: [5, 6] }));
  assert.equal(answers.useKept({ seed: 9 }), false);
  assert.equal(answers.chosen, 3);
});

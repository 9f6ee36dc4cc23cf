// Wires the page together.

import { Answers } from "./answers.js";
import { SketchPad } from "./canvas.js";
import { Client, MAX_SEED } from "./client.js";
import { Directions } from "./directions.js";
import { Drawing } from "./drawing.js";
import { makeThumbnail, offerFile, takeDrops } from "./files.js";
import { LatestWins } from "./latest_wins.js";
import { shareLink, takeLinks } from "./link.js";
import { Looseness } from "./looseness.js";
import { ModelMenu } from "./menu.js";
import { Morph } from "./morph.js";
import { Pace } from "./pace.js";
import { Pictures } from "./pictures.js";
import { Realism } from "./realism.js";
import { Result } from "./result.js";
import { takeKeys } from "./shortcuts.js";
import { complain, explain, say } from "./status.js";
import { Tools } from "./tools.js";

const REROLLED_SEEDS = 1_000_000; // short enough to be read out

/** @param {string} id */
const $ = (id) => document.getElementById(id);

const client = new Client();
const pace = new Pace();
const drawing = new Drawing();
/** Whether there is anything on the paper, as far as is known. */
let inked = false;

const menu = new ModelMenu($("model"), () => begin(null));
const tools = new Tools({
  buttons: { brush: $("brush"), eraser: $("eraser") },
  slider: $("width"),
  ring: $("ring"),
  paper: $("sketch"),
});
const pad = new SketchPad($("sketch"), drawing, { tool: () => tools.current, onChange: redrawn });
const looseness = new Looseness({ group: $("looseness"), slider: $("loose"), auto: $("auto") }, redrawn);
const realism = new Realism({ button: $("realism"), overlay: $("map"), legend: $("legend") }, askAgain);
const answers = new Answers();
const morph = new Morph($("morph"), {
  ask() {
    const question = currentQuestion();
    return question && { ...question, from: answers.latent(answers.chosen), to: answers.latent(answers.target) };
  },
  load: (walk) => client.interpolate({ ...walk, steps: pace.frames }),
  onMove() {
    pictures.keepMorph();
    show();
  },
  onProblem: explain,
});
const pictures = new Pictures(answers, morph);
const result = new Result(answers, pictures, (i) => changeAnswers(() => answers.choose(i)));
const directions = new Directions($("directions"), $("direction"), (direction, amount) =>
  changeAnswers(() => answers.move(direction, amount)),
);

const live = new LatestWins({
  snapshot() {
    const question = currentQuestion();
    if (!question) forgetPictures();
    const wanted = question ? due() : [];
    return wanted.length > 0 ? { question, wanted } : null;
  },
  async ask({ question, wanted }) {
    const answer = await client.translate({ ...question, latents: wanted.map(({ latent }) => latent) });
    return { ...answer, wanted };
  },
  onResult(answer) {
    pace.note(answer.pictures.length, answer.elapsedMs);
    answer.wanted.forEach((one, i) => pictures.keep(one, answer.pictures[i]));
    looseness.show(answer);
    $("latency").textContent = `${Math.round(answer.elapsedMs)} ms`;
    complain("");
    show();
  },
  onNothing: show,
  onProblem: explain,
});

/** @returns {import("./client.js").Question | null} null while there is nothing to ask */
function currentQuestion() {
  const sketch = pad.export();
  return sketch && { model: menu.current.name, sketch, loose: looseness.asked, ...(realism.asked && { realism: true }) };
}

/** What to ask for now: all that is out of date, but only the large picture where a pen would outrun the rest. */
function due() {
  const stale = pictures.due();
  if (!pad.isDrawing || pace.isLive(stale.length)) return stale;
  return stale.filter(({ place }) => place === pictures.front);
}

/** The drawing, the looseness or the model changed. */
function redrawn() {
  pictures.expire();
  morph.expire();
  answers.settle();
  const blank = drawing.items.length === 0 && !pad.isDrawing;
  $("hint").hidden = !blank;
  showUndo();
  $("redo").disabled = !drawing.canRedo;
  $("clear").disabled = drawing.items.length === 0;
  pad.refresh();
  if (!menu.isReady) return;
  inked = !blank;
  if (blank) {
    live.withdraw();
    forgetPictures();
    complain("");
  } else live.refresh();
  show();
}

/** The drawing is as it was, but what is to be known of its photos is not. */
function askAgain() {
  if (realism.asked) {
    pictures.expire();
    morph.expire();
    if (inked) live.refresh();
  }
  show();
}

/** @param {() => boolean | void} change  false where there is no answer that may be replaced */
function changeAnswers(change) {
  if (!menu.isReady) return;
  const done = change() !== false;
  complain(done ? "" : "All answers are pinned: let one go first.");
  if (done) morph.reset();
  if (done && inked) live.refresh();
  showUndo();
  show();
}

function forgetPictures() {
  inked = false;
  pictures.clear();
  morph.reset();
}

function showUndo() {
  $("undo").disabled = !drawing.canUndo && !answers.canTakeBack;
}

/** Show everything as it is now. */
function show() {
  result.show();
  realism.show(pictures.large);
  const chosen = answers.all[answers.chosen];
  directions.show(chosen.moves, chosen.z !== null && !pictures.isEmpty);
  shareLink(menu.current.name, currentLatent());
  if (!inked) {
    $("latency").textContent = "";
    say("empty", "Waiting for your first stroke");
  } else if (due().length > 0 || (morph.position > 0 && !morph.picture)) say("working", "Making the photo");
  else say("ready", "Photo is up to date");
}

/** What is shown large, as the server knows it. */
function currentLatent() {
  return pictures.front === "between" ? { z: morph.picture.z } : answers.latent(answers.chosen);
}

/** @param {"undo" | "redo" | "clear"} step  undo takes back a reroll, too, where that was the last change */
function change(step) {
  if (pad.isDrawing) return;
  if (step === "undo" && answers.canTakeBack) return changeAnswers(() => answers.takeBack());
  drawing[step]();
  redrawn();
}

/** @param {number} seed */
function setSeed(seed) {
  const wanted = Math.min(Math.max(Math.trunc(seed), 0), MAX_SEED);
  changeAnswers(() => answers.reseed(wanted) && answers.chooseFree());
}

/** Other answers, far apart from each other; where the server does not say which, any. */
async function reroll() {
  if (answers.all.length < 2) return;
  const { name } = menu.current;
  const seed = Math.ceil(Math.random() * REROLLED_SEEDS);
  const seeds = await client.seeds(name, seed, answers.all.length).catch(() => undefined);
  if (menu.current.name === name) changeAnswers(() => answers.reseed(seed, seeds));
}

/** Pin the chosen answer or let it go; a mix becomes an answer. */
function pin() {
  if (answers.all.length < 2) return;
  const [mix, { large }] = [morph.picture, pictures];
  changeAnswers(() => {
    if (!mix) return answers.togglePin();
    return answers.add(mix.z, "mix") && pictures.showMeanwhile(answers.chosen, large);
  });
}

/** @param {File} file */
async function openSketch(file) {
  try {
    const image = await createImageBitmap(await client.openSketch(file));
    complain("");
    drawing.add({ kind: "picture", image });
    redrawn();
  } catch (problem) {
    complain(`${file.name} could not be opened. ${problem.message}`);
  }
}

/** @param {File} file */
async function borrowLook(file) {
  const { name } = menu.current;
  say("working", "Reading the photo");
  try {
    const [z, look] = await Promise.all([client.encode(name, file), makeThumbnail(file)]);
    if (menu.current.name === name) changeAnswers(() => answers.add(z, "from photo", look));
  } catch (problem) {
    show();
    complain(`The look of ${file.name} could not be read. ${problem.message}`);
  }
}

/**
 * Show the answer that the page's address names.
 * @param {import("./link.js").Link} link
 */
function followLink({ model, latent, readable }) {
  const known = model === null || menu.pick(model);
  const size = menu.current.latent_size;
  const fits = latent === null || "seed" in latent || latent.z.length === size;
  begin(known && fits ? latent : null);
  if (!known) complain(`This link is for a model that is not here: ${model}.`);
  else if (!readable) complain("This link has no seed or z that can be read.");
  else if (!fits) complain("This link does not fit the model.");
}

/**
 * Begin with the model that is picked.
 * @param {import("./client.js").Latent | null} latent  of the first answer; null stays with the seeds there were
 */
function begin(latent) {
  const model = menu.current;
  const hasLatent = model.latent_size > 0;
  answers.begin(hasLatent ? result.places : 1, model.directions, latent);
  looseness.offerFor(model);
  realism.offerFor(model);
  directions.offerFor(model.directions);
  for (const id of ["source", "reroll", "pin", "morphing"]) $(id).hidden = !hasLatent;
  $("look").hidden = $("look-hint").hidden = !model.encodes;
  live.withdraw();
  morph.reset();
  redrawn();
}

for (const step of ["undo", "redo", "clear"]) $(step).addEventListener("click", () => change(step));
$("seed").addEventListener("change", () => ($("seed").value === "" ? show() : setSeed(Number($("seed").value))));
$("reroll").addEventListener("click", reroll);
$("pin").addEventListener("click", pin);
$("save").addEventListener("click", () => result.save(menu.current.name));
$("morph-to").addEventListener("click", () => changeAnswers(() => answers.retarget()));
offerFile($("open"), $("file"), openSketch);
offerFile($("look"), $("look-file"), borrowLook);
takeDrops({
  photoSide: $("result"),
  takesLook: () => menu.current?.encodes ?? false,
  onLook: borrowLook,
  onSketch: openSketch,
});
takeKeys({
  undo: () => change("undo"),
  redo: () => change("redo"),
  pick: (tool) => tools.pick(tool),
  widen: (step) => tools.widen(step),
  choose: (i) => changeAnswers(() => answers.choose(i)),
  reroll,
  pin,
  judge: () => realism.toggle(),
});

await menu.fill(
  () => client.models(),
  (problem) => complain(`${problem.message} Trying again…`),
);
if (menu.isReady) {
  takeLinks(followLink);
} else complain("No model is loaded on this server.");

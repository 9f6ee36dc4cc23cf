// Wires the page together.

import { Answers } from "./answers/answers.js";
import { Client, MAX_SEED, ModelRefused } from "./client.js";
import { Directions } from "./answers/directions.js";
import { asDataUrl, loadImage, offerFile, shrink, takeDrops } from "./files.js";
import { LatestWins } from "./answers/latest_wins.js";
import { shareLink, takeLinks } from "./link.js";
import { Memory, recall } from "./persistence.js";
import { ModelMenu } from "./menu.js";
import { Morph } from "./answers/morph.js";
import { offerMenu } from "./popover.js";
import { Pace } from "./answers/latency.js";
import { Translator } from "./device/translator.js";
import { Paper, withImages } from "./drawing/paper.js";
import { insist } from "./retry.js";
import { Pictures } from "./answers/pictures.js";
import { Realism } from "./answers/realism.js";
import { Result } from "./answers/result.js";
import { Shelf } from "./answers/shelf.js";
import { takeKeys } from "./shortcuts.js";
import { complain, explain, relieve, say } from "./status.js";

const REROLLED_SEEDS = 1_000_000; // short enough to be read out
const LOOK_PX = 128; // of the small copy of a photo that lent its look

/** @param {string} id */
const $ = (id) => document.getElementById(id);

const client = new Client();
const translator = new Translator(client, $("on-device"), {
  model: () => (menu.isReady ? menu.current : undefined),
  onProgress: show,
  onChange: makeAnew,
  onProblem: complain,
});
const pace = new Pace();
/** The answers of models that others were picked after, by name. @type {Map<string, Answers["state"]>} */
const former = new Map();
/** The model that the answers are of. */
let begun = "";
/** Whether there is anything on the paper, as far as is known. */
let inked = false;
/** Whether a stroke was growing when the drawing changed last. */
let growing = false;
/** How many pictures were opened: one that is read late must not take the place of a newer one. */
let opened = 0;

const memory = new Memory(states);
const menu = new ModelMenu($("model"), () => begin(null));
const paper = new Paper({ onChange: redrawn, onTrace: () => memory.note(), onExample: replaceDrawing });
const shelf = new Shelf($("shelf"), bringBack);
const realism = new Realism({ button: $("realism"), overlay: $("map"), legend: $("legend") }, askAgain);
const answers = new Answers();
const morph = new Morph($("morph"), {
  ask() {
    const question = currentQuestion();
    return question && { ...question, from: answers.latent(answers.chosen), to: answers.latent(answers.target) };
  },
  load: (walk) => translator.interpolate({ ...walk, steps: pace.frames }),
  onMove() {
    pictures.keepMorph(currentSource());
    show();
  },
  onProblem: explainAsking,
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
    return wanted.length > 0 ? { question, wanted, source: currentSource() } : null;
  },
  async ask({ question, wanted, source }) {
    const answer = await translator.translate({ ...question, latents: wanted.map(({ latent }) => latent) });
    return { ...answer, wanted, source };
  },
  onResult(answer) {
    pace.note(answer.pictures.length, answer.elapsedMs);
    answer.wanted.forEach((one, i) => pictures.keep(one, answer.pictures[i], answer.source));
    $("latency").textContent = `${Math.round(answer.elapsedMs)} ms · ${answer.device ?? menu.current.device}`;
    relieve();
    show();
  },
  onNothing: show,
  onProblem: explainAsking,
});

/** @returns {import("./device/translator.js").FramedQuestion | null} null while there is nothing to ask */
function currentQuestion() {
  const framed = paper.pad.export(menu.current.size_px);
  return framed && { model: menu.current.name, ...framed, ...(realism.asked && { realism: true }) };
}

/** @returns {import("./answers/pictures.js").Source} what pictures are made of that are asked for now */
function currentSource() {
  return { model: menu.current.name, items: paper.drawing.items };
}

/** What to ask for now: all that is out of date, but only the large picture where a pen would outrun the rest. */
function due() {
  const stale = pictures.due();
  if (!paper.isDrawing || pace.isLive(stale.length)) return stale;
  return stale.filter(({ place }) => place === pictures.front);
}

/** The drawing or the model changed. */
function redrawn() {
  const continues = growing;
  growing = paper.isDrawing;
  pictures.expire();
  morph.expire();
  answers.settle();
  showUndo();
  paper.show();
  if (!menu.isReady) return;
  inked = !paper.isBlank;
  if (!inked) {
    live.withdraw();
    forgetPictures();
    relieve();
  } else live.refresh();
  if (!continues) complain(""); // what is said while a stroke grows is to be read after it
  show();
}

/** The drawing is as it was, but what is to be known of its photos is not. */
function askAgain() {
  if (realism.asked) makeAnew();
  else show();
}

/** The same photos again, by somebody else or with more to them. */
function makeAnew() {
  pictures.expire();
  morph.expire();
  if (inked) live.refresh();
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
  $("undo").disabled = paper.drawing.done.length === 0 && !answers.canTakeBack;
}

/** Show everything as it is now. */
function show() {
  result.show();
  realism.show(pictures.large);
  const chosen = answers.all[answers.chosen];
  directions.show(chosen.moves, chosen.z !== null && !pictures.isEmpty);
  shareLink(menu.current.name, currentLatent());
  memory.note();
  $("keep").disabled = pictures.large === null;
  $("session").hidden = shelf.all.length === 0 && pictures.large === null;
  const { progress } = translator;
  if (!inked) {
    $("latency").textContent = "";
    say("empty", progress || "Waiting for your first stroke");
  } else if (live.isWaiting) say("waiting", "Waiting for the server");
  else if (due().length > 0 || (morph.position > 0 && !morph.picture)) say("working", progress || "Making the photo");
  else say("ready", progress || "Photo is up to date");
}

/** What is shown large, as the server knows it. */
function currentLatent() {
  return pictures.front === "between" ? { z: morph.picture.z } : answers.latent(answers.chosen);
}

/** Put what is seen on the shelf, with what it was made of, which the drawing may be past. */
async function keep() {
  const { large } = pictures;
  if (!large) return;
  await shelf.add({ ...large.source, latent: large.latent }, large.url);
  show();
}

/**
 * Draw other things in the place of what is there, which stays on the shelf.
 * @param {import("./drawing/drawing.js").Item[]} items
 */
function replaceDrawing(items) {
  keep();
  paper.drawing.replace(items);
  redrawn();
}

/** @param {import("./answers/shelf.js").Kept} kept */
function bringBack({ model, items, latent }) {
  const isSame = menu.current.name === model;
  if (!menu.pick(model)) return complain(`The model ${model} is not here any more.`);
  keep();
  paper.drawing.replace(items);
  const fitting = fits(latent) ? latent : null;
  if (isSame) redrawn();
  else begin(fitting);
  if (!fitting) complain("The look of this result does not fit the model.");
  else if (isSame) changeAnswers(() => answers.show(fitting)); // those that are pinned stay
}

/** Whether the model that is picked can answer with it. @param {import("./client.js").Latent} latent */
function fits(latent) {
  return "seed" in latent || latent.z.length === menu.current.latent_size;
}

/** @param {"undo" | "redo" | "clear"} step  undo takes back a reroll, too, where that was the last change */
function change(step) {
  if (paper.isDrawing) return;
  if (step === "undo" && answers.canTakeBack) return changeAnswers(() => answers.takeBack());
  if (step === "clear") keep();
  paper.drawing[step]();
  redrawn();
}

/** Download the photo; it is on the shelf, too. */
function save() {
  if (!pictures.large) return;
  keep();
  result.save();
}

/** @param {number} seed */
function setSeed(seed) {
  const wanted = Math.min(Math.max(Math.trunc(seed), 0), MAX_SEED);
  changeAnswers(() => answers.show({ seed: wanted }));
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
  const order = ++opened;
  try {
    const url = await asDataUrl(await insist(() => client.openSketch(file), explainWait));
    const image = await loadImage(url);
    if (order !== opened) return;
    complain("");
    replaceDrawing([{ kind: "picture", url, image }]);
  } catch (problem) {
    if (order === opened) complain(`${file.name} could not be opened. ${problem.message}`);
  }
}

/** @param {File} file */
async function traceOver(file) {
  try {
    await paper.trace.open(file);
    complain("");
  } catch (problem) {
    complain(`${file.name} could not be opened. ${problem.message}`);
  }
}

/** @param {File} file */
async function borrowLook(file) {
  const { name } = menu.current;
  say("working", "Reading the photo");
  try {
    const [z, look] = await Promise.all([insist(() => client.encode(name, file), explainWait), shrink(file, LOOK_PX)]);
    if (menu.current.name === name) changeAnswers(() => answers.add(z, "from photo", look));
  } catch (problem) {
    show();
    if (problem instanceof ModelRefused) return leaveModel(problem);
    complain(`The look of ${file.name} could not be read. ${problem.message}`);
  }
}

/** @param {Error} problem */
function explainWait(problem) {
  explain(problem, true);
}

/** @param {Error} problem @param {boolean} retrying */
function explainAsking(problem, retrying) {
  if (problem instanceof ModelRefused) return leaveModel(problem);
  const lack = retrying ? translator.missingModel : "";
  explain(lack ? new Error(`${problem.message} ${lack}`) : problem, retrying);
}

/**
 * Go on with another model where the server has the picked one no more.
 * @param {ModelRefused} refusal
 */
async function leaveModel(refusal) {
  if (!menu.isReady) return; // under way
  const { name, title } = menu.current;
  await menu.fill(() => client.models(), explainWait);
  if (menu.current.name === name) return explain(refusal, false); // nothing would end asking again
  begin(null);
  complain(`The model ${title} is no longer there: ${menu.current.title} goes on.`);
}

/**
 * Show the answer that the page's address names.
 * @param {import("./link.js").Link} link
 */
function followLink({ model, latent, readable }) {
  const known = model === null || menu.pick(model);
  const fitting = latent !== null && fits(latent) ? latent : null;
  begin(known ? fitting : null);
  if (!known) complain(`This link is for a model that is not here: ${model}.`);
  else if (!readable) complain("This link has no seed or z that can be read.");
  else if (latent !== null && !fitting) complain("This link does not fit the model.");
}

/**
 * Begin with the model that is picked.
 * @param {import("./client.js").Latent | null} latent  of the first answer; null stays with the seeds there were
 * @param {import("./answers/answers.js").Answers["state"]} [left]  the answers to go on with: those it was left with
 */
function begin(latent, left) {
  const model = menu.current;
  if (begun) former.set(begun, answers.state);
  if (begun !== model.name) pictures.clear(); // none is to pass for this model's
  begun = model.name;
  left ??= former.get(begun);
  const hasLatent = model.latent_size > 0;
  answers.begin(hasLatent ? result.places : 1, model.directions, latent);
  if (left && !latent) answers.restore(left, model.latent_size);
  realism.offerFor(model);
  directions.offerFor(model.directions);
  paper.offerExamples(model.name);
  for (const id of ["source", "reroll", "pin", "morphing"]) $(id).hidden = !hasLatent;
  $("look").hidden = $("look-hint").hidden = !model.encodes;
  live.withdraw();
  morph.reset();
  redrawn();
  translator.loadModel();
}

/** What there is to remember, fullest first. */
function states() {
  if (!menu.isReady) return [];
  const question = { address: location.hash, model: menu.current.name, answers: answers.state };
  const { done, undone, ...tools } = paper.state;
  const blank = { url: "", strength: tools.trace.strength };
  return [
    { ...question, paper: { done, undone, ...tools }, shelf: shelf.all },
    { ...question, paper: { done: paper.drawing.items, undone: [], ...tools, trace: blank }, shelf: [] },
  ];
}

/**
 * Go on where the page was left, if it was.
 * @returns {Promise<{address: string, trouble: string}>} the address that it had, and what did not come back
 */
async function restore() {
  const left = recall();
  let trouble = "";
  try {
    if (left) {
      await paper.restore(left.paper);
      shelf.restore(await Promise.all(left.shelf.map(async (kept) => ({ ...kept, items: await withImages(kept.items) }))));
    }
  } catch (problem) {
    trouble = `What was here before could not be brought back. ${problem.message}`;
  }
  begin(null, left && menu.pick(left.model) ? left.answers : undefined);
  return { address: left?.address ?? "", trouble };
}

for (const step of ["undo", "redo", "clear"]) $(step).addEventListener("click", () => change(step));
$("seed").addEventListener("change", () => ($("seed").value === "" ? show() : setSeed(Number($("seed").value))));
$("reroll").addEventListener("click", reroll);
$("pin").addEventListener("click", pin);
$("keep").addEventListener("click", keep);
$("save").addEventListener("click", save);
$("save-png").addEventListener("click", () => paper.save("png", `${menu.current.name}-sketch`));
$("save-svg").addEventListener("click", () => paper.save("svg", `${menu.current.name}-sketch`));
$("help-open").addEventListener("click", () => $("help").showModal());
$("morph-to").addEventListener("click", () => changeAnswers(() => answers.retarget()));
offerMenu($("more"), $("menu"));
offerFile($("open"), $("file"), openSketch);
offerFile($("trace-open"), $("trace-file"), traceOver);
offerFile($("look"), $("look-file"), borrowLook);
takeDrops({
  photoSide: $("result"),
  takesLook: () => menu.current?.encodes ?? false,
  onLook: borrowLook,
  onSketch: openSketch,
});
takeKeys(
  {
    undo: () => change("undo"),
    redo: () => change("redo"),
    brush: () => paper.tools.pick("brush"),
    eraser: () => paper.tools.pick("eraser"),
    thinner: () => paper.tools.widen(-1),
    wider: () => paper.tools.widen(1),
    mirror: () => paper.tools.toggleMirror(),
    smooth: () => paper.tools.toggleSmooth(),
    zoomIn: () => $("zoom-in").click(),
    zoomOut: () => $("zoom-out").click(),
    fit: () => paper.view.fit(),
    reroll,
    pin,
    judge: () => realism.toggle(),
    keep,
    save,
    help: () => $("help").showModal(),
  },
  (i) => changeAnswers(() => answers.choose(i)),
);

await menu.fill(
  () => client.models(),
  (problem) => complain(`${problem.message} Trying again…`),
);
complain("");
const { address, trouble } = await restore();
takeLinks(followLink, address);
if (trouble) complain(trouble);

// Connects the parts of the page.

import { Answers } from "./answers/answers.js";
import { Directions } from "./answers/directions.js";
import { takeColour } from "./answers/dropper.js";
import { LatestWins } from "./answers/latest_wins.js";
import { Latency } from "./answers/latency.js";
import { Morph } from "./answers/morph.js";
import { Pictures } from "./answers/pictures.js";
import { Realism } from "./answers/realism.js";
import { Result } from "./answers/result.js";
import { LOOKS, makeSheet } from "./answers/sheet.js";
import { Sharp } from "./answers/sharp.js";
import { Shelf } from "./answers/shelf.js";
import { Transparent } from "./answers/transparent.js";
import { Client, MAX_SEED, ModelNotFound } from "./client.js";
import { Translator } from "./device/translator.js";
import { Paper } from "./drawing/paper.js";
import { asPixels, readItems, withImages } from "./drawing/saved.js";
import { asDataUrl, contentOf, download, handleCopies, handleDrops, handlePastes, loadImage, openOnClick, shrink } from "./files.js";
import { updateAddress, watchAddress } from "./link.js";
import { ModelMenu } from "./menu.js";
import { Persistence, loadState } from "./persistence.js";
import { openBeside } from "./popover.js";
import { retry } from "./retry.js";
import { handleKeys } from "./shortcuts.js";
import { clearRequestAlert, showAlert, showRequestProblem, showStatus } from "./status.js";
import { $ } from "./elements.js";
import { clamp } from "./clamp.js";

const MAX_REROLLED_SEED = 1_000_000; // short enough to type
const LOOK_PX = 128; // of the small copy of a photo whose look is used
const [SHARP_PX, LARGE_PX] = [512, 1024]; // of the photo as it is shown and as it is saved large

const client = new Client({ api: new URL("../../api/v1", import.meta.url).pathname });
const translator = new Translator(client, $("on-device"), {
  model: () => (menu.isReady ? menu.current : undefined),
  onProgress: show,
  onChange: regenerate,
  onProblem: showAlert,
});
const latency = new Latency();
/** The answers of the models that were selected before, by name. @type {Map<string, Answers["state"]>} */
const answersOf = new Map();
/** The name of the model that the answers belong to. */
let answersModel = "";
/** The answers that a model starts with, while the server chooses their seeds. @type {Answers["all"] | null} */
let unspread = null;
/** Whether the paper has ink, as far as is known. */
let hasInk = false;
/** Whether a stroke was being drawn at the last change of the drawing. */
let wasDrawing = false;
/** The number of opened pictures. A picture that is read late must not replace a newer one. */
let openedCount = 0;

const persistence = new Persistence(states);
const menu = new ModelMenu($("model"), () => startModel(null));
const paper = new Paper({
  onChange: onDrawingChange,
  onTrace: () => persistence.schedule(),
  onExample: replaceDrawing,
  onOpenArea: () => showAlert("This area is open, so it was not filled. Close the lines around it."),
});
const transparent = new Transparent($("transparent"), $("photo"), regenerate);
const shelf = new Shelf(
  $("shelf"),
  $("kept"),
  (kept) => useKept(kept),
  (kept) => useKept(kept, kept.items),
);
const realism = new Realism({ button: $("realism"), overlay: $("map"), legend: $("legend") }, onRealismChange);
const answers = new Answers();
const morph = new Morph($("morph"), {
  snapshot() {
    const request = sketchRequest();
    return request && { ...request, from: answers.latent(answers.chosen), to: answers.latent(answers.target) };
  },
  send: (request) => translator.interpolate({ ...request, steps: latency.morphFrames }),
  onMove() {
    pictures.keepMorph(currentSource());
    show();
  },
  onProblem: onRequestProblem,
});
const pictures = new Pictures(answers, morph);
const result = new Result(answers, pictures, (i) => changeAnswers(() => answers.choose(i)));
const sharp = new Sharp($("sharp"), ({ latent }) => translator.enlarge({ ...sketchRequest(), latent }, SHARP_PX));
const directions = new Directions($("directions"), $("direction"), (direction, amount) =>
  changeAnswers(() => answers.move(direction, amount)),
);

const live = new LatestWins({
  snapshot() {
    const request = sketchRequest();
    if (!request) clearPictures();
    const wanted = request ? picturesToRequest() : [];
    return wanted.length > 0 ? { request, wanted, source: currentSource() } : null;
  },
  async send({ request, wanted, source }) {
    const answer = await translator.translate({ ...request, latents: wanted.map(({ latent }) => latent) });
    return { ...answer, wanted, source };
  },
  onResult(answer) {
    latency.record(answer.pictures.length, answer.elapsedMs);
    answer.wanted.forEach((one, i) => pictures.keep(one, answer.pictures[i], answer.source));
    $("latency").textContent = `${Math.round(answer.elapsedMs)} ms · ${answer.device ?? menu.current.device}`;
    clearRequestAlert();
    show();
  },
  onNothing: show,
  onProblem: onRequestProblem,
});

/** @returns {import("./device/translator.js").FramedRequest | null} null for blank paper */
function sketchRequest() {
  const { name, size_px, takes_hints } = menu.current;
  const framed = paper.pad.export(size_px);
  if (!framed) return null;
  const { hints, ...sketch } = framed;
  return {
    model: name,
    ...sketch,
    ...(hints && takes_hints && { hints }),
    ...(transparent.isOn && { transparent: true }),
    ...(realism.isOn && { realism: true }),
  };
}

/** @returns {import("./answers/pictures.js").Source} of pictures that are requested now */
function currentSource() {
  return { model: menu.current.name, items: paper.drawing.items };
}

/** All stale pictures; only the large one if all could not follow the pen, or while the others await their seeds. */
function picturesToRequest() {
  const stale = pictures.stale();
  const othersWait = unspread !== null || (paper.isDrawing && !latency.isLive(stale.length));
  return othersWait ? stale.filter(({ place }) => place === pictures.front) : stale;
}

/** The drawing or the model changed. */
function onDrawingChange() {
  const continuesStroke = wasDrawing;
  wasDrawing = paper.isDrawing;
  pictures.expire();
  morph.expire();
  answers.forgetReseed();
  showUndo();
  paper.show();
  if (answersModel === "") return; // no answers yet
  hasInk = !paper.isBlank;
  if (!hasInk) {
    live.cancel();
    clearPictures();
    clearRequestAlert();
  } else live.refresh();
  if (!continuesStroke) showAlert(""); // an alert that appears during a stroke stays until the next one
  show();
}

function onRealismChange() {
  if (realism.isOn) regenerate();
  else show();
}

/** Requests all pictures again, though the drawing is the same. */
function regenerate() {
  pictures.expire();
  morph.expire();
  if (hasInk) live.refresh();
  show();
}

/** @param {() => boolean | void} change  returns false if all answers are pinned */
function changeAnswers(change) {
  if (answersModel === "") return; // no answers yet
  const changed = change() !== false;
  showAlert(changed ? "" : "All answers are pinned. Unpin one first.");
  if (changed) {
    unspread = null;
    morph.reset();
    if (hasInk) live.refresh();
  }
  showUndo();
  show();
}

function clearPictures() {
  hasInk = false;
  pictures.clear();
  morph.reset();
}

function showUndo() {
  $("undo").disabled = paper.drawing.done.length === 0 && !answers.canUndoReseed;
}

/** Shows the current state. */
function show() {
  if (answersModel === "") return; // no answers yet
  result.show();
  sharp.show(isUpToDate() && !translator.isHere ? pictures.large : null);
  realism.show(pictures.large);
  const chosen = answers.all[answers.chosen];
  directions.show(chosen.moves, chosen.z !== null && !pictures.isEmpty);
  updateAddress(menu.current.name, currentLatent());
  persistence.schedule();
  for (const id of ["keep", "dropper", "save-large", "save-sheet"]) $(id).disabled = pictures.large === null;
  $("save-large").hidden = translator.isHere;
  $("session").hidden = shelf.all.length === 0 && pictures.large === null;
  const { progress } = translator;
  if (!hasInk) {
    $("latency").textContent = "";
    const wanted = paper.hasOnlyColours ? "Now draw the lines with the brush" : "Waiting for your first stroke";
    showStatus("empty", progress || wanted);
  } else if (live.isWaiting) showStatus("waiting", "Waiting for the server");
  else if (!isUpToDate()) showStatus("working", progress || "Making the photo");
  else {
    const notice = paper.drawing.items.find(({ kind }) => kind === "picture")?.notice;
    showStatus("ready", progress || notice || "Photo is up to date");
  }
}

/** Whether all pictures show the current drawing. */
function isUpToDate() {
  const morphs = morph.position > 0 && !morph.picture;
  return hasInk && !live.isWaiting && !unspread && !morphs && picturesToRequest().length === 0;
}

/** The latent of the large picture. */
function currentLatent() {
  return pictures.front === "between" ? { z: morph.picture.z } : answers.latent(answers.chosen);
}

/** Keeps the large picture on the shelf, with the drawing that it was made of. That may be older than the current one. */
async function keep() {
  const { large } = pictures;
  if (!large) return;
  await shelf.add({ ...large.source, latent: large.latent }, large.url);
  show();
}

/**
 * Replaces the drawing. The old result stays on the shelf.
 * @param {import("./drawing/drawing.js").Item[]} items
 */
function replaceDrawing(items) {
  keep();
  paper.drawing.replace(items);
  onDrawingChange();
}

/**
 * Uses the model and the look of a kept result.
 * @param {import("./answers/shelf.js").Kept} kept
 * @param {import("./drawing/drawing.js").Item[]} [items]  replace the drawing; by default it stays
 */
function useKept({ model, latent }, items) {
  if (!menu.selectModel(model)) return showAlert(`The server no longer has the model ${model}.`);
  if (items) {
    keep();
    paper.drawing.replace(items);
  }
  if (answersModel !== model) startModel(null);
  else if (items) onDrawingChange();
  if (fits(latent)) changeAnswers(() => answers.useKept(latent)); // pinned answers stay
  else showAlert("The look of this result cannot be used with this model.");
}

/** Whether the selected model can use a latent. @param {import("./client.js").Latent} latent */
function fits(latent) {
  return "seed" in latent || latent.z.length === menu.current.latent_size;
}

/** @param {"undo" | "redo" | "clear"} step  undo also undoes a reroll, if that was the last change */
function change(step) {
  if (paper.isDrawing) return;
  if (step === "undo" && answers.canUndoReseed) return changeAnswers(() => answers.undoReseed());
  if (step === "clear") keep();
  paper.drawing[step]();
  onDrawingChange();
}

/** Downloads the photo and keeps it on the shelf. */
function save() {
  if (!pictures.large) return;
  keep();
  result.save();
}

/** Downloads a sheet of the drawing in twelve looks that differ clearly. */
async function saveSheet() {
  const framed = sketchRequest();
  if (!framed) return;
  // A change of the drawing must not replace this request.
  const request = { ...framed, realism: undefined, transparent: undefined, stream: null };
  const { model } = request;
  const latent = answers.latent(answers.chosen);
  const first = "seed" in latent && latent.seed <= MAX_REROLLED_SEED ? latent.seed : 0;
  showStatus("working", "Making the sheet");
  try {
    const seeds = await retry(() => client.seeds(model, first, LOOKS), onRetry);
    const sheet = await makeSheet(seeds, async (some) => {
      const latents = some.map((seed) => ({ seed }));
      const answer = await retry(() => translator.translate({ ...request, latents }), onRetry);
      return answer.pictures.map(({ url }) => url);
    });
    download(sheet, `${model}-sheet.png`);
    clearRequestAlert();
    show();
  } catch (problem) {
    show();
    if (problem instanceof ModelNotFound) return replaceModel(problem);
    showAlert(`The sheet could not be made. ${problem.message}`);
  }
}

/** Downloads the photo at four times the paper's width, made by the server. */
async function saveLarge() {
  const [request, made] = [sketchRequest(), pictures.large];
  if (!request || !made) return;
  showStatus("working", "Making the large photo");
  try {
    const url = await translator.enlarge({ ...request, latent: made.latent }, LARGE_PX);
    result.save({ ...made, url });
    clearRequestAlert();
  } catch (problem) {
    onRequestProblem(problem, false);
  }
  show();
}

/** Lets the user take a colour from the photo. */
function useDropper() {
  if (!paper.palette.isOffered || !pictures.large) return;
  takeColour({ square: $("photo"), image: $("picture"), marker: $("taken") }, (colour) => paper.palette.choose(colour));
}

/** Copies the photo, as a PNG. */
async function copy() {
  if (!pictures.large) return;
  try {
    const png = new Blob([contentOf(pictures.large.url)], { type: "image/png" });
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
    showStatus("ready", "The photo was copied");
  } catch {
    showAlert("The browser does not allow this page to copy. Save the photo instead.");
  }
}

/** @param {number} seed */
function setSeed(seed) {
  const allowed = clamp(Math.trunc(seed), 0, MAX_SEED);
  changeAnswers(() => answers.showSeed(allowed));
}

/** Replaces the unpinned answers by ones that differ clearly; by any if the server does not choose the seeds. */
async function reroll() {
  if (answers.all.length < 2) return;
  const { name } = menu.current;
  const seed = Math.ceil(Math.random() * MAX_REROLLED_SEED);
  const seeds = await client.seeds(name, seed, answers.all.length).catch(() => undefined);
  if (menu.current.name === name) changeAnswers(() => answers.reseed(seed, seeds));
}

/** Lets the answers that a model starts with differ clearly, unless they change first or the server fails. */
async function spreadAnswers() {
  const first = (unspread = answers.all);
  const { seed } = answers.latent(0);
  const seeds = await client.seeds(menu.current.name, seed, first.length).catch(() => undefined);
  if (unspread !== first) return;
  unspread = null;
  if (seeds) {
    answers.spread(seeds);
    morph.reset();
  }
  if (hasInk) live.refresh();
  show();
}

/** Pins or unpins the chosen answer; a mix is added as a pinned answer. */
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
  const order = ++openedCount;
  try {
    const items = (await readItems(file)) ?? [await readSketch(file)];
    if (order !== openedCount) return;
    showAlert("");
    replaceDrawing(items);
  } catch (problem) {
    if (order === openedCount) showAlert(`${file.name} could not be opened. ${problem.message}`);
  }
}

/** @param {File} file @returns {Promise<import("./drawing/drawing.js").Picture>} */
async function readSketch(file) {
  const pixels = await asPixels(file);
  const { picture, notice } = await retry(() => client.openSketch(pixels), onRetry);
  const url = await asDataUrl(picture);
  return { kind: "picture", url, image: await loadImage(url), notice };
}

/** @param {File} file */
async function traceOver(file) {
  try {
    await paper.trace.open(file);
    showAlert("");
  } catch (problem) {
    showAlert(`${file.name} could not be opened. ${problem.message}`);
  }
}

/** @param {File} file */
async function useLook(file) {
  const { name } = menu.current;
  showStatus("working", "Reading the photo");
  try {
    const [z, look] = await Promise.all([retry(() => client.encode(name, file), onRetry), shrink(file, LOOK_PX)]);
    if (menu.current.name === name) changeAnswers(() => answers.add(z, "from photo", look));
  } catch (problem) {
    show();
    if (problem instanceof ModelNotFound) return replaceModel(problem);
    showAlert(`The look of ${file.name} could not be read. ${problem.message}`);
  }
}

/** @param {Error} problem */
function onRetry(problem) {
  showRequestProblem(problem, true);
}

/** @param {Error} problem @param {boolean} retrying */
function onRequestProblem(problem, retrying) {
  if (problem instanceof ModelNotFound) return replaceModel(problem);
  const missing = retrying ? translator.missingModel : "";
  showRequestProblem(missing ? new Error(`${problem.message} ${missing}`) : problem, retrying);
}

/**
 * Switches to another model if the server no longer has the selected one.
 * @param {ModelNotFound} problem
 */
async function replaceModel(problem) {
  if (!menu.isReady) return; // already replacing it
  const { name, title } = menu.current;
  await menu.fill(() => client.models(), onRetry);
  if (menu.current.name === name) return showRequestProblem(problem, false); // a retry would fail forever
  startModel(null);
  showAlert(`The server no longer has the model ${title}. ${menu.current.title} is selected instead.`);
}

/**
 * Shows the answer of a link.
 * @param {import("./link.js").Link} link
 */
function followLink({ model, latent, valid }) {
  const hasModel = model === null || menu.selectModel(model);
  const usable = latent !== null && fits(latent) ? latent : null;
  startModel(hasModel ? usable : null);
  if (!hasModel) showAlert(`This link needs a model that the server does not have: ${model}.`);
  else if (!valid) showAlert("This link has no valid seed or z.");
  else if (latent !== null && !usable) showAlert("This link cannot be used with this model.");
}

/**
 * Starts with the selected model.
 * @param {import("./client.js").Latent | null} latent  of the first answer; null keeps its seed
 * @param {Answers["state"]} [saved]  the answers to restore; by default those when the model was last selected
 */
function startModel(latent, saved) {
  const model = menu.current;
  if (answersModel && !unspread) answersOf.set(answersModel, answers.state);
  if (answersModel !== model.name) pictures.clear(); // they are another model's
  answersModel = model.name;
  saved ??= answersOf.get(answersModel);
  const hasLatent = model.latent_size > 0;
  answers.reset(hasLatent ? result.places : 1, model.directions, latent);
  unspread = null;
  const isRestored = saved && !latent && answers.restore(saved, model.latent_size);
  if (hasLatent && !latent && !isRestored) spreadAnswers();
  realism.isOffered = model.judges;
  paper.setModel(model);
  transparent.isOffered = model.takes_hints; // models of the other kind have no transparency either
  directions.setDirections(model.directions);
  paper.showExamples(model.name);
  for (const id of ["source", "reroll", "pin", "save-sheet", "morphing"]) $(id).hidden = !hasLatent;
  $("look").hidden = $("look-hint").hidden = !model.encodes;
  live.cancel();
  morph.reset();
  onDrawingChange();
  translator.loadModel();
}

/** The states to save, fullest first. */
function states() {
  if (!menu.isReady) return [];
  const { name: model } = menu.current;
  const common = { address: location.hash, model, answers: answers.state, transparent: transparent.state };
  const { done, undone, ...tools } = paper.state;
  const noTrace = { url: "", strength: tools.trace.strength };
  return [
    { ...common, paper: { done, undone, ...tools }, shelf: shelf.all },
    { ...common, paper: { done: paper.drawing.items, undone: [], ...tools, trace: noTrace }, shelf: [] },
  ];
}

/**
 * Restores the saved state, if there is one.
 * @returns {Promise<{address: string, problem: string}>} the saved address, and what could not be restored
 */
async function restore() {
  const saved = loadState();
  let problem = "";
  try {
    if (saved) {
      transparent.state = saved.transparent ?? false; // states that were saved by earlier versions have none
      await paper.restore(saved.paper);
      shelf.restore(await Promise.all(saved.shelf.map(async (kept) => ({ ...kept, items: await withImages(kept.items) }))));
    }
  } catch ({ message }) {
    problem = `The last drawing could not be restored. ${message}`;
  }
  startModel(null, saved && menu.selectModel(saved.model) ? saved.answers : undefined);
  return { address: saved?.address ?? "", problem };
}

for (const step of ["undo", "redo", "clear"]) $(step).addEventListener("click", () => change(step));
$("seed").addEventListener("change", () => ($("seed").value === "" ? show() : setSeed(Number($("seed").value))));
$("reroll").addEventListener("click", reroll);
$("pin").addEventListener("click", pin);
$("keep").addEventListener("click", keep);
$("save").addEventListener("click", save);
$("save-large").addEventListener("click", saveLarge);
$("save-png").addEventListener("click", () => paper.save("png", `${menu.current.name}-sketch`));
$("save-svg").addEventListener("click", () => paper.save("svg", `${menu.current.name}-sketch`));
$("save-sheet").addEventListener("click", saveSheet);
$("help-open").addEventListener("click", () => $("help").showModal());
$("morph-to").addEventListener("click", () => changeAnswers(() => answers.nextTarget()));
$("dropper").addEventListener("click", useDropper);
openBeside($("more"), $("menu"), "right");
openBeside($("colours"), $("palette"), "left");
openOnClick($("open"), $("file"), openSketch);
openOnClick($("trace-open"), $("trace-file"), traceOver);
openOnClick($("look"), $("look-file"), useLook);
handleDrops({
  photoSide: $("result"),
  acceptsLook: () => menu.current?.encodes ?? false,
  onLook: useLook,
  onSketch: openSketch,
});
handlePastes(openSketch);
handleCopies(copy);
handleKeys(
  {
    undo: () => change("undo"),
    redo: () => change("redo"),
    brush: () => paper.tools.select("brush"),
    colour: () => paper.tools.select("colour"),
    fill: () => paper.tools.select("fill"),
    dropper: useDropper,
    layer: () => paper.palette.isOffered && paper.palette.showLayer(!paper.palette.showsLayer),
    eraser: () => paper.tools.select("eraser"),
    thinner: () => paper.tools.widen(-1),
    wider: () => paper.tools.widen(1),
    mirror: () => paper.tools.toggleMirror(),
    smooth: () => paper.tools.toggleSmooth(),
    zoomIn: () => $("zoom-in").click(),
    zoomOut: () => $("zoom-out").click(),
    fit: () => paper.view.fit(),
    reroll,
    pin,
    realism: () => realism.toggle(),
    transparent: () => transparent.toggle(),
    keep,
    save,
    help: () => $("help").showModal(),
  },
  (i) => changeAnswers(() => answers.choose(i)),
);

await menu.fill(
  () => client.models(),
  (problem) => showAlert(`${problem.message} Trying again…`),
);
showAlert("");
const { address, problem } = await restore();
watchAddress(followLink, address);
if (problem) showAlert(problem);

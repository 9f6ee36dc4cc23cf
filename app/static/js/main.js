// Wires the page together.

import { SketchPad } from "./canvas.js";
import { Client, LatestWins, sleep } from "./client.js";
import { Drawing, PAPER_SIZE } from "./drawing.js";
import { Looseness } from "./looseness.js";

/** @typedef {import("./client.js").Model} Model */
/** @typedef {import("./client.js").Photo} Photo */

const MODELS_RETRY_MS = 2_000;
const SEEDS = 1_000_000;

/** @param {string} id */
const $ = (id) => document.getElementById(id);

const client = new Client();
const drawing = new Drawing();
const widths = { brush: 2, eraser: 18 };
/** @type {"brush" | "eraser"} */
let tool = "brush";
/** @type {Model[]} */
let models = [];
/** @type {Photo | null} */
let shown = null;

const pad = new SketchPad($("sketch"), drawing, {
  tool: () => ({ width: widths[tool], erase: tool === "eraser" }),
  onChange: changed,
});

const looseness = new Looseness({ group: $("looseness"), slider: $("loose"), auto: $("auto") }, changed);

const live = new LatestWins({
  snapshot() {
    const sketch = pad.export();
    const [model, seed] = [$("model").value, Number($("seed").value)];
    return sketch && { model, sketch, seed, loose: looseness.asked };
  },
  ask: (request) => client.translate(request),
  onResult: showPhoto,
  onNothing: () => showPhoto(null, true),
  onProblem(problem, retrying) {
    complain(retrying ? `${problem.message} Trying again…` : problem.message);
    if (retrying) say("waiting", "Waiting for the server");
    else say("failed", "No photo for this sketch");
  },
});

/** The drawing, the seed, the looseness or the model changed. */
function changed() {
  const blank = drawing.items.length === 0 && !pad.isDrawing;
  $("hint").hidden = !blank;
  $("undo").disabled = !drawing.canUndo;
  $("redo").disabled = !drawing.canRedo;
  $("clear").disabled = drawing.items.length === 0;
  pad.refresh();
  if ($("model").disabled) return;
  if (blank) {
    live.withdraw();
    showPhoto(null, true);
  } else {
    say("working", "Making the photo");
    live.refresh();
  }
}

/**
 * @param {Photo | null} photo
 * @param {boolean} settled  whether it shows the drawing as it is now
 */
function showPhoto(photo, settled) {
  shown = photo;
  complain("");
  $("picture").hidden = $("save").disabled = photo === null;
  $("invitation").hidden = photo !== null;
  $("latency").textContent = photo ? `${Math.round(photo.elapsedMs)} ms` : "";
  if (photo) {
    $("picture").src = photo.url;
    looseness.show(photo);
  }
  if (settled) say(...(photo ? ["ready", "Photo is up to date"] : ["empty", "Waiting for your first stroke"]));
}

/**
 * @param {string} state
 * @param {string} words
 */
function say(state, words) {
  $("status").dataset.state = $("photo").dataset.state = state;
  if ($("status").textContent !== words) $("status").textContent = words;
}

/** @param {string} words  none hides the alert */
function complain(words) {
  $("alert").hidden = words === "";
  if ($("alert").textContent !== words) $("alert").textContent = words;
}

/** @param {"brush" | "eraser"} name */
function pickTool(name) {
  tool = name;
  $("brush").setAttribute("aria-pressed", String(name === "brush"));
  $("eraser").setAttribute("aria-pressed", String(name === "eraser"));
  setWidth(widths[name]);
}

/** @param {number} width  in drawing units */
function setWidth(width) {
  const slider = $("width");
  slider.value = String(width);
  widths[tool] = Number(slider.value);
  slider.setAttribute("aria-valuetext", `${slider.value} of ${slider.max}`);
  $("ring").style.setProperty("--width", String(widths[tool] / PAPER_SIZE));
}

/** @param {"undo" | "redo" | "clear"} step */
function change(step) {
  if (pad.isDrawing) return;
  drawing[step]();
  changed();
}

/** @param {number} seed */
function setSeed(seed) {
  const field = $("seed");
  field.value = String(Math.min(Math.max(Math.trunc(seed) || 0, 0), Number(field.max)));
  changed();
}

function save() {
  const link = document.createElement("a");
  link.href = shown.url;
  link.download = `${shown.model}-seed-${shown.seed}.png`;
  link.click();
}

/** @param {File | undefined} file */
async function openPicture(file) {
  if (!file) return;
  try {
    const image = await createImageBitmap(await client.openSketch(file));
    complain("");
    drawing.add({ kind: "picture", image });
    changed();
  } catch (problem) {
    complain(`${file.name} could not be opened. ${problem.message}`);
  }
}

async function loadModels() {
  for (;;) {
    try {
      offerModels(await client.models());
      return;
    } catch (problem) {
      complain(`${problem.message} Trying again…`);
      await sleep(MODELS_RETRY_MS);
    }
  }
}

/** @param {Model[]} offered */
function offerModels(offered) {
  models = offered;
  const named = ({ name, title }) =>
    models.filter((other) => other.title === title).length > 1 ? `${title} (${name})` : title;
  $("model").replaceChildren(...models.map((model) => new Option(named(model), model.name)));
  $("model").disabled = models.length === 0;
  complain(models.length === 0 ? "No model is loaded on this server." : "");
  pickModel();
}

function pickModel() {
  looseness.offerFor(models.find(({ name }) => name === $("model").value));
  changed();
}

/** @param {KeyboardEvent} event */
function shortcut(event) {
  if (event.target.matches("select, input:not([type=range])") || event.altKey) return;
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") change(event.shiftKey ? "redo" : "undo");
    else if (key === "y") change("redo");
    else return;
  } else if (key === "b") pickTool("brush");
  else if (key === "e") pickTool("eraser");
  else if (key === "[") setWidth(widths[tool] - 1);
  else if (key === "]") setWidth(widths[tool] + 1);
  else return;
  event.preventDefault();
}

/** @param {PointerEvent} event */
function moveRing(event) {
  const box = $("paper").getBoundingClientRect();
  const ring = $("ring");
  ring.hidden = event.pointerType === "touch";
  ring.style.setProperty("--x", `${event.clientX - box.left}px`);
  ring.style.setProperty("--y", `${event.clientY - box.top}px`);
}

for (const step of ["undo", "redo", "clear"]) $(step).addEventListener("click", () => change(step));
for (const name of ["brush", "eraser"]) $(name).addEventListener("click", () => pickTool(name));
$("width").addEventListener("input", () => setWidth(Number($("width").value)));
$("model").addEventListener("change", pickModel);
$("seed").addEventListener("change", () => setSeed(Number($("seed").value)));
$("reroll").addEventListener("click", () => setSeed(Math.random() * SEEDS));
$("save").addEventListener("click", save);
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  openPicture($("file").files[0]);
  $("file").value = "";
});
$("sketch").addEventListener("pointermove", moveRing);
document.addEventListener("keydown", shortcut);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  openPicture(event.dataTransfer.files[0]);
});
pickTool("brush");
loadModels();

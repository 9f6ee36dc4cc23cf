import assert from "node:assert/strict";
import test from "node:test";

import { ServerProblem } from "../../../app/static/js/client.js";
import { Device } from "../../../app/static/js/device/device.js";
import { Translator } from "../../../app/static/js/device/translator.js";

const MODEL = { name: "shoes", title: "Shoes", latent_size: 2, size_px: 256 };
const QUESTION = { model: "shoes", sketch: "data:image/png;base64," };
const SQUARE = { left: 0, top: 0, side: 256, size: 256 };

/** A worker whose results the test sets. */
class FakeWorker {
  requests = [];
  results = {
    load: () => ["shoes"],
    generate: ({ z }) => z.map(([first]) => `picture ${first}`),
  };
  postMessage({ id, ...request }) {
    this.requests.push(request);
    for (const progress of this.progress ?? []) this.onmessage({ data: { id, progress } });
    queueMicrotask(() => this.onmessage({ data: { id, ...this.#handle(request) } }));
  }
  #handle(request) {
    try {
      return { result: this.results[request.kind](request) };
    } catch ({ message }) {
      return { error: message };
    }
  }
  terminate() {
    this.terminated = true;
  }
}

async function readyDevice(zOf = async () => [7, 7]) {
  const worker = new FakeWorker();
  const device = new Device(zOf, { newWorker: () => worker });
  await device.load(MODEL, 14e6, () => {});
  return { device, worker };
}

test("the progress of downloads is a text", async () => {
  const worker = new FakeWorker();
  worker.progress = [
    { file: "engine", bytes: 3_000_000 },
    { file: "model", bytes: 8_100_000 },
  ];
  const texts = [];
  await new Device(null, { newWorker: () => worker }).load(MODEL, 14_239_897, (text) => texts.push(text));
  assert.deepEqual(texts, ["Downloading the engine: 21 %", "Downloading the model: 8 MB"]);
});

test("seed 0 is z = 0, the z of other seeds is requested, a given z is used", async () => {
  const seeds = [];
  const { device, worker } = await readyDevice(async (model, seed) => (seeds.push([model, seed]), [seed, 1]));
  const latents = [{ seed: 0 }, { seed: 5 }, { z: [2, 3] }];
  const answer = await device.translate({ ...QUESTION, latents });
  assert.deepEqual(worker.requests.at(-1).z, [[0, 0], [5, 1], [2, 3]]);
  assert.deepEqual(seeds, [["shoes", 5]]);
  assert.deepEqual(answer.pictures[1], { z: [5, 1], url: "picture 5", realism: "" });
  assert.equal(answer.device, "this device");
});

test("colours and transparency are asked of the device, too", async () => {
  const { device, worker } = await readyDevice();
  const ends = { from: { seed: 0 }, to: { z: [4, 0] }, steps: 2 };
  await device.interpolate({ ...QUESTION, hints: "data:image/png;base64,QQ==", transparent: true, ...ends });
  const { hints, transparent } = worker.requests.at(-1);
  assert.deepEqual([hints, transparent], ["data:image/png;base64,QQ==", true]);
});

test("interpolation makes a picture for every step, both ends included", async () => {
  const { device } = await readyDevice();
  const frames = await device.interpolate({ ...QUESTION, from: { seed: 0 }, to: { z: [4, 0] }, steps: 3 });
  assert.deepEqual(frames.map(({ z }) => z), [[0, 0], [2, 0], [4, 0]]);
});

test("models that are not loaded, and realism, are left to the server", async () => {
  const { device } = await readyDevice();
  assert.equal(device.supports(QUESTION), true);
  assert.equal(device.supports({ ...QUESTION, model: "handbags" }), false);
  assert.equal(device.supports({ ...QUESTION, realism: true }), false);
});

test("a model that the worker has released is left to the server", async () => {
  const { device, worker } = await readyDevice();
  worker.results.load = () => ["handbags", "hats"];
  await device.load({ ...MODEL, name: "hats" }, 14e6, () => {});
  assert.equal(device.supports(QUESTION), false);
  assert.equal(device.supports({ ...QUESTION, model: "hats" }), true);
});

test("closing the device rejects its pending requests", async () => {
  const { device, worker } = await readyDevice();
  worker.postMessage = () => {};
  const answer = device.translate({ ...QUESTION, latents: [{ seed: 0 }] });
  await Promise.resolve(); // until its z is known
  await Promise.resolve();
  device.close();
  await assert.rejects(answer, /turned off/);
  assert.equal(worker.terminated, true);
});

test("the z of a seed is requested once, and not at all if an answer contained it", async () => {
  const asked = [];
  const client = {
    translate: async ({ latents }) => ({ pictures: latents.map(({ seed }) => ({ z: [seed], url: "" })) }),
    z: async (model, seed) => (asked.push(seed), [seed]),
  };
  const translator = new Translator(client, null, {});
  await translator.translate({ ...QUESTION, square: SQUARE, latents: [{ seed: 3 }] });
  assert.deepEqual(await Promise.all([3, 4, 4].map((seed) => translator.z("shoes", seed))), [[3], [4], [4]]);
  assert.deepEqual(asked, [4]);
});

test("a z is requested again after a failure", async () => {
  let works = false;
  const client = {
    z: async () => {
      if (!works) throw new ServerProblem("gone", true);
      return [1];
    },
  };
  const translator = new Translator(client, null, {});
  await assert.rejects(translator.z("shoes", 1), /gone/);
  works = true;
  assert.deepEqual(await translator.z("shoes", 1), [1]);
});

/** A translator whose button was pressed, with a fake worker, and what it reported. */
async function pressed(results = {}) {
  const workers = [];
  globalThis.Worker = class extends FakeWorker {
    constructor() {
      super();
      Object.assign(this.results, results);
      workers.push(this);
    }
  };
  const state = { "aria-pressed": "false" };
  const button = {
    dataset: { bytes: "14000000" },
    addEventListener: (_, listener) => (button.click = listener),
    getAttribute: (name) => state[name],
    setAttribute: (name, value) => (state[name] = value),
  };
  const reported = { problems: [], changes: 0 };
  const selected = { model: MODEL };
  const client = { translate: async ({ latents }) => ({ pictures: latents.map(() => ({ z: [0], url: "server's" })) }) };
  const translator = new Translator(client, button, {
    model: () => selected.model,
    onProgress: () => {},
    onChange: () => reported.changes++,
    onProblem: (text) => reported.problems.push(text),
  });
  await button.click();
  const urlOf = async () => {
    const request = { ...QUESTION, model: selected.model.name, square: SQUARE, latents: [{ seed: 0 }] };
    return (await translator.translate(request)).pictures[0].url;
  };
  return { translator, button, reported, selected, urlOf, workers, isOn: () => state["aria-pressed"] === "true" };
}

test("the button turns drawing on this device on and off", async () => {
  const { button, reported, urlOf, workers, isOn, translator } = await pressed();
  assert.deepEqual([isOn(), reported.changes, translator.progress, await urlOf()], [true, 1, "", "picture 0"]);
  await button.click();
  assert.deepEqual([isOn(), reported.changes, await urlOf()], [false, 2, "server's"]);
  assert.deepEqual([workers.length, workers[0].terminated, reported.problems], [1, true, []]);
});

test("if the device fails, the server makes the photos and the page says so", async () => {
  const fail = () => {
    throw new Error("No memory.");
  };
  const never = await pressed({ load: fail });
  const later = await pressed({ generate: fail });
  for (const { urlOf, reported, isOn } of [never, later]) {
    assert.equal(await urlOf(), "server's");
    assert.deepEqual([isOn(), reported.problems], [false, ["This device cannot make photos, so the server makes them. No memory."]]);
  }
});

test("a failed download leaves the loaded models in place", async () => {
  const { translator, selected, reported, urlOf, isOn } = await pressed({
    load: ({ model }) => {
      if (model !== "shoes") throw new Error("The server cannot be reached.");
      return ["shoes"];
    },
  });
  selected.model = { ...MODEL, name: "hats", title: "Hats" };
  await translator.loadModel();
  const missing = "Hats was not downloaded to this device. Select Shoes to draw without the server.";
  assert.deepEqual([translator.missingModel, reported.problems], [missing, [`The server cannot be reached. ${missing}`]]);
  assert.deepEqual([await urlOf(), isOn()], ["server's", true]);
  selected.model = MODEL;
  await translator.loadModel();
  assert.deepEqual([await urlOf(), reported.changes, translator.missingModel], ["picture 0", 1, ""]);
});

test("no progress is shown once another model is selected", async () => {
  const { translator, selected, reported } = await pressed({ load: () => ["shoes", "hats"] });
  selected.model = { ...MODEL, name: "hats" };
  const loading = translator.loadModel();
  translator.progress = "Downloading the model: 8 MB";
  selected.model = MODEL;
  await loading;
  assert.deepEqual([translator.progress, reported.changes], ["", 1]);
});

import assert from "node:assert/strict";
import test from "node:test";

import { ServerProblem } from "../../../app/static/js/client.js";
import { Device } from "../../../app/static/js/device/device.js";
import { Painter } from "../../../app/static/js/device/translator.js";

const MODEL = { name: "shoes", title: "Shoes", latent_size: 2, size_px: 256 };
const QUESTION = { model: "shoes", sketch: "data:image/png;base64," };

/** A worker that is told what to answer. */
class FakeWorker {
  asked = [];
  answers = {
    load: () => ["shoes"],
    draw: ({ z }) => z.map(([first]) => `picture ${first}`),
  };
  postMessage({ id, ...question }) {
    this.asked.push(question);
    for (const told of this.tells ?? []) this.onmessage({ data: { id, ...told } });
    queueMicrotask(() => this.onmessage({ data: { id, ...this.#answer(question) } }));
  }
  #answer(question) {
    try {
      return { result: this.answers[question.kind](question) };
    } catch ({ message }) {
      return { error: message };
    }
  }
  terminate() {
    this.ended = true;
  }
}

async function readyDevice(zOf = async () => [7, 7]) {
  const worker = new FakeWorker();
  const device = new Device(zOf, { newWorker: () => worker });
  await device.load(MODEL, 14e6, () => {});
  return { device, worker };
}

test("what is fetched is told in words", async () => {
  const worker = new FakeWorker();
  worker.tells = [
    { fetched: "engine", bytes: 3_000_000 },
    { fetched: "model", bytes: 8_100_000 },
  ];
  const words = [];
  await new Device(null, { newWorker: () => worker }).load(MODEL, 14_239_897, (told) => words.push(told));
  assert.deepEqual(words, ["Fetching the engine: 21 %", "Fetching the model: 8 MB"]);
});

test("seed 0 is z = 0, other seeds are asked for, a z is what it is", async () => {
  const seeds = [];
  const { device, worker } = await readyDevice(async (model, seed) => (seeds.push([model, seed]), [seed, 1]));
  const latents = [{ seed: 0 }, { seed: 5 }, { z: [2, 3] }];
  const answer = await device.translate({ ...QUESTION, latents });
  assert.deepEqual(worker.asked.at(-1).z, [[0, 0], [5, 1], [2, 3]]);
  assert.deepEqual(seeds, [["shoes", 5]]);
  assert.deepEqual(answer.pictures[1], { z: [5, 1], url: "picture 5", realism: "" });
  assert.equal(answer.device, "this device");
});

test("a walk is drawn at every step, both ends included", async () => {
  const { device } = await readyDevice();
  const frames = await device.interpolate({ ...QUESTION, from: { seed: 0 }, to: { z: [4, 0] }, steps: 3 });
  assert.deepEqual(frames.map(({ z }) => z), [[0, 0], [2, 0], [4, 0]]);
});

test("another model that is not loaded, and realism, are left to the server", async () => {
  const { device } = await readyDevice();
  assert.equal(device.takes(QUESTION), true);
  assert.equal(device.takes({ ...QUESTION, model: "handbags" }), false);
  assert.equal(device.takes({ ...QUESTION, realism: true }), false);
});

test("a model that the worker has let go is left to the server", async () => {
  const { device, worker } = await readyDevice();
  worker.answers.load = () => ["handbags", "hats"];
  await device.load({ ...MODEL, name: "hats" }, 14e6, () => {});
  assert.equal(device.takes(QUESTION), false);
  assert.equal(device.takes({ ...QUESTION, model: "hats" }), true);
});

test("what is under way ends with the device", async () => {
  const { device, worker } = await readyDevice();
  worker.postMessage = () => {};
  const answer = device.translate({ ...QUESTION, latents: [{ seed: 0 }] });
  await Promise.resolve(); // its z is known
  await Promise.resolve();
  device.end();
  await assert.rejects(answer, /no more/);
  assert.equal(worker.ended, true);
});

test("the z of a seed is asked for once, and not at all where an answer has told it", async () => {
  const asked = [];
  const client = {
    translate: async ({ latents }) => ({ pictures: latents.map(({ seed }) => ({ z: [seed], url: "" })) }),
    z: async (model, seed) => (asked.push(seed), [seed]),
  };
  const painter = new Painter(client, null, {});
  await painter.translate({ ...QUESTION, latents: [{ seed: 3 }] });
  assert.deepEqual(await Promise.all([3, 4, 4].map((seed) => painter.z("shoes", seed))), [[3], [4], [4]]);
  assert.deepEqual(asked, [4]);
});

test("a z that could not be had is asked for again", async () => {
  let works = false;
  const client = {
    z: async () => {
      if (!works) throw new ServerProblem("gone", true);
      return [1];
    },
  };
  const painter = new Painter(client, null, {});
  await assert.rejects(painter.z("shoes", 1), /gone/);
  works = true;
  assert.deepEqual(await painter.z("shoes", 1), [1]);
});

/** A painter whose button was pressed, with a worker of ours, and what it said. */
async function pressed(answers = {}) {
  const workers = [];
  globalThis.Worker = class extends FakeWorker {
    constructor() {
      super();
      Object.assign(this.answers, answers);
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
  const told = { problems: [], changes: 0 };
  const picked = { model: MODEL };
  const client = { translate: async ({ latents }) => ({ pictures: latents.map(() => ({ z: [0], url: "server's" })) }) };
  const painter = new Painter(client, button, {
    model: () => picked.model,
    onProgress: () => {},
    onChange: () => told.changes++,
    onProblem: (words) => told.problems.push(words),
  });
  await button.click();
  const draw = async () => (await painter.translate({ ...QUESTION, model: picked.model.name, latents: [{ seed: 0 }] })).pictures[0].url;
  return { painter, button, told, picked, draw, workers, isOn: () => state["aria-pressed"] === "true" };
}

test("pressed, the button has this device draw; pressed again, the server", async () => {
  const { button, told, draw, workers, isOn, painter } = await pressed();
  assert.deepEqual([isOn(), told.changes, painter.progress, await draw()], [true, 1, "", "picture 0"]);
  await button.click();
  assert.deepEqual([isOn(), told.changes, await draw()], [false, 2, "server's"]);
  assert.deepEqual([workers.length, workers[0].ended, told.problems], [1, true, []]);
});

test("a device that cannot begin, or fails, leaves it to the server and says so", async () => {
  const fail = () => {
    throw new Error("No memory.");
  };
  const never = await pressed({ load: fail });
  const later = await pressed({ draw: fail });
  for (const { draw, told, isOn } of [never, later]) {
    assert.equal(await draw(), "server's");
    assert.deepEqual([isOn(), told.problems], [false, ["This device cannot draw, the server does. No memory."]]);
  }
});

test("a model that cannot be fetched does not take away those that were", async () => {
  const { painter, picked, told, draw, isOn } = await pressed({
    load: ({ model }) => {
      if (model !== "shoes") throw new Error("The server cannot be reached.");
      return ["shoes"];
    },
  });
  picked.model = { ...MODEL, name: "hats", title: "Hats" };
  await painter.follow();
  const lack = "Hats has not been fetched to this device: choose Shoes to draw without the server.";
  assert.deepEqual([painter.lack, told.problems], [lack, [`The server cannot be reached. ${lack}`]]);
  assert.deepEqual([await draw(), isOn()], ["server's", true]);
  picked.model = MODEL;
  await painter.follow();
  assert.deepEqual([await draw(), told.changes, painter.lack], ["picture 0", 1, ""]);
});

test("a model that has come once another is picked leaves nothing said of it", async () => {
  const { painter, picked, told } = await pressed({ load: () => ["shoes", "hats"] });
  picked.model = { ...MODEL, name: "hats" };
  const fetching = painter.follow();
  painter.progress = "Fetching the model: 8 MB";
  picked.model = MODEL;
  await fetching;
  assert.deepEqual([painter.progress, told.changes], ["", 1]);
});

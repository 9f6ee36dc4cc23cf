// Draws photos in a thread of its own, so that the pen never waits: the engine, the models, and the way from a page
// to the model's square and back. Asked by on_device.js.

import { fitSketch, restorePhoto } from "../drawing/framing.js";
import { inkOnPaper } from "../drawing/ink.js";

/**
 * @typedef {{kind: "load", model: string, url: string, size: number, threads?: number}} Load
 * @typedef {{kind: "draw", model: string, sketch: string, z: number[][]}} Draw
 * @typedef {string[] | null} Drawn  URLs of the photos; null: only the server can read this page
 */

const ENGINE = new URL("../../vendor/onnxruntime-web/", import.meta.url);
/** No spinning: threads that wait leave the core to the pen. */
const OPTIONS = { executionProviders: ["wasm"], extra: { session: { intra_op: { allow_spinning: "0" } } } };
const BATCH = 4; // photos at a time: what a phone has memory for
const KEPT_MODELS = 2;
const TOLD_EVERY_BYTES = 500_000;

/** @type {Promise<typeof import("onnxruntime-web")> | undefined} */
let engine;
/** @type {Map<string, {session: import("onnxruntime-web").InferenceSession, size: number}>} */
const models = new Map();
let queue = Promise.resolve();

onmessage = ({ data }) => {
  queue = queue.then(() => answer(data));
};

/** @param {{id: number} & (Load | Draw)} asked */
async function answer({ id, ...asked }) {
  try {
    postMessage({ id, result: await (asked.kind === "load" ? load : draw)(asked, (told) => postMessage({ id, ...told })) });
  } catch (error) {
    postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
}

/**
 * @param {Load} asked
 * @param {(told: {fetched: "engine" | "model", bytes: number}) => void} tell
 * @returns {Promise<string[]>} the models that are here now
 */
async function load({ model, url, size, threads }, tell) {
  engine ??= start(threads, (bytes) => tell({ fetched: "engine", bytes }));
  const ort = await engine.catch((error) => {
    engine = undefined; // the next one tries again
    throw error;
  });
  if (models.has(model)) return [...models.keys()];
  const file = await fetched(url, (bytes) => tell({ fetched: "model", bytes }));
  const session = await ort.InferenceSession.create(file, OPTIONS);
  models.set(model, { session, size });
  for (const name of [...models.keys()].slice(0, -KEPT_MODELS)) {
    await models.get(name).session.release();
    models.delete(name);
  }
  return [...models.keys()];
}

/** @param {number | undefined} threads @param {(bytes: number) => void} onProgress */
async function start(threads, onProgress) {
  const ort = await import(new URL("ort.wasm.bundle.min.mjs", ENGINE).href);
  ort.env.wasm.wasmBinary = await fetched(new URL("ort-wasm-simd-threaded.wasm", ENGINE).href, onProgress);
  ort.env.wasm.numThreads = threads;
  return ort;
}

/** @param {string} url @param {(bytes: number) => void} onProgress */
async function fetched(url, onProgress) {
  const response = await fetch(url).catch(() => {
    throw new Error("The server cannot be reached.");
  });
  if (!response.ok) throw new Error(`The server answered with status ${response.status}.`);
  const parts = [];
  let [bytes, told] = [0, 0];
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.length;
    if (bytes - told >= TOLD_EVERY_BYTES) onProgress((told = bytes));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** @param {Draw} asked @returns {Promise<Drawn>} */
async function draw({ model, sketch, z }) {
  const { session, size } = models.get(model);
  const { page, side } = await readPage(sketch);
  const read = page && inkOnPaper(page, side);
  if (!read) return null;
  const { fitted, placement } = fitSketch(read, side, size);
  const urls = [];
  for (let first = 0; first < z.length; first += BATCH) {
    const some = z.slice(first, first + BATCH);
    const { photos } = await run(session, fitted, size, some);
    for (let i = 0; i < some.length; i++) {
      const photo = photos.data.subarray(i * size * size * 3, (i + 1) * size * size * 3);
      urls.push(await asUrl(restorePhoto(photo, size, placement), side));
    }
  }
  return urls;
}

/** One sketch, several z. @returns {Promise<Record<string, import("onnxruntime-web").Tensor>>} */
async function run(session, sketch, size, z) {
  const { Tensor } = await engine;
  const count = z.length;
  const feeds = {
    sketches: new Tensor("uint8", sketch, [1, size, size]),
    z: new Tensor("float32", Float32Array.from(z.flat()), [count, z[0].length]),
    rows: new Tensor("int64", new BigInt64Array(count), [count]),
    strokes: new Tensor("uint8", new Uint8Array((size / 2) ** 2 * 4), [1, size / 2, size / 2, 4]),
  };
  return session.run(Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]])));
}

/**
 * @param {string} url  of a square PNG, data:
 * @returns {Promise<{page: Uint8Array | null, side: number}>} its levels of grey; null where it has colours
 */
async function readPage(url) {
  const bytes = Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none" });
  const side = bitmap.width;
  const context = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, side, side);
  const page = new Uint8Array(side * side).map((_, i) => data[4 * i]);
  const isGrey = page.every((level, i) => level === data[4 * i + 1] && level === data[4 * i + 2] && data[4 * i + 3] === 255);
  return { page: isGrey ? page : null, side };
}

/** @param {Uint8Array} photo  (side, side, 3) @param {number} side @returns {Promise<string>} a PNG as a data: URL */
async function asUrl(photo, side) {
  const canvas = new OffscreenCanvas(side, side);
  const image = new ImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    image.data.set(photo.subarray(3 * i, 3 * i + 3), 4 * i);
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d", { alpha: false }).putImageData(image, 0, 0);
  return new FileReaderSync().readAsDataURL(await canvas.convertToBlob({ type: "image/png" }));
}

// Generates photos in a worker, so that drawing never waits: loads the engine and the models, and runs them.
// device.js sends the requests.

/**
 * @typedef {{kind: "load", model: string, url: string, size: number, threads?: number}} LoadRequest
 * @typedef {{kind: "generate", model: string, sketch: string, hints?: string, transparent?: true, z: number[][]}}
 *   GenerateRequest
 */

import { contentOf } from "../files.js";
import { onAlpha, opaque, withoutFringe } from "./pixels.js";

const ENGINE = new URL("../../vendor/onnxruntime-web/", import.meta.url);
/** Without spinning, waiting threads leave the core to the page. */
const OPTIONS = { executionProviders: ["wasm"], extra: { session: { intra_op: { allow_spinning: "0" } } } };
const BATCH = 4; // photos at a time: limits the memory that a phone needs
const MAX_MODELS = 2;
const PROGRESS_STEP_BYTES = 500_000;

/** @type {Promise<typeof import("onnxruntime-web")> | undefined} */
let engine;
/** @type {Map<string, {session: import("onnxruntime-web").InferenceSession, size: number}>} */
const models = new Map();
let queue = Promise.resolve();

onmessage = ({ data }) => {
  queue = queue.then(() => handle(data));
};

/** @param {{id: number} & (LoadRequest | GenerateRequest)} message */
async function handle({ id, ...request }) {
  try {
    const work = request.kind === "load" ? load : generate;
    postMessage({ id, result: await work(request, (progress) => postMessage({ id, progress })) });
  } catch (error) {
    postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
}

/**
 * @param {LoadRequest} request
 * @param {(progress: {file: "engine" | "model", bytes: number}) => void} onProgress
 * @returns {Promise<string[]>} names of the models that are loaded now
 */
async function load({ model, url, size, threads }, onProgress) {
  engine ??= loadEngine(threads, (bytes) => onProgress({ file: "engine", bytes }));
  const ort = await engine.catch((error) => {
    engine = undefined; // so that the next request tries again
    throw error;
  });
  if (models.has(model)) return [...models.keys()];
  const file = await download(url, (bytes) => onProgress({ file: "model", bytes }));
  const session = await ort.InferenceSession.create(file, OPTIONS);
  models.set(model, { session, size });
  for (const name of [...models.keys()].slice(0, -MAX_MODELS)) {
    await models.get(name).session.release();
    models.delete(name);
  }
  return [...models.keys()];
}

/** @param {number | undefined} threads @param {(bytes: number) => void} onProgress */
async function loadEngine(threads, onProgress) {
  const ort = await import(new URL("ort.wasm.bundle.min.mjs", ENGINE).href);
  ort.env.wasm.wasmBinary = await download(new URL("ort-wasm-simd-threaded.wasm", ENGINE).href, onProgress);
  ort.env.wasm.numThreads = threads;
  return ort;
}

/** @param {string} url @param {(bytes: number) => void} onProgress */
async function download(url, onProgress) {
  const response = await fetch(url).catch(() => {
    throw new Error("The server cannot be reached.");
  });
  if (!response.ok) throw new Error(`The server answered with status ${response.status}.`);
  const parts = [];
  let [bytes, reported] = [0, 0];
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.length;
    if (bytes - reported >= PROGRESS_STEP_BYTES) onProgress((reported = bytes));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** @param {GenerateRequest} request @returns {Promise<string[]>} data: URLs of (size, size) photos */
async function generate({ model, sketch, hints, transparent, z }) {
  const { session, size } = models.get(model);
  const levels = (await readPng(sketch, size)).filter((_, i) => i % 4 === 0);
  const strokes = hints ? await readPng(hints, size / 2) : new Uint8ClampedArray(size ** 2);
  const urls = [];
  for (let first = 0; first < z.length; first += BATCH) {
    const batch = z.slice(first, first + BATCH);
    const { photos, alpha } = await run(session, levels, strokes, size, batch);
    for (let i = 0; i < batch.length; i++) {
      const photo = photos.data.subarray(i * size * size * 3, (i + 1) * size * size * 3);
      const ofPhoto = alpha.data.subarray(i * size * size, (i + 1) * size * size);
      const pixels = transparent ? onAlpha(photo, withoutFringe(photo, ofPhoto, size)) : opaque(photo);
      urls.push(await encodePng(pixels, size));
    }
  }
  return urls;
}

/** Runs the model on one sketch and several z. @returns {Promise<Record<string, import("onnxruntime-web").Tensor>>} */
async function run(session, sketch, strokes, size, z) {
  const { Tensor } = await engine;
  const count = z.length;
  const feeds = {
    sketches: new Tensor("uint8", new Uint8Array(sketch), [1, size, size]),
    z: new Tensor("float32", Float32Array.from(z.flat()), [count, z[0].length]),
    sketch_of: new Tensor("int64", new BigInt64Array(count), [count]),
    strokes: new Tensor("uint8", new Uint8Array(strokes), [1, size / 2, size / 2, 4]),
  };
  return session.run(Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]])));
}

/**
 * @param {string} url  data: URL of a PNG
 * @param {number} size  a smaller one takes a pixel of each block, as `inBlocks` of ../drawing/framing.js makes them
 * @returns {Promise<Uint8ClampedArray>} (size, size) of RGBA
 */
async function readPng(url, size) {
  const bitmap = await createImageBitmap(new Blob([contentOf(url)]), { colorSpaceConversion: "none" });
  const context = new OffscreenCanvas(size, size).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0, size, size);
  return context.getImageData(0, 0, size, size).data;
}

/** @param {Uint8ClampedArray} pixels  (size, size) of RGBA @param {number} size @returns {Promise<string>} a PNG as a data: URL */
async function encodePng(pixels, size) {
  const canvas = new OffscreenCanvas(size, size);
  canvas.getContext("2d").putImageData(new ImageData(pixels, size, size), 0, 0);
  return new FileReaderSync().readAsDataURL(await canvas.convertToBlob({ type: "image/png" }));
}

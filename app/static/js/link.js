// The answer in the address of the page, so that a link shows it again: the model, and the seed or the z.

const DECIMALS = 3;

/** @typedef {import("./client.js").Latent} Latent */

/**
 * @param {string} model
 * @param {Latent} latent
 * @returns {string} such as "#model=shoes&seed=7" or "#model=shoes&z=0.5,-1.25"
 */
export function writeLink(model, latent) {
  const value = "z" in latent ? `z=${latent.z.map((number) => Number(number.toFixed(DECIMALS)))}` : `seed=${latent.seed}`;
  return `#model=${encodeURIComponent(model)}&${value}`;
}

/**
 * @param {string} hash  of the page's address
 * @returns {{model: string | null, latent: Latent | null}} null for what is not there or makes no sense
 */
export function readLink(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  return { model: fields.get("model"), latent: readZ(fields.get("z")) ?? readSeed(fields.get("seed")) };
}

/** @param {string | null} text */
function readZ(text) {
  const z = (text ?? "").split(",").map((number) => (number.trim() === "" ? NaN : Number(number)));
  return z.every((number) => Math.abs(number) <= 100) ? { z } : null;
}

/** @param {string | null} text */
function readSeed(text) {
  return /^\d{1,10}$/.test(text ?? "") && Number(text) < 2 ** 31 ? { seed: Number(text) } : null;
}

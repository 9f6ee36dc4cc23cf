// The model and the seed or z in the page's address, so that a link shows the same answer.

import { MAX_SEED, MAX_Z } from "./client.js";

const DECIMALS = 3;
const SHARE_AFTER_MS = 300; // browsers refuse to change an address too often

/**
 * @typedef {import("./client.js").Latent} Latent
 * @typedef {object} Link
 * @property {string | null} model
 * @property {Latent | null} latent
 * @property {boolean} valid  false if the seed or z in it cannot be parsed
 */

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
 * @returns {Link} null for missing fields
 */
export function readLink(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const [model, z, seed] = ["model", "z", "seed"].map((name) => fields.get(name));
  const latent = z !== null ? readZ(z) : seed !== null ? readSeed(seed) : null;
  return { model, latent, valid: latent !== null || (z ?? seed) === null };
}

/** @param {string} text */
function readZ(text) {
  const z = text.split(",").map((number) => (number.trim() === "" ? NaN : Number(number)));
  return z.every((number) => Math.abs(number) <= MAX_Z) ? { z } : null;
}

/** @param {string} text */
function readSeed(text) {
  return /^\d+$/.test(text) && Number(text) <= MAX_SEED ? { seed: Number(text) } : null;
}

/** @type {number | undefined} */
let timer;

/**
 * Writes a link into the page's address, after a short delay without changes.
 * @param {string} model
 * @param {Latent} latent
 */
export function updateAddress(model, latent) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const link = writeLink(model, latent);
    if (link !== location.hash) history.replaceState(null, "", link);
  }, SHARE_AFTER_MS);
}

/**
 * Reads the page's address, now and whenever the user changes it.
 * @param {(link: Link) => void} onLink
 * @param {string} known  the address of what the page already shows
 */
export function watchAddress(onLink, known) {
  const read = () => onLink(readLink(location.hash));
  if (location.hash !== known) read();
  window.addEventListener("hashchange", read);
}

// Spherical interpolation between two latents, as in `pix2pix/model/latents.py`.

import { clamp } from "../clamp.js";

const PARALLEL = 1e-3; // radians

/**
 * @param {number[]} from @param {number[]} to
 * @param {number} steps  at least 2
 * @returns {number[][]} z at even steps, both ends included
 */
export function interpolate(from, to, steps) {
  return Array.from({ length: steps }, (_, i) => slerp(from, to, i / (steps - 1)));
}

/**
 * Interpolates along the arc, and the length linearly; along the line where the arc is not defined.
 * @param {number[]} a @param {number[]} b
 * @param {number} t  0 at a, 1 at b
 */
export function slerp(a, b, t) {
  const [lengthA, lengthB] = [Math.hypot(...a), Math.hypot(...b)];
  const cosine = a.reduce((sum, value, i) => sum + (value / lengthA) * (b[i] / lengthB), 0);
  const angle = Math.acos(clamp(cosine, -1, 1)); // NaN if a or b is 0
  if (!(PARALLEL < angle && angle < Math.PI - PARALLEL)) return a.map((value, i) => (1 - t) * value + t * b[i]);
  const length = (1 - t) * lengthA + t * lengthB;
  const [ofA, ofB] = [1 - t, t].map((share) => Math.sin(share * angle) / Math.sin(angle));
  return a.map((value, i) => length * ((ofA * value) / lengthA + (ofB * b[i]) / lengthB));
}

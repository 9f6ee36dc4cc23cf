// From one latent to another: `pix2pix/model/latents.py`, for walks with two ends.

const PARALLEL = 1e-3;

/**
 * @param {number[]} from @param {number[]} to
 * @param {number} steps  at least 2
 * @returns {number[][]} both ends included
 */
export function walk(from, to, steps) {
  return Array.from({ length: steps }, (_, i) => slerp(from, to, i / (steps - 1)));
}

/**
 * Along the arc between them, the length changing evenly; along the line where there is no one arc.
 * @param {number[]} a @param {number[]} b
 * @param {number} t  0 at a, 1 at b
 */
export function slerp(a, b, t) {
  const [lengthA, lengthB] = [Math.hypot(...a), Math.hypot(...b)];
  const cosine = a.reduce((sum, value, i) => sum + (value / lengthA) * (b[i] / lengthB), 0);
  const angle = Math.acos(Math.min(Math.max(cosine, -1), 1)); // NaN where one of them is 0
  if (!(PARALLEL < angle && angle < Math.PI - PARALLEL)) return a.map((value, i) => (1 - t) * value + t * b[i]);
  const length = (1 - t) * lengthA + t * lengthB;
  const [ofA, ofB] = [1 - t, t].map((share) => Math.sin(share * angle) / Math.sin(angle));
  return a.map((value, i) => length * ((ofA * value) / lengthA + (ofB * b[i]) / lengthB));
}

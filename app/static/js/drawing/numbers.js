// Numbers as Python's round and numpy's quantile make them.

/** To the nearest, halves to the even one. @param {number} value */
export function roundEven(value) {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

/**
 * Linear between neighbours.
 * @param {Uint8Array} levels  not none
 * @param {number} q  from 0 to 1
 */
export function quantile(levels, q) {
  const counts = new Uint32Array(256); // counting is quicker than sorting
  for (const level of levels) counts[level]++;
  const at = q * (levels.length - 1);
  const below = Math.floor(at);
  const [low, high] = [below, Math.min(below + 1, levels.length - 1)].map((place) => nth(counts, place));
  return low + (at - below) * (high - low);
}

/** The level that stands at a place, once all are in order. @param {Uint32Array} counts @param {number} place */
function nth(counts, place) {
  let level = 0;
  for (let left = place - counts[0]; left >= 0; left -= counts[level]) level++;
  return level;
}

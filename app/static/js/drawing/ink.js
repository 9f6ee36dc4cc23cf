// Paper and ink of a page that the canvas made: what `pix2pix/images/ink.py` sees in it, number by number, on flat paper.

import { quantile, roundEven } from "./numbers.js";

const { fround } = Math;
const NOISE_SHARE = 0.12;
const FAINTEST = fround(0.05);
const LOUDEST_GRAIN = 0.15;
const NEAR_LEVELS = 6;
const OFF_LEVELS = 40;
const SHADOW_LEVELS = 130;
const GRID = 192; // places each way at which the paper is looked at
const TILES = 12;

/**
 * The sketch on a grey page.
 * @param {Uint8Array} page  (side, side)
 * @param {number} side  256: how densely other sizes are looked at is not written down here
 * @returns {Uint8Array | null} paper 255, ink 0; null for a page that is not flat, which only the server reads
 */
export function inkOnPaper(page, side) {
  const paper = paperLevel(page, side);
  if (!isFlat(page, side, paper)) return null;
  const strength = page.map((level) => roundEven(Math.abs(level - paper)));
  const grain = grainOf(strength, side);
  const drawn = strength.filter((level) => fround(level / 255) > Math.max(FAINTEST, fround(grain)));
  if (drawn.length === 0) return new Uint8Array(page.length).fill(255);
  const full = fround(quantile(drawn, 0.95) / 255);
  const floor = fround(Math.max(NOISE_SHARE * full, grain));
  const ofLevel = new Uint8Array(256).map((_, level) => {
    const ink = fround(level / 255) < floor ? 0 : Math.min(fround(fround(level / 255) / full), 1);
    return 255 - roundEven(fround(255 * ink));
  });
  return strength.map((level) => ofLevel[level]);
}

/** The median of all or of the rim, whichever is lighter. @param {Uint8Array} page @param {number} side */
function paperLevel(page, side) {
  const rim = Math.max(1, side >> 6);
  const border = new Uint8Array(4 * rim * side);
  let count = 0;
  for (let i = 0; i < side; i++) {
    for (let j = 0; j < rim; j++) {
      for (const far of [j, side - 1 - j]) {
        border[count++] = page[far * side + i];
        border[count++] = page[i * side + far];
      }
    }
  }
  return Math.max(quantile(page, 0.5), quantile(border, 0.5));
}

/** @param {Uint8Array} page @param {number} side @param {number} paper */
function isFlat(page, side, paper) {
  const drawn = share(page, (level) => Math.abs(level - paper) <= 1) >= 0.3;
  const distances = tiles(page, side, TILES).map((tile) => Math.abs(quantile(tile, 0.5) - paper));
  const near = share(distances, (distance) => distance <= NEAR_LEVELS);
  const furthest = drawn ? OFF_LEVELS : SHADOW_LEVELS;
  const shaded = share(distances, (distance) => distance > NEAR_LEVELS && distance <= furthest);
  return near >= 0.2 && shaded <= 0.15 * near;
}

/** Noise of the paper, from 0 to 1. @param {Uint8Array} strength @param {number} side */
function grainOf(strength, side) {
  const paper = tiles(strength, side, 1)[0].filter((level) => level <= OFF_LEVELS);
  const middle = paper.length > 0 ? quantile(paper, 0.5) / 255 : 0;
  return Math.min(5 * 0.9 * middle, LOUDEST_GRAIN); // 0.9: the quantile of it and 0
}

/**
 * @param {Uint8Array} values
 * @param {number} side
 * @param {number} across
 * @returns {Uint8Array[]} across x across samples of GRID x GRID places
 */
function tiles(values, side, across) {
  const at = Array.from({ length: GRID }, (_, i) => Math.floor((i * (side - 1)) / (GRID - 1)));
  const each = GRID / across;
  return Array.from({ length: across * across }, (_, tile) => {
    const [top, left] = [Math.floor(tile / across) * each, (tile % across) * each];
    return new Uint8Array(each * each).map((_, i) => {
      return values[at[top + Math.floor(i / each)] * side + at[left + (i % each)]];
    });
  });
}

/** @param {ArrayLike<number>} values @param {(value: number) => boolean} is */
function share(values, is) {
  let count = 0;
  for (let i = 0; i < values.length; i++) count += Number(is(values[i]));
  return count / values.length;
}

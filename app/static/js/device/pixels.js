// Photos as RGBA. No DOM here.

/** The next four are those of `without_fringe` in `pix2pix/images/transparency.py`. */
const CLEAR = 8; // alpha of the ground
const SOLID = 250;
const RIM_PX = 3; // how far the rim reaches from the ground
const BESIDE_PX = 4; // how far the product reaches from the rim

/**
 * @param {Uint8Array} photo  RGB
 * @returns {Uint8ClampedArray} RGBA
 */
export function opaque(photo) {
  return onAlpha(photo, new Uint8Array(photo.length / 3).fill(255));
}

/**
 * Returns photos on white without the white, as `cut_out` of `pix2pix/images/transparency.py`. Where a photo is darker
 * than black with its alpha would be, alpha is raised until the colour is black.
 * @param {Uint8Array} photo  RGB, on white
 * @param {Uint8Array} alpha
 * @returns {Uint8ClampedArray} straight RGBA, the same on white
 */
export function onAlpha(photo, alpha) {
  const pixels = new Uint8ClampedArray(4 * alpha.length);
  for (let i = 0; i < alpha.length; i++) {
    const [r, g, b] = [255 - photo[3 * i], 255 - photo[3 * i + 1], 255 - photo[3 * i + 2]];
    const share = Math.max(alpha[i], r, g, b);
    const divisor = Math.max(share, 1);
    const colour = (belowWhite) => 255 - Math.floor((255 * belowWhite + ((divisor - 1) >> 1)) / divisor);
    pixels.set([colour(r), colour(g), colour(b), share], 4 * i);
  }
  return pixels;
}

/**
 * Lowers alpha at a rim that would be light on dark grounds, as `without_fringe` of `pix2pix/images/transparency.py`.
 * @param {Uint8Array} photo  (size, size) of RGB, on white
 * @param {Uint8Array} alpha  (size, size)
 * @param {number} size
 * @returns {Uint8Array} (size, size)
 */
export function withoutFringe(photo, alpha, size) {
  const nearGround = dilated(alpha.map((value) => (value < CLEAR ? 1 : 0)), size, RIM_PX);
  const channels = [0, 1, 2];
  const lightest = channels.map((c) => dilated(alpha.map((value, i) => (value < SOLID ? 0 : photo[3 * i + c])), size, BESIDE_PX));
  return alpha.map((value, i) => {
    const isLimited = nearGround[i] && value < SOLID && channels.some((c) => lightest[c][i] > 0);
    if (!isLimited) return value;
    const most = channels.map((c) => (255 * (255 - photo[3 * i + c])) / Math.max(255 - lightest[c][i], 1));
    return Math.round(Math.min(value, ...most)); // then the colour is the lightest beside it
  });
}

/** The maximum in a square around each pixel. @param {Uint8Array} values @param {number} size @param {number} reach */
function dilated(values, size, reach) {
  const along = (from, step, placeOf) =>
    from.map((_, i) => {
      let most = 0;
      const place = placeOf(i);
      for (let k = Math.max(-reach, -place); k <= Math.min(reach, size - 1 - place); k++) most = Math.max(most, from[i + k * step]);
      return most;
    });
  return along(along(values, 1, (i) => i % size), size, (i) => Math.floor(i / size));
}

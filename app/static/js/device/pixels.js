// Photos as RGBA. No DOM here.

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

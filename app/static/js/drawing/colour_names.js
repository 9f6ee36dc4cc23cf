// Names of colours, for screen readers.

const LEAST_CHROMA = 0.025; // of what is not grey
/** The hues from 0 degrees on, each up to a limit. */
const HUES = [
  [12, "pink"],
  [33, "red"],
  [85, "orange"],
  [118, "yellow"],
  [170, "green"],
  [210, "turquoise"],
  [282, "blue"],
  [340, "purple"],
  [360, "pink"],
];

/**
 * Returns the name of a colour, such as "dark red", "light blue" or "grey".
 * @param {string} colour  "#rrggbb"
 */
export function nameColour(colour) {
  const { lightness, chroma, hue } = oklch(colour);
  if (chroma < LEAST_CHROMA || lightness < 0.2) return nameGrey(lightness);
  const [, name] = HUES.find(([limit]) => hue <= limit);
  if (name === "pink" || name === "red") return nameRed(name, lightness);
  if (name === "orange" || name === "yellow") return nameWarm(name, lightness, chroma);
  return shaded(name, lightness, 0.45, 0.75);
}

/** @param {number} lightness */
function nameGrey(lightness) {
  if (lightness < 0.28) return "black";
  return lightness > 0.89 ? "white" : shaded("grey", lightness, 0.55, 0.75);
}

/** Light reds are pink. Purplish reds are pink unless they are dark. @param {"pink" | "red"} name @param {number} lightness */
function nameRed(name, lightness) {
  return lightness > (name === "pink" ? 0.5 : 0.68) ? "pink" : shaded("red", lightness, 0.45, 1);
}

/** Orange and yellow have names of their own where they are dark or pale. @param {"orange" | "yellow"} name @param {number} lightness @param {number} chroma */
function nameWarm(name, lightness, chroma) {
  if (lightness > 0.65 && chroma > 0.1) return name;
  if (lightness > 0.84) return "beige";
  return name === "yellow" && lightness < 0.65 ? shaded("olive", lightness, 0.4, 1) : shaded("brown", lightness, 0.4, 0.66);
}

/** @param {string} name @param {number} lightness @param {number} dark  below it @param {number} light  above it */
function shaded(name, lightness, dark, light) {
  if (lightness < dark) return `dark ${name}`;
  return lightness > light ? `light ${name}` : name;
}

/**
 * Converts sRGB to OKLCh (Björn Ottosson, "A perceptual color space for image processing", 2020).
 * @param {string} colour  "#rrggbb"
 * @returns {{lightness: number, chroma: number, hue: number}} in [0, 1], [0, 0.33] and [0, 360]
 */
function oklch(colour) {
  const [r, g, b] = [1, 3, 5].map((i) => linear(parseInt(colour.slice(i, i + 2), 16) / 255));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  const toRed = 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s;
  const toYellow = 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s;
  return {
    lightness: 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    chroma: Math.hypot(toRed, toYellow),
    hue: ((Math.atan2(toYellow, toRed) * 180) / Math.PI + 360) % 360,
  };
}

/** Without sRGB's gamma. @param {number} level  in [0, 1] */
function linear(level) {
  return level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
}

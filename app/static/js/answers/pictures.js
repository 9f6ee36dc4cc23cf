// The pictures of the answers, and which of them are out of date. No DOM here.

/**
 * @typedef {import("../client.js").Latent} Latent
 * @typedef {import("../client.js").Picture} Picture
 * @typedef {number | "between"} Place  an answer's index, or the position of the morph
 * @typedef {{place: Place, latent: Latent, key: string}} Wanted  `key` identifies everything that the picture depends on
 * @typedef {{model: string, items: import("../drawing/drawing.js").Item[]}} Source
 * @typedef {Picture & {source: Source, latent: Latent}} Made  with everything that it was made of
 */

export class Pictures {
  /** Increases when the drawing or the model changes. */
  #revision = 0;
  /** @type {Map<Place, Made & {key: string}>} */
  #kept = new Map();

  /**
   * @param {import("./answers.js").Answers} answers
   * @param {{picture: Picture | null}} morph
   */
  constructor(answers, morph) {
    this.answers = answers;
    this.morph = morph;
  }

  /** Marks all pictures as out of date. They are shown until new ones have come. */
  expire() {
    this.#revision++;
  }

  clear() {
    this.#kept.clear();
  }

  get isEmpty() {
    return this.#kept.size === 0;
  }

  /** The place of the large picture. */
  get front() {
    return this.morph.picture ? "between" : this.answers.chosen;
  }

  /** @returns {Made | null} */
  get large() {
    return this.at(this.front) ?? this.at(this.answers.chosen);
  }

  /**
   * @param {Place} place
   * @returns {Made | null}
   */
  at(place) {
    return this.#kept.get(place) ?? null;
  }

  /** @param {Place} place */
  isFresh(place) {
    return this.#kept.get(place)?.key === this.#want(place).key;
  }

  /**
   * The pictures that are out of date, the large one first.
   * @returns {Wanted[]}
   */
  stale() {
    const places = new Set([this.front, ...this.answers.all.keys()]);
    return [...places].filter((place) => !this.isFresh(place)).map((place) => this.#want(place));
  }

  /**
   * Stores a picture that was requested for `stale`, unless the answer was replaced in the meantime.
   * @param {Wanted} wanted
   * @param {Picture} picture
   * @param {Source} source
   */
  keep({ place, latent, key }, picture, source) {
    if (place === "between" && !this.morph.picture) return;
    if (JSON.stringify(this.#want(place).latent) !== JSON.stringify(latent)) return;
    this.#kept.set(place, { ...picture, source, latent, key });
    if (place !== "between") this.answers.setZ(place, picture.z);
  }

  /**
   * Shows a picture in a place until its own has come.
   * @param {Place} place
   * @param {Made} picture
   */
  showMeanwhile(place, picture) {
    this.#kept.set(place, { ...picture, key: "" });
  }

  /**
   * Stores the morph's frame, if it is up to date.
   * @param {Source} source
   */
  keepMorph(source) {
    if (!this.morph.picture?.url) return;
    const { latent, key } = this.#want("between");
    this.#kept.set("between", { ...this.morph.picture, source, latent, key });
  }

  /**
   * @param {Place} place
   * @returns {Wanted}
   */
  #want(place) {
    const latent = place === "between" ? { z: this.morph.picture.z } : this.answers.latent(place);
    return { place, latent, key: `${this.#revision} ${JSON.stringify(latent)}` };
  }
}

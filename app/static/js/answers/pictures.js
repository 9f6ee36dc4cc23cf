// The pictures that the server made, and which of them are out of date. No DOM here.

/**
 * @typedef {import("../client.js").Latent} Latent
 * @typedef {import("../client.js").Picture} Picture
 * @typedef {number | "between"} Place  an answer's index, or where the morph stands
 * @typedef {{place: Place, latent: Latent, key: string}} Wanted  `key` is all that the picture depends on
 * @typedef {{model: string, items: import("../drawing/drawing.js").Item[]}} Source
 * @typedef {Picture & {source: Source, latent: Latent}} Made  with all that it was made of
 */

export class Pictures {
  /** Counts what every picture depends on: the drawing, and the model. */
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

  /** All of them are out of date; they are shown until there are others. */
  expire() {
    this.#revision++;
  }

  clear() {
    this.#kept.clear();
  }

  get isEmpty() {
    return this.#kept.size === 0;
  }

  /** The place of the picture that is shown large. */
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
   * What is out of date, the large picture first.
   * @returns {Wanted[]}
   */
  due() {
    const places = new Set([this.front, ...this.answers.all.keys()]);
    return [...places].filter((place) => !this.isFresh(place)).map((place) => this.#want(place));
  }

  /**
   * Take in what came for `due`, unless another answer has taken its place.
   * @param {Wanted} wanted
   * @param {Picture} picture
   * @param {Source} source
   */
  keep({ place, latent, key }, picture, source) {
    if (place === "between" && !this.morph.picture) return;
    if (JSON.stringify(this.#want(place).latent) !== JSON.stringify(latent)) return;
    this.#kept.set(place, { ...picture, source, latent, key });
    if (place !== "between") this.answers.tell(place, picture.z);
  }

  /**
   * Show a picture in a place until its own comes.
   * @param {Place} place
   * @param {Made} picture
   */
  showMeanwhile(place, picture) {
    this.#kept.set(place, { ...picture, key: "" });
  }

  /**
   * Take in what the morph shows, if it is of the drawing as it is.
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

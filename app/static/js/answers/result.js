// The photo side of the page: the large picture, the answers, and the fields that describe the chosen one.

import { MAX_SEED } from "../client.js";
import { download } from "../files.js";
import { Gallery, showPicture } from "./gallery.js";
import { press } from "../toggle.js";
import { $ } from "../elements.js";

/**
 * @typedef {import("./answers.js").Answers} Answers
 * @typedef {import("./pictures.js").Pictures} Pictures
 */

/** Shows the answers and their pictures. */
export class Result {
  /**
   * @param {Answers} answers
   * @param {Pictures} pictures
   * @param {(i: number) => void} onChoose
   */
  constructor(answers, pictures, onChoose) {
    this.answers = answers;
    this.pictures = pictures;
    this.gallery = new Gallery($("answers"), onChoose);
    $("seed").max = String(MAX_SEED);
  }

  /** The number of answers that the page can show. */
  get places() {
    return this.gallery.places.length;
  }

  show() {
    const { answers, pictures } = this;
    const { large } = pictures;
    showPicture($("picture"), large?.url ?? "");
    $("save").disabled = large === null;
    $("invitation").hidden = large !== null;
    $("look-set").hidden = answers.all[answers.chosen].origin === "";
    $("look-open").hidden = !$("look-set").hidden;
    this.gallery.show(answers, (i) => {
      const picture = pictures.at(i);
      return picture && { url: picture.url, fresh: pictures.isFresh(i) };
    });
    this.#showSource();
    this.#showEnds();
  }

  /**
   * Downloads the large picture.
   * @param {import("./pictures.js").Made} made
   */
  save({ url, source, latent } = this.pictures.large) {
    const origin = "seed" in latent ? `seed-${latent.seed}` : $("seed").placeholder.replaceAll(/\W+/g, "-") || "z";
    download(url, `${source.model}-${origin}.png`);
  }

  #showSource() {
    const { answers } = this;
    const between = this.pictures.front === "between";
    const latent = answers.latent(answers.chosen);
    $("seed").value = "seed" in latent && !between ? String(latent.seed) : "";
    $("seed").placeholder = between ? "mix" : answers.describe(answers.chosen);
    press($("pin"), !between && answers.all[answers.chosen].pinned);
    $("pin").title = between ? "Keep this mix as an answer (P)" : "Keep this answer when others are rerolled (P)";
  }

  #showEnds() {
    const { answers, pictures } = this;
    $("morph").disabled = pictures.isEmpty;
    for (const [id, i] of Object.entries({ "morph-from": answers.chosen, "morph-to": answers.target })) {
      showPicture($(id).querySelector("img"), pictures.at(i)?.url ?? "");
      $(id).querySelector("span").textContent = String(i + 1);
    }
    $("morph-to").setAttribute("aria-label", `Morph to answer ${answers.target + 1}; press for the next one`);
    $("morph").setAttribute("aria-label", `From answer ${answers.chosen + 1} to answer ${answers.target + 1}`);
  }
}

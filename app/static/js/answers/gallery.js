// The small pictures of all answers, as radio buttons.

/** @typedef {import("./answers.js").Answers} Answers */

export class Gallery {
  /**
   * @param {HTMLElement} group  of labels with a radio button and pictures each
   * @param {(i: number) => void} onChoose
   */
  constructor(group, onChoose) {
    this.group = group;
    this.places = [...group.querySelectorAll("label")];
    for (const [i, place] of this.places.entries()) {
      place.querySelector("input").addEventListener("change", () => onChoose(i));
    }
  }

  /**
   * @param {Answers} answers
   * @param {(i: number) => {url: string, fresh: boolean} | null} pictureOf
   */
  show(answers, pictureOf) {
    this.group.hidden = answers.all.length < 2;
    for (const [i, answer] of answers.all.entries()) {
      const place = this.places[i];
      const button = place.querySelector("input");
      button.checked = i === answers.chosen;
      const name = `Answer ${i + 1}: ${answers.describe(i)}${answer.pinned ? ", pinned" : ""}`;
      button.setAttribute("aria-label", name);
      place.title = `${name} (${i + 1})`;
      place.classList.toggle("pinned", answer.pinned);
      const picture = pictureOf(i);
      place.classList.toggle("waiting", picture !== null && !picture.fresh);
      showPicture(place.querySelector(".picture"), picture?.url ?? "");
      showPicture(place.querySelector(".look"), answer.look);
    }
  }
}

/**
 * @param {HTMLImageElement} image
 * @param {string} url  "" hides it
 */
export function showPicture(image, url) {
  image.hidden = url === "";
  if (url !== "" && image.getAttribute("src") !== url) image.src = url;
}

// Takes a colour from the photo: with a click, or with the arrow keys and Enter.

const STEP = 1 / 64; // of the photo, for an arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const AROUND = 2; // pixels on each side of the place that are averaged: a single one may be grain

export class Dropper {
  /** Shares of the photo. */
  #place = { x: 0.5, y: 0.5 };
  /** @type {CanvasRenderingContext2D | null} */
  #photo = null;

  /**
   * @param {object} elements
   * @param {HTMLElement} elements.square  that shows the photo
   * @param {HTMLImageElement} elements.image
   * @param {HTMLButtonElement} elements.marker  at the place; hidden unless a colour is being taken
   * @param {(colour: string) => void} onTake  "#rrggbb"
   */
  constructor({ square, image, marker }, onTake) {
    [this.square, this.image, this.marker, this.onTake] = [square, image, marker, onTake];
    square.addEventListener("pointermove", (event) => this.#follow(event));
    square.addEventListener("pointerdown", (event) => this.#press(event));
    marker.addEventListener("click", () => this.#take());
    marker.addEventListener("keydown", (event) => this.#move(event));
    marker.addEventListener("blur", () => this.#stop());
  }

  /** Waits for a place of the photo that is shown now. */
  start() {
    const { image } = this;
    if (image.hidden) return;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    this.#photo = canvas.getContext("2d", { willReadFrequently: true });
    this.#photo.fillStyle = "#fff";
    this.#photo.fillRect(0, 0, canvas.width, canvas.height);
    this.#photo.drawImage(image, 0, 0);
    this.square.classList.add("giving-colour");
    this.marker.hidden = false;
    this.marker.focus();
    this.#show();
  }

  #stop() {
    this.#photo = null;
    this.square.classList.remove("giving-colour");
    this.marker.hidden = true;
  }

  #take() {
    const colour = this.#colour();
    this.#stop();
    this.onTake(colour);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (!this.#photo) return;
    event.preventDefault(); // the marker keeps the focus
    this.#follow(event);
    this.#take();
  }

  /** @param {PointerEvent} event */
  #follow({ clientX, clientY }) {
    const box = this.square.getBoundingClientRect();
    if (this.#photo) this.#goTo((clientX - box.left) / box.width, (clientY - box.top) / box.height);
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    if (event.key === "Escape") return this.#stop();
    const [dx, dy] = ARROWS[event.key] ?? [0, 0];
    if (dx === 0 && dy === 0) return;
    event.preventDefault();
    this.#goTo(this.#place.x + dx * STEP, this.#place.y + dy * STEP);
  }

  /** @param {number} x @param {number} y */
  #goTo(x, y) {
    const inside = (share) => Math.min(Math.max(share, 0), 1);
    this.#place = { x: inside(x), y: inside(y) };
    this.#show();
  }

  #show() {
    this.marker.style.left = `${100 * this.#place.x}%`;
    this.marker.style.top = `${100 * this.#place.y}%`;
    this.marker.style.setProperty("--colour", this.#colour());
  }

  #colour() {
    const { width, height } = this.#photo.canvas;
    const from = (share, length) => Math.min(Math.max(Math.floor(share * length) - AROUND, 0), length - 2 * AROUND - 1);
    const [left, top, side] = [from(this.#place.x, width), from(this.#place.y, height), 2 * AROUND + 1];
    const { data } = this.#photo.getImageData(left, top, side, side);
    const mean = (channel) => data.reduce((sum, value, i) => sum + (i % 4 === channel ? value : 0), 0) / side ** 2;
    return `#${[0, 1, 2].map((channel) => Math.round(mean(channel)).toString(16).padStart(2, "0")).join("")}`;
  }
}

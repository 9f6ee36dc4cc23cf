// Opens files (by button, drop or paste), downloads them, and handles copying.

import { newCanvas } from "./blank.js";
import { TEXT_INPUT } from "./elements.js";

const QUALITY = 0.85;

/**
 * Makes a button open a file.
 * @param {HTMLButtonElement} button
 * @param {HTMLInputElement} input
 * @param {(file: File) => void} onFile
 */
export function openOnClick(button, input, onFile) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) onFile(file);
  });
}

/**
 * Makes a small copy of a photo.
 * @param {Blob} photo
 * @param {number} longest  its longer side, in pixels
 * @returns {Promise<string>} a data: URL; "" if the browser cannot decode the file
 */
export async function shrink(photo, longest) {
  const image = await createImageBitmap(photo).catch(() => null);
  if (!image) return "";
  const scale = Math.min(1, longest / Math.max(image.width, image.height));
  const canvas = newCanvas(...[image.width, image.height].map((side) => Math.max(1, Math.round(side * scale))));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/webp", QUALITY);
}

/**
 * Reads a file.
 * @param {Blob} file
 * @returns {Promise<string>} a data: URL
 */
export function asDataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

/**
 * @param {string} url  data: URL in base64
 * @returns {Uint8Array} its content
 */
export function contentOf(url) {
  return Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (character) => character.charCodeAt(0));
}

/**
 * @param {string} url
 * @returns {Promise<HTMLImageElement>} decoded
 */
export async function loadImage(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

/**
 * @param {string} url
 * @param {string} name  of the file
 */
export function download(url, name) {
  const link = document.createElement("a");
  [link.href, link.download] = [url, name];
  link.click();
}

/**
 * Handles files that are dropped on the page.
 * @param {object} options
 * @param {HTMLElement} options.photoSide
 * @param {() => boolean} options.acceptsLook  whether the model can encode a photo's look
 * @param {(file: File) => void} options.onLook  dropped on the photo side, if the model accepts a look
 * @param {(file: File) => void} options.onSketch  dropped elsewhere
 */
export function handleDrops({ photoSide, acceptsLook, onLook, onSketch }) {
  const page = document.body.classList;
  /** @param {DragEvent} event */
  const isLook = (event) => acceptsLook() && event.target instanceof Node && photoSide.contains(event.target);
  const leave = () => page.remove("dropping", "takes-look", "dropping-look");

  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    page.add("dropping");
    page.toggle("takes-look", acceptsLook());
    page.toggle("dropping-look", isLook(event));
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) leave();
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    leave();
    const [file] = event.dataTransfer.files;
    if (file) (isLook(event) ? onLook : onSketch)(file);
  });
}

/**
 * Handles pictures that are pasted on the page.
 * @param {(file: File) => void} onSketch
 */
export function handlePastes(onSketch) {
  document.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    const isText = types.includes("text/plain") && event.target.closest?.(TEXT_INPUT);
    if (files.length === 0 || isText) return; // word processors copy text as a picture, too
    event.preventDefault();
    onSketch(files[0]);
  });
}

/**
 * Handles the keys for copying, unless text is selected.
 * @param {() => void} onCopy
 */
export function handleCopies(onCopy) {
  document.addEventListener("copy", (event) => {
    const isText = !getSelection().isCollapsed || event.target.closest?.(TEXT_INPUT);
    if (isText) return;
    event.preventDefault();
    onCopy();
  });
}

// Files that come in: chosen with a button, or dropped on the page, where it matters on which side they fall.

const THUMBNAIL_PX = 128;

/**
 * Have a button open a file.
 * @param {HTMLButtonElement} button
 * @param {HTMLInputElement} input
 * @param {(file: File) => void} onFile
 */
export function offerFile(button, input, onFile) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) onFile(file);
  });
}

/**
 * A small square copy of a photo.
 * @param {Blob} photo
 * @returns {Promise<string>} a data: URL; "" for a file that the browser cannot show
 */
export async function makeThumbnail(photo) {
  const image = await createImageBitmap(photo).catch(() => null);
  if (!image) return "";
  const side = Math.min(image.width, image.height);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = THUMBNAIL_PX;
  const [left, top] = [(image.width - side) / 2, (image.height - side) / 2];
  canvas.getContext("2d").drawImage(image, left, top, side, side, 0, 0, THUMBNAIL_PX, THUMBNAIL_PX);
  return canvas.toDataURL();
}

/**
 * @param {object} options
 * @param {HTMLElement} options.photoSide
 * @param {() => boolean} options.takesLook  whether the model can borrow a photo's look
 * @param {(file: File) => void} options.onLook  fell on the photo side, where that can be
 * @param {(file: File) => void} options.onSketch  fell anywhere else
 */
export function takeDrops({ photoSide, takesLook, onLook, onSketch }) {
  const page = document.body.classList;
  /** @param {DragEvent} event */
  const isLook = (event) => takesLook() && event.target instanceof Node && photoSide.contains(event.target);
  const leave = () => page.remove("dropping", "takes-look", "dropping-look");

  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    page.add("dropping");
    page.toggle("takes-look", takesLook());
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

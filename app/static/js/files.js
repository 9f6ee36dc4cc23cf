// Files that come in: chosen with a button, or dropped on the page, where it matters on which side they fall.

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

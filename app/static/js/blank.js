// Makes canvases to paint pictures on.

/**
 * @param {number} width
 * @param {number} [height]
 * @returns {HTMLCanvasElement}
 */
export function newCanvas(width, height = width) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return canvas;
}

/**
 * @param {number} width
 * @param {number} height
 * @param {CanvasRenderingContext2DSettings} [settings]
 * @returns {CanvasRenderingContext2D} of a white canvas
 */
export function whiteCanvas(width, height, settings) {
  const context = newCanvas(width, height).getContext("2d", settings);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  return context;
}

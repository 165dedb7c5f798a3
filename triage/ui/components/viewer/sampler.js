// Stored values at the screen's own pixels. Taken anew when the image moves; a new window only looks grey up again.
// @ts-check

/** @typedef {import("./types").Values} Values */
/** @typedef {import("./geometry.js").Matrix} Matrix */
/** @typedef {{values: Values, columns: number, rows: number}} Level */

export const OUTSIDE = -1;

/**
 * The image and its halves, quarters and so on, each pixel the mean of four; one of them suits any zoom.
 * @param {Level} image
 * @returns {Level[]}
 */
export function pyramid(image) {
  const levels = [image];
  let last = image;
  while (Math.min(last.columns, last.rows) >= 512) levels.push((last = halved(last)));
  return levels;
}

/** @param {Level} level @returns {Level} */
function halved({ values, columns, rows }) {
  const [width, height] = [columns >> 1, rows >> 1];
  const Kind = /** @type {any} */ (values.constructor);
  /** @type {Values} */
  const half = new Kind(width * height);
  for (let y = 0; y < height; y++) {
    const top = 2 * y * columns;
    const bottom = top + columns;
    for (let x = 0, from = 0, to = y * width; x < width; x++, from += 2, to++) {
      half[to] = (values[top + from] + values[top + from + 1] + values[bottom + from] + values[bottom + from + 1] + 2) >> 2;
    }
  }
  return { values: half, columns: width, rows: height };
}

/**
 * Offsets from the lowest stored value, for each pixel of the screen; OUTSIDE where the image is not.
 * @param {Level[]} levels
 * @param {Matrix} back screen's device pixels to image pixels
 * @param {number} width
 * @param {number} height
 * @param {number} low the lowest stored value
 * @returns {Int32Array}
 */
export function sampled(levels, back, width, height, low) {
  const step = Math.max(Math.hypot(back[0], back[1]), Math.hypot(back[2], back[3]));
  const depth = Math.min(Math.max(Math.floor(Math.log2(step) + 0.25), 0), levels.length - 1);
  const { values, columns, rows } = levels[depth];
  const shrink = 2 ** -depth;
  // Edges fall on edges, so centres shift by half a pixel.
  const shift = (shrink - 1) / 2;
  const [a, b, c, d] = back.slice(0, 4).map((part) => part * shrink);
  const [e, f] = [back[4] * shrink + shift, back[5] * shrink + shift];
  const found = new Int32Array(width * height);
  const sharp = step < 1 / 3; // large enough to see single pixels
  for (let row = 0, to = 0; row < height; row++) {
    let x = c * row + e;
    let y = d * row + f;
    for (let column = 0; column < width; column++, to++, x += a, y += b) {
      found[to] = x < -0.5 || y < -0.5 || x >= columns - 0.5 || y >= rows - 0.5 ? OUTSIDE
        : (sharp ? nearest(values, columns, rows, x, y) : between(values, columns, rows, x, y)) - low;
    }
  }
  return found;
}

/** @param {Values} values @param {number} columns @param {number} rows @param {number} x @param {number} y */
function nearest(values, columns, rows, x, y) {
  return values[Math.min(Math.round(y), rows - 1) * columns + Math.min(Math.round(x), columns - 1)];
}

/** @param {Values} values @param {number} columns @param {number} rows @param {number} x @param {number} y */
function between(values, columns, rows, x, y) {
  const left = x < 0 ? 0 : x > columns - 1 ? columns - 1 : x;
  const top = y < 0 ? 0 : y > rows - 1 ? rows - 1 : y;
  const x0 = left | 0;
  const y0 = top | 0;
  const [dx, dy] = [left - x0, top - y0];
  const right = x0 + 1 < columns ? 1 : 0;
  const below = y0 + 1 < rows ? columns : 0;
  const at = y0 * columns + x0;
  const upper = values[at] + (values[at + right] - values[at]) * dx;
  const lower = values[at + below] + (values[at + below + right] - values[at + below]) * dx;
  return Math.round(upper + (lower - upper) * dy);
}

/**
 * Grey of the samples into the pixels of a canvas.
 * @param {Int32Array} samples
 * @param {Uint8Array} grey by offset
 * @param {Uint32Array} pixels little-endian RGBA
 */
export function coloured(samples, grey, pixels) {
  const colours = new Uint32Array(grey.length);
  for (let i = 0; i < grey.length; i++) colours[i] = 0xff000000 | (grey[i] * 0x010101);
  for (let i = 0; i < samples.length; i++) pixels[i] = samples[i] === OUTSIDE ? 0xff000000 : colours[samples[i]];
}

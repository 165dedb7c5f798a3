// Planes across the slices of a series: which way a cut is shown, and its pixels. Knows nothing of the page.
// @ts-check
import { opposite } from "./geometry.js";

/** @typedef {import("./types").Frame} Frame */
/** @typedef {import("./types").Values} Values */
/** @typedef {{transposed: boolean, flipColumns: boolean, flipRows: boolean, orientation: [string, string], plane: string}} Layout */

const AXES = /** @type {Record<string, string>} */ ({ L: "x", R: "x", P: "y", A: "y", H: "z", F: "z" });
/** Where columns and rows lead in a plane as it is read, as triage/images/series.py has it. */
const AS_READ = /** @type {const} */ ([["coronal", "L", "F"], ["sagittal", "P", "F"], ["axial", "L", "P"]]);

/**
 * How the plane of one axis of the slices and the axis along the stack is shown.
 * @param {string} along where the axis of the slices leads, such as L
 * @param {string} stack where the last slice lies, such as H
 * @returns {Layout} `transposed`: the stack runs across, not down
 */
export function layout(along, stack) {
  const axes = [along, stack].map((letters) => AXES[letters[0]]);
  const [plane, across, down] = AS_READ.find((one) => axes.includes(AXES[one[1]]) && axes.includes(AXES[one[2]])) ?? ["", along, stack];
  const transposed = AXES[across[0]] === axes[1];
  const [columns, rows] = transposed ? [stack, along] : [along, stack];
  const flipColumns = columns[0] !== across[0];
  const flipRows = rows[0] !== down[0];
  const orientation = /** @type {[string, string]} */ ([flipColumns ? opposite(columns) : columns, flipRows ? opposite(rows) : rows]);
  return { transposed, flipColumns, flipRows, orientation, plane };
}

/**
 * One row or one column of every slice as an image.
 * @param {readonly Frame[]} frames in the order of the stack, of one size
 * @param {"row" | "column"} fixed
 * @param {number} at which row or column
 * @param {Layout} way
 * @param {number} gap between slices in mm
 * @param {readonly [number, number]} spacing of the slices' rows and columns in mm
 * @returns {Frame}
 */
export function cut(frames, fixed, at, way, gap, spacing) {
  const { rows, columns } = frames[0].facts;
  const [length, start, step] = fixed === "row" ? [columns, at * columns, 1] : [rows, at, columns];
  const [height, width] = way.transposed ? [length, frames.length] : [frames.length, length];
  const Kind = /** @type {any} */ (frames[0].values.constructor);
  /** @type {Values} */
  const values = new Kind(height * width);
  for (let place = 0; place < frames.length; place++) {
    const { values: from } = frames[place];
    for (let index = 0; index < length; index++) {
      const [row, column] = way.transposed ? [index, place] : [place, index];
      values[offset(way, row, column, height, width)] = from[start + index * step];
    }
  }
  const inPlane = fixed === "row" ? spacing[1] : spacing[0];
  const mm = /** @type {[number, number]} */ (way.transposed ? [inPlane, gap] : [gap, inPlane]);
  const stored = /** @type {[number, number]} */ ([
    Math.min(...frames.map((one) => one.facts.stored[0])), Math.max(...frames.map((one) => one.facts.stored[1])),
  ]);
  const facts = { ...frames[0].facts, rows: height, columns: width, stored, spacing: { mm, at: /** @type {const} */ ("patient") } };
  return { facts, values, bytes: values.byteLength };
}

/** @param {Layout} way @param {number} row @param {number} column @param {number} height @param {number} width */
function offset({ flipRows, flipColumns }, row, column, height, width) {
  return (flipRows ? height - 1 - row : row) * width + (flipColumns ? width - 1 - column : column);
}

/**
 * Where slice and index lie on a cut, and back: the same turn both ways.
 * @param {Layout} way
 * @param {readonly [number, number]} point column and row of the cut, or index and slice
 * @param {readonly [number, number]} counts of indices and of slices
 * @param {"onto" | "from"} direction onto the cut, or from it
 * @returns {[number, number]}
 */
export function turned(way, point, [indices, slices], direction) {
  const [width, height] = way.transposed ? [slices, indices] : [indices, slices];
  const flip = (/** @type {readonly [number, number]} */ [column, row]) => /** @type {[number, number]} */ ([
    way.flipColumns ? width - 1 - column : column, way.flipRows ? height - 1 - row : row,
  ]);
  const swap = (/** @type {[number, number]} */ [a, b]) => /** @type {[number, number]} */ (way.transposed ? [b, a] : [a, b]);
  return direction === "onto" ? flip(swap([point[0], point[1]])) : swap(flip(point));
}

/** Whether stored values mean the same on every slice, so that one table shows a cut. @param {readonly Frame[]} frames */
export function alike(frames) {
  const told = (/** @type {Frame} */ { facts: { rows, columns, kind, slope, intercept, modality_lut: lut } }) =>
    JSON.stringify([rows, columns, kind, slope, intercept, lut]);
  return !frames.some((one) => one.facts.colour || told(one) !== told(frames[0]));
}

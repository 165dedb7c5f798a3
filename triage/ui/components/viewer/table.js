// Stored values to grey, as triage/images/display.py does it to the bit: one table for all values that occur.
// @ts-check

/** @typedef {import("./types").Facts} Facts */
/** @typedef {import("./types").Lut} Lut */
/** @typedef {{center: number, width: number}} Window */

const f = Math.fround;

/**
 * Grey 0 to 255 for each stored value from `facts.stored[0]` on.
 * @param {Facts} facts
 * @param {Window | null} window instead of the file's own, in modality values
 * @param {boolean} [inverted] the other way round than the file says
 * @returns {Uint8Array}
 */
export function greyTable(facts, window, inverted = false) {
  const [low, high] = facts.stored;
  const grey = new Uint8Array(high - low + 1);
  const shown = shower(facts, window);
  const turned = facts.inverted !== inverted;
  for (let i = 0; i < grey.length; i++) {
    const value = shown(modality(facts, low + i));
    grey[i] = even(f((turned ? f(1 - value) : value) * 255));
  }
  return grey;
}

/**
 * A stored value in the modality's unit.
 * @param {Facts} facts
 * @param {number} stored
 */
export function modality(facts, stored) {
  if (facts.modality_lut) return looked(facts.modality_lut, stored);
  const scaled = facts.slope === 1 ? stored : f(f(stored) * f(facts.slope));
  return facts.intercept === 0 ? scaled : f(scaled + f(facts.intercept));
}

/**
 * @param {Facts} facts
 * @param {Window | null} window
 * @returns {(value: number) => number} modality value to 0..1
 */
function shower(facts, window) {
  if (window) return windowed(window, facts.function);
  const [lut] = facts.voi_luts;
  if (lut) return (value) => unit(f(looked(lut, value) / f(2 ** lut.bits - 1)));
  if (facts.windows.length) return windowed(facts.windows[0], facts.function);
  const [low, high] = facts.range;
  if (!(high > low)) return () => 0;
  const span = f(f(high) - f(low));
  return (value) => unit(f(f(value - f(low)) / span));
}

/**
 * PS3.3 C.11.2.1.2 (LINEAR), C.11.2.1.3.2 (LINEAR_EXACT), C.11.2.1.3.1 (SIGMOID).
 * @param {Window} window
 * @param {string} kind
 * @returns {(value: number) => number}
 */
export function windowed(window, kind) {
  const exact = kind === "LINEAR_EXACT" || kind === "SIGMOID";
  const center = exact ? f(window.center) : f(f(window.center) - 0.5);
  const width = exact ? f(window.width) : f(Math.max(window.width - 1, 1e-6));
  if (kind === "SIGMOID") return (value) => f(1 / f(1 + f(Math.exp(f(f(-4 * f(value - center)) / width)))));
  return (value) => unit(f(f(f(value - center) / width) + 0.5));
}

/**
 * The window in force: the chosen one, the file's first, or one over the whole range.
 * @param {Facts} facts
 * @param {Window | null} window
 * @returns {Window}
 */
export function inForce(facts, window) {
  if (window) return window;
  if (facts.windows.length && !facts.voi_luts.length) return facts.windows[0];
  const [low, high] = facts.range;
  return { center: (low + high + 1) / 2, width: Math.max(high - low + 1, 1) };
}

/**
 * The window after the pointer was dragged: to the right wider, upwards darker, in steps that suit its width.
 * @param {Window} window
 * @param {number} right
 * @param {number} down
 * @returns {Window}
 */
export function dragged(window, right, down) {
  const step = Math.max(window.width, 20) / 300;
  return { center: window.center - down * step, width: Math.max(window.width + right * step, 1) };
}

/** @param {Lut} lut @param {number} value */
function looked(lut, value) {
  const place = even(value) - lut.first;
  return lut.entries[Math.min(Math.max(place, 0), lut.entries.length - 1)];
}

/** @param {number} value */
function unit(value) {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

/** To the nearest whole number, halves to the even one. @param {number} value */
function even(value) {
  const down = Math.floor(value);
  const over = value - down;
  if (over !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}

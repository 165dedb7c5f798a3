// What an operating point means: figures on the curve, and what follows from them at a prevalence. No page, no state.
// @ts-check

/** @typedef {import("./types").Curve} Curve */
/** @typedef {import("./types").Figure} Figure */
/** @typedef {import("./types").Known} Known */
/** @typedef {import("./types").Point} Point */

/**
 * Sensitivity and specificity of acting from that probability: those that were measured there, else between those of
 * the neighbouring thresholds. From 0 everything is acted on, from 1 nothing.
 * @param {Curve} curve
 * @param {number} probability above 0 and below 1
 * @returns {Point}
 */
export function pointAt(curve, probability) {
  const above = curve.probability.findIndex((one) => one >= probability);
  const next = above < 0 ? curve.probability.length : above;
  if (curve.probability[next] === probability) return measured(curve, next);
  const [before, after] = [measured(curve, next - 1), measured(curve, next)];
  const from = curve.probability[next - 1] ?? 0;
  const way = (probability - from) / ((curve.probability[next] ?? 1) - from);
  return {
    sensitivity: between(before.sensitivity, after.sensitivity, way),
    specificity: between(before.specificity, after.specificity, way),
  };
}

/**
 * The place of the threshold that is nearest to a probability.
 * @param {number[]} thresholds rising
 * @param {number} probability
 */
export function nearest(thresholds, probability) {
  let best = 0;
  thresholds.forEach((one, place) => {
    if (Math.abs(one - probability) < Math.abs(thresholds[best] - probability)) best = place;
  });
  return best;
}

/**
 * What the point means where that share of the studies has the finding. PPV and NPV by Bayes; intervals of what follows
 * from both figures by Zou and Donner 2008 (Stat Med 27: 1693), of odds on their logarithm, the prevalence being exact.
 * @param {Point} point
 * @param {number} prevalence above 0 and below 1
 * @returns {import("./types").Consequences}
 */
export function consequences({ sensitivity, specificity }, prevalence) {
  const [missed, alarms] = [opposite(sensitivity), opposite(specificity)];
  return {
    sensitivity,
    specificity,
    flags: sum(times(sensitivity, 100 * prevalence), times(alarms, 100 * (1 - prevalence))),
    ppv: share(times(sensitivity, prevalence), times(alarms, 1 - prevalence)),
    npv: share(times(specificity, 1 - prevalence), times(missed, prevalence)),
    misses: times(missed, 1000 * prevalence),
  };
}

/** @param {Curve} curve @param {number} place @returns {Point} beyond the ends: everything, or nothing, is acted on */
function measured(curve, place) {
  if (place < 0) return { sensitivity: exact(1), specificity: exact(0) };
  if (place >= curve.probability.length) return { sensitivity: exact(0), specificity: exact(1) };
  return {
    sensitivity: { value: curve.sensitivity[place], low: curve.sensitivity_low[place], high: curve.sensitivity_high[place] },
    specificity: { value: curve.specificity[place], low: curve.specificity_low[place], high: curve.specificity_high[place] },
  };
}

/** @param {number} value @returns {Known} */
function exact(value) {
  return { value, low: value, high: value };
}

/** @param {Known} one @param {Known} other @param {number} way @returns {Known} */
function between(one, other, way) {
  const mixed = (/** @type {number | null} */ a, /** @type {number | null} */ b) => (a === null || b === null ? null : a + (b - a) * way);
  return { value: one.value + (other.value - one.value) * way, low: mixed(one.low, other.low), high: mixed(one.high, other.high) };
}

/** @param {Known} one @returns {Known} 1 - one */
function opposite({ value, low, high }) {
  return { value: 1 - value, low: high === null ? null : 1 - high, high: low === null ? null : 1 - low };
}

/** @param {Known} one @param {number} factor @returns {Known} */
function times({ value, low, high }, factor) {
  return { value: value * factor, low: low === null ? null : low * factor, high: high === null ? null : high * factor };
}

/** Of two independent figures. @param {Known} one @param {Known} other @returns {Known} */
function sum(one, other) {
  const value = one.value + other.value;
  if (one.low === null || one.high === null || other.low === null || other.high === null) return { value, low: null, high: null };
  return {
    value,
    low: value - Math.hypot(one.value - one.low, other.value - other.low),
    high: value + Math.hypot(one.high - one.value, other.high - other.value),
  };
}

/** one / (one + other) of two independent figures. @param {Known} one @param {Known} other @returns {Figure} */
function share(one, other) {
  if (one.value + other.value === 0) return { value: null, low: null, high: null };
  const value = one.value / (one.value + other.value);
  const odds = sum(logarithm(one), logarithm({ value: other.value, low: other.low, high: other.high }, -1));
  if (odds.low === null || odds.high === null) return { value, low: null, high: null };
  // where one of the two is 0 the logarithm says nothing: the bounds at their worst and best are taken
  const low = Number.isNaN(odds.low) ? part(one.low, other.high) : sigmoid(odds.low);
  const high = Number.isNaN(odds.high) ? part(one.high, other.low) : sigmoid(odds.high);
  return { value, low: Math.min(low, value), high: Math.max(high, value) };
}

/** @param {Known} one @param {1 | -1} [sign] @returns {Known} */
function logarithm({ value, low, high }, sign = 1) {
  const bounds = [low, high].map((bound) => (bound === null ? null : sign * Math.log(bound)));
  if (sign < 0) bounds.reverse();
  return { value: sign * Math.log(value), low: bounds[0], high: bounds[1] };
}

/** @param {number | null} one @param {number | null} other */
function part(one, other) {
  const whole = (one ?? 0) + (other ?? 0);
  return whole > 0 ? (one ?? 0) / whole : 0;
}

/** @param {number} z */
function sigmoid(z) {
  return z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z));
}

import assert from "node:assert/strict";
import { test } from "node:test";

import { consequences, nearest, pointAt } from "../../triage/ui/components/explorer/maths.js";

const CURVE = {
  probability: [0.2, 0.4, 0.8],
  sensitivity: [0.9, 0.7, 0.2], sensitivity_low: [0.8, 0.6, 0.1], sensitivity_high: [0.95, 0.8, 0.3],
  specificity: [0.5, 0.8, 0.95], specificity_low: [0.4, 0.7, 0.9], specificity_high: [0.6, 0.9, 1],
};

/** @param {number | null} found @param {number} wanted */
function near(found, wanted) {
  assert.ok(found !== null && Math.abs(found - wanted) < 1e-9, `${found} is not ${wanted}`);
}

/** @param {number} value @param {number | null} [low] @param {number | null} [high] */
function known(value, low = value, high = value) {
  return { value, low, high };
}

test("at a threshold of the curve its own figures are told, between two those between", () => {
  assert.deepEqual(pointAt(CURVE, 0.4), { sensitivity: known(0.7, 0.6, 0.8), specificity: known(0.8, 0.7, 0.9) });
  const { sensitivity, specificity } = pointAt(CURVE, 0.5);
  near(sensitivity.value, 0.7 - 0.5 / 4);
  near(specificity.low, 0.7 + 0.2 / 4);
});

test("from 0 everything is acted on, from 1 nothing", () => {
  near(pointAt(CURVE, 0.1).sensitivity.value, 0.95);
  near(pointAt(CURVE, 0.1).specificity.value, 0.25);
  near(pointAt(CURVE, 0.9).sensitivity.value, 0.1);
  near(pointAt(CURVE, 0.9).specificity.value, 0.975);
});

test("flags, PPV, NPV and misses are those of a table of 10,000 studies", () => {
  // 500 with it, 400 found; 9,500 without it, 950 flagged
  const told = consequences({ sensitivity: known(0.8), specificity: known(0.9) }, 0.05);
  near(told.flags.value, 100 * (400 + 950) / 10000);
  near(told.ppv.value, 400 / 1350);
  near(told.npv.value, 8550 / 8650);
  near(told.misses.value, 10);
  near(told.flags.low, 13.5);
  near(told.ppv.high, 400 / 1350);
});

test("intervals hold their value and are no wider than both bounds at their worst", () => {
  for (const prevalence of [0.001, 0.05, 0.5, 0.99]) {
    for (const probability of [0.1, 0.2, 0.3, 0.4, 0.79, 0.8, 0.95]) {
      const point = pointAt(CURVE, probability);
      const told = consequences(point, prevalence);
      for (const figure of Object.values(told)) {
        assert.ok(figure.low !== null && figure.value !== null && figure.high !== null);
        assert.ok(figure.low <= figure.value && figure.value <= figure.high, JSON.stringify(told));
      }
      const [least, fewest] = [point.sensitivity.low ?? 0, point.specificity.low ?? 0];
      const worst = consequences({ sensitivity: known(least), specificity: known(fewest) }, prevalence);
      assert.ok((told.ppv.low ?? 0) >= (worst.ppv.value ?? 0) - 1e-9);
      assert.ok((told.npv.low ?? 0) >= (worst.npv.value ?? 0) - 1e-9);
    }
  }
});

test("the interval of flags is that of two independent figures", () => {
  const told = consequences({ sensitivity: known(0.8, 0.7, 0.85), specificity: known(0.9, 0.85, 0.92) }, 0.2);
  near(told.flags.low, 24 - Math.hypot(20 * 0.1, 80 * 0.02));
  near(told.flags.high, 24 + Math.hypot(20 * 0.05, 80 * 0.05));
});

test("where nothing is flagged there is no PPV, and where nothing is wrong it is 1", () => {
  assert.equal(consequences({ sensitivity: known(0), specificity: known(1) }, 0.1).ppv.value, null);
  const { ppv } = consequences({ sensitivity: known(0.5, 0.4, 0.6), specificity: known(1, 0.9, 1) }, 0.1);
  near(ppv.value, 1);
  near(ppv.high, 1);
  near(ppv.low, 0.04 / (0.04 + 0.09));
});

test("a figure without an interval makes none up", () => {
  const told = consequences({ sensitivity: known(0.8, null, null), specificity: known(0.9, 0.8, 0.95) }, 0.1);
  assert.equal(told.flags.low, null);
  assert.equal(told.ppv.high, null);
  assert.equal(told.misses.low, null);
  assert.equal(told.specificity.low, 0.8);
});

test("the nearest threshold is found", () => {
  assert.equal(nearest(CURVE.probability, 0.29), 0);
  assert.equal(nearest(CURVE.probability, 0.7), 2);
  assert.equal(nearest(CURVE.probability, 0.4), 1);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { sideWords } from "../../triage/ui/components/viewer/eyes.js";

/** @param {string} modality @param {string | null} laterality */
const words = (modality, laterality) => sideWords({ modality, laterality });

test("an eye is named, and that it is not stated is said", () => {
  assert.equal(words("OPT", "R"), "right eye (OD)");
  assert.equal(words("OP", "L"), "left eye (OS)");
  assert.equal(words("OPT", ""), "eye not stated");
  assert.equal(words("OPT", "U"), "eye not stated");
});

test("another side is named only where it is stated", () => {
  assert.equal(words("DX", "L"), "left side");
  assert.equal(words("DX", ""), "");
  assert.equal(words("CT", "U"), "");
});

test("nothing is said where it was not read", () => {
  assert.equal(words("OPT", null), "");
});

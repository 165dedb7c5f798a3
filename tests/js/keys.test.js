import assert from "node:assert/strict";
import { test } from "node:test";

import { keyOf } from "../../triage/ui/components/keys.js";

test("a key is what was meant, with Caps Lock and on keyboards of other scripts", () => {
  assert.equal(keyOf(/** @type {any} */ ({ key: "O", code: "KeyO" })), "o");
  assert.equal(keyOf(/** @type {any} */ ({ key: "щ", code: "KeyO" })), "o");
  assert.equal(keyOf(/** @type {any} */ ({ key: "a", code: "KeyQ" })), "a"); // AZERTY: the letter, not its place
  assert.equal(keyOf(/** @type {any} */ ({ key: "?", code: "Slash" })), "?");
  assert.equal(keyOf(/** @type {any} */ ({ key: "Escape", code: "Escape" })), "Escape");
});

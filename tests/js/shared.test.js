import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, ending, say, settle, since } from "../../triage/ui/components/shared.js";

test("a time is told in the site's zone, whatever the browser's is", () => {
  settle({ language: "en", zone: "Asia/Tokyo" });
  assert.match(clock("2026-01-01T20:30:00Z"), /Jan 2, 2026, 5:30\sAM/);
  settle({ language: "en", zone: "America/New_York" });
  assert.match(clock("2026-01-01T20:30:00Z"), /Jan 1, 2026, 3:30\sPM/);
});

test("what went by has its unit", () => {
  const now = Date.parse("2026-01-03T00:00:00Z");
  assert.equal(since("2026-01-02T23:59:40Z", now), "now");
  assert.equal(since("2026-01-02T23:48:00Z", now), "12 min");
  assert.equal(since("2026-01-02T21:00:00Z", now), "3 h");
  assert.equal(since("2025-12-31T23:00:00Z", now), "2 d");
  assert.equal(since("2026-01-03T00:05:00Z", now), "now");
});

test("a text that is not in the file is a fault, not a blank", () => {
  assert.throws(() => say("shared.nothing"), /there is no text shared.nothing/);
});

test("an end that comes after a newer start ends nothing", () => {
  let stops = 0;
  const instance = { stop: () => { stops += 1; } };
  const first = ending(instance);
  const second = ending(instance);
  first();
  assert.equal(stops, 0);
  second();
  assert.equal(stops, 1);
});

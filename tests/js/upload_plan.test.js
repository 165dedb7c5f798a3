import assert from "node:assert/strict";
import { test } from "node:test";

import { CHUNK, Rate, asWalked, chunkEnd, newId, sentName, waitBefore } from "../../triage/ui/components/upload/plan.js";
import { topsOf, windowOf } from "../../triage/ui/components/upload/rows.js";
import { bytes, rounded } from "../../triage/ui/components/upload/words.js";

test("a file goes out in chunks that meet and end with it", () => {
  const size = 2 * CHUNK + 7;
  const ends = [];
  for (let at = 0; at < size; at = chunkEnd(at, size)) ends.push(chunkEnd(at, size));
  assert.deepEqual(ends, [CHUNK, 2 * CHUNK, size]);
  assert.equal(chunkEnd(0, 0), 0);
});

test("waits grow and stop growing", () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 20].map(waitBefore), [1, 2, 4, 8, 16, 30, 30]);
});

test("an upload's name is what the server takes, and another each time", () => {
  const names = new Set(Array.from({ length: 100 }, newId));
  assert.equal(names.size, 100);
  for (const name of names) assert.match(name, /^[0-9a-f]{32}$/);
});

test("files go in the order in which the command line walks", () => {
  const names = ["b/z", "b/a/x", "a.dcm", "b/c", "c", "b/a/b"];
  assert.deepEqual(names.sort(asWalked), ["a.dcm", "c", "b/c", "b/z", "b/a/b", "b/a/x"]);
});

test("a name that no header holds is mended, a long path keeps its end", () => {
  assert.equal(sentName("a\ud800b "), "a\ufffdb");
  assert.equal(sentName(`${"x".repeat(400)}/film.dcm`).length, 300);
  assert.match(sentName(`${"x".repeat(400)}/film.dcm`), /film\.dcm$/);
});

test("speed is that of the last ten seconds, and not told before it is known", () => {
  const rate = new Rate();
  rate.note(0, 0);
  rate.note(100, 1000);
  assert.equal(rate.perSecond, null);
  rate.note(4000, 4000);
  assert.equal(rate.perSecond, 1000);
  for (let second = 5; second <= 30; second += 1) rate.note(4000 + (second - 4) * 500, second * 1000);
  assert.equal(rate.perSecond, 500);
  rate.clear();
  assert.equal(rate.perSecond, null);
});

test("of many lines only those near the view are drawn", () => {
  const rows = Array.from({ length: 5000 }, (_, i) => ({ height: i % 2 ? 26 : 34 }));
  const tops = topsOf(rows);
  assert.equal(tops[5000], 5000 * 30);
  const [first, end] = windowOf(tops, 60_000, 600);
  assert.ok(tops[first] <= 60_000 && tops[end] >= 60_600, "what is seen is drawn");
  assert.ok(end - first < 60, `${end - first} lines`);
  assert.deepEqual(windowOf(tops, 0, 600)[0], 0);
  assert.deepEqual(windowOf(tops, 150_000, 600)[1], 5000);
  assert.deepEqual(windowOf(topsOf([]), 0, 600), [0, 0]);
  assert.deepEqual(windowOf(topsOf([{ height: 10 }]), 0, 600), [0, 1]);
});

test("sizes and times in words", () => {
  assert.equal(bytes(0, "en"), "0 byte");
  assert.equal(bytes(999_700, "en"), "1.0 MB");
  assert.equal(bytes(14_230_000, "en"), "14.2 MB");
  assert.equal(bytes(5_000_000_000, "en"), "5.0 GB");
  assert.match(bytes(5_000_000_000, "de"), /^5,0\sGB$/);
  assert.deepEqual(rounded(1), { unit: "seconds", count: 5 });
  assert.deepEqual(rounded(180), { unit: "minutes", count: 3 });
  assert.deepEqual(rounded(7300), { unit: "hours", count: 2 });
});

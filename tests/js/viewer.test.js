import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { UPRIGHT, apply, distance, fitting, inverse, moved, sides, toScreen, zoomed } from "../../triage/ui/components/viewer/geometry.js";
import { OUTSIDE, coloured, pyramid, sampled } from "../../triage/ui/components/viewer/sampler.js";
import { dragged, greyTable, inForce } from "../../triage/ui/components/viewer/table.js";

const IMAGE = { columns: 200, rows: 100, aspect: 1 };
const STAGE = { width: 400, height: 400 };

/** @param {readonly number[]} found @param {readonly number[]} expected */
function near(found, expected) {
  found.forEach((value, place) => assert.ok(Math.abs(value - expected[place]) < 1e-9, `${found} is not ${expected}`));
}

test("every stored value becomes the grey that the program itself gives it", () => {
  const cases = JSON.parse(readFileSync(new URL("grey.json", import.meta.url), "utf8"));
  assert.ok(cases.length > 15);
  for (const { name, facts, window, grey } of cases) assert.deepEqual([...greyTable(facts, window)], grey, name);
});

test("the window in force is the file's first until another is chosen", () => {
  const facts = { windows: [{ center: 40, width: 80 }], voi_luts: [], range: [0, 99] };
  assert.equal(inForce(/** @type {any} */ (facts), null).width, 80);
  assert.deepEqual(inForce(/** @type {any} */ (facts), { center: 1, width: 2 }), { center: 1, width: 2 });
  assert.deepEqual(inForce(/** @type {any} */ ({ ...facts, windows: [] }), null), { center: 50, width: 100 });
});

test("a drag changes width and centre in steps that suit the window, and never below one", () => {
  const window = { center: 40, width: 300 };
  assert.deepEqual(dragged(window, 30, 0), { center: 40, width: 330 });
  assert.deepEqual(dragged(window, 0, -10), { center: 50, width: 300 });
  assert.equal(dragged(window, -9999, 0).width, 1);
});

test("the whole image is fitted edge to edge, also when it is turned", () => {
  const upright = toScreen(UPRIGHT, IMAGE, STAGE);
  near(apply(upright, -0.5, -0.5), [0, 100]);
  near(apply(upright, 199.5, 99.5), [400, 300]);
  const turned = toScreen({ ...UPRIGHT, quarters: 1 }, IMAGE, STAGE);
  near(apply(turned, -0.5, -0.5), [300, 0]);
  near(apply(turned, 199.5, -0.5), [300, 400]);
  assert.equal(fitting({ ...UPRIGHT, quarters: 1 }, IMAGE, STAGE), 2);
});

test("the way back undoes the way there, whatever the pose", () => {
  for (const quarters of [0, 1, 2, 3]) {
    for (const mirrored of [false, true]) {
      const matrix = toScreen({ scale: 1.7, x: 31, y: 77, quarters, mirrored }, { ...IMAGE, aspect: 1.25 }, STAGE);
      near(apply(inverse(matrix), ...apply(matrix, 12, 34)), [12, 34]);
    }
  }
});

test("a zoom leaves the point under the pointer where it is", () => {
  const whole = fitting(UPRIGHT, IMAGE, STAGE);
  const at = { x: 120, y: 160 };
  const before = apply(inverse(toScreen(UPRIGHT, IMAGE, STAGE)), at.x, at.y);
  const pose = zoomed(UPRIGHT, 1.5, at, whole, STAGE);
  near(apply(inverse(toScreen(pose, IMAGE, STAGE)), at.x, at.y), before);
  const further = moved(pose, 10, -5, whole, STAGE);
  near(apply(toScreen(further, IMAGE, STAGE), ...before), [130, 155]);
  assert.equal(zoomed(UPRIGHT, 1e9, at, whole, STAGE).scale, 32);
});

test("the letters at the edges follow every turn", () => {
  const film = ["L", "F"];
  assert.deepEqual(sides(film, UPRIGHT), { right: "L", bottom: "F", left: "R", top: "H" });
  assert.deepEqual(sides(film, { ...UPRIGHT, quarters: 1 }), { right: "H", bottom: "L", left: "F", top: "R" });
  assert.deepEqual(sides(film, { ...UPRIGHT, mirrored: true }), { right: "R", bottom: "F", left: "L", top: "H" });
  assert.deepEqual(sides([], UPRIGHT), { right: "", bottom: "", left: "", top: "" });
});

test("the letters agree with where the pixels go", () => {
  for (const quarters of [0, 1, 2, 3]) {
    for (const mirrored of [false, true]) {
      const pose = { ...UPRIGHT, quarters, mirrored };
      const [a, b] = toScreen(pose, { columns: 100, rows: 100, aspect: 1 }, STAGE);
      const side = Math.abs(a) > Math.abs(b) ? (a > 0 ? "right" : "left") : b > 0 ? "bottom" : "top";
      assert.equal(sides(["L", "F"], pose)[/** @type {"left"} */ (side)], "L");
    }
  }
});

test("a distance takes each direction's own spacing", () => {
  assert.equal(distance([0, 0], [3, 4], [1, 1]), 5);
  assert.equal(distance([0, 0], [10, 0], [0.5, 0.2]), 2);
  assert.equal(distance([0, 0], [0, 10], [0.5, 0.2]), 5);
});

test("samples are the image's values where it is and nothing where it is not", () => {
  const values = Uint16Array.from({ length: 12 }, (_, i) => 100 + i);
  const found = sampled([{ values, columns: 4, rows: 3 }], [1, 0, 0, 1, -1, 0], 6, 3, 100);
  assert.deepEqual([...found.slice(0, 6)], [OUTSIDE, 0, 1, 2, 3, OUTSIDE]);
  assert.deepEqual([...found.slice(12)], [OUTSIDE, 8, 9, 10, 11, OUTSIDE]);
});

test("a large image that is shown small takes the means of its pixels", () => {
  const side = 1024;
  const values = Uint8Array.from({ length: side * side }, (_, i) => (i % 2 ? 200 : 0));
  const levels = pyramid({ values, columns: side, rows: side });
  assert.deepEqual(levels.map((level) => level.columns), [1024, 512, 256]);
  const found = sampled(levels, [4, 0, 0, 4, 1.5, 1.5], 256, 256, 0);
  assert.ok(found.every((value) => value === 100));
});

test("grey goes into the canvas as opaque pixels", () => {
  const pixels = new Uint32Array(3);
  coloured(Int32Array.from([0, 1, OUTSIDE]), Uint8Array.from([7, 255]), pixels);
  assert.deepEqual([...pixels], [0xff070707, 0xffffffff, 0xff000000]);
});

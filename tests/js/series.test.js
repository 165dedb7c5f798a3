import assert from "node:assert/strict";
import { test } from "node:test";

import { alike, cut, layout, turned } from "../../triage/ui/components/viewer/cuts.js";
import { opposite } from "../../triage/ui/components/viewer/geometry.js";
import { openedAt } from "../../triage/ui/components/viewer/opening.js";
import { Scroll, highest, notches, outwards } from "../../triage/ui/components/viewer/scroll.js";

test("slices are fetched from the shown one outwards, each once", () => {
  assert.deepEqual([...outwards(2, 6, 10)], [3, 1, 4, 0, 5]);
  assert.deepEqual([...outwards(0, 4, 2)], [1, 2]);
  assert.deepEqual([...outwards(0, 1, 9)], []);
});

test("a notch of the wheel is one slice, a touch pad gathers pixels", () => {
  assert.deepEqual(notches(0, 120, 0), { by: 1, rest: 0 });
  assert.deepEqual(notches(7, -100, 0), { by: -1, rest: 0 });
  assert.deepEqual(notches(0, 3, 1), { by: 1, rest: 0 });
  assert.deepEqual(notches(0, 10, 0), { by: 0, rest: 10 });
  assert.deepEqual(notches(20, 10, 0), { by: 1, rest: 6 });
  assert.deepEqual(notches(20, -10, 0), { by: 0, rest: -10 }); // turned round: nothing is left over
});

test("the leading slice is the one with the highest score, whichever were scored", () => {
  assert.equal(highest([null, 0.2, 0.7, null, 0.7]), 2);
  assert.equal(highest([null, null]), null);
});

const TOLD = {
  uid: "1", revision: 1, screening: 1, modality: "CT", instances: [["1.1", "a"], ["1.2", "b"], ["1.3", "c"]],
  slices: [[2, 0, -5, 0], [0, 0, 0, null], [1, 0, 5, 1]], findings: ["bleed", "fracture"], probabilities: [[0.1, 0.9], [0.8, 0.2]],
  orientation: ["L", "P"], axis: "H", spacing_mm: [1, 1], gap_mm: 5, cut_across: false,
};

test("a slice without a score keeps its place among those that have one", () => {
  const scroll = new Scroll(/** @type {any} */ (TOLD));
  assert.deepEqual(scroll.scores("bleed"), [0.1, null, 0.8]);
  assert.equal(scroll.leading("bleed"), 2);
  assert.equal(scroll.leading("fracture"), 0);
  assert.equal(scroll.leading("unknown"), 1);
  assert.equal(scroll.slices[0].sop, "1.3");
  scroll.put(99);
  assert.equal(scroll.place, 2);
  scroll.put(-Infinity);
  assert.equal(scroll.place, 0);
});

test("a study opens on what its map is of, else on the series that was scored, else on the largest", () => {
  const series = [{ uid: "s1", slices: 200, scored: false }, { uid: "s2", slices: 30, scored: true }];
  const images = [{ sop_uid: "i1" }];
  const study = (/** @type {any} */ parts) => /** @type {any} */ ({ series, images, maps: [], ...parts });
  assert.equal(openedAt(study({}), undefined), "s2");
  assert.equal(openedAt(study({ series: [series[0]] }), undefined), "s1");
  assert.equal(openedAt(study({ series: [] }), undefined), "i1");
  assert.equal(openedAt(study({ maps: [{ sop_uid: "i1", series_uid: "" }] }), undefined), "i1");
  assert.equal(openedAt(study({ maps: [{ sop_uid: "gone", series_uid: "gone" }] }), undefined), "s2");
  assert.equal(openedAt(study({ images: [], series: [] }), undefined), undefined);
});

test("every side has its opposite", () => {
  assert.equal(opposite("LP"), "RA");
  assert.equal(opposite("H"), "F");
});

test("cuts lie as they are read, whatever way the slices lie", () => {
  assert.deepEqual(layout("L", "H"), { transposed: false, flipColumns: false, flipRows: true, orientation: ["L", "F"], plane: "coronal" });
  assert.deepEqual(layout("P", "H"), { transposed: false, flipColumns: false, flipRows: true, orientation: ["P", "F"], plane: "sagittal" });
  assert.deepEqual(layout("R", "F").orientation, ["L", "F"]);
  const coronal = layout("F", "P"); // rows of a coronal series, stacked to the back
  assert.deepEqual([coronal.plane, coronal.transposed, coronal.orientation], ["sagittal", true, ["P", "F"]]);
  assert.deepEqual([layout("L", "A").plane, layout("L", "A").orientation], ["axial", ["L", "P"]]);
});

const [SLICES, ROWS, COLUMNS] = [4, 3, 5];

/** Values that tell where they lie: 100 for a slice, 10 for a row, 1 for a column. */
function volume() {
  return Array.from({ length: SLICES }, (_, slice) => ({
    facts: { rows: ROWS, columns: COLUMNS, kind: "i2", colour: false, slope: 1, intercept: 0, modality_lut: null, stored: [100 * slice, 100 * slice + 24] },
    values: Int16Array.from({ length: ROWS * COLUMNS }, (_, at) => 100 * slice + 10 * Math.floor(at / COLUMNS) + (at % COLUMNS)),
    bytes: 30,
  }));
}

test("a cut holds the values of the volume, and a point of it leads back to them", () => {
  for (const [along, stack] of [["L", "H"], ["R", "F"], ["F", "P"], ["P", "R"], ["H", "A"]]) {
    const way = layout(along, stack);
    const found = cut(/** @type {any} */ (volume()), "column", 2, way, 5, [0.5, 0.25]);
    assert.equal(found.facts.rows * found.facts.columns, SLICES * ROWS);
    assert.deepEqual(found.facts.stored, [0, 324]);
    assert.deepEqual([...found.facts.spacing?.mm ?? []].sort(), [0.5, 5]);
    assert.equal(found.facts.spacing?.mm[found.facts.rows === SLICES ? 0 : 1], 5);
    for (let row = 0; row < found.facts.rows; row++) {
      for (let column = 0; column < found.facts.columns; column++) {
        const [index, slice] = turned(way, [column, row], [ROWS, SLICES], "from");
        assert.equal(found.values[row * found.facts.columns + column], 100 * slice + 10 * index + 2);
        assert.deepEqual(turned(way, [index, slice], [ROWS, SLICES], "onto"), [column, row]);
      }
    }
  }
});

test("slices with other scales are not cut across", () => {
  const frames = /** @type {any} */ (volume());
  assert.ok(alike(frames));
  frames[2].facts.slope = 2;
  assert.ok(!alike(frames));
});

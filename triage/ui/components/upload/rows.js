// The list as lines of known height, and which of them are drawn. No page.
// @ts-check

/** @typedef {import("./types").Row} Row */
/** @typedef {import("./types").Item} Item */
/** @typedef {import("./types").Group} Group */

const HEIGHTS = { head: 34, study: 34, file: 26, refusal: 46 };
const MARGIN = 400; // drawn above and below what is seen

/**
 * All lines: what is under way, what was refused, the studies, archives, what waits and what was given up.
 * @param {{batch: import("./batch.js").Batch, current: Item | null}} queue
 * @param {(key: string) => boolean} isOpen
 * @returns {Row[]}
 */
export function rowsOf({ batch, current }, isOpen) {
  /** @type {Row[]} */
  const rows = [];
  if (current && current.state !== "done") rows.push(row("file", `now-${current.id}`, { item: current }));
  section(rows, batch.refused, "head", "refusal", isOpen);
  for (const study of batch.studies.values()) section(rows, study, "study", "file", isOpen);
  section(rows, batch.archives, "head", "file", isOpen);
  const rest = batch.items.filter((item) => item !== current && (item.state !== "done" || item.outcome === "cancelled"));
  section(rows, group("waiting", rest.filter((item) => item.state !== "done")), "head", "file", isOpen);
  section(rows, group("cancelled", rest.filter((item) => item.state === "done")), "head", "file", isOpen);
  return rows;
}

/**
 * @param {string} key
 * @param {Item[]} items
 * @returns {Group}
 */
function group(key, items) {
  return { key, uid: "", items };
}

/**
 * @param {Row[]} rows
 * @param {Group} of
 * @param {"head" | "study"} head
 * @param {"file" | "refusal"} kind
 * @param {(key: string) => boolean} isOpen
 */
function section(rows, of, head, kind, isOpen) {
  if (!of.items.length) return;
  const open = isOpen(of.key);
  rows.push(row(head, of.key, { group: of, open }));
  if (open) for (const item of of.items) rows.push(row(kind, `${of.key}-${item.id}`, { item }));
}

/**
 * @param {Row["kind"]} kind
 * @param {string} key
 * @param {Partial<Row>} more
 * @returns {Row}
 */
function row(kind, key, more) {
  return { kind, key, height: HEIGHTS[kind], ...more };
}

/**
 * Where each line begins, and at the end where the last one ends.
 * @param {readonly {height: number}[]} rows
 */
export function topsOf(rows) {
  const tops = new Float64Array(rows.length + 1);
  for (let i = 0; i < rows.length; i += 1) tops[i + 1] = tops[i] + rows[i].height;
  return tops;
}

/**
 * The lines to draw for a view of that height at that place.
 * @param {Float64Array} tops
 * @param {number} top
 * @param {number} height
 * @returns {[number, number]} the first, and the one after the last
 */
export function windowOf(tops, top, height) {
  const first = lastAtOrBefore(tops, top - MARGIN);
  const end = lastAtOrBefore(tops, top + height + MARGIN) + 1;
  return [first, Math.min(end, tops.length - 1)];
}

/**
 * @param {Float64Array} tops
 * @param {number} place
 */
function lastAtOrBefore(tops, place) {
  let [low, high] = [0, tops.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (tops[middle] <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

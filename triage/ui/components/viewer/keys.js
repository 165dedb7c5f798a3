// What each key does at a study.
// @ts-check
import { busyKey } from "../shared.js";
import { keyOf } from "../keys.js";
import { SCALES } from "./panel.js";

/** @typedef {import("./component.js").Viewer} Viewer */

export const KEYS = /** @type {const} */ ([
  ["w h d", "key_modes"], ["c", "key_presets"], ["v", "key_invert"], ["t y", "key_turn"], ["+ -", "key_zoom"], ["← ↑ → ↓", "key_move"],
  ["↑ ↓", "key_slice"], ["PageUp PageDown Home End", "key_slices"], ["l", "key_leading"], ["e", "key_planes"], ["k Shift ← ↑ → ↓", "key_point"], ["f", "key_fit"], ["x", "key_reset"], ["Backspace", "key_line"], ["m", "key_map"], ["[ ]", "key_opacity"], ["1 … 9", "key_finding"],
  ["g", "key_method"], ["s", "key_scale"], ["i", "key_image"], ["a o b", "key_verdict"], ["r", "key_read"], ["z", "key_undo"],
  ["n p", "key_study"], ["Escape", "key_list"], ["?", "key_sheet"],
]);
const STEPS = /** @type {Record<string, number>} */ ({
  ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity,
});
const MOVES = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40],
});
const HELD = new Set([...Object.keys(STEPS), ...Object.keys(MOVES), "+", "=", "-", "[", "]"]); // done again while held down

/**
 * Letters are ours wherever the focus is, but in a field that takes them; arrows belong to a control that has the focus.
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 */
export function pressed(viewer, event) {
  const key = keyOf(event);
  if (busyKey(event) || (event.repeat && !HELD.has(key))) return;
  const on = event.composedPath()[0];
  const inControl = on instanceof Element && on.matches("input, button, summary, select, a");
  const read = viewer.panel.reader.key(key, viewer.leaving > 0);
  if (read || through(viewer, event, on) || command(viewer, key) || viewer.tools.key(key)) event.preventDefault();
  else if (key in MOVES && !inControl) {
    viewer.stage.move(...MOVES[key]);
    event.preventDefault();
  }
}

/**
 * Through the slices, or the point through the planes.
 * @param {Viewer} viewer
 * @param {KeyboardEvent} event
 * @param {EventTarget} on
 * @returns {boolean}
 */
function through(viewer, event, on) {
  if (on instanceof Element && on.matches("input, select, .side-panel")) return false; // moved by the same keys
  if (event.shiftKey && event.key in MOVES && viewer.planes.on) {
    const [right, down] = MOVES[event.key];
    viewer.planes.move({ column: -Math.sign(right), row: -Math.sign(down) });
    return true;
  }
  return event.key in STEPS && viewer.step(STEPS[event.key]);
}

/**
 * @param {Viewer} viewer
 * @param {string} key
 * @returns {boolean}
 */
function command(viewer, key) {
  const { data, scroll, study } = viewer;
  const finding = /^[1-9]$/.test(key) ? study?.findings[Number(key) - 1] : undefined;
  if (finding) void viewer.chooseMap(finding.finding);
  /** @type {Record<string, () => void>} */
  const commands = {
    m: () => viewer.toggleMap(), "[": () => viewer.fade(-0.1), "]": () => viewer.fade(0.1), g: () => viewer.nextMethod(),
    s: () => viewer.scaleTo(nextScale(viewer.scale)),
    l: () => scroll && viewer.goTo(scroll.leading(viewer.finding)), i: () => viewer.nextImage(),
    n: () => data.next && void viewer.leaveFor(data.next), p: () => data.previous && void viewer.leaveFor(data.previous),
    Escape: () => void viewer.leaveFor("worklist"), "?": () => viewer.sheet.toggle(),
  };
  commands[key]?.();
  return Boolean(finding) || key in commands;
}

/** @param {string} scale */
function nextScale(scale) {
  return SCALES[(SCALES.findIndex((one) => one === scale) + 1) % SCALES.length];
}

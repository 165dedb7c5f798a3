// Two planes across the slices beside the slice itself, with the point where the three cross.
// @ts-check
import { el, say } from "../shared.js";
import { alike, cut, layout, turned } from "./cuts.js";
import { roomFor } from "./frames.js";
import { notches } from "./scroll.js";
import { Stage } from "./stage.js";

/** @typedef {import("./scroll.js").Scroll} Scroll */
/** @typedef {import("./types").Frame} Frame */
/** @typedef {"row" | "column"} Fixed */
/** @typedef {{column: number, row: number, slice: number}} Crossing */

const AT_ONCE = 6;

export class Planes {
  /** @param {Stage} main the slice itself @param {(place: number) => void} go to another slice */
  constructor(main, go) {
    this.main = main;
    this.go = go;
    this.on = false;
    /** @type {Scroll | null} */
    this.scroll = null;
    /** @type {Frame[]} */
    this.frames = [];
    /** @type {Crossing} */
    this.crossing = { column: 0, row: 0, slice: 0 };
    this.cuts = /** @type {const} */ (["row", "column"]).map((fixed) => ({ fixed, stage: this.stageOf(fixed), way: layout("L", "H"), at: -1 }));
    this.words = el("div", { class: "planes-words", role: "status" });
    this.node = el("div", { class: "planes hidden" });
    this.watch = new ResizeObserver(() => this.cuts.forEach((one) => one.stage.draw()));
    this.watch.observe(this.node);
  }

  /** @param {Fixed} fixed */
  stageOf(fixed) {
    const stage = new Stage(() => {});
    const { canvas } = stage;
    let rest = 0;
    canvas.removeAttribute("tabindex"); // the point is moved by keys on the slice itself
    const point = (/** @type {PointerEvent} */ event) => event.buttons && this.pointAt(fixed, stage.at(event.offsetX, event.offsetY));
    canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      canvas.setPointerCapture(event.pointerId);
      point(event);
    });
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("wheel", (/** @type {WheelEvent} */ event) => {
      event.preventDefault();
      const turn = notches(rest, event.deltaY, event.deltaMode);
      rest = turn.rest;
      this.move(fixed === "row" ? { row: turn.by } : { column: turn.by });
    }, { passive: false });
    return stage;
  }

  /** Whether the series can be cut, and the browser has room for it. @param {Scroll | null} scroll */
  possible(scroll) {
    const here = scroll?.here();
    return Boolean(scroll?.told.cut_across && here && scroll.count <= roomFor(here.bytes));
  }

  close() {
    this.on = false;
    this.frames = [];
    this.node.classList.add("hidden");
    this.node.replaceChildren();
    this.main.cross = null;
    for (const one of this.cuts) one.stage.clear();
  }

  /** @param {Scroll} scroll @param {AbortSignal} signal */
  async open(scroll, signal) {
    this.on = true;
    this.scroll = scroll;
    this.node.classList.remove("hidden");
    this.node.replaceChildren(this.words, ...this.cuts.map((one) => one.stage.node));
    const frames = await this.fetched(scroll, signal);
    if (signal.aborted || !this.on || this.scroll !== scroll) return;
    if (!alike(frames)) {
      this.words.textContent = say("viewer.planes_unlike");
      return;
    }
    this.words.textContent = "";
    this.frames = frames;
    const { orientation, axis } = scroll.told;
    const { rows, columns } = frames[0].facts;
    this.crossing = { column: columns >> 1, row: rows >> 1, slice: scroll.place };
    for (const one of this.cuts) {
      one.way = layout(orientation[one.fixed === "row" ? 0 : 1], axis);
      one.at = -1;
      const name = say(`viewer.plane_${one.way.plane}`);
      one.stage.canvas.setAttribute("aria-label", name);
      one.stage.where.textContent = name;
    }
    this.move({});
  }

  /** All slices, the nearest first. @param {Scroll} scroll @param {AbortSignal} signal @returns {Promise<Frame[]>} */
  async fetched(scroll, signal) {
    const frames = new Array(scroll.count);
    let next = 0;
    let here = 0;
    const some = async () => {
      while (next < scroll.count && !signal.aborted) {
        const place = next++;
        frames[place] = await scroll.frame(place);
        here += 1;
        this.words.textContent = say("viewer.planes_reading", { number: String(here), count: String(scroll.count) });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, some));
    return frames;
  }

  /** @param {Partial<Crossing>} by */
  move(by) {
    if (!this.frames.length) return;
    const { column, row, slice } = this.crossing;
    this.put({ column: column + (by.column ?? 0), row: row + (by.row ?? 0), slice: slice + (by.slice ?? 0) });
  }

  /** A point of a cut. @param {Fixed} fixed @param {[number, number]} point */
  pointAt(fixed, point) {
    const one = this.cuts.find((other) => other.fixed === fixed);
    if (!one || !this.frames.length) return;
    const [index, slice] = turned(one.way, point, this.counts(fixed), "from").map(Math.round);
    this.put({ ...this.crossing, slice, [fixed === "row" ? "column" : "row"]: index });
  }

  /** A point of the slice itself. @param {[number, number]} point */
  pointOnSlice([column, row]) {
    if (this.frames.length) this.put({ ...this.crossing, column: Math.round(column), row: Math.round(row) });
  }

  /** @param {number} slice that is shown now */
  follow(slice) {
    if (this.frames.length && slice !== this.crossing.slice) this.put({ ...this.crossing, slice });
  }

  /** @param {Fixed} fixed @returns {[number, number]} */
  counts(fixed) {
    const { rows, columns } = this.frames[0].facts;
    return [fixed === "row" ? columns : rows, this.frames.length];
  }

  /** @param {Crossing} to which is brought inside */
  put(to) {
    const { rows, columns } = this.frames[0].facts;
    const crossing = { column: inside(to.column, columns), row: inside(to.row, rows), slice: inside(to.slice, this.frames.length) };
    const scrolled = crossing.slice !== this.crossing.slice;
    this.crossing = crossing;
    for (const one of this.cuts) {
      const at = crossing[one.fixed];
      if (at !== one.at) this.cutAt(one, at);
      const index = one.fixed === "row" ? crossing.column : crossing.row;
      one.stage.cross = turned(one.way, [index, crossing.slice], this.counts(one.fixed), "onto");
      one.stage.draw();
    }
    this.main.cross = [crossing.column, crossing.row];
    this.main.draw();
    if (scrolled) this.go(crossing.slice);
  }

  /** @param {{fixed: Fixed, stage: Stage, way: import("./cuts.js").Layout, at: number}} one @param {number} at */
  cutAt(one, at) {
    const { told } = /** @type {Scroll} */ (this.scroll);
    const frame = cut(this.frames, one.fixed, at, one.way, told.gap_mm, told.spacing_mm);
    one.at = at;
    if (one.stage.frame) one.stage.swap(frame);
    else one.stage.show(frame, { ...told, orientation: one.way.orientation });
    this.dress();
  }

  /** The same window and polarity as the slice. */
  dress() {
    const { window, inverted } = this.main;
    for (const { stage } of this.cuts) {
      if (stage.window === window && stage.inverted === inverted) continue;
      Object.assign(stage, { window, inverted });
      stage.draw();
    }
  }
}

/** @param {number} value @param {number} count */
function inside(value, count) {
  return Math.min(Math.max(value, 0), count - 1);
}

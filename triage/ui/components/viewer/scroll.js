// One series that is scrolled through: its slices in order, and their pixels fetched ahead, the nearest first.
// @ts-check
import { ask } from "../shared.js";
import { frameAsked, frameHere, frameOf, roomFor } from "./frames.js";

/** @typedef {import("./types").Frame} Frame */
/** @typedef {import("./types").SeriesSlices} SeriesSlices */
/** @typedef {{sop: string, content: string, frame: number, position: number | null, plane: number | null}} Slice */

const AT_ONCE = 4;

/** @param {string} study @param {string} series @param {AbortSignal} signal @returns {Promise<Scroll>} */
export async function scrollOf(study, series, signal) {
  return new Scroll(await ask(`/api/studies/${encodeURIComponent(study)}/series/${encodeURIComponent(series)}`, { signal }));
}

export class Scroll {
  /** @param {SeriesSlices} told */
  constructor(told) {
    this.told = told;
    /** @type {Slice[]} */
    this.slices = told.slices.map(([file, frame, position, plane]) => {
      const [sop, content] = told.instances[file];
      return { sop, content, frame, position, plane };
    });
    this.place = 0;
    this.running = 0;
    /** @type {Set<number>} slices whose pixels could not be had; they are asked for again when they are looked at */
    this.missed = new Set();
  }

  get count() {
    return this.slices.length;
  }

  get slice() {
    return this.slices[this.place];
  }

  /** @param {number} place */
  put(place) {
    this.place = Math.min(Math.max(place, 0), this.count - 1);
  }

  /** @param {number} [place] @returns {Promise<Frame>} */
  frame(place = this.place) {
    const { sop, content, frame } = this.slices[place];
    return frameOf(sop, content, frame);
  }

  /** The pixels where they are at hand. @param {number} [place] @returns {Frame | null} */
  here(place = this.place) {
    const { sop, content, frame } = this.slices[place];
    return frameHere(sop, content, frame);
  }

  /** How probable a finding is on each slice; null where it was not scored. @param {string | null} finding @returns {(number | null)[]} */
  scores(finding) {
    const column = this.told.findings.indexOf(finding ?? "");
    return this.slices.map(({ plane }) => (plane === null || column < 0 ? null : this.told.probabilities[plane][column]));
  }

  /** The slice on which a finding is most probable; the middle one where nothing was scored. @param {string | null} finding */
  leading(finding) {
    return highest(this.scores(finding)) ?? this.count >> 1;
  }

  /**
   * Fetches slices around the one that is shown until all are here that the browser has room for.
   * @param {AbortSignal} signal
   * @param {(place: number) => void} came
   */
  ahead(signal, came) {
    while (this.running < AT_ONCE && !signal.aborted) {
      const place = this.wanted();
      if (place === null) return;
      this.running += 1;
      this.frame(place).then(() => came(place), () => this.missed.add(place)).finally(() => {
        this.running -= 1;
        this.ahead(signal, came);
      });
    }
  }

  /** The nearest slice that nobody has asked for yet. @returns {number | null} */
  wanted() {
    const here = this.here();
    if (!here) return null;
    const reach = roomFor(here.bytes);
    for (const place of outwards(this.place, this.count, reach)) {
      const { sop, content, frame } = this.slices[place];
      if (!this.missed.has(place) && !frameAsked(sop, content, frame)) return place;
    }
    return null;
  }
}

/** The place of the highest number. @param {readonly (number | null)[]} values @returns {number | null} */
export function highest(values) {
  let best = null;
  for (const [place, value] of values.entries()) {
    if (value !== null && (best === null || value > /** @type {number} */ (values[best]))) best = place;
  }
  return best;
}

/**
 * Places from the middle outwards, the one after it before the one in front of it.
 * @param {number} from
 * @param {number} count
 * @param {number} most
 * @returns {Generator<number>}
 */
export function* outwards(from, count, most) {
  let given = 0;
  for (let away = 1; given < most && (from + away < count || from - away >= 0); away++) {
    for (const place of [from + away, from - away]) {
      if (place < 0 || place >= count || given >= most) continue;
      given += 1;
      yield place;
    }
  }
}

/**
 * How many slices a turn of the wheel asks for: one for a notch, and for a touch pad one for each few pixels.
 * @param {number} rest pixels left over from the last event
 * @param {number} delta
 * @param {number} mode of WheelEvent: 0 pixels, 1 lines, 2 pages
 * @returns {{by: number, rest: number}}
 */
export function notches(rest, delta, mode) {
  if (mode !== 0 || Math.abs(delta) >= NOTCH_PX) return { by: Math.sign(delta), rest: 0 };
  const all = Math.sign(rest) === -Math.sign(delta) ? delta : rest + delta;
  const by = Math.trunc(all / TOUCH_PX) || 0; // not -0
  return { by, rest: all - by * TOUCH_PX };
}

const NOTCH_PX = 50;
const TOUCH_PX = 24;

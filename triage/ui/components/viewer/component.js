// One study: its images, and beside them the evidence and what a reader may do.
// @ts-check
import { ask, el, ending, instanceOf, posted, say, settle } from "../shared.js";
import { freeSelects, keySheet } from "../keys.js";
import { ofEye } from "./eyes.js";
import { frameOf } from "./frames.js";
import { opposite } from "./geometry.js";
import { headParts } from "./head.js";
import { KEYS, pressed } from "./keys.js";
import { Overlays } from "./overlays.js";
import { Panel, SCALES, lies, seriesName } from "./panel.js";
import { firstFinding, grown, leadingFrame, openedAt, settled, steady } from "./opening.js";
import { highest, scrollOf } from "./scroll.js";
import { Planes } from "./planes.js";
import { Stage } from "./stage.js";
import { Strip } from "./strip.js";
import { Tools } from "./tools.js";

/** @typedef {import("./types").Study} Study */
/** @typedef {import("./types").StudyImage} StudyImage */
/** @typedef {import("./types").StudyMap} StudyMap */
/** @typedef {import("./types").Streamlit} Streamlit */
/** @typedef {import("./types").StudySeries} StudySeries */
/** @typedef {import("./scroll.js").Scroll} Scroll */

const POLL_MS = 1500; // while something is still to come
const WATCH_MS = 5000; // afterwards: new images, slower maps
const LEAVE_MS = 8000; // longer than that, and the other study does not come

export class Viewer {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {Streamlit["data"]} */
    this.data = { uid: "", map: null, previous: null, next: null, language: "en", zone: "UTC" };
    /** @type {(where: string) => void} */
    this.go = () => {};
    this.uid = "";
    /** @type {Study | null} */
    this.study = null;
    /** @type {string | null} SOP Instance UID of an image or Series Instance UID of a series */
    this.shown = null;
    /** @type {Scroll | null} the series that is shown, where it is one */
    this.scroll = null;
    this.overlays = new Overlays();
    /** @type {string | null} */
    this.finding = null;
    /** @type {string | undefined} */
    this.method = undefined;
    /** @type {StudyMap | null} */
    this.map = null;
    /** @type {number | null} the revision whose images were on the screen */
    this.seen = null;
    /** @type {Set<number>} maps that the trail knows were shown */
    this.noted = new Set();
    /** @type {string} */
    this.scale = SCALES[0];
    this.timer = 0;
    this.listening = false;
    this.loading = new AbortController();
    this.leaving = 0; // the timer that runs while another study or page is on its way
    this.onKey = (/** @type {KeyboardEvent} */ event) => pressed(this, event);
    this.onHide = () => this.panel.reader.leave();
    this.stage = new Stage(() => this.dressed());
    this.planes = new Planes(this.stage, (place) => this.goTo(place));
    this.tools = new Tools(this.stage, {
      scroll: (by) => this.step(by), point: (point) => this.planes.pointOnSlice(point), planes: () => this.togglePlanes(),
    });
    this.strip = new Strip((place) => this.goTo(place));
    this.state = el("div", { class: "over state", role: "status" });
    this.tabs = el("div", { class: "tabs", role: "group", "aria-label": say("viewer.images") });
    this.sheet = keySheet(KEYS.map(([keys, name]) => [keys, say(`viewer.${name}`)]), say("viewer.keys"));
    const help = el("button", { type: "button", class: "help", text: "?", "aria-label": say("viewer.keys"), onclick: () => this.sheet.toggle() });
    this.tools.node.append(el("span", { class: "fill" }), this.tabs, help);
    this.stage.node.append(this.state);
    this.head = el("div", { class: "head" });
    const side = el("div", { class: "side-panel", tabindex: "0", role: "region", "aria-label": say("viewer.evidence") });
    this.panel = new Panel(side, {
      chooseMap: (finding, method) => void this.chooseMap(finding, method),
      toggleMap: () => this.toggleMap(),
      fadeTo: (opacity) => this.fadeTo(opacity),
      scaleTo: (scale) => this.scaleTo(scale),
      showNewest: () => this.showNewest(),
      show: (uid) => this.choose(uid),
      go: (uid) => this.leaveFor(uid),
      redraw: () => this.render(),
      changed: () => this.readAgain(),
    });
    root.replaceChildren(this.head, el("div", { class: "work" }, this.tools.node,
      el("div", { class: "stages" }, this.stage.node, this.planes.node), this.strip.node), side, this.sheet);
    this.watch = new ResizeObserver(() => this.stage.draw());
    freeSelects(root);
  }

  /** @param {Streamlit["data"]} data @param {(where: string) => void} go */
  start(data, go) {
    this.go = go;
    this.data = data;
    if (!this.listening) {
      this.listening = true;
      document.addEventListener("keydown", this.onKey);
      window.addEventListener("pagehide", this.onHide);
      this.watch.observe(this.stage.node);
    }
    if (this.uid !== data.uid) this.show(data.uid);
  }

  stop() {
    window.clearTimeout(this.timer);
    this.stays();
    this.loading.abort();
    document.removeEventListener("keydown", this.onKey);
    window.removeEventListener("pagehide", this.onHide);
    this.panel.reader.leave();
    this.watch.disconnect();
    this.listening = false;
    this.uid = "";
  }

  /** Another study: nothing of the former one stays on the screen. @param {string} uid */
  show(uid) {
    this.stays();
    this.loading.abort();
    this.loading = new AbortController();
    window.clearTimeout(this.timer);
    Object.assign(this, { uid, study: null, map: null, finding: null, method: undefined, seen: null, noted: new Set() });
    this.leave();
    this.head.replaceChildren();
    this.panel.empty();
    this.tabs.replaceChildren();
    this.say(say("viewer.opening"));
    void this.fetchStudy(this.loading.signal);
  }

  /**
   * To another study or page, as soon as all that the reader did here is written; until it is there nothing more is
   * judged here, for whoever presses a key now means the next one.
   * @param {string} where
   */
  async leaveFor(where) {
    if (this.leaving) return;
    const leaving = window.setTimeout(() => this.stays(), LEAVE_MS);
    this.leaving = leaving;
    const written = await this.panel.reader.written();
    if (this.leaving !== leaving) return;
    if (written) this.go(where);
    else this.stays();
  }

  stays() {
    window.clearTimeout(this.leaving);
    this.leaving = 0;
  }

  /** Nothing of the former image or series stays on the screen. */
  leave() {
    Object.assign(this, { shown: null, scroll: null });
    this.planes.close();
    this.tools.across(false, false);
    this.stage.clear();
    this.stage.where.textContent = "";
    this.strip.show(0, { scores: [], point: null, label: "" });
    delete this.root.dataset.image;
    delete this.root.dataset.slice;
    this.told();
  }

  /** @param {AbortSignal} signal */
  async fetchStudy(signal) {
    const { uid } = this;
    try {
      /** @type {Study} */
      const told = await ask(`/api/studies/${encodeURIComponent(uid)}?since=${this.study?.version ?? -1}`, { signal });
      if (uid !== this.uid) return;
      const study = told.uid ? told : /** @type {Study} */ (this.study); // without a UID, nothing has changed
      if (study.uid !== uid) return;
      this.take(study);
      this.timer = window.setTimeout(() => void this.fetchStudy(signal), settled(study) ? WATCH_MS : POLL_MS);
    } catch (error) {
      if (signal.aborted) return;
      if (!this.study) this.say(say("viewer.study_fault", { why: why(error) }));
      this.timer = window.setTimeout(() => void this.fetchStudy(signal), WATCH_MS);
    }
  }

  /** @param {Study} study */
  take(study) {
    const former = this.study;
    const changed = former !== study && JSON.stringify(former) !== JSON.stringify(study);
    this.study = study;
    this.seen ??= study.revision;
    if (former === null) this.begin(study);
    else if (this.scroll && grown(former, study)) void this.readSeries(this.scroll.place);
    if (changed) this.render();
    if (changed && !this.map && this.stage.frame) void this.chooseMap();
  }

  /** The map that the address names, else the one that drove the place; what it is of is shown first. @param {Study} study */
  begin(study) {
    const named = study.maps.find((map) => map.number === this.data.map);
    if (named) Object.assign(this, { finding: named.finding, method: named.method });
    const first = openedAt(study, named);
    if (first) this.choose(first);
    else this.say(say("viewer.no_image"));
  }

  /** At once, after the reader did something. */
  readAgain() {
    window.clearTimeout(this.timer);
    void this.fetchStudy(this.loading.signal);
  }

  /** An image or a series. @param {string} uid */
  choose(uid) {
    void (this.study?.series.some((one) => one.uid === uid) ? this.chooseSeries(uid) : this.chooseImage(uid)).then(() => this.render());
  }

  /** @param {string} sop */
  async chooseImage(sop) {
    const image = this.study?.images.find((one) => one.sop_uid === sop);
    if (!image || !this.study) return;
    const { signal } = this.loading;
    this.leave();
    Object.assign(this, { shown: sop, map: null });
    const number = String(this.study.images.indexOf(image) + 1);
    const words = { number, count: String(this.study.images.length), what: [image.modality, image.view].filter(Boolean).join(" ") };
    this.stage.canvas.setAttribute("aria-label", say("viewer.image_of", words));
    if (!image.has_pixels) {
      this.say(say("viewer.no_pixels"));
      return;
    }
    this.say(say("viewer.reading"));
    try {
      const frame = await frameOf(sop, image.content);
      if (signal.aborted || sop !== this.shown) return;
      this.say("");
      this.stage.show(frame, image);
      this.root.dataset.image = sop;
      await this.chooseMap();
      void this.ahead();
    } catch (error) {
      if (!signal.aborted && sop === this.shown) this.say(say("viewer.image_fault", { why: why(error) }));
    }
  }

  /** @param {string} uid */
  async chooseSeries(uid) {
    this.leave();
    Object.assign(this, { shown: uid, map: null });
    this.say(say("viewer.reading"));
    await this.readSeries(null);
  }

  /** The slices of the series, anew where its result has changed. @param {number | null} place the slice that is kept */
  async readSeries(place) {
    const { signal } = this.loading;
    const uid = /** @type {string} */ (this.shown);
    try {
      const scroll = await scrollOf(this.uid, uid, signal);
      this.finding ??= firstFinding(this.study);
      scroll.put(place ?? scroll.leading(this.finding));
      const frame = await scroll.frame();
      if (signal.aborted || uid !== this.shown) return;
      this.scroll = scroll;
      this.say("");
      if (place === null) this.stage.show(frame, scroll.told, steady(frame));
      this.root.dataset.image = uid;
      this.tools.across(this.planes.possible(scroll), this.planes.on);
      this.curve();
      this.goTo(scroll.place);
      await this.chooseMap();
      scroll.ahead(signal, (came) => this.cameIn(came));
      void this.ahead();
    } catch (error) {
      if (!signal.aborted && uid === this.shown) this.say(say("viewer.image_fault", { why: why(error) }));
    }
  }

  /** The score of the chosen finding along the slices. */
  curve() {
    const { scroll, study } = this;
    if (!scroll || !study) return;
    const finding = study.findings.find((one) => one.finding === this.finding);
    const scores = scroll.scores(this.finding);
    const scored = highest(scores) !== null;
    this.strip.show(scroll.count, { scores, point: scored && finding ? finding.operating_point : null, label: scored && finding ? finding.label : "" });
    this.strip.mark(scroll.place, this.whereWords(scroll));
  }

  /** @param {Scroll} scroll */
  whereWords(scroll) {
    const words = { number: String(scroll.place + 1), count: String(scroll.count) };
    const { position } = scroll.slice;
    const eye = ofEye(scroll.told.modality);
    if (position === null || scroll.count < 2) return say(eye ? "viewer.scan_of" : "viewer.frame_of", words);
    const side = position < 0 ? opposite(scroll.told.axis) : scroll.told.axis;
    return say(eye ? "viewer.scan_at" : "viewer.slice_at", { ...words, side, mm: Math.abs(position).toFixed(1) });
  }

  /** Planes across the slices, beside them. */
  togglePlanes() {
    if (!this.scroll) return;
    const on = !this.planes.on;
    if (on) this.planes.open(this.scroll, this.loading.signal).catch((error) => this.say(say("viewer.image_fault", { why: why(error) })));
    else this.planes.close();
    this.tools.across(true, on);
    this.stage.draw();
  }

  /** What shows the window does so anew. */
  dressed() {
    this.tools?.show();
    this.planes?.dress();
  }

  /** @param {number} by slices @returns {boolean} whether a series is shown */
  step(by) {
    if (!this.scroll || this.scroll.count < 2) return false;
    if (by) this.goTo(this.scroll.place + by);
    return true;
  }

  /** @param {number} place */
  goTo(place) {
    const { scroll } = this;
    if (!scroll || !this.study) return;
    scroll.put(place);
    const words = this.whereWords(scroll);
    this.stage.where.textContent = words;
    this.strip.mark(scroll.place, words);
    const series = this.study.series.find((one) => one.uid === this.shown);
    this.stage.canvas.setAttribute("aria-label", say("viewer.slice_of", { series: series ? seriesName(series) : "", where: words }));
    const frame = scroll.here();
    if (frame) this.lay(frame);
    else void this.fetchSlice(scroll, scroll.place);
  }

  /** The slice that is wanted now, with its map where that is at hand. @param {import("./types").Frame} frame */
  lay(frame) {
    const { scroll, stage } = this;
    if (!scroll) return;
    this.say("");
    stage.swap(frame);
    this.root.dataset.slice = String(scroll.place);
    this.planes.follow(scroll.place);
    this.layMap();
    scroll.ahead(this.loading.signal, (came) => this.cameIn(came));
  }

  /** @param {Scroll} scroll @param {number} place */
  async fetchSlice(scroll, place) {
    try {
      await scroll.frame(place);
    } catch (error) {
      if (scroll !== this.scroll || place !== scroll.place) return;
      this.stage.clear();
      this.say(say("viewer.image_fault", { why: why(error) }));
      return;
    }
    this.cameIn(place);
  }

  /** A slice's pixels are here. @param {number} place */
  cameIn(place) {
    const { scroll, map } = this;
    const frame = scroll?.here(place);
    if (!scroll || !frame) return;
    const { plane } = scroll.slices[place];
    if (map && plane !== null) this.overlays.get(map.number, this.scale, plane).catch(() => {}); // asked for again when it is shown
    if (place === scroll.place && frame !== this.stage.frame) this.lay(frame);
  }

  /** What a reader will most probably look at next is fetched while this study is read. */
  async ahead() {
    const { signal } = this.loading;
    const others = this.study?.images.filter((one) => one.has_pixels && one.sop_uid !== this.shown).slice(0, 2) ?? [];
    try {
      for (const image of others) await frameOf(image.sop_uid, image.content);
      if (!this.data.next || signal.aborted) return;
      /** @type {Study} */
      const next = await ask(`/api/studies/${encodeURIComponent(this.data.next)}`, { signal });
      const first = openedAt(next, undefined);
      const image = next.images.find((one) => one.sop_uid === first);
      if (signal.aborted || !first) return;
      if (image?.has_pixels) await frameOf(image.sop_uid, image.content);
      else if (!image) await leadingFrame(next, first, signal);
    } catch {
      // It will be asked for again, and its fault told, when it is opened.
    }
  }

  /** The map of the chosen finding and method, or the nearest there is. @param {string} [finding] @param {string} [method] */
  async chooseMap(finding, method = this.method) {
    this.finding = finding ?? this.finding ?? firstFinding(this.study);
    const of = this.maps();
    const map = of.find((one) => one.method === method) ?? of[0] ?? null;
    this.method = map?.method ?? method;
    if (map?.number !== this.map?.number) {
      this.map = map;
      this.stage.cover(null, "", false);
      this.render();
      if (map) await this.fetchMap(map);
    }
    this.curve();
    this.render();
    this.told();
    this.noteShown();
  }

  /** The plane of a series' map that belongs to the slice; undefined where that slice has none. */
  plane() {
    if (!this.scroll) return null;
    return this.scroll.slice.plane ?? undefined;
  }

  /** @param {StudyMap} map */
  async fetchMap(map) {
    const { signal } = this.loading;
    const plane = this.plane();
    if (plane === undefined) return;
    try {
      const overlay = await this.overlays.get(map.number, this.scale, plane);
      if (!signal.aborted && this.map === map && this.plane() === plane) this.cover(overlay, map);
    } catch (error) {
      if (!signal.aborted && this.map === map) this.say(say("viewer.map_fault", { why: why(error) }));
    }
  }

  /** The map of the slice that was scrolled to. */
  layMap() {
    const { map } = this;
    const plane = this.plane();
    if (!map || plane === undefined) return;
    const here = this.overlays.here(map.number, this.scale, plane);
    if (here) this.cover(here, map);
    else void this.fetchMap(map).then(() => this.told());
    this.told();
  }

  /** @param {ImageBitmap} overlay @param {StudyMap} map */
  cover(overlay, map) {
    const finding = this.study?.findings.find((one) => one.finding === map.finding);
    this.stage.cover(overlay, String(map.number), finding?.positive === false);
  }

  /** Which map is on the screen, for those who look at the page from outside. */
  told() {
    this.root.dataset.map = this.stage.overlay && this.stage.overlayOn ? this.stage.number : "";
  }

  /** The trail knows which maps a reader was shown. */
  noteShown() {
    const { map, stage } = this;
    if (!map || !stage.overlay || !stage.overlayOn || this.noted.has(map.number)) return;
    this.noted.add(map.number);
    ask(`/api/studies/${encodeURIComponent(this.uid)}/shown`, posted({ map: map.number })).catch(() => this.noted.delete(map.number));
  }

  /** @param {string} words */
  say(words) {
    this.state.textContent = words;
  }

  render() {
    const { study, stage } = this;
    if (!study) return;
    this.head.replaceChildren(...headParts(study, this.data, (where) => void this.leaveFor(where)));
    const all = [
      ...study.series.map((one) => ({ uid: one.uid, text: `${one.number ?? ""} ${one.modality} (${one.slices})`.trim(), title: seriesName(one) })),
      ...study.images.map((one, place) => ({ uid: one.sop_uid, text: `${place + 1} ${one.view || one.modality}`.trim(), title: one.description })),
    ];
    this.tabs.replaceChildren(...(all.length < 2 ? [] : all.map(({ uid, text, title }) => el("button", {
      type: "button", "aria-pressed": String(uid === this.shown), text, title, onclick: () => this.choose(uid),
    }))));
    this.panel.render(study, {
      shown: this.shown, finding: this.finding, map: this.map, mapOn: stage.overlayOn, opacity: stage.opacity, scale: this.scale,
      seen: this.seen, next: this.data.next,
    });
  }

  toggleMap() {
    this.stage.overlayOn = !this.stage.overlayOn;
    this.stage.draw();
    this.render();
    this.told();
    this.noteShown();
  }

  /** @param {number} opacity */
  fadeTo(opacity) {
    this.stage.opacity = Math.min(1, Math.max(0.1, opacity));
    this.stage.draw();
  }

  /** @param {string} scale */
  scaleTo(scale) {
    this.scale = scale;
    if (this.map) void this.fetchMap(this.map);
    this.render();
  }

  /** Only what was put on the screen counts as seen. */
  showNewest() {
    if (!this.study) return;
    this.seen = this.study.revision;
    const all = [...this.study.images.map((one) => ({ uid: one.sop_uid, at: one.received_at })),
      ...this.study.series.map((one) => ({ uid: one.uid, at: one.received_at }))];
    this.choose(all.reduce((a, b) => (b.at > a.at ? b : a)).uid);
  }

  /** @param {number} by */
  fade(by) {
    this.fadeTo(this.stage.opacity + by);
    this.render();
  }

  /** Of the chosen finding on the image that is shown. */
  maps() {
    return this.study?.maps.filter((map) => lies(map, this.shown) && map.finding === this.finding) ?? [];
  }

  nextMethod() {
    const methods = this.maps().map((map) => map.method);
    if (methods.length > 1) void this.chooseMap(undefined, methods[(methods.indexOf(this.method ?? "") + 1) % methods.length]);
  }

  nextImage() {
    const all = [...this.study?.series ?? [], ...this.study?.images ?? []].map((one) => ("sop_uid" in one ? one.sop_uid : one.uid));
    if (all.length > 1) this.choose(all[(all.indexOf(this.shown ?? "") + 1) % all.length]);
  }
}

/** @param {unknown} error */
function why(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {Streamlit} streamlit */
export default function ({ data, parentElement, setTriggerValue }) {
  settle(data);
  const viewer = instanceOf(parentElement, (root) => new Viewer(root));
  viewer.start(data, (where) => setTriggerValue("go", where));
  return ending(viewer);
}

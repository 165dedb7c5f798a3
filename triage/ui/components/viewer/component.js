// One study: its images, and beside them the evidence and what a reader may do.
// @ts-check
import { ask, busyKey, el, instanceOf, posted, say, settle } from "../shared.js";
import { keySheet } from "../keys.js";
import { frameOf } from "./frames.js";
import { headParts } from "./head.js";
import { Panel, SCALES } from "./panel.js";
import { Stage } from "./stage.js";
import { Tools } from "./tools.js";

/** @typedef {import("./types").Study} Study */
/** @typedef {import("./types").StudyImage} StudyImage */
/** @typedef {import("./types").StudyMap} StudyMap */
/** @typedef {import("./types").Streamlit} Streamlit */

const POLL_MS = 1500; // while something is still to come
const WATCH_MS = 5000; // afterwards: new images, slower maps
const KEYS = /** @type {const} */ ([
  ["w h d", "key_modes"], ["c", "key_presets"], ["v", "key_invert"], ["t y", "key_turn"], ["+ -", "key_zoom"], ["← ↑ → ↓", "key_move"],
  ["f", "key_fit"], ["x", "key_reset"], ["Backspace", "key_line"], ["m", "key_map"], ["[ ]", "key_opacity"], ["1 … 9", "key_finding"],
  ["g", "key_method"], ["s", "key_scale"], ["i", "key_image"], ["a o b", "key_verdict"], ["r", "key_read"], ["z", "key_undo"],
  ["n p", "key_study"], ["Escape", "key_list"], ["?", "key_sheet"],
]);
const MOVES = /** @type {Record<string, [number, number]>} */ ({
  ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40],
});

class Viewer {
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
    /** @type {string | null} */
    this.sop = null;
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
    this.onKey = (/** @type {KeyboardEvent} */ event) => this.key(event);
    this.stage = new Stage(() => this.tools?.show());
    this.tools = new Tools(this.stage);
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
      go: (uid) => this.go(uid),
      redraw: () => this.render(),
      changed: () => this.readAgain(),
    });
    root.replaceChildren(this.head, el("div", { class: "work" }, this.tools.node, this.stage.node), side, this.sheet);
    this.watch = new ResizeObserver(() => this.stage.draw());
  }

  /** @param {Streamlit["data"]} data @param {(where: string) => void} go */
  start(data, go) {
    this.go = go;
    this.data = data;
    if (!this.listening) {
      this.listening = true;
      document.addEventListener("keydown", this.onKey);
      this.watch.observe(this.stage.node);
    }
    if (this.uid !== data.uid) this.show(data.uid);
  }

  stop() {
    window.clearTimeout(this.timer);
    this.loading.abort();
    document.removeEventListener("keydown", this.onKey);
    this.watch.disconnect();
    this.listening = false;
    this.uid = "";
  }

  /** Another study: nothing of the former one stays on the screen. @param {string} uid */
  show(uid) {
    this.loading.abort();
    this.loading = new AbortController();
    window.clearTimeout(this.timer);
    Object.assign(this, { uid, study: null, map: null, sop: null, finding: null, method: undefined, seen: null, noted: new Set() });
    this.head.replaceChildren();
    this.panel.empty();
    this.tabs.replaceChildren();
    delete this.root.dataset.image;
    this.stage.clear();
    this.told();
    this.say(say("viewer.opening"));
    void this.fetchStudy(this.loading.signal);
  }

  /** @param {AbortSignal} signal */
  async fetchStudy(signal) {
    const { uid } = this;
    try {
      /** @type {Study} */
      const study = await ask(`/api/studies/${encodeURIComponent(uid)}`, { signal });
      if (uid !== this.uid || study.uid !== uid) return;
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
    const first = this.study === null;
    const changed = JSON.stringify(this.study) !== JSON.stringify(study);
    this.study = study;
    this.seen ??= study.revision;
    if (first) this.begin(study);
    if (changed) this.render();
    if (changed && !this.map && this.stage.frame) void this.chooseMap();
  }

  /** The map that the address names, else the one that drove the place; its image is shown first. @param {Study} study */
  begin(study) {
    const named = study.maps.find((map) => map.number === this.data.map);
    if (named) Object.assign(this, { finding: named.finding, method: named.method });
    const sop = (named ?? study.maps[0])?.sop_uid;
    const image = study.images.find((one) => one.sop_uid === sop) ?? study.images[0];
    if (image) void this.chooseImage(image.sop_uid);
    else this.say(say("viewer.no_image"));
  }

  /** At once, after the reader did something. */
  readAgain() {
    window.clearTimeout(this.timer);
    void this.fetchStudy(this.loading.signal);
  }

  /** @param {string} sop */
  async chooseImage(sop) {
    const image = this.study?.images.find((one) => one.sop_uid === sop);
    if (!image || !this.study) return;
    const { signal } = this.loading;
    Object.assign(this, { sop, map: null });
    this.stage.clear();
    this.told();
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
      if (signal.aborted || sop !== this.sop) return;
      this.say("");
      this.stage.show(frame, image);
      this.root.dataset.image = sop;
      await this.chooseMap();
      void this.ahead();
    } catch (error) {
      if (!signal.aborted && sop === this.sop) this.say(say("viewer.image_fault", { why: why(error) }));
    }
  }

  /** What a reader will most probably look at next is fetched while this study is read. */
  async ahead() {
    const { signal } = this.loading;
    const others = this.study?.images.filter((one) => one.has_pixels && one.sop_uid !== this.sop).slice(0, 2) ?? [];
    try {
      for (const image of others) await frameOf(image.sop_uid, image.content);
      if (!this.data.next || signal.aborted) return;
      /** @type {Study} */
      const next = await ask(`/api/studies/${encodeURIComponent(this.data.next)}`, { signal });
      const image = next.images.find((one) => one.sop_uid === next.maps[0]?.sop_uid) ?? next.images[0];
      if (image?.has_pixels && !signal.aborted) await frameOf(image.sop_uid, image.content);
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
      this.stage.cover(null, "");
      this.render();
      if (map) await this.fetchMap(map);
    }
    this.render();
    this.told();
    this.noteShown();
  }

  /** @param {StudyMap} map */
  async fetchMap(map) {
    const { signal } = this.loading;
    try {
      const response = await fetch(`/api/maps/${map.number}?scale=${this.scale}`, { signal, credentials: "same-origin" });
      if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? String(response.status));
      const overlay = await createImageBitmap(await response.blob());
      if (!signal.aborted && this.map === map) this.stage.cover(overlay, String(map.number));
    } catch (error) {
      if (!signal.aborted) this.say(say("viewer.map_fault", { why: why(error) }));
    }
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
    this.head.replaceChildren(...headParts(study, this.data, this.go));
    this.tabs.replaceChildren(...(study.images.length < 2 ? [] : study.images.map((image, place) => el("button", {
      type: "button", "aria-pressed": String(image.sop_uid === this.sop), text: `${place + 1} ${image.view || image.modality}`.trim(),
      onclick: () => void this.chooseImage(image.sop_uid).then(() => this.render()),
    }))));
    this.panel.render(study, {
      sop: this.sop, finding: this.finding, map: this.map, mapOn: stage.overlayOn, opacity: stage.opacity, scale: this.scale,
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
    const newest = this.study.images.reduce((a, b) => (b.received_at > a.received_at ? b : a));
    void this.chooseImage(newest.sop_uid).then(() => this.render());
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (busyKey(event)) return;
    const on = event.composedPath()[0];
    const inControl = on instanceof Element && on.matches("input, button, summary, select, a");
    if (!inControl && this.panel.reader.key(event.key)) return;
    if (this.command(event.key) || this.tools.key(event.key)) event.preventDefault();
    else if (event.key in MOVES && !inControl) {
      this.stage.move(...MOVES[event.key]);
      event.preventDefault();
    }
  }

  /** @param {string} key @returns {boolean} */
  command(key) {
    const finding = /^[1-9]$/.test(key) ? this.study?.findings[Number(key) - 1] : undefined;
    if (finding) void this.chooseMap(finding.finding);
    /** @type {Record<string, () => void>} */
    const commands = {
      m: () => this.toggleMap(), "[": () => this.fade(-0.1), "]": () => this.fade(0.1), g: () => this.nextMethod(),
      s: () => this.scaleTo(nextScale(this.scale)), i: () => this.nextImage(),
      n: () => this.data.next && this.go(this.data.next), p: () => this.data.previous && this.go(this.data.previous),
      Escape: () => this.go("worklist"), "?": () => this.sheet.toggle(),
    };
    commands[key]?.();
    return Boolean(finding) || key in commands;
  }

  /** @param {number} by */
  fade(by) {
    this.fadeTo(this.stage.opacity + by);
    this.render();
  }

  /** Of the chosen finding on the image that is shown. */
  maps() {
    return this.study?.maps.filter((map) => map.sop_uid === this.sop && map.finding === this.finding) ?? [];
  }

  nextMethod() {
    const methods = this.maps().map((map) => map.method);
    if (methods.length > 1) void this.chooseMap(undefined, methods[(methods.indexOf(this.method ?? "") + 1) % methods.length]);
  }

  nextImage() {
    const all = this.study?.images.map((image) => image.sop_uid) ?? [];
    if (all.length > 1) void this.chooseImage(all[(all.indexOf(this.sop ?? "") + 1) % all.length]).then(() => this.render());
  }
}

/** Whether nothing more is to come by itself. @param {Study} study */
function settled(study) {
  return !["waiting", "screening"].includes(study.status) && (study.maps.length > 0 || study.findings.length === 0);
}

/** @param {Study | null} study */
function firstFinding(study) {
  return study?.findings[0]?.finding ?? null;
}

/** @param {string} scale */
function nextScale(scale) {
  return SCALES[(SCALES.findIndex((one) => one === scale) + 1) % SCALES.length];
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
  return () => viewer.stop();
}

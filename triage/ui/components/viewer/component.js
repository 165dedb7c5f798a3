import { ask, busyKey, el, instanceOf, posted, settle, sexAge } from "../shared.js";
import { Panel } from "./panel.js";
import { Stage } from "./stage.js";

const POLL_MS = 1500; // while something is still to come
const WATCH_MS = 5000; // afterwards: new images, slower maps
const KEYS = [
  ["m", "map on or off"], ["[ and ]", "map weaker, stronger"], ["1 to 9", "map of that finding"], ["g", "next method"],
  ["+ and -", "zoom"], ["arrows", "move the image"], ["f", "whole image"], ["i", "next image"], ["a, o, b", "agree, over-called, under-called"], ["r", "mark read"], ["z", "undo"],
  ["n and p", "next, previous study"], ["Escape", "worklist"], ["?", "these keys"],
];

/** One study: its image, and beside it the evidence and what a reader may do. */
class Viewer extends Stage {
  constructor(root) {
    super();
    this.root = root;
    this.uid = null;
    this.mapOn = true;
    this.opacity = 0.5;
    this.build();
  }

  build() {
    this.head = el("div", { class: "head" });
    this.canvas = el("canvas", { tabindex: "0", role: "img", "aria-label": "Image" });
    this.sides = Object.fromEntries(["l", "r", "t", "b"].map((side) => [side, el("span", { class: `over ${"lr".includes(side) ? "side " : ""}${side}` })]));
    this.info = el("span", { class: "over info" });
    this.what = el("span", { class: "over what" });
    this.state = el("div", { class: "over state", role: "status" });
    this.tabs = el("div", { class: "tabs" });
    this.keys = el("div", { class: "keys hidden", role: "dialog", "aria-label": "Keys" },
      el("dl", {}, KEYS.map(([key, words]) => [el("dt", {}, el("kbd", { text: key })), el("dd", { text: words })])));
    this.stage = el("div", { class: "stage" }, this.canvas, Object.values(this.sides), this.info, this.what, this.tabs, this.state, this.keys);
    const side = el("div", { class: "side-panel" });
    this.panel = new Panel(side, {
      chooseMap: (finding, method) => this.chooseMap(finding, method),
      toggleMap: () => this.toggleMap(),
      fadeTo: (opacity) => { this.opacity = opacity; this.draw(); },
      showNewest: () => this.showNewest(),
      go: (uid) => this.to(uid),
      redraw: () => this.study && this.render(),
      changed: () => this.readAgain(),
    });
    this.root.replaceChildren(this.head, this.stage, side);
    this.hand();
  }

  start(data, go) {
    this.go = go;
    this.data = data;
    if (!this.onKey) {
      this.onKey = (event) => this.key(event);
      document.addEventListener("keydown", this.onKey);
      this.watch = new ResizeObserver(() => this.draw());
      this.watch.observe(this.stage);
    }
    if (this.uid !== data.uid) this.show(data.uid);
  }

  stop() {
    clearTimeout(this.timer);
    this.loading?.abort();
    document.removeEventListener("keydown", this.onKey);
    this.watch?.disconnect();
    this.onKey = null;
    this.uid = null;
  }

  /** Another study: nothing of the former one stays on the screen. */
  show(uid) {
    this.loading?.abort();
    this.loading = new AbortController();
    clearTimeout(this.timer);
    Object.assign(this, { uid, study: null, bitmap: null, overlay: null, map: null, sop: null, finding: null, method: null, seen: null, noted: new Set() });
    this.head.replaceChildren();
    this.panel.empty();
    this.tabs.replaceChildren();
    this.say("Opening …");
    this.draw();
    this.fetchStudy(this.loading.signal);
  }

  async fetchStudy(signal) {
    const uid = this.uid;
    try {
      const study = await ask(`/api/studies/${encodeURIComponent(uid)}`, { signal });
      if (uid !== this.uid || study.uid !== uid) return;
      const first = this.study === null;
      const changed = JSON.stringify(this.study) !== JSON.stringify(study);
      this.study = study;
      this.seen ??= study.revision;
      if (first) this.chooseImage(this.firstImage());
      if (changed) this.render();
      if (changed && !this.map && this.bitmap) this.chooseMap();
      const settled = !["waiting", "screening"].includes(study.status) && (study.maps.length > 0 || study.findings.length === 0);
      this.timer = setTimeout(() => this.fetchStudy(signal), settled ? WATCH_MS : POLL_MS);
    } catch (error) {
      if (signal.aborted) return;
      if (!this.study) this.say(`The study cannot be shown: ${error.message}. Trying again.`);
      this.timer = setTimeout(() => this.fetchStudy(signal), WATCH_MS);
    }
  }

  /** At once, after the reader did something. */
  readAgain() {
    clearTimeout(this.timer);
    this.fetchStudy(this.loading.signal);
  }

  firstImage() {
    const scored = this.study.maps[0]?.sop_uid;
    return (this.study.images.find((image) => image.sop_uid === scored) ?? this.study.images[0])?.sop_uid;
  }

  async chooseImage(sop) {
    if (!sop) {
      this.say("This study has no image.");
      return;
    }
    const { signal } = this.loading;
    Object.assign(this, { sop, bitmap: null, overlay: null, map: null, view: null });
    const image = this.image();
    this.label(image);
    this.canvas.setAttribute("aria-label", `Image ${this.study.images.indexOf(image) + 1} of ${this.study.images.length}, ${image.modality} ${image.view}`);
    if (!image.has_pixels) {
      this.say("This object holds no image.");
      return;
    }
    this.say("Reading the image …");
    try {
      const bitmap = await this.picture(`/api/images/${encodeURIComponent(sop)}`, signal);
      if (signal.aborted || sop !== this.sop) return;
      this.bitmap = bitmap;
      this.say("");
      this.root.dataset.image = sop;
      this.draw();
      this.chooseMap();
    } catch (error) {
      if (!signal.aborted && sop === this.sop) this.say(`The image cannot be shown: ${error.message}.`);
    }
  }

  async picture(address, signal) {
    const response = await fetch(address, { signal, credentials: "same-origin" });
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? `error ${response.status}`);
    return createImageBitmap(await response.blob());
  }

  image() {
    return this.study.images.find((image) => image.sop_uid === this.sop);
  }

  maps() {
    return this.study.maps.filter((map) => map.sop_uid === this.sop);
  }

  /** The map of the chosen finding and method, or the nearest there is. */
  async chooseMap(finding = this.finding ?? this.study.findings[0]?.finding, method = this.method) {
    if (!finding) return;
    this.finding = finding;
    const of = this.maps().filter((map) => map.finding === finding);
    const map = of.find((one) => one.method === method) ?? of[0] ?? null;
    this.method = map?.method ?? method;
    const { signal } = this.loading;
    if (map?.number !== this.map?.number) {
      this.map = map;
      this.overlay = null;
      this.draw();
      if (map) {
        try {
          const overlay = await this.picture(`/api/maps/${map.number}`, signal);
          if (signal.aborted || this.map !== map) return;
          this.overlay = overlay;
        } catch (error) {
          if (!signal.aborted) this.mapFault = error.message;
        }
      }
    }
    this.render();
    this.draw();
    this.noteShown();
  }

  /** The trail knows which maps a reader was shown. */
  noteShown() {
    if (!this.overlay || !this.mapOn || this.noted.has(this.map.number)) return;
    this.noted.add(this.map.number);
    ask(`/api/studies/${encodeURIComponent(this.uid)}/shown`, posted({ map: this.map.number })).catch(() => this.noted.delete(this.map?.number));
  }

  say(words) {
    this.state.textContent = words;
  }

  render() {
    const study = this.study;
    this.head.replaceChildren(...this.headParts(study));
    this.renderTabs(study);
    this.panel.render(study, {
      sop: this.sop, finding: this.finding, map: this.map, mapOn: this.mapOn, opacity: this.opacity, seen: this.seen, next: this.data.next,
    });
  }

  headParts(study) {
    const fact = (name, value, kind = "") => el("span", { class: `fact ${kind}`, title: value }, el("i", { text: name }), value || "not stated");
    return [
      el("span", { class: "name", title: study.name, text: study.name || "no name" }),
      fact("ID", study.id), fact("born", `${study.birth_date || "not stated"}${sexAge(study) ? ` (${sexAge(study)})` : ""}`), fact("accession", study.accession),
      fact("study", [study.study_date, study.description].filter(Boolean).join(" "), "study"),
      el("span", { class: "fill" }),
      el("span", { class: "steps" },
        el("button", { type: "button", text: "Worklist", onclick: () => this.go("worklist") }),
        el("button", { type: "button", text: "Previous", disabled: !this.data.previous, onclick: () => this.to(this.data.previous) }),
        el("button", { type: "button", text: "Next", disabled: !this.data.next, onclick: () => this.to(this.data.next) })),
    ];
  }

  renderTabs(study) {
    this.tabs.replaceChildren(...(study.images.length < 2 ? [] : study.images.map((image, i) =>
      el("button", { type: "button", "aria-pressed": String(image.sop_uid === this.sop), text: `${i + 1} ${image.view || image.modality}`.trim(), onclick: () => this.chooseImage(image.sop_uid).then(() => this.render()) }))));
  }

  // What the reader does

  toggleMap() {
    this.mapOn = !this.mapOn;
    this.render();
    this.draw();
    this.noteShown();
  }

  /** Only what was put on the screen counts as seen. */
  showNewest() {
    this.seen = this.study.revision;
    const newest = this.study.images.reduce((a, b) => (b.received_at > a.received_at ? b : a));
    this.chooseImage(newest.sop_uid).then(() => this.render());
  }

  to(uid) {
    if (uid) this.go(uid);
  }

  key(event) {
    if (busyKey(event)) return;
    const on = event.composedPath()[0];
    const inControl = on instanceof Element && on.matches("input, button, summary, select, a");
    const findings = this.study?.findings ?? [];
    const commands = {
      m: () => this.toggleMap(), "[": () => this.fade(-0.1), "]": () => this.fade(0.1), f: () => this.whole(),
      "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8), g: () => this.nextMethod(), i: () => this.nextImage(),
      n: () => this.to(this.data.next), p: () => this.to(this.data.previous),
      Escape: () => (this.keys.classList.contains("hidden") ? this.go("worklist") : this.toggleKeys()), "?": () => this.toggleKeys(),
    };
    const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    if (!inControl && this.panel.reader.key(event.key)) return;
    if (event.key in commands) commands[event.key]();
    else if (event.key in moves && !inControl) this.move(...moves[event.key]);
    else if (/^[1-9]$/.test(event.key) && findings[event.key - 1]) this.chooseMap(findings[event.key - 1].finding);
    else return;
    event.preventDefault();
  }

  fade(by) {
    this.opacity = Math.min(1, Math.max(0.1, this.opacity + by));
    this.render();
    this.draw();
  }

  nextMethod() {
    const methods = this.maps().filter((map) => map.finding === this.finding).map((map) => map.method);
    if (methods.length > 1) this.chooseMap(this.finding, methods[(methods.indexOf(this.method) + 1) % methods.length]);
  }

  nextImage() {
    const all = this.study.images.map((image) => image.sop_uid);
    if (all.length > 1) this.chooseImage(all[(all.indexOf(this.sop) + 1) % all.length]).then(() => this.render());
  }

  toggleKeys() {
    this.keys.classList.toggle("hidden");
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  settle(data);
  const viewer = instanceOf(parentElement, (root) => new Viewer(root));
  viewer.start(data, (where) => setTriggerValue("go", where));
  return () => viewer.stop();
}

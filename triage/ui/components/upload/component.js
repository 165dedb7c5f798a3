// The upload page: what is chosen goes into a queue that outlives the page, so it goes on while other pages are read.
// @ts-check
import { ask, el, ending, instanceOf, level, say, settle } from "../shared.js";
import { List } from "./list.js";
import { chosen, entriesOf, walked } from "./picked.js";
import { Queue } from "./queue.js";
import { Summary } from "./summary.js";
import { way } from "./way.js";

/** @typedef {import("./picked.js").Named} Named */
/**
 * @typedef {object} Data
 * @property {number} max_files
 * @property {number} max_file_mib
 * @property {string[]} priorities
 * @property {string} priority that stands at first
 * @property {string[]} modalities of NIfTI volumes; the empty one is not stated
 * @property {string} modality that stands at first
 * @property {string} language
 * @property {string} zone
 */

const DRAW_MS = 150;
const TICK_MS = 1000;
const FOLLOW_MS = 1500;
const FOLLOWED = 20; // studies asked about in one go
const UNSETTLED = new Set(["waiting", "screening"]);

/** @type {Queue | null} one for the whole tab: this module stays loaded when the page is left for another */
let shared = null;

/** The tab's queue; made at first use, when the words are there. */
function queueOfTab() {
  if (shared) return shared;
  const queue = new Queue(way, {
    cancelled: say("upload.was_cancelled"), unreadable: say("upload.unreadable"), lost: say("upload.lost"), closed: say("shared.closed"),
    archive: (taken, count) => say("upload.archive", { taken, count }),
    error: (status) => say("shared.error", { status }),
  });
  queue.listeners.add(() => guard(queue.busy));
  window.addEventListener("online", () => queue.now());
  shared = queue;
  return queue;
}

/**
 * Leaving the tab would end what is under way: the browser asks first, and the frame does not load the page anew.
 * @param {boolean} busy
 */
function guard(busy) {
  if (busy === "uploading" in document.documentElement.dataset) return;
  if (busy) document.documentElement.dataset.uploading = "";
  else delete document.documentElement.dataset.uploading;
  if (busy) window.addEventListener("beforeunload", stay);
  else window.removeEventListener("beforeunload", stay);
}

/** @param {Event} event */
function stay(event) {
  event.preventDefault();
}

class Upload {
  /**
   * @param {HTMLElement} root
   * @param {Data} data
   */
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.queue = queueOfTab();
    /** @type {Map<string, any>} what the server says of studies, by UID */
    this.known = new Map();
    this.drawAt = 0;
    this.tick = 0;
    this.follower = 0;
    /** @type {(uid: string) => void} */
    this.open = () => {};
    this.summary = new Summary(this.queue, data.language);
    this.list = new List(this.queue, {
      open: (uid) => this.open(uid), cancel: (item) => void this.queue.cancelOne(item), known: (uid) => this.known.get(uid),
    });
    this.soon = () => this.drawSoon();
    this.build();
  }

  build() {
    const { data } = this;
    this.files = el("input", { type: "file", multiple: true, class: "hidden", "data-part": "files", onchange: () => this.picked(this.files) });
    this.folder = el("input", { type: "file", webkitdirectory: true, class: "hidden", "data-part": "folder", onchange: () => this.picked(this.folder) });
    this.walking = el("p", { class: "dim hidden", role: "status" });
    this.drop = el("div", { class: "drop" },
      el("p", { class: "title", text: say("upload.drop") }),
      el("div", { class: "buttons" },
        el("button", { class: "main", type: "button", text: say("upload.choose_files"), onclick: () => this.files.click() }),
        el("button", { type: "button", text: say("upload.choose_folder"), onclick: () => this.folder.click() })),
      el("p", { class: "dim", text: say("upload.limits", { count: data.max_files, size: data.max_file_mib }) }),
      el("p", { class: "dim next", text: say("upload.next") }),
      this.walking, this.files, this.folder);
    this.root.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.drop.toggleAttribute("data-over", true);
    });
    this.root.addEventListener("dragleave", (event) => {
      if (!this.root.contains(/** @type {Node | null} */ (event.relatedTarget))) this.drop.removeAttribute("data-over");
    });
    this.root.addEventListener("drop", (event) => this.dropped(event));
    this.root.replaceChildren(el("div", { class: "chosen" }, this.priorities(), this.modalities()), this.drop, this.summary.status, this.summary.node, this.list.node);
  }

  priorities() {
    const name = `priority-${Math.random().toString(36).slice(2)}`;
    const choice = (/** @type {string} */ value) => el("label", {},
      el("input", { type: "radio", name, value, checked: value === this.data.priority, onchange: () => { this.priority = value; } }), level(value));
    this.priority = this.data.priority;
    return el("fieldset", { class: "priorities" }, el("legend", { text: say("upload.priority") }), this.data.priorities.map(choice));
  }

  /** NIfTI volumes do not say what made them, and a model takes only what it was made for. */
  modalities() {
    const { modalities, modality } = this.data;
    this.nifti = el("select", {}, modalities.map((value) => el("option", { value, text: value || say("upload.nifti_unknown"), selected: value === modality })));
    return el("label", {}, say("upload.nifti"), this.nifti);
  }

  /** @param {(uid: string) => void} open */
  start(open) {
    this.open = open;
    this.queue.listeners.add(this.soon);
    this.tick ||= window.setInterval(() => this.queue.busy && this.draw(), TICK_MS);
    this.draw();
    void this.follow();
  }

  stop() {
    this.queue.listeners.delete(this.soon);
    window.clearInterval(this.tick);
    window.clearTimeout(this.drawAt);
    window.clearTimeout(this.follower);
    this.tick = this.drawAt = this.follower = 0;
  }

  /** @param {HTMLInputElement} input */
  picked(input) {
    const files = chosen(input.files);
    input.value = "";
    this.add(files);
  }

  /** @param {DragEvent} event */
  async dropped(event) {
    event.preventDefault();
    this.drop.removeAttribute("data-over");
    const entries = entriesOf(event.dataTransfer);
    if (!entries.length) return;
    this.walking.classList.remove("hidden");
    const { files, unread } = await walked(entries, (count) => { this.walking.textContent = say("upload.walking", { count }); });
    this.walking.classList.add("hidden");
    for (const name of unread) this.queue.batch.leaveOut(name, say("upload.unreadable"));
    this.add(files);
  }

  /** @param {Named[]} files */
  add(files) {
    const room = Math.max(0, this.data.max_files - this.queue.batch.left);
    if (files.length > room) {
      const count = files.length - room;
      this.queue.batch.leaveOut(say("upload.more", { count }), say("upload.left_out", { count: this.data.max_files }));
    }
    this.queue.add(files.slice(0, room), this.priority ?? "", this.nifti.value);
  }

  drawSoon() {
    this.drawAt ||= window.setTimeout(() => {
      this.drawAt = 0;
      this.draw();
    }, DRAW_MS);
  }

  draw() {
    this.summary.draw();
    this.list.draw();
    const { batch, busy, state } = this.queue;
    this.root.toggleAttribute("data-some", batch.items.length > 0);
    this.root.dataset.queue = busy ? state : batch.items.length ? "done" : "empty";
  }

  /** Asks what became of the studies in view until each is ranked or not scored. */
  async follow() {
    window.clearTimeout(this.follower);
    const grown = (/** @type {string} */ uid) => this.queue.batch.studies.get(uid)?.items.length !== this.known.get(uid)?.files;
    const open = this.list.seen.filter((uid) => grown(uid) || UNSETTLED.has(this.known.get(uid)?.status)).slice(0, FOLLOWED);
    for (const uid of open) {
      const files = this.queue.batch.studies.get(uid)?.items.length;
      // That Triage does not answer is said elsewhere; it is asked again.
      const now = await ask(`/api/studies/${encodeURIComponent(uid)}`).catch(() => null);
      if (now) this.known.set(uid, { name: now.name, id: now.id, level: now.level, reason: now.reason, status: now.status, files });
    }
    if (open.length) this.draw();
    if (this.tick) this.follower = window.setTimeout(() => this.follow(), FOLLOW_MS);
  }
}

/**
 * @param {{data: Data, parentElement: HTMLElement | ShadowRoot, setTriggerValue: (name: string, value: string) => void}} streamlit
 */
export default function ({ data, parentElement, setTriggerValue }) {
  settle(data);
  const upload = instanceOf(parentElement, (root) => new Upload(root, data));
  upload.start((uid) => setTriggerValue("open", uid));
  return ending(upload);
}

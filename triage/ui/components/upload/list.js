// The list: as many lines as there are, of which only those near the view exist in the page.
// @ts-check
import { el, level, say } from "../shared.js";
import { rowsOf, topsOf, windowOf } from "./rows.js";

/** @typedef {import("./types").Row} Row */
/** @typedef {import("./types").Item} Item */
/** @typedef {{node: HTMLElement, update: (row: Row) => void}} Line */
/** @typedef {{name: string, id: string, level: string, reason: string, status: string}} Known */
/** @typedef {{open: (uid: string) => void, cancel: (item: Item) => void, known: (uid: string) => Known | undefined}} Doing */

export class List {
  /**
   * @param {import("./queue.js").Queue} queue
   * @param {Doing} doing
   */
  constructor(queue, doing) {
    this.queue = queue;
    this.doing = doing;
    /** @type {Map<string, boolean>} */
    this.toggled = new Map();
    /** @type {Map<string, Line>} */
    this.lines = new Map();
    /** @type {Row[]} */
    this.rows = [];
    /** @type {string[]} studies that are drawn */
    this.seen = [];
    this.space = el("div", { class: "space", role: "list", "aria-label": say("upload.list") });
    this.node = el("div", { class: "list", tabindex: "0", role: "region", "aria-label": say("upload.list"), onscroll: () => this.place() }, this.space);
  }

  draw() {
    this.rows = rowsOf(this.queue, (key) => this.isOpen(key));
    this.tops = topsOf(this.rows);
    this.space.style.height = `${this.tops[this.rows.length]}px`;
    this.node.classList.toggle("hidden", !this.rows.length);
    this.place();
  }

  /** Draws what is near the view, and takes away what is not. */
  place() {
    if (!this.tops) return;
    const [first, end] = windowOf(this.tops, this.node.scrollTop, this.node.clientHeight || 600);
    const drawn = this.rows.slice(first, end);
    const keys = new Set(drawn.map((row) => row.key));
    for (const [key, line] of this.lines) {
      if (keys.has(key)) continue;
      if (line.node.contains(/** @type {any} */ (this.node.getRootNode()).activeElement)) this.node.focus({ preventScroll: true });
      line.node.remove();
      this.lines.delete(key);
    }
    /** @type {Element | null} */
    let before = null;
    drawn.forEach((row, index) => {
      const line = this.lineOf(row);
      line.node.style.top = `${this.tops?.[first + index]}px`;
      line.node.setAttribute("aria-posinset", String(first + index + 1));
      line.node.setAttribute("aria-setsize", String(this.rows.length));
      line.update(row);
      // In the page's order as well, for the tabulator key and for those who hear the list.
      const place = before ? before.nextElementSibling : this.space.firstElementChild;
      if (place !== line.node) this.space.insertBefore(line.node, place);
      before = line.node;
    });
    this.seen = drawn.flatMap((row) => (row.kind === "study" && row.group ? [row.group.uid] : []));
  }

  /** @param {Row} row */
  lineOf(row) {
    let line = this.lines.get(row.key);
    if (!line) {
      line = row.kind === "file" ? this.file() : row.kind === "refusal" ? refusal() : this.head(row);
      line.node.style.height = `${row.height}px`;
      this.lines.set(row.key, line);
    }
    return line;
  }

  /** @param {string} key of a group; faults are shown without asking */
  isOpen(key) {
    return this.toggled.get(key) ?? (key === "refused" || key === "archives");
  }

  /** @param {string} key */
  toggle(key) {
    this.toggled.set(key, !this.isOpen(key));
    this.draw();
  }

  /**
   * A heading that opens and closes its files; of a study with its place on the list and the way to it.
   * @param {Row} row
   * @returns {Line}
   */
  head(row) {
    const title = el("span", { class: "title" });
    const mark = el("span", { class: "at" });
    const fold = el("button", { type: "button", class: "fold", onclick: () => this.toggle(row.key) }, row.kind === "study" ? mark : [], title);
    if (row.kind === "head") {
      const node = el("div", { class: "line head", role: "listitem", "data-group": row.key }, fold);
      return { node, update: ({ group, open }) => {
        fold.setAttribute("aria-expanded", String(open));
        title.textContent = say(`upload.group_${row.key}`, { count: group?.items.length ?? 0 });
      } };
    }
    return this.study(row, fold, mark, title);
  }

  /**
   * @param {Row} row
   * @param {HTMLElement} fold
   * @param {HTMLElement} mark
   * @param {HTMLElement} title
   * @returns {Line}
   */
  study(row, fold, mark, title) {
    const uid = row.group?.uid ?? "";
    const cells = { reason: el("span", { class: "dim reason" }), files: el("span", { class: "dim num" }), status: el("span", { class: "dim" }) };
    const link = el("a", { href: `/study?uid=${encodeURIComponent(uid)}`, text: say("upload.open"), onclick: (/** @type {MouseEvent} */ event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.doing.open(uid);
    } });
    const node = el("div", { class: "line study", role: "listitem", "data-uid": uid }, fold, cells.reason, cells.files, cells.status, link);
    let shown = "";
    return { node, update: ({ group, open }) => {
      const known = this.doing.known(uid);
      const now = JSON.stringify([known, group?.items.length, open]);
      if (now === shown) return;
      shown = now;
      fold.setAttribute("aria-expanded", String(open));
      const name = known ? [known.name || say("upload.no_name"), known.id].filter(Boolean).join("  ") : say("upload.study");
      title.textContent = name;
      title.title = name;
      link.setAttribute("aria-label", say("upload.open_study", { name }));
      mark.replaceChildren(...(known ? [level(known.level)] : []));
      cells.reason.textContent = known?.reason ?? "";
      cells.reason.title = known?.reason ?? "";
      cells.files.textContent = say("upload.files", { count: group?.items.length ?? 0 });
      cells.status.textContent = known?.status ?? "";
    } };
  }

  /** @returns {Line} a file with its progress and outcome */
  file() {
    const bar = el("i");
    const track = el("span", { class: "track" }, bar);
    const name = el("span", { class: "file-name" });
    const outcome = el("span", { class: "outcome" });
    /** @type {Item | null} */
    let item = null;
    const cancel = el("button", { type: "button", class: "one", text: say("upload.give_up"), onclick: () => item && this.doing.cancel(item) });
    const node = el("div", { class: "line file", role: "listitem" }, name, track, outcome, cancel);
    return { node, update: (row) => {
      if (!row.item) return;
      item = row.item;
      if (name.title !== item.name) {
        name.textContent = `\u200e${item.name}`; // the mark keeps a path readable although it is cut at its left end
        name.title = item.name;
        cancel.setAttribute("aria-label", say("upload.give_up_named", { name: item.name }));
      }
      node.dataset.state = item.state === "done" ? item.outcome : item.state;
      track.classList.toggle("still", item.state === "done" || (item.state === "waiting" && !item.sent));
      bar.style.width = `${shareOf(item) * 100}%`;
      const text = this.told(item);
      if (outcome.textContent !== text) outcome.textContent = outcome.title = text;
      cancel.classList.toggle("hidden", item.state === "done" || item.cancelled);
    } };
  }

  /** @param {Item} item what is said of it */
  told(item) {
    if (item.state === "done") return item.sentence;
    if (item.state === "reading") return say("upload.reading", { count: item.members });
    const broken = this.queue.retry.at > 0 && item === this.queue.current;
    if (broken || (item.state === "waiting" && item.sent > 0)) return say("upload.interrupted");
    if (item.state === "waiting") return say("upload.waiting");
    return item.gone ? say("upload.taking") : say("upload.sending", { share: Math.round(shareOf(item) * 100) });
  }
}

/** @returns {Line} a file that was not taken in, with the whole reason */
function refusal() {
  const name = el("span", { class: "file-name" });
  const why = el("span", { class: "why" });
  const node = el("div", { class: "line refusal", role: "listitem" }, name, why);
  return { node, update: ({ item }) => {
    if (!item || name.title === item.name) return;
    name.textContent = `\u200e${item.name}`;
    name.title = item.name;
    why.textContent = why.title = item.sentence;
  } };
}

/** @param {Item} item */
function shareOf(item) {
  if (item.state === "done") return 1;
  return item.size ? item.sent / item.size : 0;
}

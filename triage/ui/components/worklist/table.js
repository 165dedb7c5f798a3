// The rows: one line a study, filled in place, so that focus, hover and scroll place stay with their study.
// @ts-check
import { clock, el, level, say, sexAge, since } from "../shared.js";
import { left } from "./order.js";

/** @typedef {import("./types").Row} Row */

const COLUMNS = /** @type {const} */ ([
  "place", "urgency", "why", "findings", "who", "id", "age", "what", "when", "state",
]);
const NUMBERS = new Set(["place", "when"]);

export class Table {
  /** @param {(uid: string) => void} choose */
  constructor(choose) {
    this.choose = choose;
    /** @type {string[]} UIDs as they stand on the screen */
    this.order = [];
    /** @type {Map<string, {row: Row, line: HTMLTableRowElement, cells: Record<string, HTMLElement>, shownLevel: string}>} */
    this.lines = new Map();
    this.body = el("tbody", { onclick: (/** @type {MouseEvent} */ event) => this.clicked(event) });
    const head = COLUMNS.map((name) =>
      el("th", { scope: "col", class: kind(name), text: name === "place" ? "" : say(`worklist.${name}`) }));
    this.node = el(
      "table", { "aria-label": say("worklist.table") },
      el("colgroup", {}, COLUMNS.map((name) => el("col", { class: name }))), el("thead", {}, el("tr", {}, head)), this.body,
    );
  }

  /** @param {readonly Row[]} rows */
  show(rows) {
    this.order = rows.map((row) => row.uid);
    const lines = new Map();
    for (const row of rows) {
      const known = this.lines.get(row.uid) ?? this.newLine(row.uid);
      known.line.removeAttribute("data-gone");
      lines.set(row.uid, { ...known, shownLevel: row.level });
    }
    this.lines = lines;
    for (const row of rows) this.fill(row, row.position);
    this.body.replaceChildren(...this.order.map((uid) => lines.get(uid).line));
  }

  /** New contents in the places that rows have. @param {readonly Row[]} rows @param {number} limit rows of a full page */
  refresh(rows, limit) {
    const now = new Map(rows.map((row) => [row.uid, row]));
    for (const uid of this.order) {
      const row = now.get(uid);
      const known = this.known(uid);
      known.line.toggleAttribute("data-gone", !row && left(known.row, rows, limit));
      if (row) this.fill(row, known.row.position);
    }
  }

  /** @param {string} uid */
  newLine(uid) {
    const link = el("a", { href: `/study?uid=${encodeURIComponent(uid)}`, tabindex: "-1", draggable: "false" });
    /** @type {Record<string, HTMLElement>} */
    const cells = {};
    for (const name of COLUMNS) cells[name] = el("td", { class: kind(name) });
    cells.who.append(link);
    const line = el("tr", { "data-uid": uid }, COLUMNS.map((name) => cells[name]));
    const row = /** @type {Row} */ ({ uid });
    return { row, line, cells: { ...cells, link }, shownLevel: "" };
  }

  /** @param {Row} row @param {number | null} position */
  fill(row, position) {
    const known = this.known(row.uid);
    known.row = { ...row, position };
    const { place, urgency, why, findings, who, link, id, age, what, when } = known.cells;
    put(place, position === null ? "" : String(position));
    if (known.line.dataset.level !== row.level) urgency.replaceChildren(level(row.level));
    put(why, row.reason, true);
    const others = row.findings.filter((one) => !one.named);
    put(findings, others.map(found).join(", "));
    // Without others the reason has their place too.
    why.setAttribute("colspan", others.length ? "1" : "2");
    findings.hidden = others.length === 0;
    findings.title = row.findings.map(foundLong).join("\n");
    put(link, row.written_name ? `${row.name} (${row.written_name})` : row.name || say("worklist.no_name"));
    who.title = link.textContent ?? "";
    put(id, row.id, true);
    put(age, sexAge(row));
    put(what, [row.modality, row.description].filter(Boolean).join(" "), true);
    when.title = clock(row.received_at);
    put(when, since(row.received_at));
    known.line.dataset.level = row.level;
  }

  /** Who has it open stands in place of its status. @param {Record<string, string>} open */
  states(open) {
    for (const { row, cells } of this.lines.values()) {
      const actor = open[row.uid];
      const said = row.verdict ? say("worklist.judged", { status: row.status, verdict: row.verdict }) : row.status;
      put(cells.state, actor ? say("worklist.open_by", { who: actor }) : said);
      cells.state.title = actor ? `${cells.state.textContent}, ${said}` : said;
      cells.state.dataset.state = actor ? "open" : row.status;
    }
  }

  tick() {
    for (const { row, cells } of this.lines.values()) put(cells.when, since(row.received_at));
  }

  /** @param {string} uid */
  known(uid) {
    const known = this.lines.get(uid);
    if (!known) throw new Error("a row that is not on the screen");
    return known;
  }

  /** @param {string} uid */
  shownLevel(uid) {
    return this.lines.get(uid)?.shownLevel;
  }

  /** @returns {string | null} the UID of the row with the focus */
  focused() {
    const root = /** @type {ShadowRoot | Document} */ (this.node.getRootNode());
    return root.activeElement?.closest("tbody tr")?.getAttribute("data-uid") ?? null;
  }

  /** Whether a person sees the focus on a row: it was put there by a key, in this window. */
  pointed() {
    return document.hasFocus() && this.body.querySelector("a:focus-visible") !== null;
  }

  /** Only one row is reached by Tab. @param {string | undefined} uid */
  rove(uid) {
    for (const [one, { cells }] of this.lines) cells.link.tabIndex = one === uid ? 0 : -1;
  }

  /** @param {string | undefined} uid @param {boolean} scroll */
  focus(uid, scroll = true) {
    if (!uid || !this.lines.has(uid)) return;
    this.rove(uid);
    this.known(uid).cells.link.focus({ preventScroll: !scroll });
  }

  /** @param {number} by */
  step(by) {
    const here = this.order.indexOf(this.focused() ?? "");
    const next = here < 0 ? 0 : Math.min(Math.max(here + by, 0), this.order.length - 1);
    this.focus(this.order[next]);
  }

  /** Only ever the UID that stands on the line, never its place. @param {MouseEvent} event */
  clicked(event) {
    const line = /** @type {Element} */ (event.target).closest("tr");
    if (!line?.dataset.uid || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.choose(line.dataset.uid);
  }
}

/** @param {import("./types").Found} one */
function found(one) {
  const words = say("worklist.finding", inFigures(one));
  return one.experimental ? say("worklist.experimental", { finding: words }) : words;
}

/** An experimental finding is positive from its point, and acts on nothing. @param {import("./types").Found} one */
function foundLong(one) {
  return say(one.experimental ? "worklist.finding_long_experimental" : "worklist.finding_long", inFigures(one));
}

/** @param {import("./types").Found} one */
function inFigures({ label, probability, operating_point }) {
  return { label, probability: probability.toFixed(2), point: operating_point.toFixed(2) };
}

/** @param {string} name */
function kind(name) {
  return NUMBERS.has(name) ? `${name} num` : name;
}

/** @param {HTMLElement} node @param {string} text @param {boolean} [title] */
function put(node, text, title = false) {
  if (node.textContent !== text) node.textContent = text;
  if (title && node.title !== text) node.title = text;
}

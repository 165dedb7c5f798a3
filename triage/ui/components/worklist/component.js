// The reading list: rows hold still under the pointer and the focus; what is new is counted, announced and then shown.
// @ts-check
import { busyKey, el, ending, instanceOf, say, settle } from "../shared.js";
import { freeSelects, keyOf, keySheet } from "../keys.js";
import { Feed } from "./feed.js";
import { Filters } from "./filters.js";
import { Foot } from "./foot.js";
import { news, successor } from "./order.js";
import { filtered, leftAt, narrow, questionOf, searchOf } from "./question.js";
import { Table } from "./table.js";

/** @typedef {import("./question.js").Question} Question */
/** @typedef {import("./types").Answer} Answer */
/** @typedef {import("./types").Whole} Whole */

const TYPED = "triage.find";
const LEFT = "triage.left"; // where the list was left for a study
const KEYS = /** @type {const} */ ([["ArrowDown j", "down"], ["ArrowUp k", "up"], ["Enter", "enter"], ["/", "find_key"],
  ["u", "show_key"], ["[ ]", "turn_key"], ["?", "help"]]);
const SHOWN_KEYS = { ArrowDown: "↓", ArrowUp: "↑" };
const STEPS = /** @type {Record<string, number>} */ ({ ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 20, PageUp: -20 });
const LEAVE_MS = 400;

class Worklist {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.question = questionOf(location.search);
    this.left = leftAt(sessionStorage.getItem(LEFT));
    sessionStorage.removeItem(LEFT);
    if (this.left && !searchOf("", this.question)) this.question = questionOf(this.left.search);
    this.text = sessionStorage.getItem(TYPED) ?? "";
    /** @type {Whole | null} the newest rows, which may wait to be shown */
    this.latest = null;
    /** @type {Record<string, string>} */
    this.open = {};
    this.asked = true; // the next rows answer a new question and are shown at once
    this.inside = false; // the pointer is over the rows
    this.timer = 0;
    this.feed = new Feed((answer) => this.receive(answer), (fault) => this.fail(fault && say("worklist.stale", { fault })));
    this.filters = new Filters({ change: (part) => this.change(part), type: (text) => this.type(text) });
    this.table = new Table((uid) => this.choose(uid));
    this.foot = new Foot({ turn: (by) => this.turn(by), open: (uid) => this.choose(uid) });
    /** @type {(name: string) => void} */
    this.go = () => {};
    this.sheet = keySheet(KEYS.map(([keys, name]) => [named(keys), say(`worklist.${name}`)]), say("worklist.keys"));
    this.onKey = (/** @type {KeyboardEvent} */ event) => this.key(event);
    this.onBlur = () => this.release();
    this.build();
  }

  build() {
    this.news = el("button", { class: "news", type: "button", onclick: () => this.adopt(), "aria-keyshortcuts": "u" });
    this.help = el("button", { type: "button", class: "help", text: "?", "aria-label": say("worklist.help"), "aria-keyshortcuts": "?", onclick: () => this.sheet.toggle() });
    this.empty = el("div", { class: "empty" }, el("p", { text: say("worklist.asking") }));
    this.table.node.classList.add("hidden");
    this.scroll = el("div", { class: "scroll" }, this.table.node, this.empty);
    const summary = el("div", { class: "summary" }, this.filters.node, el("span", { class: "fill" }),
      el("span", { role: "status" }, this.news), this.help);
    this.root.replaceChildren(summary, this.scroll, this.foot.node, this.sheet);
    freeSelects(this.root);
    this.table.body.addEventListener("pointerenter", () => this.hold());
    this.table.body.addEventListener("pointerleave", () => this.release());
    this.table.body.addEventListener("focusout", () => this.release());
  }

  /** @param {{page_rows: number}} data @param {(name: string) => void} go */
  start(data, go) {
    this.feed.limit = data.page_rows;
    this.go = go;
    if (this.feed.running) return;
    document.addEventListener("keydown", this.onKey);
    window.addEventListener("blur", this.onBlur);
    this.filters.show(this.question, this.text, narrow(this.question, this.text));
    this.feed.ask(this.question, this.text);
  }

  stop() {
    this.feed.stop();
    window.clearTimeout(this.timer);
    document.removeEventListener("keydown", this.onKey);
    window.removeEventListener("blur", this.onBlur);
  }

  /** @param {Partial<Question>} part */
  change(part) {
    this.put(filtered(this.question, part));
  }

  /** @param {string} text */
  type(text) {
    if (text === this.text) return;
    this.text = text;
    sessionStorage.setItem(TYPED, text);
    this.put(filtered(this.question, {}));
  }

  /** @param {Question} question */
  put(question) {
    this.question = question;
    this.asked = true;
    this.address();
    this.filters.show(question, this.text, narrow(question, this.text));
    this.feed.ask(question, this.text);
  }

  /** @param {number} by */
  turn(by) {
    const rows = this.latest?.rows ?? [];
    if (!rows.length || (by < 0 ? this.foot.back : this.foot.forth).disabled) return;
    this.scroll.scrollTop = 0;
    const place = by < 0 ? { after: "", before: rows[0].cursor } : { after: rows[rows.length - 1].cursor, before: "" };
    this.put({ ...this.question, ...place });
  }

  /** @param {Answer} answer */
  receive(answer) {
    if (answer.open) this.open = answer.open;
    this.foot.announce(answer.stat ?? []);
    if (answer.changed) this.take(/** @type {Whole} */ (answer));
    this.address();
    this.table.tick();
    this.table.states(this.open);
    const idle = !answer.worker && (this.latest?.counts.waiting ?? 0) > 0;
    this.fail(idle ? say("worklist.no_worker") : "");
  }

  /** Contents are brought up to date in place; a new order waits while a reader points at a row. @param {Whole} answer */
  take(answer) {
    this.latest = answer;
    if (answer.before === 0 && this.question.before) this.settleAtTop();
    this.filters.count(answer.counts);
    if (this.asked || !this.held()) this.adopt();
    else {
      this.table.refresh(answer.rows, this.feed.limit);
      this.tell(answer);
    }
    this.foot.page(answer, narrow(this.question, this.text));
  }

  /** The first page is the top of the list, whatever comes to stand there; no place holds it. */
  settleAtTop() {
    this.question = { ...this.question, before: "" };
    this.feed.question = this.question;
    this.address();
  }

  address() {
    if (location.pathname.endsWith("/study")) return; // the framework has not arrived at the list's own address yet
    const search = searchOf(location.search, this.question);
    if (search !== location.search) history.replaceState(history.state, "", location.pathname + search + location.hash);
  }

  held() {
    return this.table.order.length > 0 && (this.inside || this.table.pointed());
  }

  hold() {
    this.inside = true;
    window.clearTimeout(this.timer);
  }

  release() {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.inside = this.table.body.matches(":hover");
      if (this.news.hasAttribute("data-some") && !this.held()) this.adopt();
    }, LEAVE_MS);
  }

  /** @param {Whole} answer */
  tell(answer) {
    const { added, stat, moved } = news(this.table.order, answer.rows, (uid) => this.table.shownLevel(uid));
    const words = stat ? say("worklist.news_stat", { count: stat }) : added ? say("worklist.news", { count: added }) : say("worklist.reordered");
    this.news.textContent = say("worklist.show", { what: words });
    this.news.toggleAttribute("data-some", moved);
    this.news.toggleAttribute("data-stat", moved && stat > 0);
  }

  /** The newest order; what a reader looks at keeps its place on the screen. */
  adopt() {
    const answer = this.latest;
    if (!answer) return;
    const focus = this.table.focused();
    const before = this.table.order;
    const anchor = this.asked ? null : this.anchor();
    this.table.show(answer.rows);
    this.table.states(this.open);
    this.news.removeAttribute("data-some");
    this.none(answer);
    if (anchor) this.scroll.scrollTop += this.top(anchor.uid) - anchor.top;
    if (focus) this.table.focus(successor(before, this.table.order, focus), false);
    else if (this.left && this.idle()) this.table.focus(successor(this.left.order, this.table.order, this.left.uid));
    else this.table.rove(this.table.order[0]);
    this.left = null;
    this.asked = false;
  }

  /** Whether nothing has the focus, or only what lies around the list, so that taking it disturbs nobody. */
  idle() {
    const { host } = /** @type {ShadowRoot} */ (this.root.getRootNode());
    const active = document.activeElement;
    return active === null || (active !== host && active.contains(host));
  }

  /** The first row that is seen whole, where the list is scrolled at all. */
  anchor() {
    if (this.scroll.scrollTop === 0) return null;
    const edge = this.scroll.getBoundingClientRect().top + 24;
    const uid = this.table.order.find((one) => this.top(one) >= edge);
    return uid ? { uid, top: this.top(uid) } : null;
  }

  /** @param {string} uid */
  top(uid) {
    return this.table.lines.get(uid)?.line.getBoundingClientRect().top ?? 0;
  }

  /** @param {Whole} answer */
  none(answer) {
    const nothing = answer.rows.length === 0;
    this.table.node.classList.toggle("hidden", nothing);
    this.empty.classList.toggle("hidden", !nothing);
    if (!nothing) return;
    const narrowed = narrow(this.question, this.text);
    const button = narrowed
      ? el("button", { type: "button", text: say("worklist.clear"), onclick: () => this.filters.cleared() })
      : el("button", { class: "main", type: "button", text: say("worklist.upload"), onclick: () => this.go("upload") });
    const words = narrowed ? [say("worklist.none_found")] : [say("worklist.nothing"), say("worklist.nothing_more")];
    this.empty.replaceChildren(...words.map((text) => el("p", { text })), button);
  }

  /** @param {string} fault */
  fail(fault) {
    this.foot.fault(fault);
    if (this.latest) return;
    const again = el("button", { type: "button", text: say("worklist.again"), onclick: () => this.feed.ask(this.question, this.text) });
    this.empty.replaceChildren(el("p", { text: fault || say("worklist.asking") }), ...(fault ? [again] : []));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (busyKey(event)) return;
    const key = keyOf(event);
    const at = event.composedPath()[0];
    const onControl = at instanceof Element && at.closest("button, input, select, [role=button], header");
    /** @type {Record<string, () => void>} */
    const others = {
      "/": () => this.filters.text.focus(), "?": () => this.sheet.toggle(), u: () => this.adopt(),
      "[": () => this.turn(-1), "]": () => this.turn(1),
    };
    if (key in STEPS && !onControl) this.table.step(STEPS[key]);
    else if (key === "Enter" && this.table.focused()) this.choose(/** @type {string} */ (this.table.focused()));
    else if (key in others && !event.repeat) others[key]();
    else return;
    event.preventDefault();
  }

  /** @param {string} uid */
  choose(uid) {
    const left = { uid, search: searchOf("", this.question), order: this.table.order };
    sessionStorage.setItem(LEFT, JSON.stringify(left));
    this.go(uid);
  }
}

/** @param {string} keys */
function named(keys) {
  return Object.entries(SHOWN_KEYS).reduce((text, [name, sign]) => text.replace(name, sign), keys);
}

/** @param {import("./types").Streamlit} streamlit */
export default function ({ data, parentElement, setTriggerValue }) {
  settle(data);
  const list = instanceOf(parentElement, (root) => new Worklist(root));
  list.start(data, (uid) => setTriggerValue("open", uid));
  return ending(list);
}

import { ask, busyKey, clock, el, instanceOf, level, settle, sexAge, since } from "../shared.js";

const POLL_MS = 2000;
const LEVELS = [["STAT", "stat"], ["HIGH", "high"], ["ROUTINE", "routine"], ["LOW", "low"]];
const COLUMNS = [
  ["place", "", "num"], ["urgency", "Urgency", ""], ["why", "Why", ""], ["who", "Patient", ""], ["id", "ID", "cell-id"],
  ["age", "Age", ""], ["what", "Study", ""], ["when", "Received", "num"], ["state", "Status", ""],
];

class Worklist {
  constructor(root) {
    this.root = root;
    this.order = []; // UIDs as they stand on the screen
    this.rows = new Map(); // UID to the row as it is shown
    this.latest = null; // the newest answer, which may wait to be shown
    this.version = -1;
    this.offset = 0;
    this.total = 0;
    this.announced = null; // UIDs of STAT studies that were said already
    this.build();
  }

  build() {
    this.counts = new Map();
    const counts = LEVELS.map(([name]) => {
      const number = el("b", { text: "0" });
      const item = el("span", { class: "count", "data-none": true }, level(name), number);
      this.counts.set(name, [item, number]);
      return item;
    });
    this.notScored = el("span", { class: "dim" });
    this.waiting = el("span", { class: "dim" });
    this.fault = el("span", { class: "fault", role: "status" });
    this.spoken = el("span", { class: "spoken", role: "status", "aria-live": "polite" });
    this.news = el("button", { class: "news", type: "button", onclick: () => this.adopt() });
    this.pager = el("span", { class: "dim" });
    this.back = el("button", { type: "button", text: "Earlier", class: "hidden", onclick: () => this.turn(-1) });
    this.forth = el("button", { type: "button", text: "Later", class: "hidden", onclick: () => this.turn(1) });
    this.body = el("tbody", { onclick: (event) => this.clicked(event) });
    const head = el("tr", {}, COLUMNS.map(([, title, kind]) => el("th", { scope: "col", class: kind, text: title })));
    this.table = el(
      "table", { "aria-label": "Reading list, the next study first" },
      el("colgroup", {}, COLUMNS.map(([name]) => el("col", { class: name }))), el("thead", {}, head), this.body,
    );
    this.empty = el("div", { class: "empty" }, el("p", { text: "Asking for the list …" }));
    this.scroll = el("div", { class: "scroll" }, this.table, this.empty);
    this.root.replaceChildren(
      el("div", { class: "summary" }, counts, this.notScored, this.waiting, this.fault, el("span", { class: "fill" }),
        this.news, this.pager, this.back, this.forth, this.spoken),
      this.scroll,
    );
    this.table.classList.add("hidden");
  }

  start(data, open) {
    this.pageRows = data.page_rows;
    this.open = open;
    if (this.running) return;
    this.running = new AbortController();
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    this.poll();
  }

  stop() {
    clearTimeout(this.timer);
    this.running?.abort();
    this.running = null;
    document.removeEventListener("keydown", this.onKey);
  }

  async poll() {
    clearTimeout(this.timer);
    const running = this.running;
    try {
      if (!document.hidden || this.version < 0) await this.refresh(running.signal);
    } catch (error) {
      if (running.signal.aborted) return;
      this.fault.textContent = `Not up to date: ${error.message}. Trying again.`;
    }
    if (this.running === running && !running.signal.aborted) this.timer = setTimeout(() => this.poll(), POLL_MS);
  }

  async refresh(signal) {
    const query = new URLSearchParams({ offset: this.offset, limit: this.pageRows, since: this.version });
    const answer = await ask(`/api/worklist?${query}`, { signal });
    const first = this.version < 0;
    if (answer.changed && answer.offset !== this.offset) return; // an answer to an older question
    this.fault.textContent = answer.worker || !this.pending(answer) ? "" : "No worker is running: studies wait unscored.";
    this.version = answer.version;
    if (answer.changed) this.receive(answer, first);
    this.tick();
  }

  pending(answer) {
    return (answer.counts ?? this.latest?.counts)?.waiting > 0;
  }

  /** New rows: contents are brought up to date in place; a new order waits until it is asked for. */
  receive(answer, first) {
    const before = this.latest;
    this.latest = answer;
    this.total = answer.total;
    for (const [name, key] of LEVELS) {
      const [item, number] = this.counts.get(name);
      number.textContent = answer.counts[key].toLocaleString();
      item.toggleAttribute("data-none", answer.counts[key] === 0);
    }
    this.notScored.textContent = answer.counts.not_scored ? `not scored ${answer.counts.not_scored}` : "";
    this.waiting.textContent = answer.counts.waiting ? `waiting ${answer.counts.waiting}` : "";
    this.announce(answer, before);
    if (first || this.order.length === 0) {
      this.adopt();
      return;
    }
    const now = new Map(answer.rows.map((row) => [row.uid, row]));
    for (const uid of this.order) {
      const row = now.get(uid);
      const line = this.line(uid);
      line.toggleAttribute("data-gone", !row);
      if (row) this.fill(line, { ...row, position: this.rows.get(uid).position });
    }
    this.tellNews(answer);
  }

  tellNews(answer) {
    const shown = new Set(this.order);
    const added = answer.rows.filter((row) => !shown.has(row.uid));
    const stat = answer.rows.filter((row) => row.level === "STAT" && this.rows.get(row.uid)?.shownLevel !== "STAT").length;
    const same = answer.rows.length === this.order.length && answer.rows.every((row, i) => row.uid === this.order[i]);
    this.news.toggleAttribute("data-some", !same);
    if (same) return;
    const words = [];
    if (added.length) words.push(`${added.length} new`);
    if (stat) words.push(`${stat} now STAT`);
    if (!words.length) words.push("the order has changed");
    this.news.textContent = `${words.join(", ")}: update (u)`;
  }

  announce(answer, before) {
    const stat = answer.rows.filter((row) => row.level === "STAT");
    if (this.announced === null || before?.offset !== answer.offset) {
      this.announced = new Set([...(this.announced ?? []), ...stat.map((row) => row.uid)]);
      return;
    }
    const fresh = stat.filter((row) => !this.announced.has(row.uid));
    fresh.forEach((row) => this.announced.add(row.uid));
    if (fresh.length === 1) this.spoken.textContent = `New STAT study: ${fresh[0].name || "no name"}, ${fresh[0].description}`;
    else if (fresh.length) this.spoken.textContent = `${fresh.length} new STAT studies`;
  }

  /** Shows the newest order; the focus stays on the same study. */
  adopt() {
    const answer = this.latest;
    if (!answer) return;
    const hadFocus = this.focused();
    const lines = new Map([...this.body.children].map((line) => [line.dataset.uid, line]));
    this.order = answer.rows.map((row) => row.uid);
    this.rows = new Map();
    this.body.replaceChildren(...answer.rows.map((row) => {
      const line = lines.get(row.uid) ?? this.newLine(row.uid);
      line.removeAttribute("data-gone");
      this.fill(line, { ...row, shownLevel: row.level });
      return line;
    }));
    this.news.removeAttribute("data-some");
    const none = this.order.length === 0;
    this.table.classList.toggle("hidden", none);
    this.empty.classList.toggle("hidden", !none);
    if (none) this.showEmpty();
    this.page();
    const wanted = hadFocus ?? this.remembered();
    if (wanted) this.focus(this.order.includes(wanted) ? wanted : this.order[0], hadFocus !== null);
    else this.rove(this.order[0]);
  }

  showEmpty() {
    this.empty.replaceChildren(
      el("p", { text: "Nothing is waiting to be read." }),
      el("p", { text: "Studies appear here as soon as they arrive, the most urgent first." }),
      el("button", { class: "main", type: "button", text: "Upload studies", onclick: () => this.open("upload") }),
    );
  }

  page() {
    const many = this.total > this.pageRows;
    const last = Math.min(this.offset + this.order.length, this.total);
    this.pager.textContent = many ? `${this.offset + 1} to ${last} of ${this.total.toLocaleString()}` : "";
    this.back.classList.toggle("hidden", !many);
    this.forth.classList.toggle("hidden", !many);
    this.back.disabled = this.offset === 0;
    this.forth.disabled = last >= this.total;
  }

  turn(by) {
    this.offset = Math.max(0, this.offset + by * this.pageRows);
    this.order = [];
    this.version = -1;
    this.scroll.scrollTop = 0;
    this.running?.abort();
    this.running = new AbortController();
    this.poll();
  }

  newLine(uid) {
    const cells = COLUMNS.map(([name, , kind]) => el("td", { class: `${name} ${kind}` }));
    const link = el("a", { href: `/study?uid=${encodeURIComponent(uid)}`, tabindex: "-1", draggable: "false" });
    cells[3].append(link);
    const line = el("tr", { "data-uid": uid }, cells);
    return line;
  }

  fill(line, row) {
    const known = this.rows.get(row.uid);
    this.rows.set(row.uid, { shownLevel: known?.shownLevel, ...row });
    const [place, urgency, why, who, id, years, what, when, state] = line.children;
    put(place, row.position);
    if (urgency.firstChild?.dataset?.level !== row.level) urgency.replaceChildren(level(row.level));
    put(why, row.reason, true);
    put(who.firstChild, row.name || "no name");
    who.title = row.name;
    put(id, row.id, true);
    put(years, sexAge(row));
    put(what, [row.modality, row.description].filter(Boolean).join(" "), true);
    when.title = clock(row.received_at);
    put(state, row.status);
    state.dataset.state = row.status;
    line.dataset.level = row.level;
  }

  tick() {
    for (const line of this.body.children) put(line.children[7], since(this.rows.get(line.dataset.uid).received_at));
  }

  line(uid) {
    return [...this.body.children].find((line) => line.dataset.uid === uid);
  }

  focused() {
    const active = this.root.getRootNode().activeElement;
    return active?.closest?.("tbody tr")?.dataset.uid ?? null;
  }

  remembered() {
    return sessionStorage.getItem("triage.opened");
  }

  rove(uid) {
    for (const line of this.body.children) line.children[3].firstChild.tabIndex = line.dataset.uid === uid ? 0 : -1;
  }

  focus(uid, scroll = true) {
    if (!uid) return;
    this.rove(uid);
    this.line(uid)?.children[3].firstChild.focus({ preventScroll: !scroll });
  }

  step(by) {
    const here = this.order.indexOf(this.focused());
    const next = here < 0 ? 0 : Math.min(Math.max(here + by, 0), this.order.length - 1);
    this.focus(this.order[next]);
  }

  key(event) {
    if (busyKey(event)) return;
    const inPage = event.composedPath()[0];
    const onControl = inPage instanceof Element && inPage.closest("button, input, [role=button], header");
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 20, PageUp: -20 };
    if (event.key in steps && !onControl) this.step(steps[event.key]);
    else if (event.key === "Enter" && this.focused()) this.choose(this.focused());
    else if (event.key === "u" && this.news.hasAttribute("data-some")) this.adopt();
    else return;
    event.preventDefault();
  }

  clicked(event) {
    const line = event.target.closest("tr");
    if (!line || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.choose(line.dataset.uid);
  }

  /** Only ever the UID that stands on the line, never its place. */
  choose(uid) {
    sessionStorage.setItem("triage.opened", uid);
    this.open(uid);
  }
}

function put(node, text, title = false) {
  const words = String(text ?? "");
  if (node.textContent !== words) node.textContent = words;
  if (title && node.title !== words) node.title = words;
}

export default function ({ data, parentElement, setTriggerValue }) {
  settle(data);
  const list = instanceOf(parentElement, (root) => new Worklist(root));
  list.start(data, (uid) => setTriggerValue("open", uid));
  return () => list.stop();
}

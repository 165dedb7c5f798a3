// The line below the list, there only when it has something to say: it may come and go without moving a row.
// @ts-check
import { el, say } from "../shared.js";

/** @typedef {import("./types").Whole} Whole */
/** @typedef {import("./types").Stat} Stat */

const STAT_MS = 60_000;

export class Foot {
  /** @param {{turn: (by: number) => void, open: (uid: string) => void}} on */
  constructor(on) {
    this.timer = 0;
    this.uid = "";
    this.trouble = el("span", { class: "fault", role: "status" });
    this.statWords = el("span");
    this.stat = el("button", { type: "button", class: "stat hidden", onclick: () => this.uid && on.open(this.uid) },
      el("span", { class: "level", "data-level": "STAT" }), this.statWords); // the mark alone: the words say STAT
    this.pager = el("span", { class: "dim pages" });
    this.back = el("button", { type: "button", text: say("worklist.earlier"), onclick: () => on.turn(-1), "aria-keyshortcuts": "[" });
    this.forth = el("button", { type: "button", text: say("worklist.later"), onclick: () => on.turn(1), "aria-keyshortcuts": "]" });
    // What a screen reader says at once; the button says the same to the eye, for a while.
    this.spoken = el("span", { class: "spoken", role: "status", "aria-live": "assertive" });
    this.node = el("div", { class: "foot" },
      this.stat, this.trouble, el("span", { class: "fill" }), this.pager, this.back, this.forth, this.spoken);
  }

  /** @param {string} sentence */
  fault(sentence) {
    this.trouble.textContent = sentence;
    this.settle();
  }

  /** @param {readonly Stat[]} stat studies that came to stand at STAT since the last answer */
  announce(stat) {
    if (!stat.length) return;
    const words = wordsOf(stat);
    this.spoken.textContent = words;
    this.statWords.textContent = stat.length === 1 ? say("worklist.stat_open", { what: words }) : words;
    this.uid = stat.length === 1 ? stat[0].uid : "";
    this.stat.disabled = !this.uid;
    this.stat.classList.remove("hidden");
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.stat.classList.add("hidden");
      this.settle();
    }, STAT_MS);
    this.settle();
  }

  /** @param {Whole} answer @param {boolean} narrowed */
  page(answer, narrowed) {
    const last = answer.before + answer.rows.length;
    const many = answer.found > answer.rows.length;
    this.pager.textContent = many
      ? say("worklist.pages", { first: answer.before + 1, last, count: answer.found })
      : narrowed ? say("worklist.found", { count: answer.found, total: answer.total }) : "";
    this.back.classList.toggle("hidden", !many);
    this.forth.classList.toggle("hidden", !many);
    this.back.disabled = answer.before === 0;
    this.forth.disabled = last >= answer.found;
    this.settle();
  }

  /** The line without anything in it takes no room, and yet its live regions stay where screen readers know them. */
  settle() {
    const said = this.trouble.textContent || this.pager.textContent || !this.stat.classList.contains("hidden");
    this.node.toggleAttribute("data-some", Boolean(said));
  }
}

/** @param {readonly Stat[]} stat */
function wordsOf(stat) {
  const [first] = stat;
  if (stat.length > 3) return say("worklist.stat_more", { count: 3 });
  if (stat.length > 1) return say("worklist.stat_several", { count: stat.length });
  return say("worklist.stat_named", { name: first.name || say("worklist.no_name"), study: first.description });
}

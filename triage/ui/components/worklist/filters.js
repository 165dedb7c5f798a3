// The line above the list: how many studies stand where, each count a filter; and the field that finds by text.
// @ts-check
import { el, level, say } from "../shared.js";
import { toggled } from "./question.js";

/** @typedef {import("./question.js").Question} Question */
/** @typedef {import("./types").Counts} Counts */

const LEVELS = /** @type {const} */ ([["STAT", "stat"], ["HIGH", "high"], ["ROUTINE", "routine"], ["LOW", "low"]]);
const STATES = /** @type {const} */ ([
  ["waiting", "waiting"], ["screening", "screening"], ["ranked", "ranked"], ["not scored", "not_scored"], ["open", ""], ["read", ""],
]);
const UNSCORED = "not scored";
const TYPED_MS = 250;

export class Filters {
  /** @param {{change: (part: Partial<Question>) => void, type: (text: string) => void}} on */
  constructor(on) {
    this.on = on;
    /** @type {Question | null} */
    this.question = null;
    this.timer = 0;
    this.levels = new Map(LEVELS.map(([name]) => [name, this.levelButton(name)]));
    this.unscored = this.unscoredButton();
    this.modality = this.choice("modality", (/** @type {string} */ word) => on.change({ modality: word ? [word] : [] }));
    this.status = this.choice("status", (/** @type {string} */ word) => on.change({ status: word }));
    this.text = el("input", {
      type: "search", class: "find", placeholder: say("worklist.find"), "aria-label": say("worklist.find_name"),
      autocomplete: "off", spellcheck: "false", "aria-keyshortcuts": "/",
      oninput: () => this.typed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
    });
    this.clear = el("button", { type: "button", class: "clear hidden", text: say("worklist.clear"), onclick: () => this.cleared() });
    const levels = [...this.levels.values()].map(({ button }) => button);
    this.node = el("div", { class: "filters", role: "group", "aria-label": say("worklist.filters") },
      levels, this.unscored.button, this.modality, this.status, this.text, this.clear);
  }

  /** @param {string} name */
  levelButton(name) {
    const number = el("b", { text: "0" });
    const button = el("button", {
      type: "button", class: "count", "aria-pressed": "false",
      onclick: () => this.question && this.on.change({ level: toggled(this.question.level, name) }),
    }, level(name), number);
    return { button, number };
  }

  /** What no model spoke about is counted beside the levels: it is among them, and must not be overlooked. */
  unscoredButton() {
    const number = el("b", { text: "0" });
    const button = el("button", {
      type: "button", class: "count", "aria-pressed": "false",
      onclick: () => this.question && this.on.change({ status: this.question.status === UNSCORED ? "" : UNSCORED }),
    }, el("span", { class: "unscored", text: say("worklist.not_scored") }), number);
    return { button, number };
  }

  /** @param {string} name @param {(word: string) => void} onChange */
  choice(name, onChange) {
    const field = el("select", { "aria-label": say(`worklist.${name}`), onchange: () => onChange(field.value) });
    return field;
  }

  /** @param {Question} question @param {string} text @param {boolean} narrowed */
  show(question, text, narrowed) {
    this.question = question;
    for (const [name, { button }] of this.levels) button.setAttribute("aria-pressed", String(question.level.includes(name)));
    if (!focused(this.text)) this.text.value = text; // what is being typed is the reader's, a space at its end too
    this.unscored.button.setAttribute("aria-pressed", String(question.status === UNSCORED));
    this.clear.classList.toggle("hidden", !narrowed);
    this.modality.value = question.modality[0] ?? "";
    this.status.value = question.status;
  }

  /** @param {Counts} counts */
  count(counts) {
    for (const [name, key] of LEVELS) {
      const one = this.levels.get(name);
      if (one) one.number.textContent = counts[key].toLocaleString();
    }
    this.unscored.number.textContent = counts.not_scored.toLocaleString();
    const kinds = Object.entries(counts.modalities).sort(([a], [b]) => a.localeCompare(b));
    const chosen = this.question?.modality[0];
    if (chosen && !(chosen in counts.modalities)) kinds.push([chosen, 0]);
    options(this.modality, say("worklist.any_modality"), kinds.map(([name, number]) => [name, counted(name, number)]), chosen);
    const states = STATES.map(([name, key]) => [name, key ? counted(name, counts[key]) : name]);
    options(this.status, say("worklist.unread"), states, this.question?.status);
  }

  typed() {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.on.type(this.text.value.trim()), TYPED_MS);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Escape" && this.text.value === "") this.text.blur();
    else if (event.key === "Escape") this.text.value = "";
    else if (event.key !== "Enter") return;
    event.preventDefault();
    window.clearTimeout(this.timer);
    this.on.type(this.text.value.trim());
  }

  cleared() {
    this.text.value = "";
    this.on.type("");
    this.on.change({ level: [], modality: [], status: "" });
  }
}

/** Whether the field has the focus, seen from where it stands. @param {HTMLElement} field */
function focused(field) {
  return /** @type {ShadowRoot | Document} */ (field.getRootNode()).activeElement === field;
}

/** @param {string} name @param {number} number */
function counted(name, number) {
  return `${name} ${number.toLocaleString()}`;
}

/**
 * @param {HTMLSelectElement} field
 * @param {string} all the word for no choice
 * @param {string[][]} entries value and words
 * @param {string | undefined} chosen
 */
function options(field, all, entries, chosen) {
  const wanted = [["", all], ...entries];
  const shown = [...field.options].map((one) => [one.value, one.text]);
  if (JSON.stringify(wanted) !== JSON.stringify(shown) && !focused(field)) {
    field.replaceChildren(...wanted.map(([value, text]) => el("option", { value, text })));
  }
  field.value = chosen ?? "";
}

// The operating point of a finding: moved by hand, told in figures at once, and made this site's own with a reason.
// @ts-check
import { ask, clock, el, instanceOf, posted, say, settle } from "../shared.js";
import { consequences, nearest, pointAt } from "./maths.js";
import { percent, plot } from "./plot.js";

/** @typedef {import("./types").ExplorerData} ExplorerData */
/** @typedef {import("./types").ExplorerFinding} ExplorerFinding */
/** @typedef {import("./types").Figure} Figure */

const PREVALENCES = [
  0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
];
const FIGURES = /** @type {const} */ (["flags", "sensitivity", "specificity", "ppv", "npv", "misses"]);
const SPOKEN_MS = 700; // a slider that is being moved is not talked over

class Explorer {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {ExplorerData | null} */
    this.data = null;
    this.name = "";
    this.point = 0;
    this.prevalence = 0;
    this.busy = false;
    this.timer = 0;
    this.saved = /** @type {(what: string) => void} */ (() => {});
  }

  /**
   * @param {ExplorerData} data
   * @param {(what: string) => void} saved
   */
  start(data, saved) {
    this.saved = saved;
    if (JSON.stringify(data) === JSON.stringify(this.data)) return;
    const first = this.data === null;
    const [before, moved] = first ? [undefined, false] : [this.finding.point, this.point !== this.finding.point];
    this.data = data;
    if (first) this.build();
    const known = data.findings.some((one) => one.name === this.name);
    if (!known) this.choose(data.findings[0].name);
    else if (before !== this.finding.point && !moved) this.point = this.finding.point;
    this.redraw();
  }

  /** @returns {ExplorerFinding} */
  get finding() {
    const found = this.data?.findings.find((one) => one.name === this.name);
    if (!found) throw new Error("no finding is chosen");
    return found;
  }

  /** Everything that stays: only texts and values change afterwards, so that focus and place do too. */
  build() {
    const { findings, title } = /** @type {ExplorerData} */ (this.data);
    this.chooser = el("select", { id: "finding", onchange: () => { this.choose(this.chooser.value); this.redraw(); } },
      findings.map((one) => el("option", { value: one.name, text: one.label })));
    this.slider = el("input", { type: "range", min: "0", step: "1", "aria-label": say("explorer.point_long"), "data-part": "point", oninput: () => this.move(this.finding.curve.probability[+this.slider.value]) });
    this.number = el("input", { type: "number", id: "point", min: "0.001", max: "0.999", step: "0.001", "data-part": "point-number", oninput: () => this.typed() });
    this.rarer = el("input", { type: "range", min: "0", max: String(PREVALENCES.length - 1), step: "1", "aria-label": say("explorer.prevalence_long"), "data-part": "prevalence", oninput: () => this.meet(PREVALENCES[+this.rarer.value]) });
    this.rate = el("input", { type: "number", id: "prevalence", min: "0.1", max: "99", step: "0.1", "data-part": "prevalence-number", oninput: () => this.typedRate() });
    this.measured = el("p", { class: "words" });
    this.force = el("p", { class: "words", "data-part": "in-force" });
    this.effect = el("p", { class: "words" });
    this.origin = el("p", { class: "words" });
    this.table = el("table", { "data-part": "figures" });
    this.picture = el("div", {});
    this.spoken = el("p", { class: "spoken", role: "status", "aria-live": "polite", "data-part": "spoken" });
    this.comment = el("input", { type: "text", id: "comment", maxlength: "500", autocomplete: "off", "data-part": "comment" });
    this.save = el("button", { type: "button", class: "main", "data-part": "save", onclick: () => void this.decide(this.point) });
    this.reset = el("button", { type: "button", "data-part": "reset", onclick: () => void this.decide(null) });
    this.outcome = el("p", { class: "outcome", role: "status", "data-part": "outcome" });
    this.root.replaceChildren(el("section", { class: "explorer", "aria-label": say("explorer.region", { title }) },
      el("div", {},
        el("div", { class: "row" }, el("label", { for: "finding", text: say("explorer.finding") }), el("div", { class: "wide beside" }, this.chooser)),
        this.measured,
        this.force,
        el("div", { class: "row" }, el("label", { for: "point", text: say("explorer.point") }), this.slider, this.number, el("span", { class: "beside" },
          el("button", { type: "button", text: say("explorer.to_force"), onclick: () => this.move(this.finding.point) }),
          el("button", { type: "button", text: say("explorer.to_own"), onclick: () => this.move(this.finding.own) }))),
        el("div", { class: "row" }, el("label", { for: "prevalence", text: say("explorer.prevalence") }), this.rarer, this.rate, el("span", { class: "dim", text: say("explorer.percent") })),
        this.origin,
        this.table,
        this.effect,
        el("div", { class: "decide" },
          el("div", {}, el("label", { for: "comment", text: say("explorer.comment") }), this.comment), this.save, this.reset),
        this.outcome,
        this.spoken),
      el("div", {}, this.picture, el("p", { class: "words", text: say("explorer.intervals") }), el("p", { class: "words", text: say("explorer.from_now") }))));
  }

  /** @param {string} name */
  choose(name) {
    this.name = name;
    this.point = this.finding.point;
    this.prevalence = this.finding.share;
    this.chooser.value = name;
    this.comment.value = "";
    this.tell("", "");
  }

  /** @param {number} point */
  move(point) {
    this.point = point;
    this.redraw(this.slider);
  }

  typed() {
    const point = Number(this.number.value);
    const sound = point > 0 && point < 1;
    this.number.setAttribute("aria-invalid", String(!sound));
    if (!sound) return;
    this.point = point;
    this.redraw(this.number);
  }

  /** @param {number} prevalence */
  meet(prevalence) {
    this.prevalence = prevalence;
    this.redraw(this.rarer);
  }

  typedRate() {
    const share = Number(this.rate.value) / 100;
    const sound = share > 0 && share < 1;
    this.rate.setAttribute("aria-invalid", String(!sound));
    if (!sound) return;
    this.prevalence = share;
    this.redraw(this.rate);
  }

  /** Figures and marks anew. @param {HTMLElement} [hand] the field that is being moved, whose text is left alone */
  redraw(hand) {
    const { finding } = this;
    const { probability } = finding.curve;
    this.slider.max = String(probability.length - 1);
    this.slider.value = String(nearest(probability, this.point));
    this.rarer.value = String(nearest(PREVALENCES, this.prevalence));
    if (hand !== this.number) this.fill(this.number, three(this.point));
    if (hand !== this.rate) this.fill(this.rate, percent(this.prevalence));
    const chosen = consequences(pointAt(finding.curve, this.point), this.prevalence);
    this.slider.setAttribute("aria-valuetext", say("explorer.steps", { point: three(this.point), flags: one(chosen.flags.value) }));
    this.rarer.setAttribute("aria-valuetext", `${percent(this.prevalence)} ${say("explorer.percent")}`);
    this.measured.textContent = say("explorer.measured", { with_it: finding.with_it, without_it: finding.without_it });
    this.force.textContent = inForce(finding);
    this.origin.textContent = say("explorer.of_data", { share: percent(finding.share) });
    this.effect.textContent = finding.proposes ? say("explorer.effect", { level: finding.proposes }) : say("explorer.experimental");
    this.save.textContent = say("explorer.save", { point: three(this.point) });
    this.reset.textContent = say("explorer.reset", { own: three(finding.own) });
    this.reset.disabled = finding.set === null;
    this.table.replaceChildren(...this.rows(chosen, consequences(pointAt(finding.curve, finding.point), this.prevalence)));
    this.picture.replaceChildren(plot(finding, this.point, this.prevalence));
    if (hand) this.speak(chosen);
  }

  /** @param {any} field @param {string} value */
  fill(field, value) {
    field.value = value;
    field.removeAttribute("aria-invalid");
  }

  /**
   * @param {import("./types").Consequences} chosen
   * @param {import("./types").Consequences} now
   */
  rows(chosen, now) {
    const head = [
      say("explorer.figure", { prevalence: percent(this.prevalence) }), say("explorer.chosen", { point: three(this.point) }),
      say("explorer.interval"), say("explorer.now", { point: three(this.finding.point) }),
    ];
    return [
      el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col", text })))),
      el("tbody", {}, FIGURES.map((name) => el("tr", { "data-figure": name },
        el("th", { scope: "row", text: say(`explorer.${name}`) }), el("td", { class: "chosen", text: written(name, chosen[name].value) }),
        el("td", { text: interval(name, chosen[name]) }), el("td", { text: written(name, now[name].value) })))),
    ];
  }

  /** The figures in words, when the hand rests. @param {import("./types").Consequences} chosen */
  speak(chosen) {
    clearTimeout(this.timer);
    const values = Object.fromEntries(FIGURES.map((name) => [name, written(name, chosen[name].value)]));
    const words = say("explorer.spoken", { finding: this.finding.label, point: three(this.point), prevalence: percent(this.prevalence), ...values });
    this.timer = window.setTimeout(() => { this.spoken.textContent = words; }, SPOKEN_MS);
  }

  /** Nothing is shown as done before the server has said so. @param {number | null} point null for the model's own */
  async decide(point) {
    const { finding, data } = this;
    if (this.busy || !data) return;
    const comment = this.comment.value.trim();
    const fault = faultOf(finding, point, comment);
    if (fault) {
      this.tell(say("explorer.not_done", { why: fault }), "fault");
      if (!comment) this.comment.focus();
      return;
    }
    this.busy = true;
    this.tell(say("explorer.writing"), "busy");
    const address = `/api/models/${encodeURIComponent(data.bundle)}/points/${encodeURIComponent(finding.name)}`;
    try {
      await ask(address, posted({ point, seen: finding.point, weights: data.weights, comment }));
      this.comment.value = "";
      this.point = point ?? finding.own;
      this.tell(say("explorer.saved", { finding: finding.label, point: three(this.point) }), "done");
      this.saved(`${finding.name} ${this.point} ${Date.now()}`);
    } catch (error) {
      this.tell(say("explorer.not_done", { why: /** @type {Error} */ (error).message }), "fault");
    } finally {
      this.busy = false;
    }
  }

  /** @param {string} words @param {string} state */
  tell(words, state) {
    this.outcome.textContent = words;
    this.outcome.dataset.state = state;
  }
}

/** What keeps the decision from being sent. @param {ExplorerFinding} finding @param {number | null} point @param {string} comment */
function faultOf(finding, point, comment) {
  if (point !== null && !(point > 0 && point < 1)) return say("explorer.no_number");
  if (point === finding.point) return say("explorer.no_change", { point: three(point) });
  return comment ? "" : say("explorer.say_why");
}

/** @param {ExplorerFinding} finding */
function inForce({ point, own, set }) {
  if (!set) return say("explorer.in_force_own", { point: three(point) });
  return say("explorer.in_force_site", { point: three(point), own: three(own), when: clock(set.at), who: set.actor, why: set.comment });
}

/** @param {string} name @param {Figure} figure */
function interval(name, { low, high }) {
  return low === null || high === null ? say("explorer.none") : say("explorer.range", { low: written(name, low), high: written(name, high) });
}

/** Counts with one place, shares with two. @param {string} name @param {number | null} value */
function written(name, value) {
  if (value === null) return say("explorer.none");
  return name === "flags" || name === "misses" ? one(value) : value.toFixed(2);
}

/** @param {number | null} value */
function one(value) {
  return value === null ? say("explorer.none") : value.toFixed(1);
}

/** @param {number} value */
function three(value) {
  return value.toFixed(3);
}

/**
 * @typedef {object} Streamlit
 * @property {ExplorerData} data
 * @property {HTMLElement | ShadowRoot} parentElement
 * @property {(name: string, value: string) => void} setTriggerValue
 */

/** @param {Streamlit} streamlit */
export default function ({ data, parentElement, setTriggerValue }) {
  settle(data);
  instanceOf(parentElement, (root) => new Explorer(root)).start(data, (what) => setTriggerValue("saved", what));
}

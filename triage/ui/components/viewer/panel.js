// The evidence beside the image: why the study stands where it does, scores, gates, map, provenance, earlier results.

import { clock, el, level, say } from "../shared.js";
import { ofEye } from "./eyes.js";
import { pointsOfSite } from "./points.js";
import { ReaderActions } from "./reader.js";

export const SCALES = /** @type {const} */ (["inferno", "magma", "viridis"]); // as triage/explain/drawing.py has them

/** @typedef {import("./types").Study} Study */
/** @typedef {import("./types").Finding} Finding */
/** @typedef {import("./types").Gate} Gate */
/** @typedef {import("./types").View} View */

export class Panel {
  /**
   * @param {HTMLElement} root
   * @param {import("./types").PanelActs} acts
   */
  constructor(root, acts) {
    this.root = root;
    this.acts = acts;
    this.reader = new ReaderActions(acts);
    this.evidence = el("div", { class: "evidence" });
    this.acting = el("div", {});
    // Always in sight: what a reader does is not below the fold.
    root.append(this.evidence, el("div", { class: "acting" }, this.acting, this.reader.outcome));
  }

  /** Another study: nothing of the former one stays. */
  empty() {
    this.evidence.replaceChildren();
    this.acting.replaceChildren();
    this.reader.empty();
  }

  /**
   * Draws everything anew; scroll place, focus and what is unfolded stay.
   * @param {Study} study
   * @param {View} view
   */
  render(study, view) {
    const { scrollTop } = this.root;
    const active = /** @type {any} */ (this.root.getRootNode()).activeElement?.dataset?.part;
    const open = new Set([...this.root.querySelectorAll("details[open]")].map((node) => /** @type {any} */ (node).dataset.name));
    this.evidence.replaceChildren(...[
      reasonPart(study),
      this.findingsPart(study, view),
      gatesPart(gatesOf(study, view.shown), open),
      this.mapPart(study, view),
      this.seriesPart(study, view),
      historyPart(study, open),
      provenancePart(study, open),
    ].filter((part) => part !== null));
    this.acting.replaceChildren(this.reader.part(study, view));
    this.root.scrollTop = scrollTop;
    if (active) /** @type {any} */ (this.root.querySelector(`[data-part="${CSS.escape(active)}"]`))?.focus({ preventScroll: true });
  }

  /**
   * @param {Study} study
   * @param {View} view
   */
  findingsPart(study, view) {
    if (!study.findings.length) return null;
    return el("section", {}, el("h3", { text: say("study.findings") }), el("div", { class: "findings" }, study.findings.map((one) => el("button", {
      class: "finding", type: "button", "data-part": `finding ${one.finding}`, "data-positive": one.positive, "data-lifts": one.lifts,
      "aria-pressed": String(one.finding === view.finding), onclick: () => this.acts.chooseMap(one.finding),
      title: one.lifts ? say("study.proposes", { level: one.lifts }) : say("study.experimental_long"),
    }, findingCells(one)))), pointsOfSite(study.findings));
  }

  /**
   * Each series that is scrolled through: what it is, and whether the model took it.
   * @param {Study} study
   * @param {View} view
   */
  seriesPart(study, view) {
    if (!study.series.length) return null;
    const others = study.series.length + study.images.length > 1;
    return el("section", {}, el("h3", { text: say("study.series", { count: study.series.length }) }), study.series.map((one) => el("div", { class: "series", "data-scored": one.scored },
      others
        ? el("button", { type: "button", "data-part": `series ${one.uid}`, "aria-pressed": String(one.uid === view.shown), text: seriesName(one), onclick: () => this.acts.show(one.uid) })
        : el("div", { text: seriesName(one) }),
      el("div", { class: "dim", text: geometryWords(one) }),
      one.left_out.length ? el("div", { class: "dim", text: say("study.series_left_out", { count: one.left_out.length, why: [...new Set(one.left_out)].join(", ") }) }) : null,
      others && fateOf(one) ? el("div", { text: fateOf(one) }) : null)));
  }

  /**
   * @param {Study} study
   * @param {View} view
   */
  mapPart(study, view) {
    const finding = study.findings.find((one) => one.finding === view.finding);
    if (!finding) return null;
    const head = el("h3", { text: say("study.map") });
    if (!view.map) return el("section", {}, head, el("p", { class: "dim", text: say(study.maps.length ? "study.map_none" : "study.map_coming") }));
    const { map } = view;
    const of = study.maps.filter((one) => lies(one, view.shown) && one.finding === view.finding);
    const methods = el("select", {
      "aria-label": say("study.method"), "data-part": "method",
      onchange: (/** @type {any} */ event) => this.acts.chooseMap(finding.finding, event.target.value),
    }, of.map((one) => el("option", { value: one.method, selected: one.method === map.method, text: one.method_words })));
    const slider = el("input", {
      type: "range", min: "0.1", max: "1", step: "0.05", value: String(view.opacity), "aria-label": say("study.opacity_long"), "data-part": "opacity",
      oninput: (/** @type {any} */ event) => this.acts.fadeTo(Number(event.target.value)),
    });
    const button = el("button", {
      type: "button", "aria-pressed": String(view.mapOn), "data-part": "map", text: say(view.mapOn ? "study.map_hide" : "study.map_show"), onclick: () => this.acts.toggleMap(),
    });
    return el("section", {}, head,
      el("div", { class: "map-row" }, button, methods, scales(view.scale, this.acts.scaleTo), el("label", {}, say("study.opacity"), slider)),
      el("div", { class: `scale ${view.scale}` }),
      el("div", { class: "ticks" }, ["0", short(map.maximum / 2), short(map.maximum)].map((text) => el("span", { text }))),
      finding.positive ? null : el("p", { class: "words", text: say("study.map_below") }),
      el("p", { class: "words dim", text: say("study.map_words", { method: map.method_words, finding: finding.label, measure: map.measure }) }));
  }
}

/** Whether the map is of that image or series. @param {import("./types").StudyMap} map @param {string | null} uid */
export function lies(map, uid) {
  return (map.series_uid || map.sop_uid) === uid;
}

/** Those of the image or series, else of the series that the image belongs to. @param {Study} study @param {string | null} uid */
function gatesOf(study, uid) {
  const of = study.images.find((one) => one.sop_uid === uid)?.series_uid;
  return study.gates[uid ?? ""] ?? study.gates[of ?? ""] ?? [];
}

/** What a series is, in a line. @param {import("./types").StudySeries} series */
export function seriesName(series) {
  const number = series.number === null ? "" : say("study.series_number", { number: String(series.number) });
  return [number, series.modality, series.description].filter(Boolean).join(" ");
}

/** @param {import("./types").StudySeries} series @returns {string} */
function geometryWords({ facts, slices, modality }) {
  if (!facts) return say("study.series_unplaced", { count: slices });
  const [least, most] = facts.gaps_mm.map(mm);
  const words = [
    say(ofEye(modality) ? "study.series_scans" : "study.series_slices", { count: slices, orientation: facts.orientation, thickness: mm(facts.thickness_mm) }),
    slices > 1 ? say("study.series_gap", { gap: least === most ? least : say("study.range", { least, most }) }) : "",
    say("study.series_pixel", { rows: mm(facts.pixel_mm[0]), columns: mm(facts.pixel_mm[1]) }),
    facts.tilt_deg >= 0.5 ? say("study.series_tilt", { degrees: facts.tilt_deg.toFixed(1) }) : "",
  ];
  return words.filter(Boolean).join(", ");
}

/** @param {number} value */
function mm(value) {
  return String(+value.toPrecision(3));
}

/** Why a series has the place it has: scored, or why not. @param {import("./types").StudySeries} series */
function fateOf(series) {
  if (series.scored) return say("study.series_scored");
  return series.not_taken || series.stopped;
}

/** @param {string} chosen @param {(scale: string) => void} choose */
function scales(chosen, choose) {
  return el("select", {
    "aria-label": say("study.scale"), "data-part": "scale", onchange: (/** @type {any} */ event) => choose(event.target.value),
  }, SCALES.map((name) => el("option", { value: name, selected: name === chosen, text: name })));
}

/** @param {Study} study */
function reasonPart(study) {
  const place = study.position ? say("study.place", { position: study.position, status: study.status }) : study.status;
  return el("section", {},
    el("div", { class: "place" }, level(study.level), el("span", { class: "dim", text: `${place}, ${say("study.received", { when: clock(study.received_at) })}` })),
    el("p", { class: "reason", text: study.reason }));
}

/** @param {Finding} one */
function findingCells(one) {
  const percent = (/** @type {number} */ value) => `${(value * 100).toFixed(1)}%`;
  return [
    el("span", { class: "label" }, one.label, one.lifts ? null : el("span", { class: "dim", text: ` ${say("study.experimental")}` })),
    el("span", { class: "bar" }, el("i", { style: `width:${percent(one.probability)}` }), el("b", { style: `left:${percent(one.operating_point)}` })),
    el("span", { class: "p", text: one.probability.toFixed(2) }),
    el("span", { class: "acts", text: say(one.lifts ? "study.acts_from" : "study.positive_from", { point: one.operating_point.toFixed(2) }) }),
  ];
}

/**
 * @param {Gate[]} gates
 * @param {Set<string>} open
 */
function gatesPart(gates, open) {
  if (!gates.length) return null;
  const order = { stopped: 0, marked: 1, passed: 2 };
  const telling = gates.filter((gate) => gate.outcome !== "passed").sort((a, b) => order[a.outcome] - order[b.outcome]);
  const passed = gates.filter((gate) => gate.outcome === "passed");
  return el("section", {}, el("h3", { text: say("study.gates") }), telling.map(gateLine),
    passed.length ? folded("gates", say("study.gates_passed", { count: passed.length }), open, passed.map(gateLine)) : null);
}

/** @param {Gate} gate */
function gateLine(gate) {
  const word = gate.outcome === "passed" ? null : el("span", { class: "word", text: `${say(`study.gate_${gate.outcome}`)}: ` });
  return el("div", { class: "gate", "data-outcome": gate.outcome }, el("span", { class: "dim", text: gate.gate }), el("span", {}, word, gate.sentence));
}

/**
 * Every result the study ever had, the newest first; none where there is only the one shown above.
 * @param {Study} study
 * @param {Set<string>} open
 */
function historyPart(study, open) {
  if (study.history.length < 2) return null;
  const lines = study.history.map((past) => el("div", { class: "past" },
    el("div", { class: "place" }, level(past.level), el("span", { class: "dim", text: [clock(past.made_at), past.model].filter(Boolean).join(", ") })),
    el("div", { text: past.reason }),
    past.findings.length ? el("div", { class: "dim", text: past.findings.map((one) => `${one.label} ${one.probability.toFixed(2)}`).join(", ") }) : null));
  return el("section", {}, folded("history", say("study.history", { count: study.history.length }), open, lines));
}

/**
 * @param {Study} study
 * @param {Set<string>} open
 */
function provenancePart(study, open) {
  const lines = study.provenance.map(([name, value]) => [el("dt", { text: name }), el("dd", { text: value })]);
  return el("section", {}, folded("provenance", say("study.provenance"), open, el("dl", {}, lines)));
}

/**
 * @param {string} name
 * @param {string} title
 * @param {Set<string>} open
 * @param {any} content
 */
function folded(name, title, open, content) {
  return el("details", { "data-name": name, open: open.has(name) }, el("summary", { text: title }), content);
}

/** @param {number} value */
function short(value) {
  return value >= 100 || value === 0 ? value.toFixed(0) : value.toPrecision(2);
}

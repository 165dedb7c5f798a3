// Who and what, above the image.
// @ts-check
import { el, say, sexAge } from "../shared.js";

/** @typedef {import("./types").Study} Study */

/**
 * @param {Study} study
 * @param {{previous: string | null, next: string | null}} around
 * @param {(where: string) => void} go
 * @returns {HTMLElement[]}
 */
export function headParts(study, around, go) {
  const born = `${study.birth_date || say("viewer.not_stated")}${sexAge(study) ? ` (${sexAge(study)})` : ""}`;
  const step = (/** @type {string} */ name, /** @type {string | null} */ uid) =>
    el("button", { type: "button", text: say(`viewer.${name}`), disabled: !uid, onclick: () => uid && go(uid) });
  return [
    el("div", { class: "facts" },
      el("h2", { class: "name" }, el("bdi", { text: study.name || say("viewer.no_name") })),
      fact("id", study.id), fact("born", born), fact("accession", study.accession),
      fact("study", [study.study_date, study.description].filter(Boolean).join(" "), "study")),
    el("span", { class: "steps" },
      el("button", { type: "button", text: say("viewer.worklist"), onclick: () => go("worklist") }),
      step("previous", around.previous), step("next", around.next)),
  ];
}

/** @param {string} name @param {string} value @param {string} [kind] */
function fact(name, value, kind = "") {
  return el("span", { class: `fact ${kind}`, title: value }, el("i", { text: say(`viewer.${name}`) }), el("bdi", { text: value || say("viewer.not_stated") }));
}

// Whose operating points the scores were told by, where they were not the bundle's own.
import { day, el, say } from "../shared.js";

/**
 * One line for each finding that acted from a point of this site's own when the study was screened.
 * @param {import("./types").Finding[]} findings
 * @returns {HTMLElement[]}
 */
export function pointsOfSite(findings) {
  return findings.flatMap(({ label, operating_point, set_by_site }) => (set_by_site ? [el("p", {
    class: "words dim", "data-part": "site-point",
    text: say("study.set_by_site", {
      finding: label, point: operating_point.toFixed(2), own: set_by_site.own.toFixed(2), when: day(set_by_site.set_at),
    }),
  })] : []));
}

// Which eye or side of the body, and the words in which eyes are read.
// @ts-check
import { say } from "../shared.js";

const OF_EYES = new Set(["OPT", "OP", "OCT"]);

/** @param {string} modality */
export function ofEye(modality) {
  return OF_EYES.has(modality);
}

/** Of an eye also that it is not stated. @param {{modality: string, laterality: string | null}} image */
export function sideWords({ modality, laterality }) {
  if (laterality === null) return "";
  const side = /** @type {Record<string, string>} */ ({ R: "right", L: "left", B: "both" })[laterality];
  if (side) return say(`viewer.${ofEye(modality) ? "eye" : "side"}_${side}`);
  return ofEye(modality) ? say("viewer.eye_unknown") : "";
}

// What of a study is shown first, and what has changed since.
// @ts-check
import { scrollOf } from "./scroll.js";

/** @typedef {import("./types").Study} Study */
/** @typedef {import("./types").StudyMap} StudyMap */

/** Whether nothing more is to come by itself. @param {Study} study */
export function settled(study) {
  return !["waiting", "screening"].includes(study.status) && (study.maps.length > 0 || study.findings.length === 0);
}

/** @param {Study | null} study */
export function firstFinding(study) {
  return study?.findings[0]?.finding ?? null;
}

/**
 * What is on the screen first: what the map is of, else the series that was scored, else what there is most of.
 * @param {Study} study
 * @param {StudyMap | undefined} named
 * @returns {string | undefined}
 */
export function openedAt(study, named) {
  const map = named ?? study.maps[0];
  const of = map && (map.series_uid || map.sop_uid);
  const known = study.series.some((one) => one.uid === of) || study.images.some((one) => one.sop_uid === of);
  if (of && known) return of;
  const largest = [...study.series].sort((a, b) => Number(b.scored) - Number(a.scored) || b.slices - a.slices)[0];
  return largest?.uid ?? study.images[0]?.sop_uid;
}

/** The slice on which that study will open. @param {Study} study @param {string} series @param {AbortSignal} signal */
export async function leadingFrame(study, series, signal) {
  const scroll = await scrollOf(study.uid, series, signal);
  await scroll.frame(scroll.leading(firstFinding(study)));
}

/** One window for all slices, where the file gives none: the range of each would flicker. @param {import("./types").Frame} frame */
export function steady({ facts }) {
  if (facts.colour || facts.windows.length || facts.voi_luts.length) return null;
  const [low, high] = facts.range;
  return { center: (low + high + 1) / 2, width: Math.max(high - low + 1, 1) };
}

/** Whether there are other slices or another result than before. @param {Study} former @param {Study} study */
export function grown(former, study) {
  return former.screening !== study.screening || former.revision !== study.revision;
}

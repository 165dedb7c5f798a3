// What has changed between two answers: what is new, what has risen, and how far a row may not move.
// @ts-check

/** @typedef {import("./types").Row} Row */

/**
 * What a reader is told while the rows on the screen hold still.
 * @param {readonly string[]} shown UIDs as they stand on the screen
 * @param {readonly Row[]} rows the newest answer's
 * @param {(uid: string) => string | undefined} levelShown the level that a row was shown with when it took its place
 * @returns {{added: number, stat: number, moved: boolean}}
 */
export function news(shown, rows, levelShown) {
  const known = new Set(shown);
  const added = rows.filter((row) => !known.has(row.uid)).length;
  const stat = rows.filter((row) => row.level === "STAT" && levelShown(row.uid) !== "STAT").length;
  const same = rows.length === shown.length && rows.every((row, place) => row.uid === shown[place]);
  return { added, stat, moved: !same };
}

/**
 * The row to which the focus goes when its own has left the list: the one that has taken its place.
 * @param {readonly string[]} before
 * @param {readonly string[]} now
 * @param {string} uid
 * @returns {string | undefined}
 */
export function successor(before, now, uid) {
  if (now.includes(uid)) return uid;
  const from = before.indexOf(uid);
  const next = before.slice(from + 1).find((one) => now.includes(one));
  return next ?? now[Math.min(Math.max(from, 0), now.length - 1)];
}

/**
 * Whether a row that an answer leaves out has left the list, and not only the page: what was behind the last row of a
 * full page may have been pushed onto the next.
 * @param {Row} row
 * @param {readonly Row[]} rows the newest answer's
 * @param {number} limit rows of a full page
 * @returns {boolean}
 */
export function left(row, rows, limit) {
  if (rows.length < limit) return true;
  return behind(row.cursor, rows[rows.length - 1].cursor, rows[0].position === null) <= 0;
}

/**
 * @param {string} one
 * @param {string} other
 * @param {boolean} newestFirst finished studies come the newest first
 * @returns {number} above 0 where one stands behind the other
 */
function behind(one, other, newestFirst) {
  const [rank, sequence] = one.split(".").map(Number);
  const [otherRank, otherSequence] = other.split(".").map(Number);
  return newestFirst ? otherSequence - sequence : rank - otherRank || sequence - otherSequence;
}

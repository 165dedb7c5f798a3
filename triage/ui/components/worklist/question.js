// What the list shows: filters and page, as they stand in the address. What was typed is never in it: it may be a name.
// @ts-check

/**
 * @typedef {object} Question
 * @property {string[]} level
 * @property {string[]} modality
 * @property {string} status "" for all unread
 * @property {string} after place behind which the page begins
 * @property {string} before place before which the page ends
 */

const LISTS = /** @type {const} */ (["level", "modality"]);
const WORDS = /** @type {const} */ (["status", "after", "before"]);

/**
 * @param {string} search the address's query
 * @returns {Question}
 */
export function questionOf(search) {
  const query = new URLSearchParams(search);
  const list = (/** @type {string} */ name) => (query.get(name) ?? "").split(",").filter(Boolean);
  const word = (/** @type {string} */ name) => query.get(name) ?? "";
  return { level: list("level"), modality: list("modality"), status: word("status"), after: word("after"), before: word("before") };
}

/**
 * The query of the address with the question in it; parameters that are not ours stay.
 * @param {string} search
 * @param {Question} question
 * @returns {string} with its question mark, or empty
 */
export function searchOf(search, question) {
  const query = new URLSearchParams(search);
  for (const name of LISTS) put(query, name, question[name].join(","));
  for (const name of WORDS) put(query, name, question[name]);
  const text = query.toString();
  return text ? `?${text}` : "";
}

/**
 * What a window kept when it left the list for a study: the question, and the rows as they stood.
 * @param {string | null} kept
 * @returns {{uid: string, search: string, order: string[]} | null}
 */
export function leftAt(kept) {
  if (!kept) return null;
  try {
    const { uid, search, order } = JSON.parse(kept);
    return { uid: String(uid), search: String(search), order: order.map(String) };
  } catch {
    return null;
  }
}

/**
 * @param {URLSearchParams} query
 * @param {string} name
 * @param {string} value
 */
function put(query, name, value) {
  if (value) query.set(name, value);
  else query.delete(name);
}

/**
 * Another filter begins at the first page.
 * @param {Question} question
 * @param {Partial<Question>} change
 * @returns {Question}
 */
export function filtered(question, change) {
  return { ...question, after: "", before: "", ...change };
}

/**
 * @param {string[]} list
 * @param {string} word
 * @returns {string[]} with the word where it was not, without it where it was
 */
export function toggled(list, word) {
  return list.includes(word) ? list.filter((one) => one !== word) : [...list, word];
}

/**
 * Whether anything is filtered.
 * @param {Question} question
 * @param {string} text
 */
export function narrow(question, text) {
  return question.level.length + question.modality.length > 0 || question.status !== "" || text !== "";
}

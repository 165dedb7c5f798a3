// What an answer means that is no news of a file: it is tried again, refused, or a person has to do something first.
// @ts-check

const BUSY = new Set([408, 409, 429, 502, 503, 504]); // it will answer later; after 409 it is asked where the file goes on
const FULL = 507;

/** The file will not be taken in; the message says why. */
export class Refused extends Error {}
/** Nothing can be sent for now; a person has to do something first. */
export class Halt extends Error {}
/** The server answered with a fault of its own. */
export class Fault extends Error {}

/**
 * What an answer that is no news of the file means.
 * @param {number} status
 * @param {string} told one sentence of the server, where there is one
 * @param {{closed: string, error: (status: number) => string}} words
 * @returns {Error}
 */
export function faultOf(status, told, words) {
  const sentence = told || words.error(status);
  if (status === 401 || status === 403) return new Halt(words.closed);
  if (status === FULL) return new Halt(sentence);
  if (BUSY.has(status)) return new Error(sentence);
  return status >= 400 && status < 500 ? new Refused(sentence) : new Fault(sentence);
}

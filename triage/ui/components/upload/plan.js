// What is sent when: chunks, waits between tries, the order of files, and how long it will take. No page, no network.
// @ts-check

export const CHUNK = 8 * 1024 * 1024;
const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 30;
const RATE_MS = 10_000;
const KNOWN_MS = 3000;
const MAX_NAME = 300;

/**
 * The end of the chunk that begins at `offset`; an empty file is one empty chunk.
 * @param {number} offset
 * @param {number} size
 */
export function chunkEnd(offset, size) {
  return Math.min(offset + CHUNK, size);
}

/**
 * Seconds before the next try: 1, 2, 4 ... 30.
 * @param {number} tries failed in a row, from 1
 */
export function waitBefore(tries) {
  return Math.min(FIRST_WAIT_S * 2 ** (tries - 1), LONGEST_WAIT_S);
}

/** 32 random hexadecimal digits, by which the server knows an upload. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The order in which the command line walks a folder: its own files by name, then its folders.
 * @param {string} one
 * @param {string} other
 */
export function asWalked(one, other) {
  const [a, b] = [one.split("/"), other.split("/")];
  const at = a.findIndex((part, i) => part !== b[i]);
  if (at < 0) return a.length - b.length;
  const [aIsFile, bIsFile] = [at === a.length - 1, at === b.length - 1];
  if (aIsFile !== bIsFile) return aIsFile ? -1 : 1;
  return a[at] < (b[at] ?? "") ? -1 : 1;
}

/**
 * A file's name as it goes out: the end of a path that is too long, without what no header can hold.
 * @param {string} name
 */
export function sentName(name) {
  return name.slice(-MAX_NAME).toWellFormed().trim();
}

/** Bytes a second over the last ten seconds. */
export class Rate {
  constructor() {
    /** @type {{at: number, bytes: number}[]} */
    this.samples = [];
  }

  /**
   * @param {number} bytes sent so far
   * @param {number} at epoch milliseconds
   */
  note(bytes, at) {
    this.samples.push({ at, bytes });
    while (this.samples.length > 2 && this.samples[0].at < at - RATE_MS) this.samples.shift();
  }

  /** Forgets what was, after a pause. */
  clear() {
    this.samples = [];
  }

  /** @returns {number | null} null while too little is known */
  get perSecond() {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || !last || last.at - first.at < KNOWN_MS) return null;
    return (1000 * (last.bytes - first.bytes)) / (last.at - first.at);
  }
}

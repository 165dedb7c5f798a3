// Frames of images as they are stored: fetched once, unpacked, the last few kept.
// @ts-check
import { say } from "../shared.js";

/** @typedef {import("./types").Frame} Frame */

const KEPT_BYTES = 512 * 2 ** 20;
/** @type {Map<string, {frame: Promise<Frame>, bytes: number, here: Frame | null}>} the newest last; kept while the tab is open */
const kept = new Map();

/**
 * @param {string} sop SOP Instance UID
 * @param {string} content which file of that UID
 * @param {number} number which of its frames
 * @returns {Promise<Frame>}
 */
export function frameOf(sop, content, number = 0) {
  const address = addressOf(sop, content, number);
  const known = kept.get(address);
  const entry = known ?? { frame: fetched(address), bytes: 0, here: null };
  kept.delete(address);
  kept.set(address, entry);
  if (!known) {
    entry.frame.then((frame) => {
      Object.assign(entry, { bytes: frame.bytes, here: frame });
      forget();
    }, () => kept.delete(address));
  }
  return entry.frame;
}

/**
 * The frame where it is at hand.
 * @param {string} sop
 * @param {string} content
 * @param {number} number
 * @returns {Frame | null}
 */
export function frameHere(sop, content, number) {
  return kept.get(addressOf(sop, content, number))?.here ?? null;
}

/** Whether the frame is here or on its way. @param {string} sop @param {string} content @param {number} number */
export function frameAsked(sop, content, number) {
  return kept.has(addressOf(sop, content, number));
}

/** How many frames of that size may be fetched ahead. @param {number} bytes */
export function roomFor(bytes) {
  return Math.floor((KEPT_BYTES * 3) / 4 / bytes);
}

/** @param {string} sop @param {string} content @param {number} number */
function addressOf(sop, content, number) {
  return `/api/frames/${encodeURIComponent(sop)}?v=${content}&frame=${number}`;
}

/** @param {string} address @returns {Promise<Frame>} */
async function fetched(address) {
  const response = await fetch(address, { credentials: "same-origin" }).catch((error) => {
    throw new Error(say("shared.silent"), { cause: error });
  });
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new Error(body.error ?? say("shared.error", { status: response.status }));
  }
  return unpacked(await response.arrayBuffer());
}

/** The oldest go first; two stay whatever their size, the one that is shown and the next. */
function forget() {
  let total = [...kept.values()].reduce((sum, one) => sum + one.bytes, 0);
  for (const [address, one] of kept) {
    if (total <= KEPT_BYTES || kept.size <= 2) return;
    kept.delete(address);
    total -= one.bytes;
  }
}

/**
 * What triage/web/pixels.py packed.
 * @param {ArrayBuffer} buffer
 * @returns {Frame}
 */
export function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const Kind = { u1: Uint8Array, u2: Uint16Array, i2: Int16Array, i4: Int32Array }[/** @type {"u1"} */ (facts.kind)];
  return { facts, values: new Kind(buffer, 4 + length), bytes: buffer.byteLength };
}

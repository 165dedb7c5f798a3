// Frames of images as they are stored: fetched once, unpacked, the last few kept.
// @ts-check
import { say } from "../shared.js";

/** @typedef {import("./types").Frame} Frame */

const KEPT_BYTES = 256 * 2 ** 20;
/** @type {Map<string, {frame: Promise<Frame>, bytes: number}>} the newest last; kept while the tab is open */
const kept = new Map();

/**
 * @param {string} sop SOP Instance UID
 * @param {string} content which file of that UID
 * @param {number} number which of its frames
 * @returns {Promise<Frame>}
 */
export function frameOf(sop, content, number = 0) {
  const address = `/api/frames/${encodeURIComponent(sop)}?v=${content}&frame=${number}`;
  const entry = kept.get(address) ?? { frame: fetched(address), bytes: 0 };
  kept.delete(address);
  kept.set(address, entry);
  entry.frame.then((frame) => {
    entry.bytes = frame.bytes;
    forget();
  }, () => kept.delete(address));
  return entry.frame;
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

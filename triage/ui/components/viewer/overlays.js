// Maps as pictures, fetched once; of a series one for each slice.
// @ts-check
import { say } from "../shared.js";

const KEPT = 600;

export class Overlays {
  constructor() {
    /** @type {Map<string, {picture: Promise<ImageBitmap>, here: ImageBitmap | null}>} the newest last */
    this.kept = new Map();
  }

  /**
   * @param {number} number
   * @param {string} scale
   * @param {number | null} plane of a series' map
   * @returns {Promise<ImageBitmap>}
   */
  get(number, scale, plane) {
    const address = addressOf(number, scale, plane);
    let entry = this.kept.get(address);
    if (!entry) {
      const fresh = { picture: fetched(address), here: /** @type {ImageBitmap | null} */ (null) };
      fresh.picture.then((picture) => (fresh.here = picture), () => this.kept.delete(address));
      entry = fresh;
    }
    this.kept.delete(address);
    this.kept.set(address, entry);
    if (this.kept.size > KEPT) this.kept.delete(/** @type {string} */ (this.kept.keys().next().value));
    return entry.picture;
  }

  /** @param {number} number @param {string} scale @param {number | null} plane */
  here(number, scale, plane) {
    return this.kept.get(addressOf(number, scale, plane))?.here ?? null;
  }
}

/** @param {number} number @param {string} scale @param {number | null} plane */
function addressOf(number, scale, plane) {
  return `/api/maps/${number}?scale=${scale}${plane === null ? "" : `&slice=${plane}`}`;
}

/** @param {string} address @returns {Promise<ImageBitmap>} */
async function fetched(address) {
  const response = await fetch(address, { credentials: "same-origin" }).catch((error) => {
    throw new Error(say("shared.silent"), { cause: error });
  });
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? say("shared.error", { status: response.status }));
  return createImageBitmap(await response.blob());
}

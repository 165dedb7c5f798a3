// Sends what is in the batch, one file after the other so that studies arrive in order; goes on after every kind of break.
// @ts-check
import { Batch } from "./batch.js";
import { Fault, Halt, Refused, faultOf } from "./faults.js";
import { chunkEnd, waitBefore } from "./plan.js";

/** @typedef {import("./types").Item} Item */
/** @typedef {import("./types").Answer} Answer */
/** @typedef {import("./types").Way} Way */
/** @typedef {Record<"cancelled" | "unreadable" | "lost" | "closed", string>
 *   & {archive: (taken: number, all: number) => string, error: (status: number) => string}} Words */

const POLL_MS = 700;
const FAULTS = 3; // answers in a row by which the server says that it cannot cope with a file
const STUDIES_AT_ONCE = 200;

export class Queue {
  /**
   * @param {Way} way
   * @param {Words} words
   */
  constructor(way, words) {
    this.way = way;
    this.words = words;
    this.batch = new Batch();
    /** @type {"on" | "paused"} */
    this.state = "on";
    this.halted = ""; // why it paused by itself
    this.retry = { at: 0, tries: 0 }; // when it tries again, epoch milliseconds; 0 while it need not
    /** @type {Item | null} */
    this.current = null;
    this.running = false;
    this.abort = new AbortController();
    this.wake = () => {};
    /** @type {Set<() => void>} */
    this.listeners = new Set();
  }

  get busy() {
    return this.batch.left > 0;
  }

  /** Bytes of the whole batch that have gone out. */
  get sent() {
    return this.batch.sent + (this.current?.state === "done" ? 0 : this.current?.sent ?? 0);
  }

  changed() {
    for (const listener of this.listeners) listener();
  }

  /**
   * @param {(readonly [Blob, string])[]} files
   * @param {string} priority
   * @param {string} [nifti] what made the NIfTI volumes among them
   */
  add(files, priority, nifti = "") {
    this.batch.add(files, priority, nifti);
    this.changed();
    void this.run();
  }

  pause() {
    this.state = "paused";
    this.abort.abort();
    this.wake();
    this.changed();
  }

  resume() {
    this.state = "on";
    this.halted = "";
    this.changed();
    void this.run();
  }

  /** Forgets what is on the list, once all of it has ended. */
  clear() {
    if (this.busy) return;
    this.batch = new Batch();
    this.changed();
  }

  /** Does not wait any longer for the next try. */
  now() {
    this.wake();
  }

  /** Gives up all that is not in yet. */
  async cancel() {
    const items = this.batch.items.filter((item) => item.state !== "done");
    for (const item of items) item.cancelled = true;
    this.state = "on";
    this.halted = "";
    this.abort.abort();
    this.wake();
    await this.run();
  }

  /** @param {Item} item */
  async cancelOne(item) {
    item.cancelled = true;
    if (item === this.current) {
      this.abort.abort();
      this.wake();
    } else if (!this.running) await this.finishCancelled(item);
    this.changed();
  }

  async run() {
    if (this.running) return;
    this.running = true;
    try {
      for (let item = this.batch.waiting(); item && this.state === "on"; item = this.batch.waiting()) await this.one(item);
    } finally {
      this.running = false;
      this.current = null;
    }
    if (this.state === "on" && this.batch.waiting()) void this.run();
    else {
      await this.complete();
      this.changed();
    }
  }

  /**
   * One file, until it has ended or the queue is paused.
   * @param {Item} item
   */
  async one(item) {
    this.current = item;
    this.abort = new AbortController();
    let [tries, faults] = [0, 0]; // in a row
    while (item.state !== "done" && this.state === "on") {
      try {
        if (item.cancelled) await this.finishCancelled(item);
        else await this.step(item);
        [tries, faults] = [0, 0];
      } catch (error) {
        if (this.abort.signal.aborted) { // by pause or cancel, which may be over already
          this.abort = new AbortController();
          item.offset = null;
          continue;
        }
        if (error instanceof Fault) faults += 1;
        tries += 1;
        await this.overcome(item, /** @type {Error} */ (error), tries, faults);
      }
      this.retry = { at: 0, tries: 0 };
      this.changed();
    }
    if (item.state !== "done") Object.assign(item, { state: "waiting", offset: null });
  }

  /**
   * @param {Item} item
   * @param {Error} error
   * @param {number} tries
   * @param {number} faults
   */
  async overcome(item, error, tries, faults) {
    item.offset = null;
    if (error instanceof Halt) {
      this.halted = error.message;
      this.state = "paused";
    } else if (error instanceof Refused || faults >= FAULTS) this.refuse(item, error.message);
    else if (!(await readable(item.file))) this.refuse(item, this.words.unreadable);
    else await this.hold(tries);
  }

  /**
   * The next question or chunk of a file.
   * @param {Item} item
   */
  async step(item) {
    if (item.state === "reading") await this.sleep(POLL_MS);
    if (item.offset === null || item.state === "reading") {
      this.take(item, await this.way.ask(item, this.abort.signal));
      return;
    }
    item.state = "sending";
    const start = item.offset;
    const end = chunkEnd(start, item.size);
    const told = (/** @type {number} */ loaded, /** @type {boolean} */ all) => {
      item.sent = Math.min(start + loaded, end);
      if (all && end === item.size) item.gone = true;
      this.changed();
    };
    this.changed();
    const chunk = /** @type {Blob} */ (item.file).slice(start, end);
    this.take(item, await this.way.put(item, start, chunk, told, this.abort.signal));
  }

  /**
   * What the server's answer means. Throws Refused, Halt and Fault.
   * @param {Item} item
   * @param {Answer} answer
   */
  take(item, { status, body }) {
    if (status !== 200 || !body?.state) {
      throw faultOf(status, body?.error ?? "", this.words);
    }
    const done = body.state === "done";
    this.batch.told(item, body.reports ?? [], done, this.words);
    if (done) return;
    const reading = body.state === "reading";
    item.lost ||= item.gone && !reading;
    item.state = reading ? "reading" : "sending";
    item.offset = body.offset ?? 0;
    item.sent = reading ? item.size : item.offset;
  }

  /**
   * @param {Item} item
   * @param {string} sentence
   */
  refuse(item, sentence) {
    this.batch.refuse(item, sentence);
    this.batch.end(item);
    void this.way.drop(item).catch(() => {}); // what stays is swept after a day
  }

  /**
   * The server removes what it has of the file; where it is in already, that is what the list says.
   * @param {Item} item
   */
  async finishCancelled(item) {
    if (item.state === "done") return;
    if (item.offset !== 0 || item.sent > 0 || item.state !== "waiting") {
      const { status, body } = await this.way.drop(item).catch(() => ({ status: 0, body: null }));
      if (status === 200 && body && body.state !== "arriving") {
        this.batch.told(item, body.reports ?? [], true, this.words);
        return;
      }
    }
    this.batch.cancel(item, this.words.cancelled);
  }

  /** Tells the server that all images of the studies are there, so that they need not wait for more. */
  async complete() {
    if (this.busy) return;
    const studies = [...this.batch.grown];
    this.batch.grown.clear();
    for (let start = 0; start < studies.length; start += STUDIES_AT_ONCE) {
      // Without this they are screened a little later.
      await this.way.completed(studies.slice(start, start + STUDIES_AT_ONCE)).catch(() => {});
    }
  }

  /**
   * Waits before the next try.
   * @param {number} tries
   */
  async hold(tries) {
    const wait = waitBefore(tries) * 1000;
    this.retry = { at: Date.now() + wait, tries };
    this.changed();
    await this.sleep(wait);
  }

  /** @param {number} ms ended early by pause, cancel and now() */
  sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}

/**
 * Whether the browser can still read the file; one that was changed or moved since it was chosen breaks every request.
 * @param {Blob | null} file
 */
async function readable(file) {
  try {
    await file?.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

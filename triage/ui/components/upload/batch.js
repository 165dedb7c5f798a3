// What was chosen and what became of it: items, studies and counts, kept as the server tells. No page, no network.
// @ts-check
import { asWalked, newId, sentName } from "./plan.js";

/** @typedef {import("./types").Item} Item */
/** @typedef {import("./types").Report} Report */
/** @typedef {import("./types").Group} Group */

const COUNTS = { taken: 0, here: 0, refused: 0, cancelled: 0 };

export class Batch {
  constructor() {
    /** @type {Item[]} chosen files, in the order they go out */
    this.items = [];
    this.next = 0; // no item before this one waits
    this.ended = 0;
    this.counts = { ...COUNTS };
    this.bytes = 0; // of all items
    this.sent = 0; // of those that have ended
    /** @type {Map<string, Group>} */
    this.studies = new Map();
    /** @type {Group} */
    this.refused = { key: "refused", uid: "", items: [] };
    /** @type {Group} */
    this.archives = { key: "archives", uid: "", items: [] };
    /** @type {Set<string>} studies that got files since the server was last told that all is here */
    this.grown = new Set();
  }

  get left() {
    return this.items.length - this.ended;
  }

  /**
   * @param {(readonly [Blob, string])[]} files with the names a person knows them by
   * @param {string} priority
   * @param {string} nifti what made the NIfTI volumes among them
   */
  add(files, priority, nifti) {
    for (const [file, name] of [...files].sort((a, b) => asWalked(a[1], b[1]))) {
      this.items.push({ ...blank(newId(), name), file, size: file.size, priority, nifti });
      this.bytes += file.size;
    }
  }

  /** @returns {Item | undefined} the next one that waits */
  waiting() {
    while (this.items[this.next]?.state === "done") this.next += 1;
    return this.items[this.next];
  }

  /**
   * Takes over what the server says of an item; `done` when it says no more.
   * @param {Item} item
   * @param {Report[]} reports those that are new
   * @param {boolean} done
   * @param {{lost: string, archive: (taken: number, all: number) => string}} words
   */
  told(item, reports, done, words) {
    for (const report of reports) {
      const member = memberOf(item, report.file);
      const one = member ? { ...blank(`${item.id}-${item.members}`, `${item.name}: ${member}`), priority: item.priority } : item;
      if (member) item.members += 1;
      if (this.settle(one, report, item.lost ? words.lost : "")) item.taken += 1;
    }
    if (!done) return;
    if (item.members > 0) {
      item.outcome = "archive";
      item.sentence = words.archive(item.taken, item.members);
      this.archives.items.push(item);
    }
    this.end(item);
  }

  /**
   * @param {Item} item
   * @param {Report} report
   * @param {string} lost what is said where the very same file is here because its first answer was lost
   * @returns {boolean} whether it is in
   */
  settle(item, report, lost) {
    const here = report.outcome === "duplicate";
    item.state = "done";
    item.sentence = here && lost ? lost : report.sentence;
    if (!report.accepted) {
      this.refuse(item, report.sentence);
      return false;
    }
    item.outcome = here && !lost ? "here" : "taken";
    item.uid = report.study_instance_uid;
    this.counts[item.outcome] += 1;
    this.grown.add(item.uid);
    const study = this.studies.get(item.uid) ?? { key: item.uid, uid: item.uid, items: [] };
    study.items.push(item);
    this.studies.set(item.uid, study);
    return true;
  }

  /**
   * @param {Item} item
   * @param {string} sentence
   */
  refuse(item, sentence) {
    item.outcome = "refused";
    item.sentence = sentence;
    this.counts.refused += 1;
    this.refused.items.push(item);
  }

  /**
   * @param {Item} item
   * @param {string} sentence
   */
  cancel(item, sentence) {
    item.outcome = "cancelled";
    item.sentence = sentence;
    this.counts.cancelled += 1;
    this.end(item);
  }

  /**
   * Nothing more comes of this chosen file.
   * @param {Item} item
   */
  end(item) {
    item.state = "done";
    item.file = null;
    item.sent = item.size;
    this.ended += 1;
    this.sent += item.size;
  }

  /**
   * Something that was not even sent.
   * @param {string} name
   * @param {string} sentence
   */
  leaveOut(name, sentence) {
    const item = blank(newId(), name);
    item.state = "done";
    this.refuse(item, sentence);
  }

  /** @returns {string} one line for each refusal, naming the file */
  refusals() {
    return this.refused.items.map((item) => `${item.name}: ${item.sentence}`).join("\n");
  }
}

/**
 * @param {string} id
 * @param {string} name
 * @returns {Item}
 */
function blank(id, name) {
  return {
    id, name, size: 0, file: null, priority: "", nifti: "", state: "waiting", outcome: "", sentence: "", uid: "", sent: 0, offset: 0,
    gone: false, lost: false, members: 0, taken: 0, cancelled: false,
  };
}

/**
 * The name inside the archive; empty where the report speaks of the file itself.
 * @param {Item} item
 * @param {string} reported
 */
function memberOf(item, reported) {
  const before = `${sentName(item.name)}: `;
  return reported.startsWith(before) ? reported.slice(before.length) : "";
}

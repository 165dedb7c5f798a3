// What a reader does with a study: agree or not, mark it read, take either back. Each is a request of its own that is
// shown as done only when the server said so, and it names the result and the images that stood on the screen.

import { ask, clock, el, posted, say } from "../shared.js";

/** @typedef {import("./types").Study} Study */
/** @typedef {import("./types").View} View */

const VERDICTS = [["agree", "a"], ["over-called", "o"], ["under-called", "b"]];

const BEAT_MS = 20_000;
/** This window's name, by which the list tells other windows that a study is open here. */
const WINDOW = crypto.randomUUID();

/**
 * What is a reader's own and not written yet, or can be taken back; by study, while the tab is open.
 * @typedef {{comment: string, undoable: {words: string, address: string, body: object}[]}} Own
 * @type {Map<string, Own>}
 */
const owned = new Map();

export class ReaderActions {
  /** @param {import("./types").PanelActs} acts */
  constructor(acts) {
    this.acts = acts;
    /** @type {string | null} */
    this.shown = null;
    this.pending = Promise.resolve();
    this.waiting = 0; // requests that are not answered yet
    // What became of the last thing that was done; always in sight, and there before its words, so that they are heard.
    this.outcome = el("p", { class: "outcome", role: "status" });
    this.lasting = false; // its words are told also when the next study is there
    this.empty();
  }

  /** Another study, or none. */
  empty() {
    if (!this.lasting) this.say("", "");
    this.lasting = false;
    /** @type {Study | null} */
    this.study = null;
    /** @type {View | null} */
    this.view = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.beating ??= undefined;
  }

  /**
   * @param {Study} study
   * @param {View} view
   */
  part(study, view) {
    this.study = study;
    this.view = view;
    if (this.shown !== study.uid) this.enter(study.uid);
    const read = study.status === "read";
    const grown = study.revision !== view.seen;
    const last = ownOf(study).undoable.at(-1);
    const held = { "aria-disabled": this.waiting > 0 ? "true" : null }; // a disabled button would lose the focus
    return el("section", { class: "reader" }, el("h3", { text: say("study.reader") }),
      study.verdicts.map(verdictLine),
      study.screening === null ? null : [
        el("div", { class: "actions" }, VERDICTS.map(([verdict, key]) => el("button", {
          type: "button", "data-part": verdict, disabled: grown, ...held, "aria-keyshortcuts": key,
          text: `${say(`study.${verdict}`)} (${key})`, onclick: () => this.click(() => this.judge(verdict)),
        }))),
        commentField(study),
      ],
      el("div", { class: "actions" },
        el("button", {
          type: "button", class: "main", disabled: read || grown, ...held, "data-part": "read", "aria-keyshortcuts": "r",
          text: say(read ? "study.read" : "study.mark_read"), onclick: () => this.click(() => this.markRead()),
        }),
        last ? el("button", { type: "button", "data-part": "undo", ...held, "aria-keyshortcuts": "z", text: say("study.undo", { what: last.words }), onclick: () => this.click(() => this.undo()) }) : null,
        read && view.next ? el("button", { type: "button", "data-part": "next", text: say("study.next_key"), onclick: () => this.acts.go(view.next ?? "") }) : null,
        grown ? el("button", { type: "button", "data-part": "newest", text: say("study.grown"), onclick: () => this.acts.showNewest() }) : null));
  }

  /**
   * Says that the study is open here, again and again while it is.
   * @param {string} uid
   */
  enter(uid) {
    clearInterval(this.beating);
    const beat = () => { ask(`/api/studies/${encodeURIComponent(uid)}/open`, posted({ window: WINDOW })).catch(() => null); };
    this.shown = uid;
    this.beating = setInterval(beat, BEAT_MS);
    beat();
  }

  /** No study is open here any more; the browser sends this even while the page goes away. */
  leave() {
    if (this.shown === null) return;
    clearInterval(this.beating);
    this.shown = null;
    ask("/api/closed", { ...posted({ window: WINDOW }), keepalive: true }).catch(() => null);
  }

  /** A second click while the first is being written does nothing. @param {() => void} act */
  click(act) {
    if (!this.waiting) act();
  }

  /** @param {string} verdict */
  judge(verdict) {
    const { study } = this;
    if (!study || study.screening === null) return;
    const words = say(`study.${verdict}`);
    const own = ownOf(study);
    const body = { verdict, comment: own.comment.trim(), screening: study.screening };
    this.inTurn(study, async () => {
      const answer = await this.send(study, "verdict", body, say("study.noted", { what: words }));
      if (!answer) return;
      if (own.comment.trim() === body.comment) own.comment = "";
      // It took the place of the one before, which cannot be taken back any more.
      own.undoable = [...own.undoable.filter((one) => one.address !== "withdraw"), { words, address: "withdraw", body: { number: answer.number } }];
    });
  }

  markRead() {
    const { study, view } = this;
    if (!study) return;
    this.inTurn(study, async () => {
      if (!await this.send(study, "read", { revision: view?.seen }, say("study.marked_read"))) return;
      ownOf(study).undoable.push({ words: say("study.mark_read_short"), address: "unread", body: {} });
    });
  }

  undo() {
    const { study } = this;
    if (!study) return;
    this.inTurn(study, async () => {
      const own = ownOf(study);
      const last = own.undoable.at(-1);
      if (!last) this.tell(say("study.nothing_to_undo"), "dim");
      else if (await this.send(study, last.address, last.body, say("study.undone", { what: last.words }))) own.undoable.pop();
    });
  }

  /**
   * Keys in quick succession are all done, one after the other, each for the study on which it was pressed.
   * @param {Study} study
   * @param {() => Promise<void>} act
   */
  inTurn(study, act) {
    this.waiting += 1;
    this.pending = this.pending.then(act).then(() => {
      this.waiting -= 1;
      if (this.study?.uid === study.uid) this.acts.changed();
      this.acts.redraw();
    });
  }

  /** Waits for what is being written; false where it was not done, which the reader must see first. */
  async written() {
    if (!this.waiting) return true;
    await this.pending;
    return this.outcome.dataset.state !== "fault";
  }

  /**
   * The server's answer, or null after saying what went wrong; nothing is shown as done before the answer.
   * @param {Study} study
   * @param {string} address
   * @param {object} body
   * @param {string} done
   */
  async send(study, address, body, done) {
    this.tell(say("study.writing"), "dim");
    try {
      const answer = await ask(`/api/studies/${encodeURIComponent(study.uid)}/${address}`, posted(body));
      this.tell(this.named(study, done), "done");
      return answer;
    } catch (error) {
      this.tell(this.named(study, say("study.not_done", { why: /** @type {Error} */ (error).message })), "fault");
      return null;
    }
  }

  /** With the patient's name where another study is on the screen by now. @param {Study} study @param {string} words */
  named(study, words) {
    return this.study?.uid === study.uid ? words : `${study.name || study.id}: ${words}`;
  }

  /**
   * @param {string} words
   * @param {string} state
   * @param {boolean} [lasting]
   */
  tell(words, state, lasting = false) {
    this.lasting = lasting;
    this.say(words, state);
    this.acts.redraw();
  }

  /** @param {string} words @param {string} state */
  say(words, state) {
    this.outcome.textContent = words;
    this.outcome.dataset.state = state;
  }

  /**
   * Whether the key was one of these actions.
   * @param {string} key
   * @param {boolean} leaving another study is on its way, and the key was meant for it
   */
  key(key, leaving) {
    const verdict = VERDICTS.find(([, one]) => one === key)?.[0];
    if (!(verdict || key === "r" || key === "z")) return false;
    if (!this.study || leaving) this.tell(say("study.not_done", { why: say("study.too_early") }), "fault", leaving);
    else if (key === "z") this.undo();
    else if (this.study.revision !== this.view?.seen) this.tell(say("study.not_done", { why: say("study.grown_first") }), "fault");
    else if (key === "r" && this.study.status === "read") this.tell(say("study.already_read"), "dim");
    else if (!verdict) this.markRead();
    else if (this.study.screening === null) this.tell(say("study.not_done", { why: say("study.no_result") }), "fault");
    else this.judge(verdict);
    return true;
  }
}

/** @param {Study} study @returns {Own} */
function ownOf({ uid }) {
  const own = owned.get(uid) ?? { comment: "", undoable: [] };
  owned.set(uid, own);
  return own;
}

/** What is typed stays with its study; Escape leads back to the study's keys. @param {Study} study */
function commentField(study) {
  const own = ownOf(study);
  const field = el("textarea", {
    rows: "1", maxlength: "2000", "data-part": "comment", "aria-label": say("study.comment"), placeholder: say("study.comment"),
    oninput: () => { own.comment = field.value; },
    onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && field.blur(),
  });
  field.value = own.comment;
  return field;
}

/** @param {import("./types").Verdict} one */
function verdictLine(one) {
  const stale = one.current ? "" : ` ${say("study.of_older")}`;
  return el("div", { class: "verdict" },
    el("span", { text: `${say(`study.${one.verdict}`)}${stale}` }),
    el("span", { class: "dim", text: ` ${one.actor}, ${clock(one.made_at)}` }),
    one.comment ? el("div", { text: one.comment }) : null);
}

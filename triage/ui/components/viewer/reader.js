// What a reader does with a study: agree or not, mark it read, take either back. Each is a request of its own that is
// shown as done only when the server said so, and it names the result and the images that stood on the screen.

import { ask, clock, el, posted, say } from "../shared.js";

/** @typedef {import("./types").Study} Study */
/** @typedef {import("./types").View} View */

const VERDICTS = [["agree", "a"], ["over-called", "o"], ["under-called", "b"]];

const BEAT_MS = 20_000;
/** This window's name, by which the list tells other windows that a study is open here. */
const WINDOW = crypto.randomUUID();

export class ReaderActions {
  /** @param {import("./types").PanelActs} acts */
  constructor(acts) {
    this.acts = acts;
    /** @type {string | null} */
    this.shown = null;
    addEventListener("pagehide", () => this.leave());
    this.empty();
  }

  /** Another study, or none. */
  empty() {
    this.busy = false;
    this.words = "";
    this.state = "";
    this.comment = "";
    /** @type {{words: string, address: string, body: object}[]} what can be taken back, the newest last */
    this.undoable = [];
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
    const last = this.undoable.at(-1);
    return el("section", { class: "reader" }, el("h3", { text: say("study.reader") }),
      study.verdicts.map(verdictLine),
      study.screening === null ? null : [
        el("div", { class: "actions" }, VERDICTS.map(([verdict, key]) => el("button", {
          type: "button", "data-part": verdict, disabled: this.busy || grown, "aria-keyshortcuts": key,
          text: `${say(`study.${verdict}`)} (${key})`, onclick: () => this.judge(verdict),
        }))),
        this.commentField(),
      ],
      el("div", { class: "actions" },
        el("button", {
          type: "button", class: "main", disabled: read || this.busy || grown, "data-part": "read", "aria-keyshortcuts": "r",
          text: say(read ? "study.read" : "study.mark_read"), onclick: () => this.markRead(),
        }),
        last ? el("button", { type: "button", "data-part": "undo", disabled: this.busy, "aria-keyshortcuts": "z", text: say("study.undo", { what: last.words }), onclick: () => this.undo() }) : null,
        read && view.next ? el("button", { type: "button", "data-part": "next", text: say("study.next_key"), onclick: () => this.acts.go(view.next ?? "") }) : null,
        grown ? el("button", { type: "button", "data-part": "newest", text: say("study.grown"), onclick: () => this.acts.showNewest() }) : null),
      el("p", { class: `outcome ${this.state}`, role: "status", text: this.words }));
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

  commentField() {
    const field = el("textarea", {
      rows: "2", maxlength: "2000", "data-part": "comment", "aria-label": say("study.comment"), placeholder: say("study.comment"),
      oninput: () => { this.comment = field.value; },
    });
    field.value = this.comment;
    return field;
  }

  /** @param {string} verdict */
  async judge(verdict) {
    const { study } = this;
    if (!study || study.screening === null) return;
    const body = { verdict, comment: this.comment.trim(), screening: study.screening };
    const words = say(`study.${verdict}`);
    const answer = await this.send("verdict", body, say("study.noted", { what: words }));
    if (!answer) return;
    this.comment = "";
    this.undoable.push({ words, address: "withdraw", body: { number: answer.number } });
    this.acts.changed();
  }

  async markRead() {
    if (!this.study || this.study.status === "read") return;
    const words = say("study.mark_read_short");
    if (!await this.send("read", { revision: this.view?.seen }, say("study.marked_read"))) return;
    this.undoable.push({ words, address: "unread", body: {} });
    this.acts.changed();
  }

  async undo() {
    const last = this.undoable.at(-1);
    if (!last || !await this.send(last.address, last.body, say("study.undone", { what: last.words }))) return;
    this.undoable.pop();
    this.acts.changed();
  }

  /**
   * The server's answer, or null after saying what went wrong; nothing is shown as done before the answer.
   * @param {string} address
   * @param {object} body
   * @param {string} done
   */
  async send(address, body, done) {
    const { study } = this;
    if (!study || this.busy) return null;
    this.tell(say("study.writing"), "dim", true);
    try {
      const answer = await ask(`/api/studies/${encodeURIComponent(study.uid)}/${address}`, posted(body));
      if (this.study?.uid !== study.uid) return null;
      this.tell(done, "done", false);
      return answer;
    } catch (error) {
      if (this.study?.uid === study.uid) this.tell(say("study.not_done", { why: /** @type {Error} */ (error).message }), "fault", false);
      this.acts.changed();
      return null;
    }
  }

  /**
   * @param {string} words
   * @param {string} state
   * @param {boolean} busy
   */
  tell(words, state, busy) {
    Object.assign(this, { words, state, busy });
    this.acts.redraw();
  }

  /**
   * Whether the key was one of these actions.
   * @param {string} key
   */
  key(key) {
    const verdict = VERDICTS.find(([, one]) => one === key)?.[0];
    if (!this.study || !(verdict || key === "r" || key === "z")) return false;
    if (key === "z") this.undo();
    else if (this.study.revision !== this.view?.seen) this.tell(say("study.not_done", { why: say("study.grown_first") }), "fault", false);
    else if (verdict) this.judge(verdict);
    else this.markRead();
    return true;
  }
}

/** @param {import("./types").Verdict} one */
function verdictLine(one) {
  const stale = one.current ? "" : ` ${say("study.of_older")}`;
  return el("div", { class: "verdict" },
    el("span", { text: `${say(`study.${one.verdict}`)}${stale}` }),
    el("span", { class: "dim", text: ` ${one.actor}, ${clock(one.made_at)}` }),
    one.comment ? el("div", { text: one.comment }) : null);
}

// Asks for the list every other second, and hands on what has changed.
// @ts-check
import { ask, posted } from "../shared.js";

/** @typedef {import("./question.js").Question} Question */
/** @typedef {import("./types").Answer} Answer */

const POLL_MS = 2000;
const PATIENCE_MS = 12_000;
const HEARD = "triage.heard"; // up to which version new STAT studies were told in this window

export class Feed {
  /**
   * @param {(answer: Answer) => void} onAnswer
   * @param {(fault: string) => void} onFault why there is no answer
   */
  constructor(onAnswer, onFault) {
    this.onAnswer = onAnswer;
    this.onFault = onFault;
    /** @type {Question | null} */
    this.question = null;
    this.text = "";
    this.limit = 200;
    this.version = -1;
    this.opened = "";
    this.timer = 0;
    /** @type {AbortController | null} */
    this.running = null;
    this.seen = () => document.visibilityState === "visible" && void this.poll();
  }

  /** @param {Question} question @param {string} text */
  ask(question, text) {
    this.question = question;
    this.text = text;
    this.version = -1;
    this.stop();
    this.start();
  }

  start() {
    if (this.running) return;
    this.running = new AbortController();
    document.addEventListener("visibilitychange", this.seen);
    void this.poll();
  }

  stop() {
    window.clearTimeout(this.timer);
    this.running?.abort();
    this.running = null;
    document.removeEventListener("visibilitychange", this.seen);
  }

  async poll() {
    window.clearTimeout(this.timer);
    const running = this.running;
    if (!running) return;
    try {
      if (!document.hidden || this.version < 0) await this.once(running.signal);
    } catch (error) {
      if (running.signal.aborted) return;
      this.onFault(error instanceof Error ? error.message : String(error));
    }
    if (this.running === running) this.timer = window.setTimeout(() => void this.poll(), POLL_MS);
  }

  /** @param {AbortSignal} signal */
  async once(signal) {
    const query = new URLSearchParams(Object.entries(this.parameters()).filter(([, value]) => value !== ""));
    const options = this.text ? posted({ text: this.text }) : {};
    /** @type {Answer} */
    const answer = await ask(`/api/worklist?${query}`, {
      ...options, signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
    });
    if (signal.aborted) return;
    this.version = answer.version;
    this.opened = answer.opened;
    this.onAnswer(answer);
    sessionStorage.setItem(HEARD, String(answer.version));
  }

  /** @returns {Record<string, string>} */
  parameters() {
    const { level = [], modality = [], status = "", after = "", before = "" } = this.question ?? {};
    return {
      level: level.join(","), modality: modality.join(","), status, after, before,
      limit: String(this.limit), since: String(this.version), opened: this.opened, heard: sessionStorage.getItem(HEARD) ?? "-1",
    };
  }
}

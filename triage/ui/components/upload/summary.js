// How the whole upload stands: progress, what can be done about it, and counts at the end.
// @ts-check
import { el, say } from "../shared.js";
import { Rate } from "./plan.js";
import { bytes, rounded } from "./words.js";

/** @typedef {import("./queue.js").Queue} Queue */

export class Summary {
  /**
   * @param {Queue} queue
   * @param {string} language
   */
  constructor(queue, language) {
    this.queue = queue;
    this.language = language;
    this.rate = new Rate();
    this.said = "";
    const button = (/** @type {string} */ name, /** @type {() => void} */ onclick, more = {}) =>
      el("button", { type: "button", "data-part": name, text: say(`upload.${name}`), onclick, ...more });
    this.count = el("span", { class: "count" });
    this.data = el("span", { class: "dim data" });
    this.left = el("span", { class: "dim left" });
    this.pause = button("pause", () => queue.pause());
    this.resume = button("resume", () => queue.resume(), { class: "main" });
    this.cancel = button("cancel", () => queue.cancel());
    this.clear = button("clear", () => queue.clear());
    this.now = button("try_now", () => queue.now());
    this.copy = button("copy", () => this.copyRefusals());
    this.bar = el("i");
    this.track = el("div", { class: "track whole", role: "progressbar", "aria-label": say("upload.progress"), "aria-valuemin": "0", "aria-valuemax": "100" }, this.bar);
    this.counts = el("p", { class: "counts" });
    this.fault = el("p", { class: "fault" }, this.why = el("span"), this.now);
    // The live region must be there before its text is; it speaks of turns, not of every file.
    this.status = el("p", { class: "spoken", role: "status", "aria-live": "polite" });
    this.node = el("section", { class: "summary hidden", "aria-label": say("upload.summary") },
      el("div", { class: "top" }, this.count, this.data, this.left, el("span", { class: "fill" }),
        this.pause, this.resume, this.cancel, this.copy, this.clear),
      this.track, this.fault, this.counts);
  }

  draw() {
    const { queue } = this;
    const { batch, busy } = queue;
    const empty = !batch.items.length && !batch.refused.items.length;
    this.node.classList.toggle("hidden", empty);
    const going = busy && queue.state === "on";
    if (going && !queue.retry.at) this.rate.note(queue.sent, Date.now());
    else this.rate.clear();
    this.drawProgress(busy);
    this.drawFault(busy);
    const { counts } = batch;
    this.counts.replaceChildren(...["taken", "here", "refused", "cancelled"].flatMap((name) => {
      const count = counts[/** @type {keyof typeof counts} */ (name)];
      return count ? [el("span", { "data-count": name, text: say(`upload.count_${name}`, { count }) })] : [];
    }));
    this.pause.classList.toggle("hidden", !going);
    this.resume.classList.toggle("hidden", !busy || going);
    this.cancel.classList.toggle("hidden", !busy);
    this.clear.classList.toggle("hidden", busy);
    this.copy.classList.toggle("hidden", !counts.refused);
    this.speak(empty ? "" : this.turn(busy));
  }

  /** @param {boolean} busy */
  drawProgress(busy) {
    const { queue } = this;
    const { batch } = queue;
    const all = batch.items.length;
    const share = batch.bytes ? queue.sent / batch.bytes : busy ? 0 : 1;
    const values = { done: batch.ended, count: all };
    this.count.textContent = busy ? say("upload.done_of", values) : say("upload.all_done", values);
    this.data.textContent = busy ? say("upload.data_of", { sent: bytes(queue.sent, this.language), all: bytes(batch.bytes, this.language) })
      : bytes(batch.bytes, this.language);
    const rate = this.rate.perSecond;
    this.left.textContent = busy && rate ? this.remaining(rate, batch.bytes - queue.sent) : "";
    this.bar.style.width = `${share * 100}%`;
    this.track.classList.toggle("hidden", !busy);
    this.track.setAttribute("aria-valuenow", String(Math.round(share * 100)));
  }

  /**
   * @param {number} rate bytes a second
   * @param {number} left bytes
   */
  remaining(rate, left) {
    const speed = say("upload.rate", { size: bytes(rate, this.language) });
    const { unit, count } = rounded(left / rate);
    return `${speed} · ${say(`upload.left_${unit}`, { count })}`;
  }

  /** @param {boolean} busy */
  drawFault(busy) {
    const { queue } = this;
    const waits = queue.retry.at > 0;
    const seconds = Math.max(0, Math.ceil((queue.retry.at - Date.now()) / 1000));
    const why = waits ? say("upload.broken", { count: seconds }) : queue.halted ? say("upload.halted", { why: queue.halted }) : "";
    if (this.why.textContent !== why) this.why.textContent = why;
    this.fault.classList.toggle("hidden", !busy || !why);
    this.now.classList.toggle("hidden", !waits);
  }

  /**
   * @param {boolean} busy
   * @returns {string} the turn that those who only hear are told of
   */
  turn(busy) {
    const { queue } = this;
    if (!busy) return `${this.count.textContent} ${[...this.counts.children].map((one) => one.textContent).join(", ")}`;
    if (queue.retry.at) return say("upload.spoken_broken");
    if (queue.state === "paused") return queue.halted ? this.why.textContent ?? "" : say("upload.spoken_paused");
    return say("upload.spoken_on", { count: queue.batch.items.length });
  }

  /** @param {string} text */
  speak(text) {
    if (text === this.said) return;
    this.said = text;
    this.status.textContent = text;
  }

  async copyRefusals() {
    await navigator.clipboard.writeText(this.queue.batch.refusals());
    this.copy.textContent = say("upload.copied");
    setTimeout(() => { this.copy.textContent = say("upload.copy"); }, 2000);
  }
}

// The frame's own part, on every page: asks how the site is, and says in words what is wrong, also when nobody answers.
// @ts-check
import { el, ending, instanceOf, say, settle } from "../shared.js";
import { faultOf, stuck } from "./notice.js";
import { Pointed } from "./pointed.js";

const POLL_MS = 4000;
const PATIENCE_MS = 8000;

class Frame {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.page = "";
    /** @type {import("./notice.js").Fault} */
    this.fault = "";
    this.running = 0; // questions in a row at which the page's script was still running
    this.lost = 0; // questions in a row that were answered while Streamlit's connection was lost
    this.timer = 0;
    this.asking = false;
    this.pointed = new Pointed();
    this.text = el("p", { class: "text" });
    this.bar = el("div", { class: "bar hidden" }, this.text);
    // The live region must be there before its text is, or screen readers do not hear of it.
    root.append(el("div", { role: "status", "aria-live": "polite" }, this.bar));
    // What fills the window below makes room for it.
    this.room = new ResizeObserver(() => document.documentElement.style.setProperty("--t-notice", `${this.bar.offsetHeight}px`));
    this.seen = () => document.visibilityState === "visible" && this.ask();
  }

  /** @param {{page: string, language: string}} data */
  start(data) {
    document.documentElement.lang = data.language;
    document.documentElement.dataset.framed = "";
    this.page = data.page;
    if (this.timer) return;
    this.timer = window.setInterval(this.seen, POLL_MS);
    document.addEventListener("visibilitychange", this.seen);
    this.room.observe(this.bar);
    this.pointed.start();
    void this.ask();
  }

  stop() {
    window.clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
    this.room.disconnect();
    this.pointed.stop();
    this.timer = 0;
  }

  async ask() {
    if (this.asking) return;
    this.asking = true;
    try {
      this.say(faultOf({ ...(await answer()), waits: this.waits(), list: this.page === "worklist" }));
    } finally {
      this.asking = false;
    }
  }

  /** Whether the page's script has run for two questions or more. */
  waits() {
    this.running = application()?.dataset.testScriptState === "running" ? this.running + 1 : 0;
    return this.running >= 2;
  }

  /** @param {import("./notice.js").Fault} fault */
  say(fault) {
    const connected = application()?.dataset.testConnectionState === "CONNECTED";
    this.lost = fault === "gone" || connected ? 0 : this.lost + 1;
    // An upload under way would end with the page; it goes on without Streamlit's connection.
    if (stuck(this.lost) && !("uploading" in document.documentElement.dataset)) location.reload();
    if (fault === this.fault) return;
    this.fault = fault;
    this.root.dataset.fault = fault;
    this.bar.classList.toggle("hidden", fault === "");
    this.bar.dataset.fault = fault;
    this.text.textContent = fault ? say(`frame.${fault}`) : "";
  }
}

/** @returns {HTMLElement | null} */
function application() {
  return document.querySelector('[data-testid="stApp"]');
}

/** @returns {Promise<{reached: boolean, status?: number, database?: boolean, worker?: boolean}>} */
async function answer() {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch("/api/state", { credentials: "same-origin", cache: "no-store", signal });
    const told = response.ok ? await response.json() : {};
    return { reached: true, status: response.status, ...told };
  } catch {
    return { reached: false };
  }
}

/** @param {{data: {page: string, language: string, zone: string}, parentElement: HTMLElement | ShadowRoot}} streamlit */
export default function ({ data, parentElement }) {
  settle(data);
  const frame = instanceOf(parentElement, (root) => new Frame(root));
  frame.start(data);
  return ending(frame);
}

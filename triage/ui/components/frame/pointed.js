// What the address points to (#name) comes into view, also when it is drawn late or moved by what is drawn above it.
// @ts-check

const PATIENCE_MS = 20_000;
const BY_HAND = ["wheel", "touchmove", "pointerdown", "keydown"];

export class Pointed {
  constructor() {
    this.timer = 0;
    this.page = new ResizeObserver(() => this.show()); // whatever is drawn changes the page's height
    this.aim = () => this.follow();
    this.rest = () => this.leave();
  }

  start() {
    window.addEventListener("hashchange", this.aim);
    this.follow();
  }

  stop() {
    window.removeEventListener("hashchange", this.aim);
    this.leave();
  }

  follow() {
    this.leave();
    const page = document.querySelector('[data-testid="stMainBlockContainer"]');
    if (!page || !location.hash) return;
    for (const one of BY_HAND) window.addEventListener(one, this.rest, { capture: true, passive: true });
    this.timer = window.setTimeout(this.rest, PATIENCE_MS);
    this.page.observe(page);
  }

  /** From here on the reader scrolls. */
  leave() {
    window.clearTimeout(this.timer);
    this.page.disconnect();
    for (const one of BY_HAND) window.removeEventListener(one, this.rest, { capture: true });
  }

  show() {
    document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  }
}

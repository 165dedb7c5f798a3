// What the address points to (#name) comes into view, also when it is drawn late or moved by what is drawn above it.
// @ts-check

const PATIENCE_MS = 20_000;
const BY_HAND = ["wheel", "touchmove", "pointerdown", "keydown", "click", "focusin"];

export class Pointed {
  constructor() {
    this.timer = 0;
    this.page = new ResizeObserver(() => this.show()); // whatever is drawn changes the page's height
    /** @type {HTMLElement | null} */
    this.shown = null;
    this.aim = () => this.follow();
    /** @param {Event} event */
    this.again = (event) => {
      const link = event.target instanceof Element ? event.target.closest("a") : null;
      if (link?.hash && link.href === location.href) this.follow(); // the address does not change, so nobody tells
    };
    /** @param {Event} event */
    this.rest = (event) => {
      if (event.type !== "focusin" || event.target !== this.shown) this.leave();
    };
  }

  start() {
    window.addEventListener("hashchange", this.aim);
    window.addEventListener("click", this.again);
    this.follow();
  }

  stop() {
    window.removeEventListener("hashchange", this.aim);
    window.removeEventListener("click", this.again);
    this.leave();
  }

  follow() {
    this.leave();
    const page = document.querySelector('[data-testid="stMainBlockContainer"]');
    if (!page || !location.hash) return;
    for (const one of BY_HAND) window.addEventListener(one, this.rest, { capture: true, passive: true });
    this.page.observe(page);
  }

  /** From here on the reader scrolls. */
  leave() {
    window.clearTimeout(this.timer);
    this.timer = 0;
    this.shown = null;
    this.page.disconnect();
    for (const one of BY_HAND) window.removeEventListener(one, this.rest, { capture: true });
  }

  show() {
    const found = document.getElementById(named(location.hash));
    if (!found) return;
    found.scrollIntoView();
    if (found === this.shown) return;
    this.shown = found;
    found.tabIndex = -1; // the next key leads on from here, as after any link
    found.focus({ preventScroll: true });
    this.timer ||= window.setTimeout(() => this.leave(), PATIENCE_MS);
  }
}

/** @param {string} hash */
function named(hash) {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch {
    return hash.slice(1);
  }
}

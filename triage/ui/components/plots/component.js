// Plots that Python drew as SVG: the framework's own HTML lets no SVG through.
// @ts-check
import { el, instanceOf } from "../shared.js";

/** @typedef {{title: string, svg: string}} Drawn */

class Plots {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.shown = "";
  }

  /** @param {Drawn[]} plots */
  show(plots) {
    const key = JSON.stringify(plots);
    if (key === this.shown) return;
    this.shown = key;
    this.root.replaceChildren(...plots.map(figure));
  }
}

/**
 * @param {Drawn} drawn
 * @returns {HTMLElement}
 */
function figure({ title, svg }) {
  // Parsed as a picture, never as a page: what is no SVG element has no meaning in it.
  const picture = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": picture.getAttribute("aria-label") });
  scroll.append(document.importNode(picture, true));
  return el("figure", {}, title ? el("figcaption", { text: title }) : null, scroll);
}

/** @param {{data: {plots: Drawn[]}, parentElement: HTMLElement | ShadowRoot}} streamlit */
export default function ({ data, parentElement }) {
  instanceOf(parentElement, (root) => new Plots(root)).show(data.plots);
}

// Under the image of a series: the score along its slices, and the place that is shown. A slider for keyboards.
// @ts-check
import { el, say } from "../shared.js";

/** @typedef {{scores: readonly (number | null)[], point: number | null, label: string}} Curve */

const STEPS = /** @type {Record<string, number>} */ ({
  ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity,
});

export class Strip {
  /** @param {(place: number) => void} go */
  constructor(go) {
    this.go = go;
    this.count = 0;
    this.place = 0;
    /** @type {Curve} */
    this.curve = { scores: [], point: null, label: "" };
    this.canvas = el("canvas", {});
    this.words = el("span", { class: "strip-words" });
    this.bar = el("div", { class: "bars", role: "slider", tabindex: "0", "aria-label": say("viewer.slices") }, this.canvas);
    this.node = el("div", { class: "strip hidden" }, this.bar, this.words);
    this.bar.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      this.bar.setPointerCapture(event.pointerId);
      this.go(this.at(event.offsetX));
    });
    this.bar.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => event.buttons && this.go(this.at(event.offsetX)));
    this.bar.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.bar);
  }

  /** @param {number} x */
  at(x) {
    return Math.min(Math.max(Math.floor((x / this.bar.clientWidth) * this.count), 0), this.count - 1);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const step = STEPS[event.key];
    if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.go(Math.min(Math.max(this.place + step, 0), this.count - 1));
  }

  /** A series of that many slices; fewer than two have no strip. @param {number} count @param {Curve} curve */
  show(count, curve) {
    this.count = count;
    this.curve = curve;
    this.node.classList.toggle("hidden", count < 2);
    this.bar.setAttribute("aria-valuemin", "1");
    this.bar.setAttribute("aria-valuemax", String(count));
    this.words.textContent = curve.label;
    this.draw();
  }

  /** @param {number} place @param {string} words where that is */
  mark(place, words) {
    this.place = place;
    const score = this.curve.scores[place] ?? null;
    const said = score === null ? words : say("viewer.slice_score", { where: words, finding: this.curve.label, score: score.toFixed(2) });
    this.bar.setAttribute("aria-valuenow", String(place + 1));
    this.bar.setAttribute("aria-valuetext", said);
    this.bar.dataset.place = String(place);
    this.words.textContent = score === null ? this.curve.label : say("viewer.slice_alone", { finding: this.curve.label, score: score.toFixed(2) });
    this.draw();
  }

  draw() {
    const { canvas, bar, count, curve } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(bar.clientWidth * ratio), Math.round(bar.clientHeight * ratio)];
    if (!width || !height || count < 2) return;
    [canvas.width, canvas.height] = [width, height];
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const step = width / count;
    const gap = step > 4 * ratio ? ratio : 0;
    for (let place = 0; place < count; place++) {
      const score = curve.scores[place] ?? null;
      const tall = Math.max((score ?? 0) * (height - 2 * ratio), 2 * ratio);
      context.fillStyle = place === this.place ? "#ffffff" : colourOf(score, curve.point);
      context.fillRect(place * step, height - tall, Math.max(step - gap, 1), tall);
    }
    if (curve.point !== null) {
      context.fillStyle = "#c9d0d2";
      for (let x = 0; x < width; x += 8 * ratio) context.fillRect(x, height - curve.point * (height - 2 * ratio), 4 * ratio, ratio);
    }
    context.strokeStyle = "#ffffff";
    context.lineWidth = ratio;
    context.strokeRect(this.place * step - ratio / 2, ratio / 2, Math.max(step - gap, 2 * ratio) + ratio, height - ratio);
  }
}

/** @param {number | null} score @param {number | null} point from which the finding acts */
function colourOf(score, point) {
  if (score === null) return "#3a4244";
  return point !== null && score >= point ? "#e0a33c" : "#7d888b";
}

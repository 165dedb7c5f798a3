// The image on its canvas, with the map and what was measured over it. Knows nothing of studies.
// @ts-check
import { el, say } from "../shared.js";
import { sideWords } from "./eyes.js";
import { UPRIGHT, apply, distance, fitting, inverse, moved, sides, toScreen, zoomed } from "./geometry.js";
import { coloured, pyramid, sampled } from "./sampler.js";
import { dragged, greyTable, inForce, modality } from "./table.js";

/** @typedef {import("./types").Frame} Frame */
/** @typedef {import("./types").Seen} Seen */
/** @typedef {import("./types").Pose} Pose */
/** @typedef {import("./table.js").Window} Window */
/** @typedef {[number, number]} Point */

const SIDES = /** @type {const} */ (["left", "top", "right", "bottom"]);

export class Stage {
  /** @param {() => void} changed called when what the toolbar shows has changed */
  constructor(changed) {
    this.changed = changed;
    /** @type {Frame | null} */
    this.frame = null;
    /** @type {Seen | null} */
    this.image = null;
    /** @type {import("./sampler.js").Level[]} */
    this.levels = [];
    /** @type {HTMLCanvasElement | null} a colour image, which has no window */
    this.picture = null;
    /** @type {ImageBitmap | null} */
    this.overlay = null;
    this.overlayOn = true;
    this.faint = false;
    this.opacity = 0.5;
    this.number = "";
    /** @type {Pose} */
    this.pose = UPRIGHT;
    /** @type {Window | null} */
    this.window = null;
    this.inverted = false;
    /** @type {Window | null} what Reset goes back to: null for what each file says */
    this.home = null;
    /** @type {[Point, Point][]} in image coordinates */
    this.lines = [];
    /** @type {Map<Frame, [Point, Point][]>} those of other slices of the series */
    this.elsewhere = new Map();
    /** @type {Point | null} where other planes cross this one */
    this.cross = null;
    this.stale = true; // the samples are not those of the pose
    /** @type {Int32Array | null} */
    this.samples = null;
    /** @type {ImageData | null} */
    this.sheet = null;
    this.waiting = 0;
    this.canvas = el("canvas", { tabindex: "0", role: "img", "aria-label": say("viewer.image") });
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { willReadFrequently: true }));
    /** @type {Record<string, HTMLElement>} */
    this.sides = {};
    for (const side of SIDES) this.sides[side] = el("span", { class: `over side ${side}` });
    this.info = el("span", { class: "over info" });
    this.under = el("span", { class: "over under" });
    this.turned = el("span", { class: "over turned", role: "status" });
    this.where = el("span", { class: "over where" });
    this.node = el("div", { class: "stage" }, this.canvas, Object.values(this.sides), this.info, this.under, this.turned, this.where);
  }

  clear() {
    Object.assign(this, { frame: null, image: null, levels: [], picture: null, overlay: null, samples: null, number: "", cross: null });
    this.draw();
  }

  /** @param {Frame} frame @param {Seen} image @param {Window | null} [home] the window to begin with instead of the file's */
  show(frame, image, home = null) {
    Object.assign(this, { image, pose: UPRIGHT, window: home, home, inverted: false, lines: [], elsewhere: new Map() });
    this.lay(frame);
    this.changed();
  }

  /** Another slice of the same series: seen as the last one was. @param {Frame} frame */
  swap(frame) {
    if (!this.frame || frame === this.frame) return;
    const { columns, rows } = this.frame.facts;
    this.elsewhere.set(this.frame, this.lines);
    this.lines = this.elsewhere.get(frame) ?? [];
    const { quarters, mirrored } = this.pose;
    if (columns !== frame.facts.columns || rows !== frame.facts.rows) this.pose = { ...UPRIGHT, quarters, mirrored };
    this.lay(frame);
  }

  /** @param {Frame} frame */
  lay(frame) {
    const { columns, rows, colour } = frame.facts;
    Object.assign(this, { frame, overlay: null, number: "", stale: true });
    this.levels = colour ? [] : pyramid({ values: frame.values, columns, rows });
    this.picture = colour ? inColour(frame) : null;
    this.draw();
  }

  /**
   * @param {ImageBitmap | null} overlay
   * @param {string} number the map's, for those who ask what is shown
   * @param {boolean} faint at half strength: it is of a finding that nothing is called for
   */
  cover(overlay, number, faint) {
    this.overlay = overlay;
    this.faint = faint;
    this.number = overlay ? number : "";
    this.draw();
  }

  get size() {
    return { width: this.node.clientWidth, height: this.node.clientHeight };
  }

  get shape() {
    const { columns = 1, rows = 1, spacing = null } = this.frame?.facts ?? {};
    return { columns, rows, aspect: spacing ? spacing.mm[0] / spacing.mm[1] : 1 };
  }

  get matrix() {
    return toScreen(this.pose, this.shape, this.size);
  }

  get whole() {
    return fitting(this.pose, this.shape, this.size);
  }

  /** @param {Pose} pose */
  put(pose) {
    if (!this.frame) return;
    this.pose = pose;
    this.stale = true;
    this.draw();
    this.changed();
  }

  /** @param {number} factor @param {{x: number, y: number}} [at] */
  zoom(factor, at) {
    const { width, height } = this.size;
    this.put(zoomed(this.pose, factor, at ?? { x: width / 2, y: height / 2 }, this.whole, this.size));
  }

  /** @param {number} right @param {number} down */
  move(right, down) {
    this.put(moved(this.pose, right, down, this.whole, this.size));
  }

  rotate() {
    this.put({ ...UPRIGHT, quarters: (this.pose.quarters + 1) % 4, mirrored: this.pose.mirrored });
  }

  mirror() {
    // About the upright axis of the screen, whatever way the image is turned.
    const quarters = this.pose.quarters % 2 ? (this.pose.quarters + 2) % 4 : this.pose.quarters;
    this.put({ ...UPRIGHT, quarters, mirrored: !this.pose.mirrored });
  }

  fit() {
    this.put({ ...this.pose, scale: 0, x: 0, y: 0 });
  }

  reset() {
    this.window = this.home;
    this.inverted = false;
    this.lines = [];
    this.put(UPRIGHT);
  }

  /** @param {Window | null} window */
  through(window) {
    if (!this.frame || this.frame.facts.colour) return;
    this.window = window;
    this.draw();
    this.changed();
  }

  /** @param {number} right @param {number} down */
  drag(right, down) {
    if (this.frame && !this.frame.facts.colour) this.through(dragged(inForce(this.frame.facts, this.window), right, down));
  }

  invert() {
    this.inverted = !this.inverted;
    this.draw();
    this.changed();
  }

  /** @param {number} x @param {number} y @returns {Point} image coordinates of a place on the stage */
  at(x, y) {
    return apply(inverse(this.matrix), x, y);
  }

  /** @param {[Point, Point] | null} line the one being drawn; null takes the last one away */
  measure(line, fresh = false) {
    if (!line) this.lines = this.lines.slice(0, -1);
    else if (fresh) this.lines = [...this.lines, line];
    else this.lines = [...this.lines.slice(0, -1), line];
    this.draw();
  }

  /** @param {[Point, Point]} line */
  length([from, to]) {
    const spacing = this.frame?.facts.spacing;
    return say(`viewer.length_${spacing?.at ?? "px"}`, { length: distance(from, to, spacing?.mm ?? [1, 1]).toFixed(1) });
  }

  /** What lies under the pointer, in the modality's unit. @param {number} x @param {number} y */
  point(x, y) {
    const { frame } = this;
    const [column, row] = this.at(x, y).map(Math.round);
    const inside = frame && !frame.facts.colour && column >= 0 && row >= 0 && column < frame.facts.columns && row < frame.facts.rows;
    this.under.textContent = inside
      ? say("viewer.value", { x: String(column), y: String(row), value: String(+modality(frame.facts, frame.values[row * frame.facts.columns + column]).toFixed(2)) })
      : "";
  }

  draw() {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      this.paint();
    });
  }

  paint() {
    const { canvas, context } = this;
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.size;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== across || canvas.height !== down) {
      [canvas.width, canvas.height] = [across, down];
      this.stale = true;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, across, down);
    this.describe();
    if (!this.frame || !across || !down) return;
    const matrix = this.matrix;
    if (this.picture) this.paste(this.picture, matrix, ratio);
    else this.shade(matrix, ratio);
    if (this.overlay && this.overlayOn) {
      context.globalAlpha = this.faint ? this.opacity / 2 : this.opacity;
      this.paste(this.overlay, matrix, ratio);
      context.globalAlpha = 1;
    }
    this.crossed(matrix, ratio);
    this.rule(matrix, ratio);
  }

  /** Thin lines through the point, open around it. @param {import("./geometry.js").Matrix} matrix @param {number} ratio */
  crossed(matrix, ratio) {
    if (!this.cross) return;
    const { context } = this;
    const [x, y] = apply(matrix, ...this.cross);
    const { width, height } = this.size;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    Object.assign(context, { strokeStyle: "#5ec4d6", lineWidth: 1 });
    context.beginPath();
    for (const [x1, y1, x2, y2] of [[0, y, x - 12, y], [x + 12, y, width, y], [x, 0, x, y - 12], [x, y + 12, x, height]]) {
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
    }
    context.stroke();
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  /** Grey from the stored values. @param {import("./geometry.js").Matrix} matrix @param {number} ratio */
  shade(matrix, ratio) {
    const { canvas, context } = this;
    const frame = /** @type {Frame} */ (this.frame);
    if (this.stale || !this.samples || !this.sheet) {
      // From the middle of a device pixel to image coordinates.
      const [a, b, c, d, e, f] = inverse(matrix);
      const back = /** @type {import("./geometry.js").Matrix} */ ([a / ratio, b / ratio, c / ratio, d / ratio, e, f]);
      [back[4], back[5]] = apply(back, 0.5, 0.5);
      this.samples = sampled(this.levels, back, canvas.width, canvas.height, frame.facts.stored[0]);
      this.sheet = context.createImageData(canvas.width, canvas.height);
      this.stale = false;
    }
    coloured(this.samples, greyTable(frame.facts, this.window, this.inverted), new Uint32Array(this.sheet.data.buffer));
    context.putImageData(this.sheet, 0, 0);
  }

  /**
   * Edge to edge over the image.
   * @param {CanvasImageSource} picture
   * @param {import("./geometry.js").Matrix} matrix
   * @param {number} ratio
   */
  paste(picture, matrix, ratio) {
    const { columns, rows } = this.shape;
    const [a, b, c, d, e, f] = matrix.map((part) => part * ratio);
    this.context.setTransform(a, b, c, d, e, f);
    this.context.imageSmoothingEnabled = true;
    this.context.drawImage(picture, -0.5, -0.5, columns, rows);
    this.context.setTransform(1, 0, 0, 1, 0, 0);
  }

  /** @param {import("./geometry.js").Matrix} matrix @param {number} ratio */
  rule(matrix, ratio) {
    const { context } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const line of this.lines) {
      const [[x1, y1], [x2, y2]] = line.map(([x, y]) => apply(matrix, x, y));
      for (const [colour, width] of /** @type {const} */ ([["#000", 4], ["#ffd166", 1.5]])) {
        Object.assign(context, { strokeStyle: colour, lineWidth: width });
        context.beginPath();
        context.moveTo(x1, y1);
        context.lineTo(x2, y2);
        context.stroke();
      }
      Object.assign(context, { font: "14px system-ui", fillStyle: "#ffd166", strokeStyle: "#000", lineWidth: 3 });
      context.strokeText(this.length(line), x2 + 8, y2 - 6);
      context.fillText(this.length(line), x2 + 8, y2 - 6);
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  /** What stands at the edges of the image, in words. */
  describe() {
    const { frame, pose } = this;
    const places = sides(frame ? this.image?.orientation ?? [] : [], pose);
    for (const side of SIDES) this.sides[side].textContent = places[side];
    const marks = [
      pose.quarters ? say("viewer.rotated", { degrees: String(90 * pose.quarters) }) : "",
      pose.mirrored ? say("viewer.mirrored") : "", this.inverted ? say("viewer.inverted") : "",
    ].filter(Boolean);
    if (this.turned.textContent !== marks.join(", ")) this.turned.textContent = marks.join(", ");
    this.info.textContent = frame ? this.facts(frame) : "";
    this.node.dataset.window = frame && !frame.facts.colour ? this.windowWords(frame) : "";
  }

  /** @param {Frame} frame */
  facts(frame) {
    const { columns, rows, colour } = frame.facts;
    const scale = (this.pose.scale || this.whole) * (window.devicePixelRatio || 1);
    const parts = [this.image ? sideWords(this.image) : "", say("viewer.size", { columns: String(columns), rows: String(rows) }), say("viewer.zoom", { percent: String(Math.round(scale * 100)) })];
    return [...parts, colour ? "" : say("viewer.window_words", { window: this.windowWords(frame) })].filter(Boolean).join("\u2003");
  }

  /** @param {Frame} frame */
  windowWords(frame) {
    if (!this.window && frame.facts.voi_luts.length) return say("viewer.lut");
    const { center, width } = inForce(frame.facts, this.window);
    return `${+center.toFixed(1)} / ${+width.toFixed(1)}`;
  }
}

/** @param {Frame} frame @returns {HTMLCanvasElement} */
function inColour({ facts, values }) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [facts.columns, facts.rows];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const sheet = context.createImageData(facts.columns, facts.rows);
  for (let from = 0, to = 0; from < values.length; from += 3, to += 4) {
    sheet.data.set([values[from], values[from + 1], values[from + 2], 255], to);
  }
  context.putImageData(sheet, 0, 0);
  return canvas;
}


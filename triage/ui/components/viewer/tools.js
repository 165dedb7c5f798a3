// What a hand does on the stage: window, move, measure, zoom; and the row of buttons that says so.
// @ts-check
import { el, say } from "../shared.js";
import { notches } from "./scroll.js";

/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {"window" | "pan" | "measure" | "point"} Mode */

const MODES = /** @type {const} */ ([["window", "w"], ["pan", "h"], ["measure", "d"], ["point", "k"]]);
/** Centre and width in Hounsfield units, as radiologists set them. */
const CT_PRESETS = /** @type {const} */ ([["brain", 40, 80], ["subdural", 75, 215], ["stroke", 40, 40], ["bone", 600, 2800], ["lung", -600, 1500]]);

export class Tools {
  /**
   * @param {Stage} stage
   * @param {object} on
   * @param {(by: number) => boolean} on.scroll goes on by that many slices; false where there are none
   * @param {(point: [number, number]) => void} on.point where planes shall cross
   * @param {() => void} on.planes shows them or takes them away
   */
  constructor(stage, on) {
    this.stage = stage;
    this.on = on;
    this.rest = 0; // of the wheel
    /** @type {Mode} */
    this.mode = "window";
    const button = (/** @type {string} */ name, /** @type {() => void} */ onclick, /** @type {string} */ key) =>
      el("button", { type: "button", text: say(`viewer.${name}`), title: `${say(`viewer.${name}_long`)} (${key})`, "aria-keyshortcuts": key, onclick });
    this.modes = new Map(MODES.map(([mode, key]) => [mode, button(mode, () => this.choose(mode), key)]));
    this.presets = el("select", { "aria-label": say("viewer.presets"), onchange: () => this.preset(this.presets.value) });
    this.invert = button("invert", () => stage.invert(), "v");
    this.planes = button("planes", () => on.planes(), "e");
    this.node = el("div", { class: "tools", role: "toolbar", "aria-label": say("viewer.tools") },
      [...this.modes.values()], this.presets, this.invert,
      button("rotate", () => stage.rotate(), "t"), button("mirror", () => stage.mirror(), "y"), button("reset", () => stage.reset(), "x"), this.planes);
    this.across(false, false);
    this.hand();
  }

  /** @param {boolean} possible whether planes across the slices can be shown @param {boolean} on whether they are */
  across(possible, on) {
    this.planes.classList.toggle("hidden", !possible);
    this.planes.setAttribute("aria-pressed", String(on));
    this.modes.get("point").classList.toggle("hidden", !on);
    this.choose(on ? "point" : "window");
  }

  /** @param {Mode} mode */
  choose(mode) {
    this.mode = mode;
    for (const [name, one] of this.modes) one.setAttribute("aria-pressed", String(name === mode));
    this.stage.canvas.dataset.mode = mode;
  }

  /** The windows that a reader can choose: the file's own, those of the modality, and the whole range. */
  windows() {
    const { frame, image } = this.stage;
    if (!frame || frame.facts.colour) return [];
    const { facts } = frame;
    const own = facts.windows.map((one, place) => ({
      name: one.words || say("viewer.window_of_file", { number: String(place + 1) }), window: { center: one.center, width: one.width },
    }));
    const usual = image?.modality === "CT" ? CT_PRESETS.map(([name, center, width]) => ({ name: say(`viewer.${name}`), window: { center, width } })) : [];
    const [low, high] = facts.range;
    const all = { name: say("viewer.full_range"), window: { center: (low + high + 1) / 2, width: Math.max(high - low + 1, 1) } };
    const lut = facts.voi_luts.length ? [{ name: say("viewer.lut_of_file"), window: null }] : [];
    return [...lut, ...own, ...usual, all];
  }

  /** Brings the row up to date with the image. */
  show() {
    const all = this.windows();
    const { window } = this.stage;
    const chosen = window === null ? 0 : all.findIndex((one) => one.window?.center === window.center && one.window.width === window.width);
    const options = [...all.map((one, place) => el("option", { value: String(place), text: one.name })),
      ...(chosen < 0 ? [el("option", { value: "", text: say("viewer.own_window") })] : [])];
    this.presets.replaceChildren(...options);
    this.presets.value = chosen < 0 ? "" : String(chosen);
    this.presets.disabled = all.length === 0;
    this.invert.setAttribute("aria-pressed", String(this.stage.inverted));
  }

  /** @param {string} place */
  preset(place) {
    const one = this.windows()[Number(place)];
    if (place !== "" && one) this.stage.through(one.window);
  }

  /** @param {string} key @returns {boolean} whether it was one of ours */
  key(key) {
    const { stage } = this;
    /** @type {Record<string, () => void>} */
    const commands = {
      e: () => this.planes.classList.contains("hidden") || this.on.planes(),
      k: () => this.modes.get("point").classList.contains("hidden") || this.choose("point"),
      w: () => this.choose("window"), h: () => this.choose("pan"), d: () => this.choose("measure"), v: () => stage.invert(),
      t: () => stage.rotate(), y: () => stage.mirror(), x: () => stage.reset(), f: () => stage.fit(), c: () => this.nextPreset(),
      "+": () => stage.zoom(1.25), "=": () => stage.zoom(1.25), "-": () => stage.zoom(0.8),
      Backspace: () => stage.measure(null),
    };
    if (!(key in commands)) return false;
    commands[key]();
    return true;
  }

  nextPreset() {
    const count = this.windows().length;
    const now = this.presets.value === "" ? -1 : Number(this.presets.value);
    if (count) this.preset(String((now + 1) % count));
  }

  hand() {
    const { canvas } = this.stage;
    canvas.addEventListener("wheel", (/** @type {WheelEvent} */ event) => {
      event.preventDefault();
      const { by, rest } = notches(this.rest, event.deltaY, event.deltaMode);
      this.rest = rest;
      // In a series the wheel goes through the slices and zooms with Ctrl, as a pinch of two fingers does.
      if (event.ctrlKey || !this.on.scroll(by)) this.stage.zoom(Math.exp(-event.deltaY * 0.0015), { x: event.offsetX, y: event.offsetY });
    }, { passive: false });
    canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => this.down(event));
    canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => this.moved(event));
    canvas.addEventListener("pointerleave", () => this.stage.point(-1e6, -1e6));
    canvas.addEventListener("dblclick", () => this.stage.fit());
    canvas.addEventListener("contextmenu", (/** @type {Event} */ event) => event.preventDefault());
  }

  /** @param {PointerEvent} event */
  down(event) {
    this.stage.canvas.setPointerCapture(event.pointerId);
    if (!this.stage.frame) return;
    const doing = this.doing(event);
    if (doing === "point") this.on.point(this.stage.at(event.offsetX, event.offsetY));
    if (doing !== "measure") return;
    const at = this.stage.at(event.offsetX, event.offsetY);
    this.stage.measure([at, at], true);
  }

  /** The middle or right button, or Shift, moves the image in every mode. @param {PointerEvent} event @returns {Mode} */
  doing(event) {
    return event.buttons & 6 || event.shiftKey ? "pan" : this.mode;
  }

  /** @param {PointerEvent} event */
  moved(event) {
    this.stage.point(event.offsetX, event.offsetY);
    if (!event.buttons || !this.stage.frame) return;
    const doing = this.doing(event);
    if (doing === "pan") this.stage.move(event.movementX, event.movementY);
    else if (doing === "window") this.stage.drag(event.movementX, event.movementY);
    else if (doing === "point") this.on.point(this.stage.at(event.offsetX, event.offsetY));
    else {
      const last = this.stage.lines[this.stage.lines.length - 1];
      if (last) this.stage.measure([last[0], this.stage.at(event.offsetX, event.offsetY)]);
    }
  }
}

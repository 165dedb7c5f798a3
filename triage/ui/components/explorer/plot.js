// Sensitivity against flags per 100 studies over all operating points, the chosen one and the one in force marked.
// @ts-check
import { say } from "../shared.js";
import { consequences, pointAt } from "./maths.js";

/** @typedef {import("./types").ExplorerFinding} ExplorerFinding */

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, TOP, SIDE, DEEP] = [400, 290, 48, 12, 330, 224];

/**
 * @param {ExplorerFinding} finding
 * @param {number} chosen
 * @param {number} prevalence
 * @returns {SVGElement}
 */
export function plot(finding, chosen, prevalence) {
  const label = say("explorer.plot", { finding: finding.label, prevalence: percent(prevalence) });
  const points = finding.curve.probability.map((one) => place(finding, one, prevalence));
  const [force, here] = [place(finding, finding.point, prevalence), place(finding, chosen, prevalence)];
  return shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": label },
    shape("path", { class: "frame", d: `M${LEFT} ${TOP}V${TOP + DEEP}H${LEFT + SIDE}` }),
    ...[0, 25, 50, 75, 100].flatMap((tick) => [
      text(LEFT + SIDE * tick / 100, TOP + DEEP + 17, String(tick), "tick middle"),
      text(LEFT - 8, TOP + DEEP * (1 - tick / 100) + 4, String(tick / 100), "tick end"),
    ]),
    text(LEFT + SIDE / 2, TOP + DEEP + 38, say("explorer.axis_flags"), "axis middle"),
    shape("text", { class: "axis middle", transform: `translate(12 ${TOP + DEEP / 2}) rotate(-90)` }, say("explorer.axis_sensitivity")),
    shape("path", { class: "band", d: band(points) }),
    shape("path", { class: "line", d: `M${LEFT + SIDE} ${TOP}L${points.map(({ x, y }) => `${x} ${y}`).join("L")}L${LEFT} ${TOP + DEEP}` }),
    shape("rect", { class: "force", x: force.x - 5, y: force.y - 5, width: 10, height: 10 }),
    shape("circle", { class: "chosen", cx: here.x, cy: here.y, r: 5 }),
    ...legend());
}

/** What the marks are, in the corner that no useful model's curve crosses. */
function legend() {
  const [x, y] = [LEFT + SIDE - 76, TOP + DEEP - 36];
  return [
    shape("circle", { class: "chosen", cx: x, cy: y, r: 5 }), text(x + 12, y + 4, say("explorer.mark_chosen"), "tick"),
    shape("rect", { class: "force", x: x - 5, y: y + 15, width: 10, height: 10 }), text(x + 12, y + 24, say("explorer.mark_force"), "tick"),
  ];
}

/**
 * @param {ExplorerFinding} finding
 * @param {number} probability
 * @param {number} prevalence
 */
function place(finding, probability, prevalence) {
  const { flags, sensitivity } = consequences(pointAt(finding.curve, probability), prevalence);
  const down = (/** @type {number | null} */ value) => round(TOP + DEEP * (1 - (value ?? sensitivity.value ?? 0)));
  const x = round(LEFT + SIDE * (flags.value ?? 0) / 100);
  return { x, y: down(sensitivity.value), low: down(sensitivity.low), high: down(sensitivity.high) };
}

/** @param {{x: number, low: number, high: number}[]} points */
function band(points) {
  const over = points.map(({ x, high }) => `${x} ${high}`);
  const under = points.map(({ x, low }) => `${x} ${low}`).reverse();
  return `M${[...over, ...under].join("L")}Z`;
}

/** @param {number} share */
export function percent(share) {
  return String(+(share * 100).toPrecision(3));
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/** @param {number} x @param {number} y @param {string} words @param {string} kind */
function text(x, y, words, kind) {
  return shape("text", { class: kind, x, y }, words);
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
function shape(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return /** @type {SVGElement} */ (node);
}

// Where the image lies on the screen: turned, mirrored, scaled and moved; and the way back.
// Image: pixel centres are whole numbers, so it covers -0.5 to side - 0.5. Screen: CSS pixels of the stage.
// @ts-check

/** @typedef {import("./types").Pose} Pose */
/** @typedef {[number, number, number, number, number, number]} Matrix a, b, c, d, e, f as a canvas takes them */

/** @type {Readonly<Pose>} */
export const UPRIGHT = Object.freeze({ scale: 0, x: 0, y: 0, quarters: 0, mirrored: false });
const OPPOSITE = /** @type {Record<string, string>} */ ({ L: "R", R: "L", A: "P", P: "A", H: "F", F: "H" });

/**
 * Image pixels to screen. `pose.x`, `pose.y`: where the image's middle lies; a scale of 0 fits the whole image.
 * @param {Pose} pose
 * @param {{columns: number, rows: number, aspect: number}} image aspect: a pixel's height by its width
 * @param {{width: number, height: number}} stage
 * @returns {Matrix}
 */
export function toScreen(pose, image, stage) {
  const scale = pose.scale || fitting(pose, image, stage);
  const middle = pose.scale ? pose : { x: stage.width / 2, y: stage.height / 2 };
  const [cos, sin] = [[1, 0], [0, 1], [-1, 0], [0, -1]][pose.quarters % 4];
  const across = pose.mirrored ? -scale : scale;
  const down = scale * image.aspect;
  const [a, b, c, d] = [cos * across, sin * across, -sin * down, cos * down];
  const [cx, cy] = [(image.columns - 1) / 2, (image.rows - 1) / 2];
  return [a, b, c, d, middle.x - a * cx - c * cy, middle.y - b * cx - d * cy];
}

/**
 * The scale at which the whole image is seen.
 * @param {Pose} pose
 * @param {{columns: number, rows: number, aspect: number}} image
 * @param {{width: number, height: number}} stage
 */
export function fitting(pose, image, stage) {
  const [wide, high] = [image.columns, image.rows * image.aspect];
  const [width, height] = pose.quarters % 2 ? [high, wide] : [wide, high];
  return Math.min(stage.width / width, stage.height / height);
}

/** @param {Matrix} matrix @returns {Matrix} */
export function inverse([a, b, c, d, e, f]) {
  const determinant = a * d - b * c;
  return [
    d / determinant, -b / determinant, -c / determinant, a / determinant,
    (c * f - d * e) / determinant, (b * e - a * f) / determinant,
  ];
}

/** @param {Matrix} matrix @param {number} x @param {number} y @returns {[number, number]} */
export function apply([a, b, c, d, e, f], x, y) {
  return [a * x + c * y + e, b * x + d * y + f];
}

/**
 * Zoomed about a point of the screen that stays where it is.
 * @param {Pose} pose
 * @param {number} factor
 * @param {{x: number, y: number}} at
 * @param {number} whole the scale at which the whole image is seen
 * @param {{width: number, height: number}} stage
 * @returns {Pose}
 */
export function zoomed(pose, factor, at, whole, stage) {
  const now = pose.scale ? pose : { ...pose, scale: whole, x: stage.width / 2, y: stage.height / 2 };
  const scale = Math.min(Math.max(now.scale * factor, whole / 2), Math.max(32, whole));
  const by = scale / now.scale;
  return { ...now, scale, x: at.x - (at.x - now.x) * by, y: at.y - (at.y - now.y) * by };
}

/**
 * @param {Pose} pose
 * @param {number} right
 * @param {number} down
 * @param {number} whole
 * @param {{width: number, height: number}} stage
 * @returns {Pose}
 */
export function moved(pose, right, down, whole, stage) {
  const now = zoomed(pose, 1, { x: 0, y: 0 }, whole, stage);
  return { ...now, x: now.x + right, y: now.y + down };
}

/**
 * Where the patient's sides lie on the screen.
 * @param {readonly string[]} orientation where rows and columns of the image lead, such as ["L", "F"]; empty if unknown
 * @param {Pose} pose
 * @returns {{left: string, top: string, right: string, bottom: string}}
 */
export function sides(orientation, pose) {
  const [across = "", down = ""] = orientation;
  const along = pose.mirrored ? opposite(across) : across;
  // clockwise from the right
  const around = [along, down, opposite(along), opposite(down)];
  const at = (/** @type {number} */ place) => around[(place - (pose.quarters % 4) + 4) % 4];
  return { right: at(0), bottom: at(1), left: at(2), top: at(3) };
}

/** The other way round, such as RA for LP. @param {string} text */
export function opposite(text) {
  return [...text].map((letter) => OPPOSITE[letter] ?? "").join("");
}

/**
 * The distance of two points of the image.
 * @param {[number, number]} from
 * @param {[number, number]} to
 * @param {readonly [number, number]} spacing between rows, then between columns
 */
export function distance(from, to, [down, across]) {
  return Math.hypot((to[0] - from[0]) * across, (to[1] - from[1]) * down);
}

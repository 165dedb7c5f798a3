// Sizes and times in words of the site's language.
// @ts-check

const UNITS = /** @type {const} */ (["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"]);

/**
 * "14.2 MB"; decimal units, as the disk's maker and the browser count.
 * @param {number} count
 * @param {string} language
 */
export function bytes(count, language) {
  let [value, unit] = [count, 0];
  for (; value >= 999.5 && unit < UNITS.length - 1; unit += 1) value /= 1000;
  const digits = unit > 1 && value < 99.95 ? 1 : 0;
  return new Intl.NumberFormat(language, {
    style: "unit", unit: UNITS[unit], unitDisplay: "short", minimumFractionDigits: digits, maximumFractionDigits: digits,
  }).format(value);
}

/**
 * A time that is left, as coarse as it is known.
 * @param {number} seconds
 * @returns {{unit: "seconds" | "minutes" | "hours", count: number}}
 */
export function rounded(seconds) {
  if (seconds < 55) return { unit: "seconds", count: Math.max(5, Math.ceil(seconds / 5) * 5) };
  if (seconds < 90 * 60) return { unit: "minutes", count: Math.max(1, Math.round(seconds / 60)) };
  return { unit: "hours", count: Math.round(seconds / 3600) };
}

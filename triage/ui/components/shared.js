// Small tools without state, for every component.
// @ts-check
import words from "./words/en.json" with { type: "json" };

/** The site's language and time zone, as Python told them with each component's data. */
const site = { language: "en", zone: "UTC" };

/**
 * Takes over where the site is; called by every component before it draws.
 * @param {{language: string, zone: string}} place
 */
export function settle(place) {
  site.language = place.language;
  site.zone = place.zone;
}

/**
 * The text of that name ("worklist.empty") in the site's language, with {values} put in. Where a count decides, the
 * file holds one text for each plural form of the language: "files_one", "files_other".
 * @param {string} name
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function say(name, values = {}) {
  const [section, key] = name.split(".");
  /** @type {Record<string, string> | undefined} */
  const texts = /** @type {any} */ (words)[section];
  const form = typeof values.count === "number" ? new Intl.PluralRules(site.language).select(values.count) : "other";
  const text = texts?.[key] ?? texts?.[`${key}_${form}`] ?? texts?.[`${key}_other`];
  if (text === undefined) throw new Error(`there is no text ${name}`);
  return text.replace(/\{(\w+)\}/g, (_, value) => {
    const given = values[value];
    return typeof given === "number" ? given.toLocaleString(site.language) : String(given);
  });
}

/**
 * An element with attributes and children; text is always text, never markup.
 * @param {string} name
 * @param {Record<string, any>} [attributes]
 * @param {...any} children
 * @returns {any} an HTMLElement of that name
 */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "text") node.textContent = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

/**
 * JSON from our own routes; throws an Error whose message is one sentence.
 * @param {string} address
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export async function ask(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Error(say("shared.silent"), { cause: error });
  }
  if (response.status === 401) throw new Error(say("shared.closed"));
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error((body && body.error) || say("shared.error", { status: response.status }));
  return body;
}

/**
 * What a request that changes something looks like.
 * @param {object} body
 * @returns {RequestInit}
 */
export function posted(body) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

/**
 * The time that has gone by, with its unit.
 * @param {string} iso
 * @param {number} [now] epoch milliseconds
 * @returns {string}
 */
export function since(iso, now = Date.now()) {
  const minutes = Math.max(0, Math.floor((now - Date.parse(iso)) / 60000));
  if (minutes < 1) return say("shared.now");
  if (minutes < 120) return say("shared.minutes", { count: minutes });
  if (minutes < 48 * 60) return say("shared.hours", { count: Math.floor(minutes / 60) });
  return say("shared.days", { count: Math.floor(minutes / 1440) });
}

/**
 * Date and time in the site's zone and language.
 * @param {string} iso
 * @returns {string}
 */
export function clock(iso) {
  return new Date(iso).toLocaleString(site.language, { dateStyle: "medium", timeStyle: "short", timeZone: site.zone });
}

/**
 * A date in the site's zone and language.
 * @param {string} iso
 * @returns {string}
 */
export function day(iso) {
  return new Date(iso).toLocaleDateString(site.language, { dateStyle: "medium", timeZone: site.zone });
}

/**
 * Whether a key press belongs to a field that is being typed in, or to a shortcut of the browser.
 * @param {KeyboardEvent} event
 * @returns {boolean}
 */
export function busyKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const target = event.composedPath()[0];
  return target instanceof HTMLElement
    && (target.matches("input:not([type=range]):not([type=checkbox]), textarea, select") || target.isContentEditable);
}

/**
 * A level's word with its mark.
 * @param {string} name
 * @returns {HTMLElement}
 */
export function level(name) {
  return el("span", { class: "level", "data-level": name, text: name });
}

/**
 * @param {{age: string, sex: string}} row
 * @returns {string}
 */
export function sexAge(row) {
  return [row.age, row.sex].filter(Boolean).join(" ");
}

/**
 * Keeps one instance of a component per DOM root, however often Streamlit calls the module again.
 * @template T
 * @param {HTMLElement | ShadowRoot} parentElement
 * @param {(root: HTMLElement) => T} make
 * @returns {T}
 */
export function instanceOf(parentElement, make) {
  const root = /** @type {any} */ (parentElement.querySelector(".root"));
  if (!root.instance) root.instance = make(root);
  return root.instance;
}

/** @type {WeakMap<object, number>} how often each instance was started */
const starts = new WeakMap();

/**
 * What Streamlit calls when the component goes. Where its data changed while the module was still coming, Streamlit ends
 * the first call after the second has begun: only the newest may end the instance.
 * @param {{stop: () => void}} instance which has just been started
 * @returns {() => void}
 */
export function ending(instance) {
  const turn = (starts.get(instance) ?? 0) + 1;
  starts.set(instance, turn);
  return () => {
    if (starts.get(instance) === turn) instance.stop();
  };
}

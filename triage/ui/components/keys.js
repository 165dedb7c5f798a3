// The sheet of keys: one look on every page. Its style is in shared.css.
// @ts-check
import { el, say } from "./shared.js";

let sheets = 0;

/**
 * The key that was meant: capitals as small letters (Caps Lock), and the Latin letter of the place on a keyboard of
 * another script.
 * @param {KeyboardEvent} event
 * @returns {string}
 */
export function keyOf({ key, code }) {
  if (key.length > 1) return key;
  if (key > "~" && /^Key[A-Z]$/.test(code)) return code.slice(3).toLowerCase();
  return key.toLowerCase();
}

/**
 * After a choice by pointer a select gives the focus back, so that the next letter is not taken for another choice; who
 * chooses by keys keeps the place.
 * @param {HTMLElement} root
 */
export function freeSelects(root) {
  let byPointer = false;
  root.addEventListener("pointerdown", () => { byPointer = true; });
  root.addEventListener("keydown", () => { byPointer = false; });
  root.addEventListener("change", () => byPointer && /** @type {any} */ (root.querySelector("select:focus"))?.blur());
}

/**
 * A dialog with one line per key, to be put anywhere in a component; `toggle()` shows and hides it. While it stands the
 * browser keeps the focus inside and closes it at Escape; afterwards the focus is where it was.
 * @param {readonly (readonly [string, string])[]} entries keys and what they do; several keys are parted by a space
 * @param {string} title
 * @returns {HTMLDialogElement & {toggle: () => void}}
 */
export function keySheet(entries, title) {
  const id = `keys-${(sheets += 1)}`;
  const close = el("button", { type: "button", text: say("shared.close"), "aria-keyshortcuts": "Escape" });
  const sheet = el(
    "dialog", { class: "keys", "aria-labelledby": id },
    el("div", { class: "keys-head" }, el("h2", { id, text: title }), close),
    el("dl", { class: entries.length > 12 ? "many" : null }, entries.map(([keys, words]) => [
      el("dt", {}, keys.split(" ").map((key) => el("kbd", { text: key }))), el("dd", { text: words }),
    ])),
  );
  const shut = () => {
    sheet.close();
    // The browser leaves the focus on the hidden button until it draws again; a key that comes before would end here.
    /** @type {any} */ (sheet.querySelector(":focus"))?.blur();
  };
  close.addEventListener("click", shut);
  sheet.addEventListener("click", (/** @type {MouseEvent} */ event) => event.target === sheet && shut());
  sheet.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (!sheet.open) return;
    event.stopPropagation(); // no key reaches the page below
    if (event.key !== "?" && event.key !== "Escape") return;
    event.preventDefault(); // closed by now, not by the browser a moment later, when the next key may be there already
    if (!event.repeat) shut();
  });
  return Object.assign(sheet, { toggle: () => (sheet.open ? shut() : sheet.showModal()) });
}

// The sheet of keys: one look on every page. Its style is in shared.css.
// @ts-check
import { el, say } from "./shared.js";

let sheets = 0;

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
    el("dl", {}, entries.map(([keys, words]) => [
      el("dt", {}, keys.split(" ").map((key) => el("kbd", { text: key }))), el("dd", { text: words }),
    ])),
  );
  close.addEventListener("click", () => sheet.close());
  sheet.addEventListener("click", (/** @type {MouseEvent} */ event) => event.target === sheet && sheet.close());
  sheet.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    event.stopPropagation(); // no key reaches the page below
    if (event.key !== "?" && event.key !== "Escape") return;
    event.preventDefault(); // closed by now, not by the browser a moment later, when the next key may be there already
    sheet.close();
  });
  return Object.assign(sheet, { toggle: () => (sheet.open ? sheet.close() : sheet.showModal()) });
}

// Before each component's own module: small tools without state.

/** An element with attributes and children; text is always text, never markup. */
function el(name, attributes = {}, ...children) {
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

/** JSON from our own routes; throws an Error whose message is one sentence. */
async function ask(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("Triage does not answer");
  }
  if (response.status === 401) throw new Error("the door has closed: open the address from the terminal again");
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error((body && body.error) || `Triage answered with an error (${response.status})`);
  return body;
}

/** Minutes in words with their unit. */
function since(iso, now = Date.now()) {
  const minutes = Math.max(0, Math.floor((now - Date.parse(iso)) / 60000));
  if (minutes < 1) return "now";
  if (minutes < 120) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1440)} d`;
}

function clock(iso) {
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** Whether a key press belongs to a field that is being typed in, or to a shortcut of the browser. */
function busyKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return true;
  const target = event.composedPath()[0];
  return target instanceof Element && (target.matches("input:not([type=range]):not([type=checkbox]), textarea, select") || target.isContentEditable);
}

function level(name) {
  return el("span", { class: "level", "data-level": name, text: name });
}

function sexAge(row) {
  return [row.age, row.sex].filter(Boolean).join(" ");
}

/** Keeps one instance of a component per DOM root, however often Streamlit calls the module again. */
function instanceOf(parentElement, make) {
  const root = parentElement.querySelector(".root");
  if (!root.instance) root.instance = make(root);
  return root.instance;
}


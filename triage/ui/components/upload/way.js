// The way to our own routes. XMLHttpRequest, for fetch does not tell how much has gone out.
// @ts-check
import { sentName } from "./plan.js";

/** @typedef {import("./types").Answer} Answer */
/** @typedef {import("./types").Item} Item */

const SILENT_MS = 60_000;
const PATIENCE_MS = 15_000;

/** @param {Item} item */
const address = (item) => `/api/uploads/${item.id}?from=${item.members}&priority=${item.priority}&nifti=${item.nifti}`;

/**
 * @param {string} url
 * @param {RequestInit} options
 * @returns {Promise<Answer>}
 */
async function asked(url, options) {
  const signals = [AbortSignal.timeout(PATIENCE_MS), ...(options.signal ? [options.signal] : [])];
  const response = await fetch(url, { credentials: "same-origin", cache: "no-store", ...options, signal: AbortSignal.any(signals) });
  return { status: response.status, body: await response.json().catch(() => null) };
}

/** @type {import("./types").Way} */
export const way = {
  put(item, offset, chunk, told, signal) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      let silent = 0;
      const heard = () => {
        clearTimeout(silent);
        silent = window.setTimeout(() => request.abort(), SILENT_MS);
      };
      const end = () => {
        clearTimeout(silent);
        signal.removeEventListener("abort", stop);
      };
      const stop = () => request.abort();
      signal.addEventListener("abort", stop);
      request.open("PUT", address(item));
      request.setRequestHeader("X-File-Name", encodeURIComponent(sentName(item.name)));
      request.setRequestHeader("Upload-Offset", String(offset));
      request.setRequestHeader("Upload-Length", String(item.size));
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.upload.onprogress = (event) => {
        heard();
        told(event.loaded, false);
      };
      request.upload.onload = () => told(chunk.size, true);
      request.onerror = request.onabort = () => {
        end();
        reject(new Error("broken"));
      };
      request.onload = () => {
        end();
        resolve({ status: request.status, body: parsed(request.responseText) });
      };
      heard();
      request.send(chunk);
    });
  },

  ask: (item, signal) => asked(address(item), { signal }),

  drop: (item) => asked(address(item), { method: "DELETE", keepalive: true }),

  completed(studies) {
    const body = JSON.stringify({ studies });
    return asked("/api/upload/completed", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  },
};

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// What the frame says of how the site is: one sentence at a time, the worst first.
// @ts-check

/** @typedef {"" | "gone" | "closed" | "database" | "worker" | "busy"} Fault */

/**
 * @param {{reached: boolean, status?: number, database?: boolean, worker?: boolean, waits: boolean, list: boolean}} now
 *   `waits`: the page has waited for its script for long; `list`: the page tells of a missing worker itself
 * @returns {Fault}
 */
export function faultOf(now) {
  if (!now.reached) return "gone";
  if (now.status === 401) return "closed";
  if (!now.database) return "database";
  if (now.waits) return "busy";
  return now.worker || now.list ? "" : "worker";
}

/**
 * Whether Streamlit's own connection has been lost for so long, while the server answers, that the page loads anew.
 * @param {number} lost how many questions in a row were answered while the connection was lost
 * @returns {boolean}
 */
export function stuck(lost) {
  return lost >= 4;
}

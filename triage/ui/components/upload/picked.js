// Files of a drop: folders are walked, and what the browser cannot read is told, not lost.
// @ts-check

/** @typedef {readonly [File, string]} Named */

/**
 * The entries of a drop; must be asked for before anything is awaited.
 * @param {DataTransfer | null} transfer
 * @returns {FileSystemEntry[]}
 */
export function entriesOf(transfer) {
  return [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
}

/**
 * Every file below the entries, with its path.
 * @param {FileSystemEntry[]} entries
 * @param {(found: number) => void} told now and then, how many were found
 * @returns {Promise<{files: Named[], unread: string[]}>}
 */
export async function walked(entries, told) {
  /** @type {Named[]} */
  const files = [];
  /** @type {string[]} */
  const unread = [];
  const waiting = entries.map((entry) => ({ entry, path: "" })).reverse();
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { entry, path } = next;
    const name = path + entry.name;
    try {
      if (entry.isFile) files.push([await fileOf(/** @type {FileSystemFileEntry} */ (entry)), name]);
      else for (const child of await childrenOf(/** @type {FileSystemDirectoryEntry} */ (entry))) waiting.push({ entry: child, path: `${name}/` });
    } catch {
      unread.push(name);
    }
    if (files.length % 200 === 0) told(files.length);
  }
  return { files, unread };
}

/**
 * @param {FileSystemFileEntry} entry
 * @returns {Promise<File>}
 */
function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @returns {Promise<FileSystemEntry[]>}
 */
async function childrenOf(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return all;
    all.push(...some);
  }
}

/**
 * @param {FileList | null} list of an input
 * @returns {Named[]}
 */
export function chosen(list) {
  return [...(list ?? [])].map((file) => /** @type {const} */ ([file, file.webkitRelativePath || file.name]));
}

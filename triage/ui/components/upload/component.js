import { ask, el, instanceOf, level, settle } from "../shared.js";

const AT_ONCE = 1; // studies arrive in the order of the files, as from the command line
const POLL_MS = 1500;
const PRIORITIES = ["ROUTINE", "STAT", "HIGH", "LOW"];

class Upload {
  constructor(root) {
    this.root = root;
    this.waiting = [];
    this.active = 0;
    this.chosen = 0;
    this.ended = 0;
    this.refusals = [];
    this.studies = new Map(); // UID to its line, number of files and newest state
    this.build();
  }

  build() {
    this.files = el("input", { type: "file", multiple: true, class: "hidden", "data-part": "files", onchange: (event) => this.picked(event) });
    this.folder = el("input", { type: "file", webkitdirectory: true, class: "hidden", "data-part": "folder", onchange: (event) => this.picked(event) });
    this.drop = el("div", { class: "drop" },
      el("p", { class: "title", text: "Drop DICOM files, folders or zip archives here" }),
      el("div", { class: "buttons" },
        el("button", { class: "main", type: "button", text: "Choose files", onclick: () => this.files.click() }),
        el("button", { type: "button", text: "Choose a folder", onclick: () => this.folder.click() })),
      this.limits = el("p", { class: "dim" }), this.files, this.folder);
    for (const kind of ["dragenter", "dragover"]) this.drop.addEventListener(kind, (event) => { event.preventDefault(); this.drop.toggleAttribute("data-over", true); });
    for (const kind of ["dragleave", "drop"]) this.drop.addEventListener(kind, () => this.drop.removeAttribute("data-over"));
    this.drop.addEventListener("drop", (event) => this.dropped(event));
    this.priority = el("select", { "aria-label": "Ordered priority" }, PRIORITIES.map((name) => el("option", { value: name, text: name })));
    this.done = el("span", { role: "status" });
    this.bad = el("span", { class: "refused" });
    this.copy = el("button", { type: "button", class: "hidden", text: "Copy the refusals", onclick: () => this.copyRefusals() });
    this.summary = el("div", { class: "summary hidden" }, this.done, this.bad, el("span", { class: "fill" }), this.copy);
    this.studyHead = el("h3", { class: "hidden", text: "Studies" });
    this.studyList = el("div", {});
    this.fileHead = el("h3", { class: "hidden", text: "Files" });
    this.list = el("div", { class: "files" });
    this.root.replaceChildren(this.drop,
      el("div", { class: "options" }, el("label", { class: "dim", text: "Ordered priority, where the file states none" }), this.priority),
      this.summary, this.studyHead, this.studyList, this.fileHead, this.list);
  }

  start(data, open) {
    this.data = data;
    this.open = open;
    this.limits.textContent = `Up to ${data.max_files.toLocaleString()} files of up to ${data.max_file_mib.toLocaleString()} MiB. They stay on this machine.`;
    this.alive = true;
  }

  stop() {
    this.alive = false;
    clearTimeout(this.timer);
  }

  picked(event) {
    const files = [...event.target.files].map((file) => [file, file.webkitRelativePath || file.name]);
    event.target.value = "";
    this.add(files);
  }

  async dropped(event) {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [];
    for (const entry of entries) await walk(entry, "", files);
    this.add(files);
  }

  add(files) {
    const room = this.data.max_files - this.chosen;
    const priority = this.priority.value;
    files.sort((a, b) => asWalked(a[1], b[1]));
    this.summary.classList.remove("hidden");
    this.fileHead.classList.remove("hidden");
    for (const [file, name] of files.slice(0, room)) {
      const line = this.newLine(name);
      this.list.append(line.node);
      this.waiting.push({ file, name, line, priority });
    }
    this.chosen += Math.min(files.length, room);
    if (files.length > room) this.refuse(`${files.length - room} more files`, `left out: the limit is ${this.data.max_files.toLocaleString()} files at a time`);
    this.tell();
    this.pump();
  }

  newLine(name, member = false) {
    const bar = el("i");
    const outcome = el("span", { class: "outcome", text: "waiting its turn" });
    // The mark keeps a path readable although the line is cut at its left end.
    const node = el("div", { class: `file${member ? " member" : ""}` }, el("span", { class: "file-name", title: name, text: `\u200e${name}` }), el("span", { class: "track" }, bar), outcome);
    return { node, bar, outcome };
  }

  pump() {
    while (this.active < AT_ONCE && this.waiting.length) {
      this.active += 1;
      this.send(this.waiting.shift()).finally(() => {
        this.active -= 1;
        this.ended += 1;
        this.tell();
        this.pump();
      });
    }
  }

  /** One file, one request; what is shown is what the server answered. */
  async send({ file, name, line, priority }) {
    try {
      if (file.size > this.data.max_file_mib * 1048576) throw new Error(`larger than the limit of ${this.data.max_file_mib.toLocaleString()} MiB`);
      const reports = await transfer(file, name, priority, (share) => {
        line.bar.style.width = `${share * 100}%`;
        line.outcome.textContent = share < 1 ? `sending, ${Math.round(share * 100)} %` : "being read";
      });
      this.report(line, name, reports);
    } catch (error) {
      this.settle(line, "refused", error.message);
      this.refuse(name, error.message);
    }
  }

  report(line, name, reports) {
    if (reports.length === 1 && reports[0].file === name) {
      this.outcome(line, reports[0]);
      return;
    }
    const good = reports.filter((report) => report.accepted).length;
    this.settle(line, good === reports.length && good ? "taken" : "refused", `archive: ${good} of ${reports.length} taken in`);
    let after = line.node;
    for (const report of reports) {
      const member = this.newLine(report.file.startsWith(`${name}: `) ? report.file.slice(name.length + 2) : report.file, true);
      after.after(member.node);
      after = member.node;
      this.outcome(member, report);
    }
  }

  outcome(line, report) {
    this.settle(line, report.accepted ? "taken" : "refused", report.sentence);
    if (report.accepted) this.belongs(report.study_instance_uid);
    else this.refuse(report.file, report.sentence);
  }

  settle(line, state, sentence) {
    line.node.dataset.state = state;
    line.bar.style.width = "100%";
    line.outcome.textContent = sentence;
    line.outcome.title = sentence;
  }

  refuse(name, sentence) {
    this.refusals.push(`${name}: ${sentence}`);
    this.copy.classList.remove("hidden");
  }

  tell() {
    const files = (count) => `${count.toLocaleString()} ${count === 1 ? "file" : "files"}`;
    const busy = this.ended < this.chosen;
    this.done.textContent = busy ? `${this.ended.toLocaleString()} of ${files(this.chosen)} done` : `${this.chosen === 1 ? "" : "All "}${files(this.chosen)} done`;
    this.root.dataset.done = busy ? "" : "yes";
    this.bad.textContent = this.refusals.length ? `${this.refusals.length.toLocaleString()} refused` : "";
  }

  async copyRefusals() {
    await navigator.clipboard.writeText(this.refusals.join("\n"));
    this.copy.textContent = "Copied";
    setTimeout(() => { this.copy.textContent = "Copy the refusals"; }, 2000);
  }

  // Studies of this upload

  belongs(uid) {
    let study = this.studies.get(uid);
    if (!study) {
      const cells = { level: el("span"), name: el("span"), reason: el("span", { class: "dim" }), files: el("span", { class: "dim num" }), status: el("span", { class: "dim" }) };
      const button = el("button", { type: "button", text: "Open", onclick: () => this.open(uid) });
      study = { cells, files: 0, settled: false };
      this.studies.set(uid, study);
      this.studyHead.classList.remove("hidden");
      this.studyList.append(el("div", { class: "study", "data-uid": uid }, Object.values(cells), button));
    }
    study.files += 1;
    study.settled = false;
    study.cells.files.textContent = `${study.files} ${study.files === 1 ? "file" : "files"}`;
    if (!this.timer) this.timer = setTimeout(() => this.follow(), 200);
  }

  /** Asks what became of the studies until each is ranked or not scored. */
  async follow() {
    const open = [...this.studies].filter(([, study]) => !study.settled).slice(0, 40);
    for (const [uid, study] of open) {
      try {
        const now = await ask(`/api/studies/${encodeURIComponent(uid)}`);
        study.cells.level.replaceChildren(level(now.level));
        study.cells.name.textContent = [now.name || "no name", now.id].filter(Boolean).join("  ");
        study.cells.reason.textContent = now.reason;
        study.cells.reason.title = now.reason;
        study.cells.status.textContent = now.status;
        study.settled = !["waiting", "screening"].includes(now.status);
      } catch (error) {
        study.cells.reason.textContent = error.message;
      }
    }
    const more = this.alive && [...this.studies.values()].some((study) => !study.settled);
    this.timer = more ? setTimeout(() => this.follow(), POLL_MS) : null;
  }
}

/** A request with progress, which fetch does not tell. */
function transfer(file, name, priority, onShare) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/upload?priority=${priority}`);
    request.setRequestHeader("X-File-Name", encodeURIComponent(name));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => event.lengthComputable && onShare(event.loaded / event.total);
    request.upload.onload = () => onShare(1);
    request.onerror = () => reject(new Error("the connection broke; send it again"));
    request.onload = () => {
      let body = null;
      try { body = JSON.parse(request.responseText); } catch { /* said below */ }
      if (Array.isArray(body)) resolve(body);
      else reject(new Error(body?.error ?? `Triage answered with an error (${request.status})`));
    };
    request.send(file);
  });
}

/** The order in which the command line walks a folder: its own files by name, then its folders. */
function asWalked(one, other) {
  const [a, b] = [one.split("/"), other.split("/")];
  const at = a.findIndex((part, i) => part !== b[i]);
  if (at < 0) return a.length - b.length;
  const [aIsFile, bIsFile] = [at === a.length - 1, at === b.length - 1];
  if (aIsFile !== bIsFile) return aIsFile ? -1 : 1;
  return a[at] < b[at] ? -1 : 1;
}

/** Files below a dropped entry, with their relative names. */
async function walk(entry, path, files) {
  if (entry.isFile) {
    files.push([await new Promise((resolve, reject) => entry.file(resolve, reject)), path + entry.name]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return;
    for (const child of batch) await walk(child, `${path}${entry.name}/`, files);
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  settle(data);
  const upload = instanceOf(parentElement, (root) => new Upload(root));
  upload.start(data, (uid) => setTriggerValue("open", uid));
  return () => upload.stop();
}

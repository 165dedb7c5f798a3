import assert from "node:assert/strict";
import { test } from "node:test";

import { CHUNK } from "../../triage/ui/components/upload/plan.js";
import { Queue } from "../../triage/ui/components/upload/queue.js";
import { rowsOf } from "../../triage/ui/components/upload/rows.js";

const WORDS = {
  cancelled: "cancelled", unreadable: "unreadable", lost: "in after all", closed: "the door has closed",
  archive: (/** @type {number} */ taken, /** @type {number} */ all) => `${taken} of ${all}`,
  error: (/** @type {number} */ status) => `error ${status}`,
};

/**
 * A server as ours is: parts grow, a whole file is taken in, the same bytes are a duplicate. `next` may break requests.
 */
class Server {
  constructor() {
    /** @type {Map<string, number>} */
    this.parts = new Map();
    /** @type {Map<string, any[]>} */
    this.done = new Map();
    /** @type {string[]} */
    this.kept = [];
    /** @type {string[]} */
    this.log = [];
    /** @type {string[]} */
    this.studies = [];
    /** @type {(method: string, item: any, end: number) => any} */
    this.before = () => undefined;
    /** @type {(method: string, item: any, end: number) => any} */
    this.after = () => undefined;
  }

  /** @param {any} item */
  told(item) {
    const reports = this.done.get(item.id);
    if (reports) return { status: 200, body: { offset: 0, state: "done", reports: reports.slice(item.members) } };
    return { status: 200, body: { offset: this.parts.get(item.id) ?? 0, state: "arriving", reports: [] } };
  }

  /** @type {any} */
  get way() {
    return {
      put: async (
        /** @type {any} */ item, /** @type {number} */ offset, /** @type {Blob} */ chunk,
        /** @type {any} */ told, /** @type {AbortSignal} */ signal,
      ) => {
        const end = offset + chunk.size;
        this.log.push(`put ${item.name} ${offset}`);
        const early = await this.before("put", item, end);
        if (signal.aborted) throw new Error("aborted");
        if (early) return early;
        if (offset !== (this.parts.get(item.id) ?? 0)) return { status: 409, body: { error: "no", offset: this.parts.get(item.id) ?? 0 } };
        this.parts.set(item.id, end);
        told(chunk.size, true);
        if (end === item.size) this.takeIn(item);
        return (await this.after("put", item, end)) ?? this.told(item);
      },
      ask: async (/** @type {any} */ item) => {
        this.log.push(`ask ${item.name}`);
        return (await this.before("ask", item, 0)) ?? this.told(item);
      },
      drop: async (/** @type {any} */ item) => {
        this.log.push(`drop ${item.name}`);
        this.parts.delete(item.id);
        return this.told(item);
      },
      completed: async (/** @type {string[]} */ studies) => void this.studies.push(...studies),
    };
  }

  /** @param {any} item */
  takeIn(item) {
    const report = (/** @type {string} */ file, /** @type {string} */ content) => {
      const here = this.kept.includes(content);
      this.kept.push(content);
      const bad = content.includes("bad");
      if (bad) return { file, accepted: false, sentence: "no image", study_instance_uid: "", outcome: null };
      const told = here ? { sentence: "already here", outcome: "duplicate" } : { sentence: "taken in", outcome: "new" };
      return { file, accepted: true, study_instance_uid: `1.${content.slice(-1)}`, ...told };
    };
    const names = item.name.endsWith(".zip") ? ["a1", "bad", "c1"] : null;
    this.done.set(item.id, names ? names.map((name) => report(`${item.name}: ${name}`, name)) : [report(item.name, item.name)]);
    this.parts.delete(item.id);
  }

  crash() {
    this.done.clear();
  }
}

/** @param {string} name @param {number} [size] */
const file = (name, size = 10) => /** @type {const} */ ([new Blob([new Uint8Array(size)]), name]);

/** A queue whose waits are noted and over at once. @param {Server} server */
function quick(server) {
  const queue = new Queue(server.way, WORDS);
  /** @type {number[]} */
  const waits = [];
  queue.sleep = async (/** @type {number} */ ms) => {
    waits.push(ms / 1000);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { queue, waits };
}

/** @param {Queue} queue @param {() => boolean} [so] */
async function until(queue, so = () => !queue.busy && !queue.running) {
  while (!so()) await new Promise((resolve) => setImmediate(resolve));
}

test("every file goes out once, in order, and is counted with its study", async () => {
  const server = new Server();
  const { queue } = quick(server);
  queue.add([file("b2"), file("a1"), file("bad"), file("c1")], "STAT");
  await until(queue);
  assert.deepEqual(server.log.filter((line) => line.startsWith("put")), ["put a1 0", "put b2 0", "put bad 0", "put c1 0"]);
  assert.deepEqual(queue.batch.counts, { taken: 3, here: 0, refused: 1, cancelled: 0 });
  assert.deepEqual([...queue.batch.studies].map(([uid, study]) => [uid, study.items.length]), [["1.1", 2], ["1.2", 1]]);
  assert.equal(queue.batch.refusals(), "bad: no image");
  assert.deepEqual(server.studies, ["1.1", "1.2"]);
  assert.ok(queue.batch.items.every((item) => item.file === null), "files are let go");
});

test("the same file twice is already here", async () => {
  const { queue } = quick(new Server());
  queue.add([file("a1")], "");
  queue.add([file("a1")], "");
  await until(queue);
  assert.deepEqual(queue.batch.counts, { taken: 1, here: 1, refused: 0, cancelled: 0 });
});

test("a large file goes on after a break where the server has got to, after waits that grow", async () => {
  const server = new Server();
  let breaks = 3;
  server.before = (method, _, end) => {
    if (method === "ask" && breaks > 0) breaks -= 1;
    else if (!(method === "put" && end === 2 * CHUNK && breaks === 3)) return undefined;
    throw new Error("broken");
  };
  const { queue, waits } = quick(server);
  queue.add([file("big1", 2 * CHUNK + 5)], "");
  await until(queue);
  assert.deepEqual(server.log.slice(0, 2), ["put big1 0", `put big1 ${CHUNK}`]);
  assert.deepEqual(server.log.slice(-2), [`put big1 ${CHUNK}`, `put big1 ${2 * CHUNK}`]);
  assert.deepEqual(waits, [1, 2, 4, 8]);
  assert.equal(queue.batch.counts.taken, 1);
});

test("an answer that is lost is asked for again, and nothing is sent twice", async () => {
  const server = new Server();
  let once = true;
  server.after = () => {
    if (!once) return;
    once = false;
    throw new Error("broken");
  };
  const { queue } = quick(server);
  queue.add([file("a1")], "");
  await until(queue);
  assert.deepEqual(server.log, ["put a1 0", "ask a1"]);
  assert.equal(queue.batch.items[0].sentence, "taken in");
});

test("a file whose answer died with the server was taken in, not already here", async () => {
  const server = new Server();
  let once = true;
  server.after = () => {
    if (!once) return;
    once = false;
    server.crash();
    throw new Error("broken");
  };
  const { queue } = quick(server);
  queue.add([file("a1")], "");
  await until(queue);
  assert.deepEqual(queue.batch.counts, { taken: 1, here: 0, refused: 0, cancelled: 0 });
  assert.equal(queue.batch.items[0].sentence, "in after all");
});

test("pause lets go of the file under way, and going on begins where it stopped", async () => {
  const server = new Server();
  const { queue } = quick(server);
  server.before = (method, _, end) => {
    if (method === "put" && end === 2 * CHUNK && queue.state === "on" && server.log.length === 2) queue.pause();
  };
  queue.add([file("big1", 3 * CHUNK), file("c1")], "");
  await until(queue, () => !queue.running);
  assert.equal(queue.state, "paused");
  assert.deepEqual(queue.batch.items.map((item) => item.state), ["waiting", "waiting"]);
  queue.resume();
  await until(queue);
  assert.deepEqual(server.log.slice(2), ["ask big1", `put big1 ${CHUNK}`, `put big1 ${2 * CHUNK}`, "put c1 0"]);
});

test("going on at once after a pause loses nothing", async () => {
  const server = new Server();
  const { queue } = quick(server);
  let once = true;
  server.before = (method) => {
    if (method !== "put" || !once) return;
    once = false;
    queue.pause();
    queue.resume();
  };
  queue.add([file("a1")], "");
  await until(queue);
  assert.equal(queue.batch.counts.taken, 1);
});

test("cancel gives up what is not in, also on the server", async () => {
  const server = new Server();
  const { queue } = quick(server);
  server.before = (method, item, end) => {
    if (method === "put" && item.name === "big1" && end === 2 * CHUNK) void queue.cancel();
  };
  queue.add([file("a1"), file("big1", 3 * CHUNK), file("c1")], "");
  await until(queue);
  assert.deepEqual(queue.batch.counts, { taken: 1, here: 0, refused: 0, cancelled: 2 });
  assert.deepEqual(server.log.slice(-2), [`put big1 ${CHUNK}`, "drop big1"]);
  assert.equal(server.parts.size, 0);
});

test("one file can be given up, the others go on", async () => {
  const server = new Server();
  const { queue } = quick(server);
  server.before = (method, item, end) => {
    if (method === "put" && item.name === "big1" && end === 2 * CHUNK) void queue.cancelOne(item);
  };
  queue.add([file("big1", 3 * CHUNK), file("c1")], "");
  await until(queue);
  assert.deepEqual(queue.batch.items.map((item) => item.outcome), ["cancelled", "taken"]);
});

test("a closed door and a full disk pause all, with the reason", async () => {
  for (const [status, said] of /** @type {const} */ ([[401, "the door has closed"], [507, "make room"]])) {
    const server = new Server();
    server.before = () => ({ status, body: { error: "make room" } });
    const { queue } = quick(server);
    queue.add([file("a1"), file("b2")], "");
    await until(queue, () => !queue.running);
    assert.deepEqual([queue.state, queue.halted, queue.batch.left], ["paused", said, 2]);
    server.before = () => undefined;
    queue.resume();
    await until(queue);
    assert.equal(queue.batch.counts.taken, 2);
  }
});

test("a file on which the server fails three times is set aside, one it is too busy for is not", async () => {
  const server = new Server();
  let busy = 8;
  server.before = (_, item) => {
    if (item.name === "a1") return { status: 500, body: null };
    return (busy -= 1) > 0 ? { status: 503, body: { error: "the database does not answer" } } : undefined;
  };
  const { queue } = quick(server);
  queue.add([file("a1"), file("b2")], "");
  await until(queue);
  assert.equal(queue.batch.refusals(), "a1: error 500");
  assert.equal(queue.batch.counts.taken, 1);
});

test("a file that the browser can no longer read is refused, not tried for ever", async () => {
  const server = new Server();
  server.before = () => { throw new Error("broken"); };
  const { queue } = quick(server);
  const gone = /** @type {any} */ ({ size: 10, slice: () => ({ size: 10, arrayBuffer: async () => { throw new Error("NotReadableError"); } }) });
  queue.add([[gone, "a1"]], "");
  await until(queue);
  assert.equal(queue.batch.refusals(), "a1: unreadable");
});

test("an archive's members are told one by one and counted", async () => {
  const server = new Server();
  const { queue } = quick(server);
  queue.add([file("all.zip")], "");
  await until(queue);
  assert.deepEqual(queue.batch.counts, { taken: 2, here: 0, refused: 1, cancelled: 0 });
  assert.equal(queue.batch.items[0].sentence, "2 of 3");
  assert.equal(queue.batch.refusals(), "all.zip: bad: no image");
  assert.deepEqual(rowsOf(queue, () => true).map((row) => row.key.split("-")[0]), ["refused", "refused", "1.1", "1.1", "1.1", "archives", "archives"]);
});

test("an archive that was half read when the server died goes on with the members not yet told", async () => {
  const server = new Server();
  const { queue } = quick(server);
  let once = true;
  server.after = (_, item) => {
    if (!once) return undefined;
    once = false;
    const first = server.done.get(item.id)?.slice(0, 1);
    server.crash();
    server.kept = ["a1"];
    return { status: 200, body: { offset: 10, state: "reading", reports: first } };
  };
  queue.add([file("all.zip")], "");
  await until(queue);
  assert.deepEqual(queue.batch.counts, { taken: 2, here: 0, refused: 1, cancelled: 0 });
});

test("closed groups are one line with a count", async () => {
  const server = new Server();
  const { queue } = quick(server);
  queue.state = "paused";
  queue.add(Array.from({ length: 5000 }, (_, i) => file(`f${i}`)), "");
  const rows = rowsOf(queue, () => false);
  assert.deepEqual(rows.map((row) => [row.key, row.group?.items.length]), [["waiting", 5000]]);
  assert.equal(rowsOf(queue, () => true).length, 5001);
});

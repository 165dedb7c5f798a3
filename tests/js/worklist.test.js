import assert from "node:assert/strict";
import { test } from "node:test";

import { left, news, successor } from "../../triage/ui/components/worklist/order.js";
import { filtered, leftAt, narrow, questionOf, searchOf, toggled } from "../../triage/ui/components/worklist/question.js";

/** @param {string} uid @param {string} level */
function row(uid, level = "ROUTINE") {
  return /** @type {import("../../triage/ui/components/worklist/types").Row} */ ({ uid, level });
}

test("a question comes back from its address, and what is not ours stays in it", () => {
  const question = { level: ["STAT", "HIGH"], modality: ["DX"], status: "not scored", after: "1.7", before: "" };
  const search = searchOf("?other=1", question);
  assert.deepEqual(questionOf(search), question);
  assert.equal(new URLSearchParams(search).get("other"), "1");
  assert.equal(searchOf("", questionOf("")), "");
});

test("another filter begins at the first page", () => {
  const question = { ...questionOf(""), after: "1.7" };
  assert.equal(filtered(question, { level: ["LOW"] }).after, "");
});

test("a level is put in and taken out again", () => {
  assert.deepEqual(toggled([], "STAT"), ["STAT"]);
  assert.deepEqual(toggled(["STAT", "LOW"], "STAT"), ["LOW"]);
});

test("typed text narrows a list as well as filters do", () => {
  assert.equal(narrow(questionOf(""), ""), false);
  assert.equal(narrow(questionOf(""), "roe"), true);
  assert.equal(narrow(questionOf("?status=read"), ""), true);
});

test("what is new is counted against what is on the screen", () => {
  const shown = new Map([["a", "ROUTINE"], ["b", "ROUTINE"]]);
  const told = news(["a", "b"], [row("c", "STAT"), row("b", "STAT"), row("a")], (uid) => shown.get(uid));
  assert.deepEqual(told, { added: 1, stat: 2, moved: true });
  assert.equal(news(["a", "b"], [row("a"), row("b")], (uid) => shown.get(uid)).moved, false);
});

test("the focus goes to the row that has taken the place of one that left", () => {
  assert.equal(successor(["a", "b", "c"], ["a", "c"], "b"), "c");
  assert.equal(successor(["a", "b", "c"], ["x", "a", "b", "c"], "b"), "b");
  assert.equal(successor(["a", "b"], ["a"], "b"), "a");
  assert.equal(successor(["a"], [], "a"), undefined);
});

test("a row that was pushed onto the next page has not left the list", () => {
  /** @param {string} cursor @param {number | null} position */
  const at = (cursor, position = 1) => ({ ...row(cursor), cursor, position });
  const full = [at("1.4"), at("2.9")];
  assert.equal(left(at("2.10"), full, 2), false, "behind the last row");
  assert.equal(left(at("1.30"), full, 2), true, "before the last row, and yet not there");
  assert.equal(left(at("3.1"), full, 3), true, "a page with room would show it");
  const finished = [at("2.9", null), at("0.4", null)];
  assert.equal(left(at("0.3", null), finished, 2), false, "finished studies come the newest first");
  assert.equal(left(at("3.8", null), finished, 2), true);
});

test("the list is found again as it was left, and nothing broken is taken for it", () => {
  const kept = { uid: "1.2", search: "?level=STAT", order: ["1.2", "1.3"] };
  assert.deepEqual(leftAt(JSON.stringify(kept)), kept);
  for (const broken of [null, "", "{", "null", "{}", '{"uid": 1, "search": ""}']) assert.equal(leftAt(broken), null);
});

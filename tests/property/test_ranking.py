"""The reading order of DESIGN 5, on the real store: lift, never bury; first come, first served."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from data_schemas.score import FindingScore
from data_schemas.urgency import Level, Urgency
from tests.store.studies import result, send
from triage.store import Store, migrate, open_store
from triage.store.again import queue_study
from triage.store.reading import mark_read
from triage.store.screenings import record_screening
from triage.store.studies import study_record
from triage.store.worklist import counts, pending, position, worklist_page
from triage.urgency.levels import decide, most_urgent, not_scored

LEVELS = st.sampled_from(Level)
PROBABILITIES = st.floats(0, 1)
SMALL = settings(max_examples=30, deadline=None)
UIDS = count(1)


@st.composite
def finding(draw: st.DrawFn) -> FindingScore:
    name = draw(st.sampled_from("abcdef"))
    probability, point = draw(PROBABILITIES), draw(PROBABILITIES)
    level = draw(LEVELS | st.none())
    return FindingScore(
        finding=name,
        label=name,
        probability=probability,
        operating_point=point,
        positive=probability >= point,
        level=level,
    )


FINDINGS = st.lists(finding(), max_size=5, unique_by=lambda score: score.finding)


@given(ordered=LEVELS, findings=FINDINGS)
def test_a_score_lifts_and_never_buries(ordered: Level, findings: list[FindingScore]) -> None:
    urgency = decide(ordered, findings)
    proposals = [score.level for score in findings if score.positive and score.level is not None]
    assert urgency.level is min([ordered, *proposals], key=lambda level: level.rank)
    assert urgency.ordered_priority is ordered


@given(ordered=LEVELS, findings=FINDINGS, more=finding())
def test_one_more_finding_never_lowers_the_level(
    ordered: Level, findings: list[FindingScore], more: FindingScore
) -> None:
    assert decide(ordered, [*findings, more]).level.rank <= decide(ordered, findings).level.rank


@given(ordered=LEVELS, findings=FINDINGS)
def test_weak_evidence_and_negative_findings_change_nothing(ordered: Level, findings: list[FindingScore]) -> None:
    lifting = [score for score in findings if score.positive and score.level is not None]
    assert decide(ordered, lifting).level is decide(ordered, findings).level


@given(findings=FINDINGS, data=st.data())
def test_the_order_findings_come_in_does_not_matter(findings: list[FindingScore], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(findings))
    assert most_urgent(shuffled) == most_urgent(findings)
    assert sorted(most_urgent(findings), key=repr) == sorted(findings, key=repr)
    assert decide(Level.ROUTINE, shuffled) == decide(Level.ROUTINE, findings)


@given(findings=FINDINGS)
def test_lifting_findings_come_first_and_most_urgent_before_less(findings: list[FindingScore]) -> None:
    ranks = [
        score.level.rank if score.positive and score.level is not None else len(Level)
        for score in most_urgent(findings)
    ]
    assert ranks == sorted(ranks)


@given(ordered=LEVELS, why=st.text())
def test_not_scored_means_the_ordered_priority(ordered: Level, why: str) -> None:
    assert not_scored(ordered, why).level is ordered


@pytest.fixture(scope="module")
def quick_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all examples: each example's studies come behind those that are read already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield new_store(tmp_path_factory.mktemp("ranking"))


def new_store(home: Path) -> Store:
    store = open_store(f"sqlite:///{home / 'triage.sqlite3'}", home / "files")
    migrate(store)
    return store


def listed(store: Store) -> list[str]:
    return [row.study.study_instance_uid for row in worklist_page(store, offset=0, limit=1000)]


def screen(store: Store, uid: str, ordered: Level, findings: list[FindingScore] | None, revision: int = 1) -> Urgency:
    """A screening as the program does it; no findings at all: it could not be scored."""
    urgency = not_scored(ordered, "lateral view") if findings is None else decide(ordered, findings)
    screening = result(uid, scored=findings is not None, images=f"{revision}").model_copy(update={"urgency": urgency})
    record_screening(store, screening, (), revision=revision)
    return urgency


STUDIES = st.lists(st.tuples(LEVELS, FINDINGS | st.none()), min_size=2, max_size=7)


@SMALL
@given(studies=STUDIES, data=st.data())
def test_invariants_of_the_reading_order(
    quick_store: Store, studies: list[tuple[Level, list[FindingScore] | None]], data: st.DataObject
) -> None:
    screened_in = data.draw(st.permutations(range(len(studies))))
    read_in = data.draw(st.permutations(range(len(studies))))
    for uid in listed(quick_store):  # left by an example that failed
        mark_read(quick_store, uid, actor="reader")
    uids = [f"1.{next(UIDS)}" for _ in studies]
    for uid, (ordered, _) in zip(uids, studies, strict=True):
        send(quick_store, uid, ordered=ordered)
    for index in screened_in:
        uid, (ordered, findings), before = uids[index], studies[index], listed(quick_store)
        urgency = screen(quick_store, uid, ordered, findings)
        after = listed(quick_store)
        assert after.index(uid) <= before.index(uid), "its own score worsened its place"
        assert findings is not None or after == before, "not scored means ordered priority"
        assert urgency == study_record(quick_store, uid).urgency
        others = [[one for one in order if one != uid] for order in (before, after)]
        assert others[0] == others[1], "a score changed the order of others"
    rows = worklist_page(quick_store, offset=0, limit=1000)
    keys = [(row.urgency.level.rank, uids.index(row.study.study_instance_uid)) for row in rows]
    assert keys == sorted(keys), "studies of one level left the order of their arrival"
    for index in read_in:
        expected = [one for one in listed(quick_store) if one != uids[index]]
        mark_read(quick_store, uids[index], actor="reader")
        assert listed(quick_store) == expected, "reading a study changed the order of others"


class ReadingList(RuleBasedStateMachine):
    """Whatever happens in whatever order, the list is the one that a plain sort of plain values gives."""

    studies = Bundle("studies")

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(os, "fsync", lambda descriptor: None)
        self.folder = TemporaryDirectory()
        self.store = new_store(Path(self.folder.name))
        self.ordered: dict[str, Level] = {}
        self.level: dict[str, Level] = {}
        self.revision: dict[str, int] = {}
        self.screened: dict[str, int] = {}
        self.unread: dict[str, bool] = {}
        self.turn: dict[str, int] = {}

    @rule(target=studies, ordered=LEVELS | st.none())
    def a_study_arrives(self, ordered: Level | None) -> str:
        uid = f"1.{len(self.ordered)}"
        send(self.store, uid, ordered=ordered)
        self.ordered[uid] = self.level[uid] = ordered or Level.ROUTINE
        self.revision[uid], self.screened[uid], self.unread[uid], self.turn[uid] = 1, 0, True, 0
        return uid

    @rule(uid=studies, ordered=LEVELS | st.none())
    def more_images_arrive(self, uid: str, ordered: Level | None) -> None:
        self.revision[uid] += 1
        send(self.store, uid, f"{uid}.{self.revision[uid]}", ordered=ordered)
        self.unread[uid], self.turn[uid] = True, 0
        for levels in (self.ordered, self.level) if ordered else ():
            levels[uid] = min(levels[uid], ordered, key=lambda level: level.rank)

    @rule(uid=studies, findings=FINDINGS | st.none(), late=st.booleans())
    def it_is_screened(self, uid: str, findings: list[FindingScore] | None, late: bool) -> None:
        """`late`: the result speaks of the images before the newest."""
        revision = max(self.revision[uid] - late, 1)
        urgency = screen(self.store, uid, self.ordered[uid], findings, revision)
        if revision > self.screened[uid]:
            lifted = self.level[uid] if findings is None else urgency.level
            self.screened[uid], self.level[uid] = revision, min(lifted, urgency.level, key=lambda level: level.rank)
            self.turn[uid] *= revision < self.revision[uid]

    @rule(uid=studies)
    def it_is_queued_again(self, uid: str) -> None:
        waits = self.screened[uid] < self.revision[uid]
        assert bool(queue_study(self.store, uid, actor="reader", why="asked for")) is not waits
        if not waits:
            self.revision[uid] += 1
            self.turn[uid] = 1 if self.unread[uid] else 2

    @rule(uid=studies, ordered=LEVELS, findings=FINDINGS)
    def it_is_screened_while_a_new_order_arrives(self, uid: str, ordered: Level, findings: list[FindingScore]) -> None:
        revision, known = self.revision[uid], self.ordered[uid]
        self.more_images_arrive(uid, ordered)
        screen(self.store, uid, known, findings, revision)
        if revision > self.screened[uid]:
            self.screened[uid] = revision
            levels = (decide(known, findings).level, self.ordered[uid])
            self.level[uid] = min(levels, key=lambda level: level.rank)

    @rule(uid=studies)
    def it_is_read(self, uid: str) -> None:
        mark_read(self.store, uid, actor="reader")
        self.unread[uid] = False

    @invariant()
    def the_list_is_level_then_arrival(self) -> None:
        arrival = list(self.ordered)
        unread = [uid for uid in arrival if self.unread[uid]]
        expected = sorted(unread, key=lambda uid: (self.level[uid].rank, arrival.index(uid)))
        assert listed(self.store) == expected
        assert [position(self.store, uid) for uid in expected] == list(range(1, len(expected) + 1))
        total = counts(self.store)
        assert total.stat + total.high + total.routine + total.low == len(expected)

    @invariant()
    def what_waits_is_what_was_not_screened(self) -> None:
        waiting = [uid for uid in self.ordered if self.screened[uid] < self.revision[uid]]
        expected = sorted(waiting, key=lambda uid: (self.turn[uid], self.ordered[uid].rank))
        assert [uid for uid, _, _ in pending(self.store, limit=1000)] == expected

    def teardown(self) -> None:
        self.store.engine.dispose()
        self.folder.cleanup()
        self.patch.undo()


TestReadingList = ReadingList.TestCase
TestReadingList.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)

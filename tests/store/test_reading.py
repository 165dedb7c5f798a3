"""What a reader says stands once, speaks of the result that was seen, and can be taken back."""

import pytest

from data_schemas.errors import NotFound
from data_schemas.reading import Verdict
from data_schemas.worklist import StudyStatus
from tests.store.studies import maps, result, send
from triage.store import Store
from triage.store.reading import (
    OPEN_S,
    given_verdicts,
    judge,
    mark_read,
    mark_unread,
    open_studies,
    past_screenings,
    show_closed,
    show_open,
    withdraw,
)
from triage.store.screenings import record_screening
from triage.store.studies import study_record
from triage.store.trail import entries, verify
from triage.store.worklist import position


def screened(store: Store, uid: str, revision: int = 1) -> int:
    """Number of the study's newest result."""
    send(store, uid, f"{uid}.{revision}")
    record_screening(store, result(uid, images=str(revision) * 64), maps(uid), revision=revision)
    number = study_record(store, uid).screening_number
    assert number is not None
    return number


def test_a_verdict_stands_beside_its_result_and_its_comment_stays_out_of_the_trail(store: Store) -> None:
    number = screened(store, "1.1")
    given = judge(store, "1.1", Verdict.OVER_CALLED, actor="ann", screening=number, comment="skin fold of Mrs Doe")
    (verdict,) = given_verdicts(store, "1.1")
    assert (verdict.number, verdict.verdict, verdict.comment) == (given, Verdict.OVER_CALLED, "skin fold of Mrs Doe")
    assert (verdict.actor, verdict.screening) == ("ann", number)
    (entry,) = entries(store, kind="verdict")
    assert entry.fields == {"verdict": "over-called", "number": given, "screening": number, "comment": True}
    assert verify(store).intact


def test_the_same_verdict_sent_twice_is_one(store: Store) -> None:
    number = screened(store, "1.1")
    sent = [judge(store, "1.1", Verdict.AGREE, actor="ann", screening=number) for _ in range(2)]
    assert sent[0] == sent[1]
    assert len(entries(store, kind="verdict")) == 1


def test_a_reader_has_one_word_on_a_result_and_readers_do_not_overrule_each_other(store: Store) -> None:
    number = screened(store, "1.1")
    judge(store, "1.1", Verdict.AGREE, actor="ann", screening=number)
    judge(store, "1.1", Verdict.UNDER_CALLED, actor="bob", screening=number)
    judge(store, "1.1", Verdict.OVER_CALLED, actor="ann", screening=number)
    assert {(one.actor, one.verdict) for one in given_verdicts(store, "1.1")} == {
        ("bob", Verdict.UNDER_CALLED),
        ("ann", Verdict.OVER_CALLED),
    }


def test_a_verdict_on_a_result_that_is_not_the_newest_is_refused(store: Store) -> None:
    seen = screened(store, "1.1")
    newest = screened(store, "1.1", revision=2)
    assert newest != seen
    assert judge(store, "1.1", Verdict.AGREE, actor="ann", screening=seen) is None
    assert given_verdicts(store, "1.1") == []
    assert [past.number for past in past_screenings(store, "1.1")] == [newest, seen]


def test_only_the_own_verdict_can_be_taken_back(store: Store) -> None:
    number = judge(store, "1.1", Verdict.AGREE, actor="ann", screening=screened(store, "1.1"))
    assert number is not None
    with pytest.raises(NotFound):
        withdraw(store, "1.1", number, actor="bob")
    withdraw(store, "1.1", number, actor="ann")
    withdraw(store, "1.1", number, actor="ann")
    assert given_verdicts(store, "1.1") == []
    assert len(entries(store, kind="verdict withdrawn")) == 1


def test_what_was_read_by_mistake_goes_back_to_its_place(store: Store) -> None:
    for uid in ("1.1", "1.2", "1.3"):
        screened(store, uid)
    assert mark_read(store, "1.2", actor="ann", revision=1)
    assert position(store, "1.2") is None
    mark_unread(store, "1.2", actor="ann")
    mark_unread(store, "1.2", actor="ann")
    assert position(store, "1.2") == 2
    assert study_record(store, "1.2").status is StudyStatus.RANKED
    assert [entry.kind for entry in entries(store, study_uid="1.2", limit=2)] == ["read undone", "marked read"]


def test_a_study_read_before_it_was_screened_waits_again(store: Store) -> None:
    send(store, "1.1")
    assert mark_read(store, "1.1", actor="ann")
    mark_unread(store, "1.1", actor="ann")
    assert study_record(store, "1.1").status is StudyStatus.WAITING


def test_a_window_shows_one_study_and_is_forgotten_when_it_is_silent(store: Store) -> None:
    for uid in ("1.1", "1.2"):
        send(store, uid)
    show_open(store, "1.1", "window-a", actor="ann", at=1000.0)
    show_open(store, "1.2", "window-b", actor="bob", at=1000.0)
    show_open(store, "1.2", "window-a", actor="ann", at=1010.0)
    assert set(open_studies(store, at=1011.0)) == {"1.2"}
    show_closed(store, "window-b")
    assert open_studies(store, at=1011.0) == {"1.2": "ann"}
    assert open_studies(store, at=1011.0 + OPEN_S) == {}
    with pytest.raises(NotFound):
        show_open(store, "9.9", "window-a", actor="ann", at=1.0)

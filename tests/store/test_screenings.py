"""A result is written once, however often it is made."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sqlalchemy import func, select

from data_schemas.errors import NotFound
from data_schemas.explanation import Explanation
from data_schemas.urgency import Level
from data_schemas.worklist import StudyStatus
from tests.store.studies import maps, result, send
from triage.store import Store
from triage.store.database import reading, version
from triage.store.reading import mark_read
from triage.store.screenings import begin_screening, record_explanations, record_screening
from triage.store.studies import (
    explanation_by_number,
    explanations,
    note_view,
    numbered_explanations,
    stored_instance,
    study_record,
    study_to_screen,
)
from triage.store.tables import explanations as explanation_rows
from triage.store.tables import screenings
from triage.store.trail import entries, verify
from triage.store.workers import beat
from triage.store.worklist import pending, still_pending, without_map


def test_a_study_is_begun_screened_and_done(store: Store) -> None:
    send(store, "1.1")
    begun = begin_screening(store, "1.1")
    assert begun is not None
    assert (begun.revision, begun.attempts) == (1, 1)
    assert study_record(store, "1.1").status is StudyStatus.SCREENING
    assert begun.request == study_to_screen(store, "1.1")
    record_screening(store, result("1.1", Level.HIGH), maps("1.1"), revision=1)
    record = study_record(store, "1.1")
    assert (record.status, record.urgency.level, record.urgency.reason) == (StudyStatus.RANKED, Level.HIGH, "because")
    assert record.screening == result("1.1", Level.HIGH)
    assert pending(store, limit=5) == []
    assert begin_screening(store, "1.1") is None


def test_beginnings_are_counted_until_there_is_an_end(store: Store) -> None:
    send(store, "1.1")
    assert [begun.attempts for _ in range(3) if (begun := begin_screening(store, "1.1"))] == [1, 2, 3]
    record_screening(store, result("1.1"), (), revision=1)
    send(store, "1.1", "more")
    begun = begin_screening(store, "1.1")
    assert begun is not None
    assert begun.attempts == 1


def test_the_same_result_twice_is_one_result(store: Store) -> None:
    send(store, "1.1")
    for _ in range(3):
        record_screening(store, result("1.1"), maps("1.1"), revision=1)
    assert len(entries(store, kind="screened")) == 1
    assert len(explanations(store, "1.1")) == 1


@pytest.mark.parametrize("scored", [True, False], ids=["ranked", "not scored"])
def test_four_workers_that_end_at_once_write_one_result(store: Store, scored: bool) -> None:
    for number in range(5):
        uid = f"1.{number}"
        send(store, uid)

        def record(_: int, uid: str = uid) -> None:
            record_screening(store, result(uid, scored=scored), maps(uid, ["opacity", "nodule"]), revision=1)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(record, range(4)))
    with reading(store) as connection:
        assert connection.execute(select(func.count()).select_from(screenings)).scalar_one() == 5
        assert connection.execute(select(func.count()).select_from(explanation_rows)).scalar_one() == 10
    assert len(entries(store, kind="screened")) == 5
    assert verify(store).intact


def test_maps_made_twice_at_once_are_added_once(store: Store) -> None:
    send(store, "1.1")
    record_screening(store, result("1.1"), (), revision=1)
    findings = ["a", "b", "c", "d"]

    def record(turn: int) -> None:
        record_explanations(store, "1.1", maps("1.1", findings[turn:] + findings[:turn]))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(record, range(4)))
    assert sorted(map_.header.finding for map_ in explanations(store, "1.1")) == findings
    assert len(entries(store, kind="explained")) == 4


def test_four_workers_that_begin_at_once_are_all_counted(store: Store) -> None:
    send(store, "1.1")
    with ThreadPoolExecutor(4) as threads:
        begun = list(threads.map(lambda _: begin_screening(store, "1.1"), range(4)))
    assert sorted(one.attempts for one in begun if one) == [1, 2, 3, 4]


def test_results_and_new_images_at_once_lose_nothing(store: Store) -> None:
    """A result never takes back the place that an order gave meanwhile, nor the other way round."""
    for number in range(6):
        uid = f"1.{number}"
        send(store, uid, "a" + uid)
        late = Level.STAT if number % 2 else Level.ROUTINE
        with ThreadPoolExecutor(2) as threads:
            jobs = [
                threads.submit(send, store, uid, "b" + uid, ordered=late),
                threads.submit(record_screening, store, result(uid, Level.HIGH), (), revision=1),
            ]
        for job in jobs:
            job.result()
        record = study_record(store, uid)
        assert record.urgency.level is (Level.STAT if number % 2 else Level.HIGH)
        assert (len(record.instances), record.revision) == (2, 2)
        assert still_pending(store, [uid]) == [uid]


def test_an_older_result_never_replaces_a_newer_one(store: Store) -> None:
    send(store, "1.1", "a")
    send(store, "1.1", "b")
    record_screening(store, result("1.1", Level.STAT, images="new"), (), revision=2)
    record_screening(store, result("1.1", Level.LOW, images="old"), (), revision=1)
    assert study_record(store, "1.1").urgency.level is Level.STAT


def test_a_result_for_older_images_leaves_the_study_waiting(store: Store) -> None:
    send(store, "1.1", "a")
    send(store, "1.1", "b")
    record_screening(store, result("1.1", Level.HIGH), (), revision=1)
    assert still_pending(store, ["1.1", "unknown"]) == ["1.1"]
    assert study_record(store, "1.1").urgency.level is Level.HIGH


def test_not_scored_keeps_its_reason(store: Store) -> None:
    send(store, "1.1")
    record_screening(store, result("1.1", scored=False), (), revision=1)
    record = study_record(store, "1.1")
    assert (record.status, record.screening and record.screening.bundle) == (StudyStatus.NOT_SCORED, None)


def test_a_study_given_up_is_written_once_and_screened_again_with_new_images(store: Store) -> None:
    send(store, "1.1", ordered=Level.HIGH)
    for _ in range(2):
        given_up = result("1.1", Level.HIGH, ordered=Level.HIGH, scored=False)
        record_screening(store, given_up, (), revision=1)
    record = study_record(store, "1.1")
    assert (record.status, record.urgency.level) == (StudyStatus.NOT_SCORED, Level.HIGH)
    assert pending(store, limit=9) == []
    assert len(entries(store, kind="screened")) == 1
    send(store, "1.1", "another")
    assert study_record(store, "1.1").status is StudyStatus.WAITING
    record_screening(store, result("1.1", Level.STAT, images="more"), (), revision=2)
    assert study_record(store, "1.1").status is StudyStatus.RANKED


def test_a_read_study_is_marked_once(store: Store) -> None:
    send(store, "1.1")
    assert mark_read(store, "1.1", actor="reader")
    before = version(store)
    assert mark_read(store, "1.1", actor="reader")
    assert version(store) == before
    assert len(entries(store, kind="marked read")) == 1


def test_a_study_with_newer_images_than_the_reader_saw_stays_on_the_list(store: Store) -> None:
    send(store, "1.1", "a")
    send(store, "1.1", "b")
    assert not mark_read(store, "1.1", actor="reader", revision=1)
    assert study_record(store, "1.1").status is StudyStatus.WAITING
    assert mark_read(store, "1.1", actor="reader", revision=2)
    assert study_record(store, "1.1").status is StudyStatus.READ


def test_a_read_study_stays_read_when_its_result_comes_late(store: Store) -> None:
    send(store, "1.1")
    mark_read(store, "1.1", actor="reader")
    record_screening(store, result("1.1"), (), revision=1)
    assert study_record(store, "1.1").status is StudyStatus.READ


def test_maps_come_back_as_they_were(store: Store) -> None:
    send(store, "1.1")
    made = maps("1.1", ["opacity", "nodule"])
    record_screening(store, result("1.1"), made, revision=1)
    found = explanations(store, "1.1")
    assert [map_.header for map_ in found] == [map_.header for map_ in made]
    assert all(np.array_equal(a.values, b.values) for a, b in zip(found, made, strict=True))
    number, first = numbered_explanations(store, "1.1")[0]
    study, same = explanation_by_number(store, number)
    assert (study, same.header) == ("1.1", first.header)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
def test_maps_come_back_to_the_bit_whatever_their_unit(store: Store, scale: float) -> None:
    send(store, "1.1")
    values = (np.random.default_rng(0).random((7, 5)) * scale).astype(np.float32)
    record_screening(store, result("1.1"), [Explanation(maps("1.1")[0].header, values)], revision=1)
    (found,) = explanations(store, "1.1")
    assert found.values.dtype == np.float32
    assert np.array_equal(found.values, values)


def test_maps_made_later_are_added_once(store: Store) -> None:
    send(store, "1.1")
    record_screening(store, result("1.1"), maps("1.1"), revision=1)
    assert [uid for uid, _ in without_map(store, "saliency", limit=5)] == ["1.1"]
    for _ in range(2):
        record_explanations(store, "1.1", maps("1.1", method="saliency"))
    assert [map_.header.method for map_ in explanations(store, "1.1")] == ["gradcam", "saliency"]
    assert len(entries(store, kind="explained")) == 1
    assert without_map(store, "saliency", limit=5) == []


def test_an_image_says_where_it_lies(store: Store) -> None:
    send(store, "1.1", "a")
    stored = stored_instance(store, "a")
    assert study_record(store, "1.1").instances == (stored,)
    assert stored.path.is_relative_to(store.files)
    assert "1.1" not in str(stored.path.relative_to(store.files)), "a path holds no UID"


def test_what_is_not_there_is_said(store: Store) -> None:
    send(store, "1.1")
    for ask in (
        lambda: study_record(store, "9"),
        lambda: study_to_screen(store, "9"),
        lambda: stored_instance(store, "9"),
        lambda: explanation_by_number(store, 9),
        lambda: mark_read(store, "9", actor="reader"),
        lambda: record_explanations(store, "1.1", maps("1.1")),
        lambda: begin_screening(store, "9"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_the_version_changes_with_what_a_page_shows(store: Store) -> None:
    seen = [version(store)]

    def changed() -> bool:
        seen.append(version(store))
        return seen[-1] != seen[-2]

    send(store, "1.1")
    assert changed()
    begin_screening(store, "1.1")
    assert changed()
    begin_screening(store, "1.1")
    assert not changed()
    record_screening(store, result("1.1"), maps("1.1"), revision=1)
    assert changed()
    record_screening(store, result("1.1"), maps("1.1"), revision=1)
    assert not changed()
    begin_screening(store, "1.1")
    assert not changed()
    record_explanations(store, "1.1", maps("1.1", method="saliency"))
    assert changed()
    record_explanations(store, "1.1", maps("1.1", method="saliency"))
    assert not changed()
    note_view(store, "opened", "1.1", actor="reader")
    assert not changed()
    beat(store, "host-0", "screen", 1.0)
    assert not changed()
    mark_read(store, "1.1", actor="reader")
    assert changed()

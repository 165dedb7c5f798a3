"""A result is written once, however often it is made."""

import numpy as np
import pytest

from data_schemas.errors import NotFound
from data_schemas.urgency import Level
from data_schemas.worklist import StudyStatus
from tests.store.studies import maps, result, send
from triage.store import Store
from triage.store.database import version
from triage.store.screenings import begin_screening, record_explanations, record_screening
from triage.store.studies import (
    explanation_by_number,
    explanations,
    mark_read,
    note_view,
    numbered_explanations,
    stored_instance,
    study_record,
    study_to_screen,
)
from triage.store.trail import entries
from triage.store.workers import beat, forget, newest_beat, silent
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


def test_maps_made_later_are_added_once(store: Store) -> None:
    send(store, "1.1")
    record_screening(store, result("1.1"), maps("1.1"), revision=1)
    assert [uid for uid, _ in without_map(store, "saliency", limit=5)] == ["1.1"]
    for _ in range(2):
        record_explanations(store, "1.1", maps("1.1", method="saliency"))
    assert [map_.header.method for map_ in explanations(store, "1.1")] == ["gradcam", "saliency"]
    assert len(entries(store, kind="explained")) == 1
    assert without_map(store, "saliency", limit=5) == []


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
    record_screening(store, result("1.1"), maps("1.1"), revision=1)
    assert changed()
    record_screening(store, result("1.1"), maps("1.1"), revision=1)
    assert not changed()
    note_view(store, "opened", "1.1", actor="reader")
    assert not changed()
    beat(store, "host-0", "screen", 1.0)
    assert not changed()
    mark_read(store, "1.1", actor="reader")
    assert changed()


def test_a_silent_worker_is_found_to_the_second(store: Store) -> None:
    now = 1_795_000_000.0
    beat(store, "host-0", "screen", now - 61)
    beat(store, "host-1", "screen", now - 200)
    beat(store, "host-1", "screen", now - 59)
    assert silent(store, 60, now) == ["host-0"]
    assert newest_beat(store) == now - 59
    forget(store, "host-0")
    assert silent(store, 60, now) == []

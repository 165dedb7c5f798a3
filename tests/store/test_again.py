"""Studies queued to be screened again: nothing of theirs changes until the new result is there."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from data_schemas.errors import NotFound
from data_schemas.reading import Verdict
from data_schemas.score import BundleIdentity, StudyScreening
from data_schemas.urgency import Level
from data_schemas.worklist import StudyStatus
from tests.store.studies import maps, result, send
from triage.store import Store, again
from triage.store.again import being_screened, count_to_queue, queue_every, queue_study, queue_told_by, unread_by_basis
from triage.store.basis import basis_sha256
from triage.store.database import version
from triage.store.reading import judge, mark_read, mark_unread, past_screenings
from triage.store.screenings import begin_screening, record_screening
from triage.store.studies import study_record
from triage.store.trail import entries, verify
from triage.store.worklist import pending, position, still_pending, worklist_page

WHY = "operating point of opacity 0.400, now 0.300"


def made_by(version: str, screening: StudyScreening) -> StudyScreening:
    """The result as another version of the model gives it."""
    bundle = BundleIdentity(name="test", version=version, weights_sha256="w" * 64)
    images = tuple(image.model_copy(update={"bundle": bundle}) for image in screening.images)
    return screening.model_copy(update={"bundle": bundle if screening.bundle else None, "images": images})


def screened(store: Store, uid: str, screening: StudyScreening | None = None) -> str:
    """A study with a result; gives what told it."""
    send(store, uid)
    screening = screening or result(uid)
    record_screening(store, screening, maps(uid), revision=1)
    return basis_sha256(screening)


def queue(store: Store, *bases: str) -> int:
    return queue_told_by(store, dict.fromkeys(bases, WHY), actor="reader").total()


def test_a_study_keeps_its_result_and_place_until_the_new_result_is_there(store: Store) -> None:
    basis = screened(store, "1.1", result("1.1", Level.HIGH))
    screened(store, "1.2", result("1.2", Level.HIGH))
    before = [row.model_dump() for row in worklist_page(store, offset=0, limit=9)]
    record = study_record(store, "1.1")
    assert queue(store, basis) == 2
    assert [row.model_dump() for row in worklist_page(store, offset=0, limit=9)] == before
    assert study_record(store, "1.1") == record
    assert still_pending(store, ["1.1", "1.2"]) == ["1.1", "1.2"]
    begun = begin_screening(store, "1.1")
    assert begun is not None
    assert [row.model_dump() for row in worklist_page(store, offset=0, limit=9)] == before, "also while it is screened"
    record_screening(store, made_by("2", result("1.1", Level.ROUTINE)), maps("1.1"), revision=begun.revision)
    assert study_record(store, "1.1").urgency.level is Level.ROUTINE
    assert [past.result.bundle.version for past in past_screenings(store, "1.1")] == ["2", "1"]
    assert (still_pending(store, ["1.1", "1.2"]), position(store, "1.2")) == (["1.2"], 1)
    assert verify(store).intact


def test_asked_twice_it_waits_once_and_is_in_the_trail_once(store: Store) -> None:
    basis = screened(store, "1.1")
    assert [queue(store, basis) for _ in range(3)] == [1, 0, 0]
    (entry,) = entries(store, kind="queued again")
    assert (entry.actor, entry.study_instance_uid, entry.fields["why"]) == ("reader", "1.1", WHY)
    ((_, revision, _),) = pending(store, limit=9)
    assert revision == 2
    record_screening(store, result("1.1"), maps("1.1"), revision=revision)
    assert pending(store, limit=9) == []
    assert len(past_screenings(store, "1.1")) == 1, "an equal result is written once"
    assert len(entries(store, kind="screened")) == 2, "but each pass is in the trail"


def test_two_who_ask_at_once_queue_each_study_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "BATCH", 2)
    (basis,) = {screened(store, f"1.{number}") for number in range(7)}
    with ThreadPoolExecutor(3) as threads:
        assert sum(threads.map(lambda _: queue(store, basis), range(3))) == 7
    assert len(entries(store, kind="queued again")) == 7
    assert verify(store).intact


def test_who_is_ended_in_between_has_queued_whole_batches_and_asks_again_for_the_rest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "BATCH", 2)
    (basis,) = {screened(store, f"1.{number}") for number in range(5)}
    notes: list[str] = []
    honest = again.note

    def ended(*arguments: object) -> None:
        notes.append("noted")
        if len(notes) == 4:
            raise KeyboardInterrupt
        honest(*arguments)

    monkeypatch.setattr(again, "note", ended)
    with pytest.raises(KeyboardInterrupt):
        queue(store, basis)
    assert [uid for uid, _, _ in pending(store, limit=9)] == ["1.0", "1.1"]
    assert len(entries(store, kind="queued again")) == 2
    monkeypatch.setattr(again, "note", honest)
    assert queue(store, basis) == 3
    assert {revision for _, revision, _ in pending(store, limit=9)} == {2}
    assert len(entries(store, kind="queued again")) == 5


def test_a_row_and_its_entry_are_there_together_or_not_at_all(store: Store) -> None:
    basis = screened(store, "1.1")
    with store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE trail RENAME TO gone"))
    with pytest.raises(Exception, match="trail"):
        queue(store, basis)
    assert pending(store, limit=9) == []


def test_what_has_no_result_yet_is_screened_first_however_late_and_low_it_is(store: Store) -> None:
    send(store, "1.1", ordered=Level.STAT)
    record_screening(store, result("1.1", Level.STAT, ordered=Level.STAT), (), revision=1)
    basis = screened(store, "1.2")
    screened(store, "1.3")
    mark_read(store, "1.3", actor="reader")
    assert queue_every(store, actor="reader", why="asked for").total() == 3
    send(store, "1.4", ordered=Level.LOW)
    send(store, "1.2", "late slice")
    assert [uid for uid, _, _ in pending(store, limit=9)] == ["1.2", "1.4", "1.1", "1.3"]
    places = [place for _, _, place in pending(store, limit=9)]
    assert places == sorted(places)
    assert queue(store, basis) == 0, "its images wait already"


def test_read_studies_are_queued_only_with_all_others_and_stay_read(store: Store) -> None:
    basis = screened(store, "1.1")
    mark_read(store, "1.1", actor="reader")
    assert (queue(store, basis), unread_by_basis(store), count_to_queue(store)) == (0, [], 1)
    assert queue_every(store, actor="command line", why="asked for") == {"asked for": 1}
    record_screening(store, made_by("2", result("1.1", Level.HIGH)), (), revision=2)
    assert study_record(store, "1.1").status is StudyStatus.READ
    mark_unread(store, "1.1", actor="reader")
    assert study_record(store, "1.1").status is StudyStatus.RANKED


def test_a_study_put_back_on_the_list_while_it_waits_again_shows_the_result_it_has(store: Store) -> None:
    screened(store, "1.1")
    mark_read(store, "1.1", actor="reader")
    queue_every(store, actor="reader", why="asked for")
    mark_unread(store, "1.1", actor="reader")
    assert study_record(store, "1.1").status is StudyStatus.RANKED


def test_a_reader_who_has_the_study_open_is_not_told_of_images_that_did_not_come(store: Store) -> None:
    basis = screened(store, "1.1")
    seen = study_record(store, "1.1")
    queue(store, basis)
    assert study_record(store, "1.1").revision == seen.revision
    assert judge(store, "1.1", Verdict.AGREE, actor="reader", screening=seen.screening_number) is not None
    assert mark_read(store, "1.1", actor="reader", revision=seen.revision)


def test_one_study_is_queued_by_its_uid(store: Store) -> None:
    screened(store, "1.1")
    screened(store, "1.2")
    assert (count_to_queue(store, "1.2"), count_to_queue(store)) == (1, 2)
    assert queue_study(store, "1.2", actor="reader", why="asked for") == {"asked for": 1}
    assert queue_study(store, "1.2", actor="reader", why="asked for") == {}
    assert [uid for uid, _, _ in pending(store, limit=9)] == ["1.2"]
    assert count_to_queue(store, "1.2") == 0
    for ask in (
        lambda: queue_study(store, "9", actor="reader", why="asked for"),
        lambda: count_to_queue(store, "9"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_unread_studies_are_counted_by_what_told_them(store: Store) -> None:
    assert unread_by_basis(store) == []
    (old,) = {screened(store, f"1.{number}") for number in range(3)}
    new = screened(store, "2.1", made_by("2", result("2.1")))
    send(store, "3.1")
    assert [(group.basis_sha256, group.studies) for group in unread_by_basis(store)] == [(old, 3), (new, 1)]
    assert unread_by_basis(store)[1].example.bundle.version == "2"
    assert queue(store, old) == 3
    assert [group.basis_sha256 for group in unread_by_basis(store)] == [new]
    assert being_screened(store) == 0
    begin_screening(store, "1.0")
    assert being_screened(store) == 1


def test_nothing_to_queue_tells_the_pages_nothing(store: Store) -> None:
    screened(store, "1.1")
    before = version(store)
    assert queue(store, "f" * 64) == 0
    assert (version(store), entries(store, kind="queued again")) == (before, [])


@pytest.mark.parametrize(("ordered", "lifted"), [(Level.ROUTINE, Level.HIGH), (Level.STAT, Level.STAT)])
def test_a_new_score_decides_anew_but_never_below_the_order(store: Store, ordered: Level, lifted: Level) -> None:
    send(store, "1.1", ordered=ordered)
    record_screening(store, result("1.1", lifted, ordered=ordered), (), revision=1)
    queue_study(store, "1.1", actor="reader", why="asked for")
    record_screening(store, made_by("2", result("1.1", Level.ROUTINE)), (), revision=2)
    assert study_record(store, "1.1").urgency.level is ordered


def test_a_pass_without_a_score_does_not_bury_what_an_earlier_score_lifted(store: Store) -> None:
    screened(store, "1.1", result("1.1", Level.HIGH))
    for revision in (2, 3):
        queue_study(store, "1.1", actor="reader", why="asked for")
        record_screening(store, result("1.1", scored=False), (), revision=revision)
        record = study_record(store, "1.1")
        assert (record.status, record.urgency.level) == (StudyStatus.NOT_SCORED, Level.HIGH)
        assert record.urgency.reason == "because; an earlier result lifted it to HIGH"
        told = entries(store, kind="screened")[0].fields
        assert (told["level"], told["reason"]) == ("HIGH", record.urgency.reason)
    queue_study(store, "1.1", actor="reader", why="asked for")
    record_screening(store, result("1.1", Level.ROUTINE, probability=0.1), (), revision=4)
    assert study_record(store, "1.1").urgency.level is Level.ROUTINE

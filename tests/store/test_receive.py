"""What was acknowledged is there, once, whoever sends it and however often."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data_schemas.urgency import Level
from data_schemas.worklist import IntakeOutcome, StudyStatus
from tests.store.studies import maps, result, send
from triage.store import Store
from triage.store.files import orphans
from triage.store.receive import note_refusal
from triage.store.screenings import record_screening
from triage.store.studies import mark_read, stored_instance, study_record
from triage.store.trail import entries, verify
from triage.store.worklist import pending, worklist_page


def test_a_new_instance_is_stored_byte_for_byte(store: Store) -> None:
    assert send(store, "1.1", content=b"bytes of a film") is IntakeOutcome.NEW
    stored = stored_instance(store, "1.1.1")
    assert stored.path.read_bytes() == b"bytes of a film"
    assert stored.size_bytes == 15
    assert study_record(store, "1.1").status is StudyStatus.WAITING
    assert pending(store, limit=5) == [("1.1", 1, Level.ROUTINE.rank)]


def test_the_same_instance_twice_is_one_instance(store: Store) -> None:
    send(store, "1.1")
    assert send(store, "1.1") is IntakeOutcome.DUPLICATE
    assert len(study_record(store, "1.1").instances) == 1
    assert study_record(store, "1.1").revision == 1


def test_other_bytes_under_the_same_uid_are_refused_with_both_hashes(store: Store) -> None:
    send(store, "1.1", content=b"first")
    assert send(store, "1.1", content=b"second") is IntakeOutcome.CONFLICT
    assert stored_instance(store, "1.1.1").path.read_bytes() == b"first"
    (entry,) = entries(store, kind="conflict")
    assert str(entry.fields["kept_sha256"]).startswith("a7937b64")
    assert str(entry.fields["refused_sha256"]).startswith("16367aac")
    assert len([path for path in store.files.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("contents", [[b"same"] * 6, [b"%d" % n for n in range(6)]], ids=["same", "different"])
def test_six_senders_of_one_uid_at_once(store: Store, contents: list[bytes]) -> None:
    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(lambda content: send(store, "1.1", content=content), contents))
    assert outcomes.count(IntakeOutcome.NEW) == 1
    other = IntakeOutcome.DUPLICATE if len(set(contents)) == 1 else IntakeOutcome.CONFLICT
    assert outcomes.count(other) == 5
    kept = stored_instance(store, "1.1.1").path.read_bytes()
    assert kept == contents[outcomes.index(IntakeOutcome.NEW)]
    assert orphans(store, older_than_s=-1) == []
    assert verify(store).intact


def test_studies_are_told_apart(store: Store) -> None:
    for study, image in (("1.1", "a"), ("1.2", "b"), ("1.1", "c")):
        send(store, study, image)
    assert [len(study_record(store, uid).instances) for uid in ("1.1", "1.2")] == [2, 1]


def test_four_writers_at_once_lose_nothing(store: Store) -> None:
    def sender(number: int) -> None:
        for image in range(10):
            send(store, f"1.{number}", f"1.{number}.{image}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(sender, range(4)))
    assert [len(study_record(store, f"1.{n}").instances) for n in range(4)] == [10] * 4
    assert verify(store).entries == 40


@pytest.mark.parametrize(
    ("requested", "ordered", "level"),
    [
        (None, None, Level.ROUTINE),
        (None, Level.LOW, Level.LOW),
        (Level.STAT, Level.LOW, Level.STAT),
        (Level.LOW, Level.STAT, Level.LOW),
    ],
)
def test_the_header_orders_first_then_the_sender(
    store: Store, requested: Level | None, ordered: Level | None, level: Level
) -> None:
    send(store, "1.1", requested=requested, ordered=ordered)
    assert study_record(store, "1.1").ordered_priority is level


def test_the_more_urgent_order_stays(store: Store) -> None:
    send(store, "1.1", "a", ordered=Level.ROUTINE)
    send(store, "1.1", "b", ordered=Level.STAT)
    send(store, "1.1", "c", ordered=Level.LOW)
    record = study_record(store, "1.1")
    assert (record.ordered_priority, record.urgency.level) == (Level.STAT, Level.STAT)


def test_more_images_are_screened_again_and_bring_a_read_study_back(store: Store) -> None:
    send(store, "1.1")
    record_screening(store, result("1.1", Level.HIGH), maps("1.1"), revision=1)
    mark_read(store, "1.1", actor="reader")
    assert worklist_page(store, offset=0, limit=9) == []
    send(store, "1.1", "another")
    assert pending(store, limit=5) == [("1.1", 2, Level.ROUTINE.rank)]
    (row,) = worklist_page(store, offset=0, limit=9)
    assert row.urgency.level is Level.HIGH, "what is known already keeps its place"


def test_a_refusal_is_in_the_trail_without_the_files_name(store: Store) -> None:
    note_refusal(store, "/data/DOE_JANE.pdf", "a PDF document", source="browser", actor="tester")
    (entry,) = entries(store, kind="refused")
    assert entry.fields == {"why": "a PDF document", "file_type": ".pdf", "source": "browser"}


def test_a_file_without_a_row_is_found(store: Store) -> None:
    send(store, "1.1")
    lost: Path = store.files / "instances" / "ab" / "abcd.dcm.1234"
    lost.parent.mkdir(parents=True, exist_ok=True)
    lost.write_bytes(b"x")
    assert orphans(store, older_than_s=-1) == [lost]
    assert orphans(store, older_than_s=3600) == []

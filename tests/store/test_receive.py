"""What was acknowledged is there, once, whoever sends it and however often."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import sleep

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import SQLAlchemyError

from data_schemas.errors import RefusedFile
from data_schemas.urgency import Level
from data_schemas.worklist import IntakeOutcome, StudyStatus
from tests.store.studies import maps, result, send
from triage.store import Store, open_store
from triage.store.database import reading, writing
from triage.store.files import orphans
from triage.store.reading import mark_read, past_screenings
from triage.store.receive import complete, note_refusal
from triage.store.screenings import record_screening
from triage.store.studies import stored_instance, study_record
from triage.store.tables import studies
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


def send_from_a_process(url: str, files: Path, start: Barrier, who: str, same: bool) -> None:
    """Sends the same ten UIDs as another process at the same moment, with its own bytes or the same."""
    store = open_store(url, files)
    outcomes = []
    for number in range(10):
        start.wait()
        content = f"bytes of {number} from {'both' if same else who}".encode()
        outcomes.append(send(store, f"1.{number}", content=content, spool=files.parent / f"spool {who}"))
    (files.parent / f"outcomes {who}").write_text(" ".join(outcomes))
    store.engine.dispose()


@pytest.mark.parametrize("same", [True, False], ids=["same bytes", "different bytes"])
def test_two_processes_send_one_uid_at_once(store: Store, same: bool) -> None:
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(2, timeout=60)
    senders = [
        spawn.Process(target=send_from_a_process, args=(store.url, store.files, start, who, same)) for who in "ab"
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(120)
    assert [sender.exitcode for sender in senders] == [0, 0]
    outcomes = [(store.files.parent / f"outcomes {who}").read_text().split() for who in "ab"]
    loser = IntakeOutcome.DUPLICATE if same else IntakeOutcome.CONFLICT
    for number, (first, second) in enumerate(zip(*outcomes, strict=True)):
        assert {first, second} == {IntakeOutcome.NEW, loser}
        winner = "both" if same else "a" if first == IntakeOutcome.NEW else "b"
        assert stored_instance(store, f"1.{number}.1").path.read_text() == f"bytes of {number} from {winner}"
    assert len(pending(store, limit=99)) == 10
    assert orphans(store, older_than_s=-1) == []
    assert len(entries(store, kind="conflict")) == (0 if same else 10)
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


def test_the_images_of_a_new_study_may_come_all_at_once(store: Store) -> None:
    for study in ("1.1", "1.2", "1.3"):
        with ThreadPoolExecutor(6) as threads:
            outcomes = list(threads.map(lambda n, study=study: send(store, study, f"{study}.{n}"), range(6)))
        assert outcomes == [IntakeOutcome.NEW] * 6
        record = study_record(store, study)
        assert (len(record.instances), record.revision) == (6, 6)


def until_somebody_waits(store: Store) -> None:
    """Until a writer waits for another; SQLite tells nobody, so there it is given a moment."""
    if store.embedded:
        sleep(0.2)
        return
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(1000):
        with reading(store) as connection:
            if connection.execute(waiting).scalar_one():
                return
        sleep(0.01)
    pytest.fail("nobody waited")


def test_an_order_does_not_take_back_the_place_that_a_result_is_giving(store: Store) -> None:
    """The result is written, but not committed, when more images come with an order below it."""
    send(store, "1.1", "a")
    with ThreadPoolExecutor(1) as threads:
        with writing(store) as connection:
            row = studies.c.study_uid == "1.1"
            connection.execute(update(studies).where(row).values(level_rank=Level.STAT.rank, reason="AI: opacity"))
            sent = threads.submit(send, store, "1.1", "b", ordered=Level.HIGH)
            until_somebody_waits(store)
        assert sent.result() is IntakeOutcome.NEW
    record = study_record(store, "1.1")
    assert (record.ordered_priority, record.urgency.level) == (Level.HIGH, Level.STAT)
    assert record.urgency.reason == "AI: opacity"


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


def test_an_image_without_a_priority_leaves_the_order_as_it_is(store: Store) -> None:
    send(store, "1.1", "a", requested=Level.LOW)
    send(store, "1.1", "b")
    assert study_record(store, "1.1").ordered_priority is Level.LOW


def test_a_new_order_says_that_it_decides(store: Store) -> None:
    send(store, "1.1", "a")
    send(store, "1.1", "b", ordered=Level.STAT)
    assert study_record(store, "1.1").urgency.reason == "ordered STAT"


def test_a_new_order_below_the_models_level_leaves_its_reason(store: Store) -> None:
    send(store, "1.1", "a")
    record_screening(store, result("1.1", Level.STAT), (), revision=1)
    send(store, "1.1", "b", ordered=Level.HIGH)
    record = study_record(store, "1.1")
    assert (record.ordered_priority, record.urgency.level, record.urgency.reason) == (
        Level.HIGH,
        Level.STAT,
        "because",
    )


def test_an_order_that_comes_during_the_screening_is_not_buried_by_its_result(store: Store) -> None:
    send(store, "1.1", "a")
    send(store, "1.1", "b", ordered=Level.STAT)
    record_screening(store, result("1.1", Level.HIGH, ordered=Level.ROUTINE), (), revision=1)
    urgency = study_record(store, "1.1").urgency
    assert (urgency.level, urgency.reason) == (Level.STAT, "ordered STAT; because")


def test_more_images_are_screened_again_and_bring_a_read_study_back(store: Store) -> None:
    send(store, "1.1")
    record_screening(store, result("1.1", Level.HIGH), maps("1.1"), revision=1)
    mark_read(store, "1.1", actor="reader")
    assert worklist_page(store, offset=0, limit=9) == []
    send(store, "1.1", "another")
    assert pending(store, limit=5) == [("1.1", 2, Level.ROUTINE.rank)]
    (row,) = worklist_page(store, offset=0, limit=9)
    assert row.urgency.level is Level.HIGH, "what is known already keeps its place"


def test_a_study_whose_slices_still_come_waits_for_the_last_one(store: Store) -> None:
    send(store, "1.1", modality="CT", quiet_s=3600)
    send(store, "1.2", modality="DX", quiet_s=3600)
    assert [uid for uid, _, _ in pending(store, limit=5)] == ["1.2"]
    complete(store, ["1.1"])
    assert [uid for uid, _, _ in pending(store, limit=5)] == ["1.1", "1.2"]
    send(store, "1.1", "1.1.2", modality="CT", quiet_s=3600)
    assert [uid for uid, _, _ in pending(store, limit=5)] == ["1.2"]


def test_a_late_slice_opens_the_study_again_and_the_older_result_stays(store: Store) -> None:
    send(store, "1.1", modality="CT", quiet_s=0.05)
    sleep(0.1)
    assert pending(store, limit=5) == [("1.1", 1, Level.ROUTINE.rank)]
    record_screening(store, result("1.1"), (), revision=1)
    send(store, "1.1", "1.1.2", modality="CT", quiet_s=0.05)
    sleep(0.1)
    assert pending(store, limit=5) == [("1.1", 2, Level.ROUTINE.rank)]
    record_screening(store, result("1.1").model_copy(update={"images_sha256": "2" * 64}), (), revision=2)
    assert len(past_screenings(store, "1.1")) == 2


def test_a_refusal_is_in_the_trail_without_the_files_name(store: Store) -> None:
    note_refusal(store, "/data/DOE_JANE.pdf", "a PDF document", source="browser", actor="tester")
    (entry,) = entries(store, kind="refused")
    assert entry.fields == {"why": "a PDF document", "file_type": ".pdf", "source": "browser"}


@pytest.mark.parametrize("name", ["x.d\0m", "x.\udcff\udcfe", "x.\U0001f980", ""])
def test_a_refusal_with_an_odd_name_is_kept_as_text(store: Store, name: str) -> None:
    note_refusal(store, name, f"{name} is no image", source="browser", actor=name)
    (entry,) = entries(store, kind="refused")
    str(entry.fields).encode()
    entry.actor.encode()
    assert verify(store).intact


@pytest.mark.parametrize("uid", ["1." * 33, "1.\0", "1.\udcff"], ids=["long", "zero byte", "half a character"])
def test_a_uid_that_cannot_be_stored_is_refused_in_words(store: Store, uid: str) -> None:
    with pytest.raises(RefusedFile, match="ask the sender to mend it"):
        send(store, uid)
    assert verify(store).entries == 0
    assert [path for path in store.files.rglob("*") if path.is_file()] == []


def test_a_number_that_is_none_is_refused_in_words(store: Store) -> None:
    with pytest.raises(RefusedFile, match="cannot be stored"):
        send(store, "1.1", age_years=float("nan"))


def test_names_in_any_script_come_back(store: Store) -> None:
    name = "Ямада^たろう=山田^太郎 🦀"
    send(store, "1.1", patient_name=name)
    assert study_record(store, "1.1").study.patient_name == name


def test_an_error_of_the_database_names_no_patient(store: Store) -> None:
    with reading(store) as connection, pytest.raises(SQLAlchemyError) as caught:
        connection.execute(text("SELECT :name FROM nothing"), {"name": "DOE^JANE"})
    assert "DOE" not in str(caught.value)

"""The reading list: level, then arrival."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event, insert, text, update

from data_schemas.urgency import Level
from data_schemas.worklist import StudyStatus, WorklistCounts
from tests.store.studies import maps, result, send
from triage.store import Store
from triage.store.database import reading, writing
from triage.store.reading import mark_read
from triage.store.screenings import begin_screening, record_screening
from triage.store.studies import study_record
from triage.store.tables import studies
from triage.store.trail import entries
from triage.store.workers import beat
from triage.store.worklist import counts, pending, position, version, worklist_page


def uids(store: Store) -> list[str]:
    return [row.study.study_instance_uid for row in worklist_page(store, offset=0, limit=100)]


def test_level_then_arrival(store: Store) -> None:
    for uid in "abcdef":
        send(store, uid, ordered=Level.STAT if uid == "e" else None)
    record_screening(store, result("c", Level.HIGH), (), revision=1)
    record_screening(store, result("b", Level.HIGH), (), revision=1)
    record_screening(store, result("d", Level.ROUTINE, scored=False), (), revision=1)
    assert uids(store) == ["e", "b", "c", "a", "d", "f"]
    assert [position(store, uid) for uid in uids(store)] == [1, 2, 3, 4, 5, 6]
    assert [row.position for row in worklist_page(store, offset=2, limit=2)] == [3, 4]
    mark_read(store, "b", actor="reader")
    assert uids(store) == ["e", "c", "a", "d", "f"]
    assert position(store, "b") is None
    expected = WorklistCounts(stat=1, high=1, routine=3, low=0, not_scored=1, waiting=3, ranked=1, modalities={"DX": 5})
    assert counts(store) == expected


def test_what_waits_is_screened_most_urgent_first(store: Store) -> None:
    for uid, level in (("a", Level.LOW), ("b", Level.STAT), ("c", Level.LOW), ("d", Level.STAT)):
        send(store, uid, ordered=level)
    assert [uid for uid, _, _ in pending(store, limit=3)] == ["b", "d", "a"]


def fill(store: Store, count: int) -> None:
    """Rows as they would be after a long backlog: most studies read, some waiting."""
    send(store, "first")
    with reading(store) as connection:
        pattern = dict(connection.execute(studies.select()).one()._mapping)
    rows = [
        {
            **pattern,
            "sequence": n + 10,
            "study_uid": f"s{n}",
            "level_rank": n % 4,
            "ordered_rank": n % 3,
            "unread": n % 2 == 0,
            "screened_revision": n % 10 > 0,
        }
        for n in range(count)
    ]
    with writing(store) as connection:
        connection.execute(insert(studies), rows)
    if not store.embedded:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE studies"))


def plans(store: Store, ask: Callable[[], object]) -> list[str]:
    """How the database answers each query that `ask` makes."""
    asked: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, values: Any, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, values))

    event.listen(store.engine, "before_cursor_execute", note)
    ask()
    event.remove(store.engine, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if store.embedded else "EXPLAIN "
    with reading(store) as connection:
        return [
            "\n".join(str(row) for row in connection.exec_driver_sql(explain + statement, values))
            for statement, values in asked
        ]


def test_a_long_list_is_read_by_indexes_and_never_sorted(store: Store) -> None:
    fill(store, 20_000)
    for ask in (
        lambda: worklist_page(store, offset=0, limit=50),
        lambda: worklist_page(store, offset=1000, limit=50),
        lambda: pending(store, limit=100),
        lambda: position(store, "s6000"),
        lambda: study_record(store, "s6000"),
        lambda: entries(store, study_uid="s6000"),
    ):
        for plan in plans(store, ask):
            assert "USING INDEX" in plan or "USING COVERING INDEX" in plan or "Index" in plan or "PRIMARY" in plan, plan
            assert "Seq Scan on studies" not in plan, plan
            assert "SCAN studies\n" not in plan + "\n", plan
    for ask in (lambda: worklist_page(store, offset=0, limit=50), lambda: pending(store, limit=100)):
        (plan,) = plans(store, ask)
        assert "TEMP B-TREE" not in plan, plan
        assert "Sort" not in plan, plan


def test_every_place_is_the_one_on_the_list(store: Store) -> None:
    fill(store, 400)
    listed = [row for offset in range(0, 250, 50) for row in worklist_page(store, offset=offset, limit=50)]
    assert [row.position for row in listed] == list(range(1, 202))
    assert len({row.study.study_instance_uid for row in listed}) == 1, "the pattern's header"
    with reading(store) as connection:
        rows = connection.execute(studies.select().where(studies.c.unread)).all()
    expected = {row.study_uid: n for n, row in enumerate(sorted(rows, key=lambda r: (r.level_rank, r.sequence)), 1)}
    some = list(expected)[::17]
    assert {uid: position(store, uid) for uid in some} == {uid: expected[uid] for uid in some}
    total = counts(store)
    assert total.stat + total.high + total.routine + total.low == 201


def test_a_clock_that_is_set_back_lets_nobody_overtake(store: Store) -> None:
    for uid in "abc":
        send(store, uid)
    with writing(store) as connection:
        back = studies.c.study_uid == "c"
        connection.execute(update(studies).where(back).values(received_at=datetime(2001, 1, 1, tzinfo=UTC)))
    assert uids(store) == ["a", "b", "c"]
    assert [position(store, uid) for uid in "abc"] == [1, 2, 3]


def test_a_place_that_is_not_there(store: Store) -> None:
    assert position(store, "unknown") is None
    assert worklist_page(store, offset=5, limit=5) == []
    assert counts(store) == WorklistCounts()


def test_writers_and_readers_at_once_never_find_the_database_locked(store: Store) -> None:
    for number in range(8):
        send(store, f"0.{number}")

    def write(who: int) -> None:
        for number in range(4):
            send(store, f"{who}.{number}", f"{who}.{number}.9")
            beat(store, f"host-{who}", "screen", 1.0)
            begin_screening(store, f"{who}.{number}")
            record_screening(store, result(f"{who}.{number}", Level.HIGH), maps(f"{who}.{number}"), revision=1)
            mark_read(store, f"0.{who + 3}", actor="reader")

    def read(_: int) -> None:
        for _ in range(15):
            rows = worklist_page(store, offset=0, limit=99)
            assert [row.position for row in rows] == list(range(1, len(rows) + 1))
            counts(store)
            version(store)

    with ThreadPoolExecutor(6) as threads:
        jobs = [threads.submit(write, who) for who in range(1, 5)] + [threads.submit(read, who) for who in range(2)]
    for job in jobs:
        job.result()
    assert len(worklist_page(store, offset=0, limit=99)) == 8 - 4 + 16
    assert pending(store, limit=99) == [(f"0.{number}", 1, Level.ROUTINE.rank) for number in range(8)]


def test_a_read_study_says_so(store: Store) -> None:
    send(store, "a")
    mark_read(store, "a", actor="reader")
    with reading(store) as connection:
        assert connection.execute(studies.select()).one().status == StudyStatus.READ

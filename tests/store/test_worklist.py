"""The reading list: level, then arrival."""

import pytest
from sqlalchemy import insert, text

from data_schemas.urgency import Level
from data_schemas.worklist import StudyStatus, WorklistCounts
from tests.store.studies import result, send
from triage.store import Store
from triage.store.database import reading, writing
from triage.store.screenings import record_screening
from triage.store.studies import mark_read
from triage.store.tables import studies
from triage.store.worklist import ORDER, counts, pending, position, unread, waiting, worklist_page


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
    assert counts(store) == WorklistCounts(stat=1, high=1, routine=3, low=0, not_scored=1, waiting=3)


def test_what_waits_is_screened_most_urgent_first(store: Store) -> None:
    for uid, level in (("a", Level.LOW), ("b", Level.STAT), ("c", Level.LOW), ("d", Level.STAT)):
        send(store, uid, ordered=level)
    assert [uid for uid, _, _ in pending(store, limit=3)] == ["b", "d", "a"]


@pytest.mark.parametrize("query", ["list", "pending"])
def test_a_long_list_is_read_by_an_index(store: Store, query: str) -> None:
    send(store, "first")
    with reading(store) as connection:
        pattern = dict(connection.execute(studies.select()).one()._mapping)
    rows = [
        {**pattern, "sequence": n + 10, "study_uid": f"s{n}", "level_rank": n % 4, "screened_revision": 1}
        for n in range(20_000)
    ]
    with writing(store) as connection:
        connection.execute(insert(studies), rows)
        if not store.embedded:
            connection.execute(text("ANALYZE studies"))
    statement = {"list": unread().order_by(*ORDER).limit(50), "pending": waiting(100)}[query]
    sql = statement.compile(store.engine, compile_kwargs={"literal_binds": True})
    with reading(store) as connection:
        explain = "EXPLAIN QUERY PLAN " if store.embedded else "EXPLAIN "
        plan = " ".join(str(row) for row in connection.exec_driver_sql(explain + str(sql)))
    assert "USING INDEX" in plan or "Index Scan" in plan, plan


def test_a_read_study_says_so(store: Store) -> None:
    send(store, "a")
    mark_read(store, "a", actor="reader")
    with reading(store) as connection:
        assert connection.execute(studies.select()).one().status == StudyStatus.READ

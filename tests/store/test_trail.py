"""The trail shows every later change of it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import IntegrityError

from data_schemas.audit import TrailEvent
from triage.store import Store
from triage.store.database import writing
from triage.store.tables import head, trail
from triage.store.trail import append, entries, verify


def fill(store: Store, count: int) -> None:
    for number in range(count):
        with writing(store) as connection:
            append(connection, TrailEvent(kind="opened", actor="Müller", fields={"n": number, "ratio": 0.1}))


def test_an_untouched_trail_is_intact(store: Store) -> None:
    fill(store, 5)
    assert verify(store).sentence == "the trail is intact: 5 entries"
    assert [entry.fields["n"] for entry in entries(store, limit=2)] == [4, 3]
    assert [entry.sequence for entry in entries(store, before=3)] == [2, 1]


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (update(trail).where(trail.c.sequence == 3).values(actor="somebody else"), 3),
        (update(trail).where(trail.c.sequence == 2).values(fields="{}"), 2),
        (delete(trail).where(trail.c.sequence == 4), 4),
        (delete(trail).where(trail.c.sequence == 5), 5),
        (delete(trail), 1),
        (update(head).values(trail_sequence=7), 6),
    ],
)
def test_a_change_is_found_where_it_was_made(store: Store, change: object, broken: int) -> None:
    fill(store, 5)
    with store.engine.begin() as connection:
        connection.execute(change)  # type: ignore[call-overload]
    verdict = verify(store)
    assert not verdict.intact
    assert verdict.first_broken == broken
    assert "broken at entry" in verdict.sentence


def test_two_entries_that_change_places_are_found(store: Store) -> None:
    fill(store, 4)
    with store.engine.begin() as connection:
        for old, new in ((2, 99), (3, 2), (99, 3)):
            connection.execute(text(f"UPDATE trail SET sequence = {new} WHERE sequence = {old}"))
    assert verify(store).first_broken == 2


def test_a_change_that_did_not_happen_leaves_no_entry(store: Store) -> None:
    with pytest.raises(RuntimeError), writing(store) as connection:
        append(connection, TrailEvent(kind="opened", actor="a"))
        raise RuntimeError
    assert verify(store).entries == 0


def test_four_writers_keep_one_chain(store: Store) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: fill(store, 10), range(4)))
    assert verify(store).sentence == "the trail is intact: 40 entries"


def test_a_trail_that_grows_while_it_is_read_is_intact(store: Store) -> None:
    fill(store, 20)
    with ThreadPoolExecutor(2) as threads:
        growing = threads.submit(fill, store, 60)
        while not growing.done():
            assert verify(store).intact
        growing.result()
    assert verify(store).entries == 80


def test_nothing_is_appended_behind_a_head_that_was_turned_back(store: Store) -> None:
    fill(store, 3)
    with store.engine.begin() as connection:
        connection.execute(update(head).values(trail_sequence=2))
    with pytest.raises(IntegrityError):
        fill(store, 1)
    assert not verify(store).intact

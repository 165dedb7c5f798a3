"""Whatever is written into the trail comes back, and whatever is changed in it is found."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from data_schemas.audit import TrailEvent
from triage.store import Store, migrate, open_store
from triage.store.database import writing
from triage.store.tables import head, trail
from triage.store.trail import FIRST_HASH, append, entries, verify

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
PLAIN_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.booleans()
SMALL = settings(max_examples=50, deadline=None)


def events(text: st.SearchStrategy[str]) -> st.SearchStrategy[TrailEvent]:
    return st.builds(
        TrailEvent,
        kind=text,
        actor=text,
        study_instance_uid=text,
        fields=st.dictionaries(text, text | NUMBERS, max_size=4),
    )


@pytest.fixture(scope="module")
def quick_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all examples, each of which begins with an empty trail."""
    home = tmp_path_factory.mktemp("trail")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        store = open_store(f"sqlite:///{home / 'triage.sqlite3'}", home / "files")
        migrate(store)
        yield store
        store.engine.dispose()


def write(store: Store, written: list[TrailEvent]) -> None:
    with writing(store) as connection:
        connection.execute(delete(trail))
        connection.execute(update(head).values(trail_sequence=0, trail_hash=FIRST_HASH))
        for event in written:
            append(connection, event)


@SMALL
@given(written=st.lists(events(PLAIN_TEXT), max_size=6))
def test_what_was_written_comes_back(quick_store: Store, written: list[TrailEvent]) -> None:
    write(quick_store, written)
    found = [TrailEvent(**entry.model_dump(include=set(TrailEvent.model_fields))) for entry in entries(quick_store)]
    assert found[::-1] == written
    assert verify(quick_store).intact


@SMALL
@given(written=st.lists(events(ANY_TEXT), max_size=6))
def test_text_that_is_no_text_is_kept_as_text(quick_store: Store, written: list[TrailEvent]) -> None:
    write(quick_store, written)
    assert len(entries(quick_store)) == len(written)
    for entry in entries(quick_store):
        entry.model_dump_json().encode()
    assert verify(quick_store).intact


COLUMNS = ["at", "kind", "actor", "study_uid", "fields", "previous_hash", "hash"]


@SMALL
@given(written=st.lists(events(PLAIN_TEXT), min_size=1, max_size=6), data=st.data())
def test_any_change_of_any_entry_is_found_there(
    quick_store: Store, written: list[TrailEvent], data: st.DataObject
) -> None:
    write(quick_store, written)
    sequence = data.draw(st.integers(1, len(written)))
    column = trail.c[data.draw(st.sampled_from(COLUMNS))]
    added: Any = column + data.draw(st.sampled_from([" ", "0", "é"]))
    with writing(quick_store) as connection:
        connection.execute(update(trail).where(trail.c.sequence == sequence).values({column: added}))
    assert verify(quick_store).first_broken == sequence


@SMALL
@given(written=st.lists(events(PLAIN_TEXT), min_size=1, max_size=6), data=st.data())
def test_any_entry_that_is_gone_is_missed(quick_store: Store, written: list[TrailEvent], data: st.DataObject) -> None:
    write(quick_store, written)
    sequence = data.draw(st.integers(1, len(written)))
    with writing(quick_store) as connection:
        connection.execute(delete(trail).where(trail.c.sequence == sequence))
    assert verify(quick_store).first_broken == sequence

"""A worker that died is found by its silence, and only then."""

from triage.store import Store
from triage.store.workers import beat, forget, newest_beat, silent

NOW = 1_795_000_000.0


def test_no_worker_has_beaten_yet(store: Store) -> None:
    assert newest_beat(store) is None
    assert silent(store, 60, NOW) == []


def test_a_silent_worker_is_found_to_the_second(store: Store) -> None:
    beat(store, "host-0", "screen", NOW - 61)
    beat(store, "host-1", "screen", NOW - 200)
    beat(store, "host-1", "screen", NOW - 59)
    assert silent(store, 60, NOW) == ["host-0"]
    assert newest_beat(store) == NOW - 59
    forget(store, "host-0")
    assert silent(store, 60, NOW) == []


def test_a_worker_that_changes_its_lane_is_one_worker(store: Store) -> None:
    beat(store, "host-0", "screen", NOW - 100)
    beat(store, "host-0", "explain", NOW - 90)
    assert silent(store, 60, NOW) == ["host-0"]
    forget(store, "host-0")
    forget(store, "host-0")
    assert newest_beat(store) is None

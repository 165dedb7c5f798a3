"""Files come before rows, and nothing is acknowledged that a power cut could lose."""

import os
from pathlib import Path

import pytest
from sqlalchemy import event

from data_schemas.worklist import IntakeOutcome
from tests.store.studies import send
from triage.store import Store, receive
from triage.store.database import version
from triage.store.files import AT_ONCE, orphans
from triage.store.studies import stored_instance
from triage.store.trail import entries, verify
from triage.store.worklist import pending


def files_of(store: Store) -> list[Path]:
    return [path for path in store.files.rglob("*") if path.is_file()]


def test_the_file_is_synced_and_named_before_its_row_is_committed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, rename = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        done.append("synced folder" if path.is_dir() else "synced file")

    def renamed(path: Path, target: Path) -> Path:
        done.append("renamed")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    event.listen(store.engine, "commit", lambda connection: done.append("committed"))
    send(store, "1.1")
    assert done == ["synced file", "renamed", "synced folder", "synced folder", "committed"]


def test_a_crash_between_file_and_row_leaves_a_file_that_is_found(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as broken:
        broken.setattr(receive, "note", crash)
        with pytest.raises(RuntimeError):
            send(store, "1.1", content=b"film")
    assert pending(store, limit=9) == []
    assert verify(store).entries == 0
    (lost,) = orphans(store, older_than_s=-1)
    assert lost.read_bytes() == b"film"
    assert send(store, "1.1", content=lost.read_bytes()) is IntakeOutcome.NEW
    assert orphans(store, older_than_s=-1) == []


def test_a_file_without_a_row_is_found_once_it_has_settled(store: Store) -> None:
    send(store, "1.1")
    lost = store.files / "instances" / "ab" / "abcd.dcm.1234"
    lost.parent.mkdir(exist_ok=True)
    lost.write_bytes(b"x")
    assert orphans(store, older_than_s=-1) == [lost]
    assert orphans(store, older_than_s=3600) == []


def test_many_files_without_a_row_are_found(store: Store) -> None:
    send(store, "1.1")
    folder = store.files / "instances" / "ab"
    folder.mkdir(exist_ok=True)
    lost = [folder / f"{number:04}.dcm" for number in range(AT_ONCE + 5)]
    for path in lost:
        path.touch()
    assert orphans(store, older_than_s=-1) == lost


def test_a_file_written_long_ago_has_settled_only_now(store: Store, tmp_path: Path) -> None:
    """A sweep must not take a file away whose row is about to be written."""
    part, final = tmp_path / "old.part", store.files / "instances" / "ab" / "abcd.dcm.1234"
    part.write_bytes(b"x")
    os.utime(part, (0, 0))
    receive.settle(part, final)
    assert orphans(store, older_than_s=60) == []


def test_a_file_taken_away_before_its_row_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    settle = receive.settle

    def swept(part: Path, final: Path) -> None:
        settle(part, final)
        final.unlink()

    monkeypatch.setattr(receive, "settle", swept)
    with pytest.raises(FileNotFoundError):
        send(store, "1.1")
    assert pending(store, limit=9) == []
    assert verify(store).entries == 0


def test_a_file_lost_from_the_disk_is_put_back_when_it_is_sent_again(store: Store) -> None:
    send(store, "1.1", content=b"film")
    stored_instance(store, "1.1.1").path.unlink()
    assert send(store, "1.1", content=b"another film") is IntakeOutcome.CONFLICT
    assert files_of(store) == []
    assert send(store, "1.1", content=b"film") is IntakeOutcome.DUPLICATE
    assert stored_instance(store, "1.1.1").path.read_bytes() == b"film"
    assert len(entries(store, kind="restored")) == 1


def test_duplicates_and_conflicts_change_no_page(store: Store) -> None:
    send(store, "1.1", content=b"film")
    before = version(store)
    send(store, "1.1", content=b"film")
    send(store, "1.1", content=b"another film")
    assert version(store) == before

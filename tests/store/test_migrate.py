"""Tables come with the program, whichever way they are made."""

import multiprocessing
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from data_schemas.errors import SettingsError
from tests.store.studies import maps, result, send
from triage.store import Store, migrate, open_store
from triage.store.again import unread_by_basis
from triage.store.basis import basis_sha256
from triage.store.database import answers
from triage.store.migrate import NEWEST, SCRIPTS, revision, upgrade
from triage.store.screenings import record_screening
from triage.store.studies import explanations, study_record
from triage.store.tables import metadata
from triage.store.trail import verify
from triage.store.worklist import worklist_page


def test_the_newest_revision_is_the_scripts_head() -> None:
    assert ScriptDirectory(str(SCRIPTS)).get_current_head() == NEWEST


@pytest.mark.parametrize("way", ["at once", "by migrations"])
def test_both_ways_give_the_same_tables(database_url: str, tmp_path: Path, way: str) -> None:
    store = open_store(database_url, tmp_path / "home" / "files")
    if way == "at once":
        migrate(store)
    else:
        upgrade(store)
    assert revision(store) == NEWEST
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    send(store, "1.1")
    migrate(store)
    store.engine.dispose()


def test_four_that_start_together_migrate_once(database_url: str, tmp_path: Path) -> None:
    stores = [open_store(database_url, tmp_path / "home" / "files") for _ in range(4)]
    together = threading.Barrier(4)

    def start(store: Store) -> None:
        together.wait()
        migrate(store)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(start, stores))
    assert [revision(store) for store in stores] == [NEWEST] * 4
    for store in stores:
        store.engine.dispose()


MIGRATE = import_module("triage.store.migrate")  # the package has a function of the same name
NEXT = f"""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{NEWEST}"


def upgrade() -> None:
    with op.batch_alter_table("studies", recreate="auto") as batch:
        batch.add_column(sa.Column("note", sa.Text(), nullable=False, server_default="none"))
        batch.alter_column("source", existing_type=sa.Text(), nullable=True)
"""


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program one revision ahead of the tables; gives its newest script."""
    scripts = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, scripts)
    script = scripts / "versions" / "9999_next.py"
    script.write_text(NEXT)
    monkeypatch.setattr(MIGRATE, "SCRIPTS", scripts)
    monkeypatch.setattr(MIGRATE, "NEWEST", "9999")
    return script


def test_an_older_database_keeps_everything(store: Store, next_version: Path) -> None:
    send(store, "1.1")
    record_screening(store, result("1.1"), maps("1.1"), revision=1)
    migrate(store)
    migrate(store)
    assert revision(store) == "9999"
    assert len(study_record(store, "1.1").instances) == 1
    assert len(explanations(store, "1.1")) == 1
    assert verify(store).entries == 2
    send(store, "1.2")
    assert [row.position for row in worklist_page(store, offset=0, limit=9)] == [1, 2]
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT note FROM studies")).scalars().all() == ["none"] * 2
    with pytest.raises(IntegrityError), store.engine.begin() as connection:
        connection.execute(text("UPDATE instances SET study_uid = 'nobody'"))


def test_results_that_are_known_get_what_told_them(store: Store) -> None:
    send(store, "1.1")
    record_screening(store, result("1.1"), (), revision=1)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE screenings SET basis_sha256 = ''"))
        import_module("triage.store.migrations.versions.0007_again").fill(connection)
    (group,) = unread_by_basis(store)
    assert group.basis_sha256 == basis_sha256(result("1.1"))


def test_the_copy_holds_what_was_written_last(store: Store, next_version: Path) -> None:
    """A write-ahead log is part of the database: a copy of the file alone would miss the newest studies."""
    send(store, "1.1")
    migrate(store)
    home = store.files.parent
    if not store.embedded:
        assert list(home.glob("*before*")) == []
        return
    copy = open_store(f"sqlite:///{home / 'triage.sqlite3.before-9999'}", store.files)
    assert revision(copy) == NEWEST
    assert study_record(copy, "1.1").revision == 1
    assert list(home.glob("*.part")) == []
    copy.engine.dispose()


@pytest.mark.parametrize(
    "fault",
    ["    raise RuntimeError", '    op.execute("DELETE FROM studies")', '    op.execute("nonsense")'],
    ids=["python", "lost rows", "sql"],
)
def test_a_migration_that_fails_changes_nothing(store: Store, next_version: Path, fault: str) -> None:
    send(store, "1.1")
    next_version.write_text(f"{NEXT}{fault}\n")
    with pytest.raises((RuntimeError, SQLAlchemyError)):
        migrate(store)
    assert revision(store) == NEWEST
    assert study_record(store, "1.1").revision == 1
    send(store, "1.2")


def test_a_database_of_a_newer_version_is_left_alone(store: Store, next_version: Path) -> None:
    migrate(store)
    with pytest.MonkeyPatch.context() as older:
        older.setattr(MIGRATE, "SCRIPTS", SCRIPTS)
        older.setattr(MIGRATE, "NEWEST", NEWEST)
        with pytest.raises(SettingsError, match="newer version"):
            migrate(store)


def migrate_from_a_process(url: str, files: Path, start: Barrier) -> None:
    """Opens and migrates at the same moment as another process."""
    start.wait()
    store = open_store(url, files)
    migrate(store)
    send(store, f"1.{os.getpid()}")
    store.engine.dispose()


def test_two_processes_that_start_together_migrate_once(database_url: str, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    files, start = tmp_path / "home" / "files", spawn.Barrier(2, timeout=60)
    starters = [spawn.Process(target=migrate_from_a_process, args=(database_url, files, start)) for _ in "ab"]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(120)
    assert [starter.exitcode for starter in starters] == [0, 0]
    store = open_store(database_url, files)
    assert len(worklist_page(store, offset=0, limit=9)) == 2
    store.engine.dispose()


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_cannot_work_is_named(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        open_store(url, tmp_path / "files")


def test_a_store_answers(store: Store) -> None:
    assert answers(store)


def test_a_store_without_tables_does_not_answer(database_url: str, tmp_path: Path) -> None:
    store = open_store(database_url, tmp_path / "home" / "files")
    assert not answers(store)
    store.engine.dispose()


@pytest.mark.parametrize("where", ["postgresql://triage@127.0.0.1:1/none", "folder"])
def test_a_database_that_does_not_answer_is_named(tmp_path: Path, where: str) -> None:
    store = open_store(f"sqlite:///{tmp_path}" if where == "folder" else where, tmp_path / "home" / "files")
    with pytest.raises(SettingsError, match="does not answer"):
        migrate(store)
    assert not answers(store)

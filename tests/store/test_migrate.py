"""Tables come with the program, whichever way they are made."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from data_schemas.errors import SettingsError
from tests.store.studies import send
from triage.store import Store, migrate, open_store
from triage.store.database import answers
from triage.store.migrate import NEWEST, SCRIPTS, revision, upgrade
from triage.store.tables import metadata


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
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(migrate, stores))
    assert [revision(store) for store in stores] == [NEWEST] * 4
    for store in stores:
        store.engine.dispose()


def test_an_older_database_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'home' / 'triage.sqlite3'}", tmp_path / "home" / "files")
    with store.engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    upgrade(store)
    assert (tmp_path / "home" / f"triage.sqlite3.before-{NEWEST}").exists()


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", ""])
def test_a_database_that_cannot_work_is_named(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        open_store(url, tmp_path / "files")


def test_a_store_answers(store: Store) -> None:
    assert answers(store)

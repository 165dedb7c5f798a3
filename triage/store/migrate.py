"""Brings the tables to the newest form, whatever form they have."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError

from data_schemas.errors import SettingsError
from triage.store.database import BUSY_MS, Store, reading, writing
from triage.store.disk import settle
from triage.store.tables import head, metadata
from triage.store.trail import FIRST_HASH

NEWEST = "0007"
"""Revision of the newest file in migrations/versions; a test compares."""
SCRIPTS = Path(__file__).parent / "migrations"
POSTGRES_LOCK = 7_461_309


def migrate(store: Store) -> None:
    """New databases get the newest tables at once; older ones are migrated by Alembic, SQLite after a backup copy.

    Raises SettingsError when the database does not answer or comes from a newer version of this program.
    """
    with only_one(store):
        found = revision(store)
        if found == NEWEST:
            return
        if found is None:
            create(store)
        else:
            upgrade(store)


def require_answer(store: Store) -> None:
    """Raises SettingsError when there is no connection to be had."""
    try:
        store.engine.connect().close()
    except OperationalError as error:
        raise SettingsError(
            "the database does not answer; check TRIAGE_DATABASE_URL and that its server runs, or that its folder can "
            "be written"
        ) from error


def revision(store: Store) -> str | None:
    """The revision the tables have, None for an empty database."""
    with reading(store) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        return None if found is None else str(found)


def create(store: Store) -> None:
    """All tables in one transaction. Alembic takes a second to import, and an empty database has nothing to change."""
    with writing(store) as connection:
        metadata.create_all(connection)
        start_head(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": NEWEST})


def start_head(connection: Connection) -> None:
    """The one row of the head."""
    connection.execute(head.insert().values(only=1, trail_sequence=0, trail_hash=FIRST_HASH, version=1))


def upgrade(store: Store) -> None:
    """Runs every migration between the revision found and the newest, all or none of them.

    Raises SettingsError for a revision that this version does not know.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    found = revision(store)
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    if found not in (None, *known):
        raise SettingsError("the database was made by a newer version of this program; install that version")
    if store.embedded:
        back_up(store)
    with store.engine.connect() as connection, unguarded(connection), connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        require_references(connection)


def back_up(store: Store) -> None:
    """The database as it is, what its write-ahead log holds included, whole beside it: NAME.before-REVISION."""
    source = Path(store.engine.url.database or "")
    part, final = (source.with_name(f"{source.name}.before-{NEWEST}{ending}") for ending in (".part", ""))
    with closing(sqlite3.connect(source)) as database, closing(sqlite3.connect(part)) as copy:
        database.backup(copy)
    settle(part, final)


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    """SQLite checks no references meanwhile: to change a table it is copied, dropped and renamed."""
    if connection.dialect.name != "sqlite":
        yield
        return
    database = connection.connection.driver_connection
    assert isinstance(database, sqlite3.Connection)
    database.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        database.execute("PRAGMA foreign_keys=ON")


def require_references(connection: Connection) -> None:
    """Raises RuntimeError when a migration on SQLite left a row that refers to nothing; it is rolled back then."""
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise RuntimeError("a migration would leave rows without the rows they belong to; nothing was changed")


@contextmanager
def only_one(store: Store) -> Iterator[None]:
    """Two processes that start together migrate one after the other.

    SQLite's first connection of all, too, is made by one at a time: it turns WAL on, for which others do not wait.
    Raises SettingsError when the database does not answer.
    """
    if store.embedded:
        with (store.files.parent / "migrate.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            require_answer(store)
            yield
        return
    require_answer(store)
    # without a transaction of its own, which the server would end when a migration takes long
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": POSTGRES_LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": POSTGRES_LOCK})
            connection.execute(text(f"SET lock_timeout = {BUSY_MS}"))

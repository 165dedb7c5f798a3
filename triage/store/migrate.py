"""Brings the tables to the newest form, whatever form they have."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from triage.store.database import Store
from triage.store.tables import head, metadata
from triage.store.trail import FIRST_HASH

NEWEST = "0001"
"""Revision of the newest file in migrations/versions; a test compares."""
SCRIPTS = Path(__file__).parent / "migrations"
POSTGRES_LOCK = 7_461_309


def migrate(store: Store) -> None:
    """New databases get the newest tables at once; older ones are migrated by Alembic, SQLite after a backup copy."""
    with only_one(store):
        found = revision(store)
        if found == NEWEST:
            return
        if found is None:
            create(store)
        else:
            upgrade(store)


def revision(store: Store) -> str | None:
    """The revision the tables have, None for an empty database."""
    with store.engine.connect().execution_options(reading=True) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def create(store: Store) -> None:
    """All tables in one transaction. Alembic takes a second to import, and an empty database has nothing to change."""
    with store.engine.begin() as connection:
        metadata.create_all(connection)
        start_head(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": NEWEST})


def start_head(connection: Connection) -> None:
    """The one row of the head."""
    connection.execute(head.insert().values(only=1, trail_sequence=0, trail_hash=FIRST_HASH, version=1))


def upgrade(store: Store) -> None:
    """Runs every migration between the revision found and the newest."""
    from alembic import command
    from alembic.config import Config

    source = Path(store.engine.url.database or "")
    if store.embedded and source.is_file():
        shutil.copy2(source, source.with_name(f"{source.name}.before-{NEWEST}"))
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with store.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def only_one(store: Store) -> Iterator[None]:
    """Two processes that start together migrate one after the other."""
    if store.embedded:
        with (store.files.parent / "migrate.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    with store.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": POSTGRES_LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": POSTGRES_LOCK})

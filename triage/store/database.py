"""The connection to SQLite or PostgreSQL, and the two ways of using it: reading and writing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, select, update
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from data_schemas.errors import SettingsError
from triage.store.disk import make_folders
from triage.store.tables import STAT, head, studies

INSTANCES, MAPS = "instances", "maps"
"""Folders below the folder of files."""
BUSY_MS = 30_000
"""How long a writer waits for another one before it gives up, on both databases."""
STALLED_MS = 60_000
"""PostgreSQL ends a transaction whose process has stopped in the middle of it: all other writers wait behind it."""


@dataclass(frozen=True)
class Store:
    """What we know: the database, and the folder of images and maps."""

    engine: Engine
    files: Path
    url: str

    @property
    def embedded(self) -> bool:
        """Whether the database is a SQLite file of this machine."""
        return self.engine.dialect.name == "sqlite"


def open_store(database_url: str, files: Path) -> Store:
    """Opens the database; tables come with `migrate`. Raises SettingsError for a URL that cannot work."""
    try:
        url = make_url(database_url)
    except ArgumentError as error:
        raise SettingsError("TRIAGE_DATABASE_URL is not a database URL; see docs/settings.md") from error
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise SettingsError(f"{url.get_backend_name()} is not supported; give a PostgreSQL URL or none")
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise SettingsError("a database in memory would lose every study; give a file or a PostgreSQL URL, or none")
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    make_folders(files, INSTANCES, MAPS)
    return Store(create_database_engine(database_url), files, database_url)


def create_database_engine(database_url: str) -> Engine:
    """SQLite: WAL, full synchronisation, writers that wait for each other. PostgreSQL: psycopg.

    Errors never quote parameters: they hold patients' names, and errors end in logs.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True)
        event.listen(engine, "connect", prepare_postgresql)
        return engine
    waits = {"timeout": BUSY_MS / 1000, "check_same_thread": False}
    engine = create_engine(url, connect_args=waits, hide_parameters=True)
    event.listen(engine, "connect", prepare_sqlite)
    event.listen(engine, "begin", begin_sqlite)
    return engine


def prepare_sqlite(connection: Any, record: object) -> None:  # noqa: ANN401  # the driver's own type
    """Settings of each new connection; transactions are begun by `begin_sqlite`."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def prepare_postgresql(connection: Any, record: object) -> None:  # noqa: ANN401  # the driver's own type
    """Settings of each new connection: nobody waits for ever."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {BUSY_MS}")
        cursor.execute(f"SET idle_in_transaction_session_timeout = {STALLED_MS}")
    connection.commit()


def begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock at once: one that started by reading could not wait for another writer."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def reading(store: Store) -> Iterator[Connection]:
    """One view of everything, as it was at the first query; nothing is written."""
    options: dict[str, Any] = {"reading": True}
    if not store.embedded:
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with store.engine.connect().execution_options(**options) as connection:
        yield connection


@contextmanager
def writing(store: Store) -> Iterator[Connection]:
    """One transaction: committed as a whole when the block ends, else not at all.

    Locks are taken in one order: names, then rows of studies, then the head (by `bump` or `trail.append`).
    """
    with store.engine.begin() as connection:
        yield connection


def bump(connection: Connection) -> None:
    """Tells pages that something they show has changed."""
    connection.execute(update(head).values(version=head.c.version + 1))


def tell_stat(connection: Connection, study_uid: str) -> None:
    """After `bump`: a study that has come to stand at STAT keeps the version that brought it there, for pages to tell.

    The head's row is locked by then, so no version passes a page by.
    """
    fresh = (studies.c.study_uid == study_uid, STAT, studies.c.stat_version.is_(None))
    connection.execute(update(studies).where(*fresh).values(stat_version=select(head.c.version).scalar_subquery()))


def version(store: Store) -> int:
    """A number that changes with every change a page could show."""
    with reading(store) as connection:
        return int(connection.execute(select(head.c.version)).scalar_one())


def answers(store: Store) -> bool:
    """Whether the database answers and has its tables."""
    try:
        version(store)
    except SQLAlchemyError:
        return False
    return True

"""The connection to SQLite or PostgreSQL, and the two ways of using it: reading and writing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, select, update
from sqlalchemy.exc import ArgumentError, OperationalError

from data_schemas.errors import SettingsError
from triage.store.tables import head

BUSY_MS = 30_000


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
    files.mkdir(parents=True, exist_ok=True)
    return Store(create_database_engine(database_url), files, database_url)


def create_database_engine(database_url: str) -> Engine:
    """SQLite: WAL, full synchronisation, writers that wait for each other. PostgreSQL: psycopg."""
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        return create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_MS / 1000, "check_same_thread": False})
    event.listen(engine, "connect", prepare_sqlite)
    event.listen(engine, "begin", begin_sqlite)
    return engine


def prepare_sqlite(connection: Any, record: object) -> None:  # noqa: ANN401  # the driver's own type
    """Settings of each new connection; transactions are begun by `begin_sqlite`."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}")


def begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock at once: one that started by reading could not wait for another writer."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def reading(store: Store) -> Iterator[Connection]:
    """A consistent view; nothing is written."""
    with store.engine.connect().execution_options(reading=True) as connection:
        yield connection


@contextmanager
def writing(store: Store) -> Iterator[Connection]:
    """One transaction: committed as a whole when the block ends, else not at all. Bumps the version."""
    with store.engine.begin() as connection:
        yield connection
        bump(connection)


def bump(connection: Connection) -> None:
    """Tells pages that something changed."""
    connection.execute(update(head).values(version=head.c.version + 1))


def version(store: Store) -> int:
    """A number that changes with every change a page could show."""
    with reading(store) as connection:
        return int(connection.execute(select(head.c.version)).scalar_one())


def answers(store: Store) -> bool:
    """Whether the database answers."""
    try:
        version(store)
    except OperationalError:
        return False
    return True

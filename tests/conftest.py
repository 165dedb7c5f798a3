"""What every room's tests share: real files where they are, a PostgreSQL server where its programs are."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dicom import SHARED
from triage.store import Store, migrate, open_store

POSTGRES_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images beside the checkout; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder of real images beside the checkout, which is not part of the project")
    return SHARED


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of the maintenance database of a server of our own, without a password, on loopback."""
    initdb = shutil.which("initdb") or next((str(folder / "initdb") for folder in POSTGRES_FOLDERS), None)
    if initdb is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no PostgreSQL; .ci/run installs it")
        pytest.skip("PostgreSQL is not installed")
    programs = Path(initdb).resolve().parent
    # pytest closes and clears its own folders while another run's server may still live in them
    folder = Path(tempfile.mkdtemp(prefix="triage-postgres-"))
    as_postgres: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        as_postgres = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    run = {"check": True, "capture_output": True, "cwd": folder}
    subprocess.run(
        [*as_postgres, str(programs / "initdb"), "-D", str(data), "-U", "triage", "-A", "trust", "--no-sync"], **run
    )
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
    server = [*as_postgres, str(programs / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run([*server, "-l", str(folder / "log"), "-o", options, "start"], **run)
    try:
        yield f"postgresql://triage@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*server, "-m", "immediate", "stop"], **run)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind, one after the other."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'home' / 'triage.sqlite3'}"
        return
    server = request.getfixturevalue("postgres_server")
    yield new_database(server)


def new_database(server: str) -> str:
    """URL of a new, empty database of the server."""
    import psycopg

    name = f"t{os.urandom(6).hex()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    """An empty store with its tables, on each kind of database."""
    opened = open_store(database_url, tmp_path / "home" / "files")
    migrate(opened)
    yield opened
    opened.engine.dispose()

"""Page and worker live and die together, however the page is started and whatever is killed."""

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

from tests.bundles import write_reader
from tests.web.served import ROOT, free_port, served
from triage.web.serve import OPTIONS, theme_options


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    write_reader(folder / "reader")
    return folder


def workers(server: int) -> list[psutil.Process]:
    """Children that are the worker; one that has ended and waits to be noticed is none."""
    found = []
    for child in psutil.Process(server).children():
        with suppress(psutil.NoSuchProcess):
            if child.cmdline()[-2:] == ["triage", "worker"]:
                found.append(child)
    return found


def until(what, seconds: float = 60.0):
    """The first true answer."""
    end = monotonic() + seconds
    while not (answer := what()):
        assert monotonic() < end, "it never came to that"
        sleep(0.05)
    return answer


def test_a_worker_that_is_killed_is_started_again_and_ends_with_the_page(tmp_path: Path, bundles: Path) -> None:
    with served(tmp_path / "home", worker=True, bundles=bundles) as page:
        first = until(lambda: workers(page.process.pid))[0]
        first.kill()
        second = until(lambda: [one for one in workers(page.process.pid) if one.pid != first.pid])[0]
    until(lambda: not psutil.pid_exists(second.pid))


def test_a_killed_page_leaves_no_worker_behind(tmp_path: Path, bundles: Path) -> None:
    with served(tmp_path / "home", worker=True, bundles=bundles) as page:
        worker = until(lambda: workers(page.process.pid))[0]
        page.process.send_signal(signal.SIGKILL)
        until(lambda: not psutil.pid_exists(worker.pid) or worker.status() == psutil.STATUS_ZOMBIE)


@pytest.fixture
def by_streamlit(tmp_path: Path, bundles: Path) -> Iterator[str]:
    """The address that `streamlit run app.py` says."""
    environment = {**os.environ, "TRIAGE_HOME": str(tmp_path / "home"), "TRIAGE_BUNDLES": str(bundles)}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(free_port())]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield next(line for line in process.stdout if line.startswith("Triage is at"))
        finally:
            process.terminate()
            process.wait(30)


def test_streamlit_run_gives_the_same_application(by_streamlit: str) -> None:
    address = by_streamlit.split()[-1]
    host, _, path = address.removeprefix("http://").partition("/")
    connection = HTTPConnection(host, timeout=30)
    connection.request("GET", "/healthz")
    closed = connection.getresponse()
    closed.read()
    assert closed.status == 401
    connection.request("GET", "/" + path)
    entry = connection.getresponse()
    entry.read()
    cookie = (entry.getheader("set-cookie") or "").split(";")[0]
    connection.request("GET", "/healthz", headers={"Cookie": cookie})
    opened = connection.getresponse()
    assert opened.status == 200
    assert opened.read() == b'{"database":true}'


def test_both_ways_of_starting_have_the_same_options() -> None:
    written = flat(tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text()))
    assert written == OPTIONS | theme_options() | {"server.address": "127.0.0.1"}


def flat(table: dict[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in table.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found

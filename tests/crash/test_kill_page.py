"""kill -9 of the whole page in the middle of uploads: what the browser was told is safe, is safe."""

import http.client
import os
import signal
from pathlib import Path
from threading import Thread
from time import sleep

import numpy as np
import psutil
import pytest

from tests.crash.test_kill import (
    all_explained,
    assert_nothing_lost_nothing_doubled,
    bundles,
    film,
    settings,
    site,
    until,
)
from tests.web.served import Served, served
from triage.settings import Settings
from triage.store import Store
from triage.store.worklist import pending
from triage.web.door import cookie_name

__all__ = ["bundles", "settings", "site"]
pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]
KILLS = int(os.environ.get("TRIAGE_TEST_KILLS", "50")) // 10
FILMS = 40


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Which database it is makes no difference to the page."""
    return f"sqlite:///{tmp_path}"


def upload(page: Served, path: Path) -> bool:
    """Whether the page said that it has the file."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    try:
        headers = {"X-File-Name": path.name, "Cookie": f"{cookie_name(page.token)}={page.token}", "Origin": page.url}
        connection.request("POST", "/api/upload", path.read_bytes(), headers)
        answer = connection.getresponse()
        return answer.status == 200 and b'"accepted":true' in answer.read().replace(b" ", b"")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def send(page: Served, waiting: list[Path]) -> None:
    """Sends until nothing waits or the page is gone."""
    while waiting:
        path = waiting.pop(0)
        if not upload(page, path):
            waiting.insert(0, path)
            return


def test_the_page_is_killed_while_it_receives(site: Store, settings: Settings, tmp_path: Path) -> None:
    random = np.random.default_rng()
    sent = [film(tmp_path / "in", number) for number in range(FILMS)]
    waiting = list(sent)
    for _ in range(KILLS):
        with served(settings.home, worker=True, bundles=settings.bundles) as page:
            sender = Thread(target=send, args=(page, waiting))
            sender.start()
            sleep(random.uniform(0.1, 3.0))
            children = psutil.Process(page.process.pid).children(recursive=True)
            page.process.send_signal(signal.SIGKILL)
            sender.join()
            _, alive = psutil.wait_procs(children, timeout=30)
            assert not alive, "the worker ends with its page"
    with served(settings.home, worker=True, bundles=settings.bundles) as page:
        send(page, waiting)
        assert waiting == []
        until(lambda: not pending(site, limit=1) and all_explained(site, FILMS))
    assert_nothing_lost_nothing_doubled(site, settings, sent)

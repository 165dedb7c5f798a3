"""kill -9 at any instant loses nothing and doubles nothing."""

import hashlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep, time

import numpy as np
import pytest
from sqlalchemy import select

from data_schemas.worklist import StudyStatus
from tests.bundles import write_reader
from tests.crash.at_step import PRODUCER_STEPS, WORKER_STEPS
from tests.dicom import dx_file, values_like_a_film
from triage.assembly import intake_limits, open_site
from triage.intake.sweep import sweep
from triage.settings import Settings
from triage.store import Store
from triage.store.database import reading
from triage.store.files import orphans
from triage.store.tables import explanations, instances, screenings, studies
from triage.store.trail import entries, verify
from triage.store.worklist import pending

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]
KILLS = int(os.environ.get("TRIAGE_TEST_KILLS", "50"))
STUDIES = 90
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    write_reader(folder / "reader")
    return folder


@pytest.fixture
def settings(tmp_path: Path, bundles: Path, database_url: str) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    (bundles.parent / "cache").mkdir(exist_ok=True)
    (home / "cache").symlink_to(bundles.parent / "cache", target_is_directory=True)
    return Settings(home=home, bundles=bundles, database_url="" if "sqlite" in database_url else database_url)


@pytest.fixture
def site(settings: Settings) -> Iterator[Store]:
    opened = open_site(settings)
    yield opened
    opened.engine.dispose()


def film(folder: Path, number: int) -> Path:
    return dx_file(folder / f"{number:03}.dcm", values_like_a_film(60, 70, seed=number))


def start(settings: Settings, *module_and_arguments: str) -> subprocess.Popen[bytes]:
    environment = {
        "TRIAGE_HOME": str(settings.home),
        "TRIAGE_BUNDLES": str(settings.bundles),
        "TRIAGE_DATABASE_URL": settings.database_url,
        "OMP_NUM_THREADS": "1",
        "TRIAGE_DECODE_PROCESSES": "1",
        "PATH": os.environ["PATH"],
    }
    command = [sys.executable, "-m", *module_and_arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, cwd=ROOT)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time() + seconds
    while not condition():
        assert time() < end, "waited too long"
        sleep(0.1)


def all_explained(site: Store, count: int) -> bool:
    with reading(site) as connection:
        methods = Counter(connection.execute(select(explanations.c.method)).scalars())
    return methods["saliency"] >= count


def assert_nothing_lost_nothing_doubled(site: Store, settings: Settings, sent: list[Path]) -> None:
    """Every file sent is stored whole and once, screened once, and the trail knows each step once."""
    sweep(site, settings.spool, intake_limits(settings), settled_s=-1, abandoned_s=-1)
    hashes = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in sent)
    with reading(site) as connection:
        stored = connection.execute(select(instances)).all()
        study_rows = connection.execute(select(studies)).all()
        results = Counter(connection.execute(select(screenings.c.study_uid)).scalars())
        maps = Counter(connection.execute(select(explanations.c.study_uid)).scalars())
    assert Counter(row.sha256 for row in stored) == hashes
    for row in stored:
        assert hashlib.sha256((site.files / row.path).read_bytes()).hexdigest() == row.sha256
    assert {row.status for row in study_rows} == {StudyStatus.RANKED}, [row.reason for row in study_rows]
    assert set(results.values()) == {1}
    assert len(results) == len(sent)
    assert set(maps.values()) == {3}, "two from the scoring pass, one made later"
    trail = Counter((entry.kind, entry.study_instance_uid) for entry in entries(site, limit=100_000))
    for row in study_rows:
        assert [trail[kind, row.study_uid] for kind in ("received", "screened", "explained")] == [1, 1, 1]
    assert verify(site).intact
    assert orphans(site, older_than_s=-1) == []
    assert list(settings.spool.iterdir()) == []


def test_random_kills(site: Store, settings: Settings, tmp_path: Path) -> None:
    random = np.random.default_rng()
    sent = [film(tmp_path / "in", number) for number in range(STUDIES)]
    acknowledged = tmp_path / "acknowledged"
    acknowledged.touch()
    send, work = ("tests.crash.producer", str(tmp_path / "in"), str(acknowledged)), ("triage", "worker")
    running = {"producer": start(settings, *send), "worker": start(settings, *work)}
    commands = {"producer": send, "worker": work}
    try:
        for _ in range(KILLS):
            sleep(random.uniform(0.05, 1.6))
            victims = [["producer"], ["worker"], ["producer", "worker"]][random.integers(3)]
            for name in victims:
                kill(running[name])
            for name in victims:
                running[name] = start(settings, *commands[name])
        until(lambda: len(acknowledged.read_text().split()) >= STUDIES)
        until(lambda: not pending(site, limit=1) and all_explained(site, STUDIES), seconds=240)
    finally:
        for process in running.values():
            kill(process)
    assert_nothing_lost_nothing_doubled(site, settings, sent)


def test_a_kill_at_every_step(site: Store, settings: Settings, tmp_path: Path) -> None:
    """One study for each step; whoever is started next finds what the killed one left."""
    acknowledged = tmp_path / "acknowledged"
    for number, step in enumerate(PRODUCER_STEPS):
        film(tmp_path / "in", number)
        killed = start(settings, "tests.crash.at_step", step, "producer", str(tmp_path / "in"), str(acknowledged))
        assert killed.wait(60) == -signal.SIGKILL, step
    for number, step in enumerate(WORKER_STEPS, start=len(PRODUCER_STEPS)):
        film(tmp_path / "in", number)
        sent = start(settings, "tests.crash.producer", str(tmp_path / "in"), str(acknowledged))
        assert sent.wait(60) == 0
        killed = start(settings, "tests.crash.at_step", step, "worker")
        assert killed.wait(90) == -signal.SIGKILL, step
    count = len(PRODUCER_STEPS) + len(WORKER_STEPS)
    worker = start(settings, "triage", "worker")
    try:
        until(lambda: not pending(site, limit=1) and all_explained(site, count))
    finally:
        kill(worker)
    assert_nothing_lost_nothing_doubled(site, settings, sorted((tmp_path / "in").iterdir()))

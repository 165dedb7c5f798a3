"""What waits is screened, by whoever is there, and given up in words when it cannot be."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep, time

import pytest

from data_schemas.errors import BundleError, SettingsError
from data_schemas.explanation import Explanation
from data_schemas.operating_point import SitePoint
from data_schemas.score import StudyScreening
from data_schemas.study import StudyToScreen
from data_schemas.worklist import StudyStatus
from tests.bundles import write_reader
from tests.dicom import dx_file, values_like_a_film
from triage.assembly import Screener, intake_limits, manifest_of, open_site
from triage.intake.take_in import Sender, take_in
from triage.settings import Settings
from triage.store import Store
from triage.store.operating_points import set_point
from triage.store.studies import explanations, study_record
from triage.store.trail import entries, verify
from triage.store.worklist import pending
from triage.worker import MAX_ATTEMPTS, Turns, WorkFailed, run_worker, screen_study, work_until_done, worker_slot


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    write_reader(folder / "reader")
    return folder


@pytest.fixture
def settings(tmp_path: Path, bundles: Path, database_url: str) -> Settings:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "cache").symlink_to(bundles.parent / "cache", target_is_directory=True)
    (bundles.parent / "cache").mkdir(exist_ok=True)
    return Settings(
        home=tmp_path / "home", bundles=bundles, database_url="" if "sqlite" in database_url else database_url
    )


@pytest.fixture
def site(settings: Settings) -> Iterator[Store]:
    opened = open_site(settings)
    yield opened
    opened.engine.dispose()


def send(site: Store, settings: Settings, folder: Path, count: int, **attributes: object) -> list[str]:
    paths = [dx_file(folder / f"{n}.dcm", values_like_a_film(80, 90, seed=n), **attributes) for n in range(count)]
    sender = Sender(ordered_priority=None, source="test", actor="tester")
    reports = take_in(paths, store=site, spool=settings.spool, limits=intake_limits(settings), sender=sender)
    return [report.study_instance_uid for report in reports]


def test_what_was_sent_is_ranked_when_the_command_returns(site: Store, settings: Settings, tmp_path: Path) -> None:
    uids = send(site, settings, tmp_path / "in", 3)
    done: list[int] = []
    work_until_done(site, settings, uids, on_done=lambda: done.append(1))
    assert [study_record(site, uid).status for uid in uids] == [StudyStatus.RANKED] * 3
    assert len(done) == 3
    assert all(len(explanations(site, uid)) == 2 for uid in uids)
    assert verify(site).intact


class Failing(Screener):
    """A screener whose model breaks in a way nobody foresaw."""

    def process(
        self, request: StudyToScreen, points: Sequence[SitePoint] = ()
    ) -> tuple[StudyScreening, tuple[Explanation, ...]]:
        raise ZeroDivisionError(request.study.patient_name)


def test_a_study_that_always_fails_is_given_up_in_words(
    site: Store, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (uid,) = send(site, settings, tmp_path / "in", 1)
    with Failing(settings) as screener:
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(WorkFailed):
                screen_study(site, screener, Turns(), uid)
        screen_study(site, screener, Turns(), uid)
    record = study_record(site, uid)
    assert record.status is StudyStatus.NOT_SCORED
    assert record.urgency.reason == "not scored: screening it failed 5 times; see the worker's log"
    assert "ZeroDivisionError" in caplog.text
    assert "PHANTOM" not in caplog.text


def test_a_bundle_that_must_not_be_used_leaves_studies_waiting(site: Store, settings: Settings, tmp_path: Path) -> None:
    uids = send(site, settings, tmp_path / "in", 1)
    empty = settings.model_copy(update={"bundles": tmp_path})
    with pytest.raises(BundleError, match="no model bundle"):
        work_until_done(site, empty, uids)
    assert len(pending(site, limit=9)) == 1


def test_one_worker_serves_an_embedded_home(site: Store, settings: Settings) -> None:
    with worker_slot(settings, site) as first, worker_slot(settings, site) as second:
        assert first == 0
        assert second == (None if site.embedded else 1)
        if site.embedded:
            with pytest.raises(SettingsError, match="another worker already serves"):
                run_worker(site, settings)


def test_a_worker_process_screens_explains_and_ends_with_its_parent(
    site: Store, settings: Settings, tmp_path: Path
) -> None:
    environment = {
        "TRIAGE_HOME": str(settings.home),
        "TRIAGE_BUNDLES": str(settings.bundles),
        "TRIAGE_DATABASE_URL": settings.database_url,
        "OMP_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
    }
    uids = send(site, settings, tmp_path / "in", 3)
    command = [sys.executable, "-m", "triage", "worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[1]) as process:
        until(lambda: not pending(site, limit=9))
        late = send(site, settings, tmp_path / "late", 1, ViewPosition="LL")
        until(lambda: not pending(site, limit=9))
        until(lambda: all(len(explanations(site, uid)) == 3 for uid in uids))
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
    assert [study_record(site, uid).status for uid in uids] == [StudyStatus.RANKED] * 3
    assert study_record(site, late[0]).status is StudyStatus.NOT_SCORED
    assert len(entries(site, kind="screened")) == 4
    assert verify(site).intact


def test_a_running_worker_acts_from_a_new_point_at_once(site: Store, settings: Settings, tmp_path: Path) -> None:
    environment = {
        "TRIAGE_HOME": str(settings.home),
        "TRIAGE_BUNDLES": str(settings.bundles),
        "TRIAGE_DATABASE_URL": settings.database_url,
        "OMP_NUM_THREADS": "1",
        "PATH": "/usr/bin:/bin",
    }
    manifest = manifest_of(settings, "reader")
    (before,) = send(site, settings, tmp_path / "before", 1)
    command = [sys.executable, "-m", "triage", "worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[1]) as process:
        until(lambda: not pending(site, limit=9))
        set_point(site, manifest, "effusion", 0.999, actor="tester", comment="for a test")
        (at_point,) = send(site, settings, tmp_path / "at point", 1)
        until(lambda: not pending(site, limit=9))
        set_point(site, manifest, "effusion", None, actor="tester", comment="for a test")
        (after,) = send(site, settings, tmp_path / "after", 1)
        until(lambda: not pending(site, limit=9))
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0
    acted_from = [
        [(one.operating_point, one.set_by_site is not None) for one in record.screening.findings]
        for uid in (before, at_point, after)
        if (record := study_record(site, uid)).screening is not None
    ]
    own = [(0.4, False), (0.4, False)]
    assert [sorted(points) for points in acted_from] == [own, [(0.4, False), (0.999, True)], own]


def until(condition: object, seconds: float = 90) -> None:
    end = time() + seconds
    while not condition():  # type: ignore[operator]
        assert time() < end, "waited too long"
        sleep(0.05)


def test_a_study_that_failed_twice_is_screened_alone() -> None:
    turns, order = Turns(), []

    def work(name: str, alone: bool, seconds: float) -> None:
        with turns.take(alone=alone):
            order.append(f"{name} begins")
            sleep(seconds)
            order.append(f"{name} ends")

    with ThreadPoolExecutor(4) as threads:
        threads.submit(work, "a", False, 0.2)
        threads.submit(work, "b", False, 0.2)
        sleep(0.05)
        threads.submit(work, "c", True, 0.1).result()
    assert set(order[:4]) == {"a begins", "b begins", "a ends", "b ends"}
    assert order[4:] == ["c begins", "c ends"]

"""kill -9 of the command that queues studies again: asked once more, each study is screened once more, none twice."""

import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.crash.at_step import RESCREEN_STEPS
from tests.crash.test_kill import bundles, film, kill, settings, site, start, until
from triage.assembly import manifest_of
from triage.settings import Settings
from triage.store import Store
from triage.store.operating_points import set_point
from triage.store.reading import past_screenings
from triage.store.trail import entries, verify
from triage.store.worklist import pending, worklist_page

__all__ = ["bundles", "settings", "site"]
pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]
STUDIES = 7
BATCH = "2"


def test_a_kill_at_every_step(site: Store, settings: Settings, tmp_path: Path) -> None:
    for number in range(STUDIES):
        film(tmp_path / "in", number)
    sent = start(settings, "tests.crash.producer", str(tmp_path / "in"), str(tmp_path / "acknowledged"))
    assert sent.wait(90) == 0
    worker = start(settings, "triage", "worker")
    try:
        until(lambda: not pending(site, limit=1))
        set_point(site, manifest_of(settings, "reader"), "effusion", 0.999, actor="tester", comment="for a test")
        for step in RESCREEN_STEPS:
            killed = start(settings, "tests.crash.at_step", step, "rescreen", BATCH)
            assert killed.wait(60) == -signal.SIGKILL, step
        for _ in range(2):
            assert start(settings, "triage", "rescreen").wait(60) == 0
        until(lambda: not pending(site, limit=1))
    finally:
        kill(worker)
    uids = [row.study.study_instance_uid for row in worklist_page(site, offset=0, limit=99)]
    trail = Counter((entry.kind, entry.study_instance_uid) for entry in entries(site, limit=10_000))
    assert len(uids) == STUDIES
    for uid in uids:
        assert [trail[kind, uid] for kind in ("queued again", "screened")] == [1, 2]
        points = [score.operating_point for past in past_screenings(site, uid) for score in past.result.findings]
        assert Counter(points) == {0.4: 3, 0.999: 1}
    assert verify(site).intact

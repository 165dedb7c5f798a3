"""What was told by another operating point or model is found, queued and screened again, by the real path."""

import json
import shutil
from pathlib import Path

import pytest

from data_schemas.worklist import StudyStatus
from tests.bundles import write_reader
from tests.test_worker import send, settings, site
from triage.assembly import Screener, manifest_of, manifests_in_force
from triage.rescreening import outdated, rescreen_every, rescreen_outdated, rescreen_study
from triage.settings import Settings
from triage.store import Store
from triage.store.operating_points import set_point
from triage.store.reading import past_screenings
from triage.store.studies import explanations, study_record
from triage.worker import Turns, WorkFailed, screen_study, work_until_done

__all__ = ["settings", "site"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    write_reader(folder / "made" / "reader")
    return folder / "made"


@pytest.fixture
def bundles(made: Path, tmp_path: Path) -> Path:
    """Of this test alone, for it may install another version; the runtime's file beside it is shared."""
    return shutil.copytree(made, made.parent / tmp_path.name)


def again(site: Store, settings: Settings, *, dry_run: bool = False) -> dict[str, int]:
    """What the command does by default."""
    groups = outdated(site, manifests_in_force(settings, site))
    return dict(rescreen_outdated(site, groups, actor="tester", dry_run=dry_run))


def points(site: Store, uid: str) -> list[float]:
    """Where effusion acted from in each result of the study, the newest first."""
    past = [one.result.findings for one in past_screenings(site, uid)]
    return [score.operating_point for found in past for score in found if score.finding == "effusion"]


def test_a_changed_point_and_back_again(site: Store, settings: Settings, tmp_path: Path) -> None:
    manifest = manifest_of(settings, "reader")
    uids = send(site, settings, tmp_path / "in", 2)
    lateral = send(site, settings, tmp_path / "lateral", 1, ViewPosition="LL")
    work_until_done(site, settings, uids + lateral)
    assert again(site, settings) == {}
    set_point(site, manifest, "effusion", 0.001, actor="tester", comment="for a test")
    why = "operating point of Effusion 0.400, now 0.001"
    assert [again(site, settings, dry_run=True) for _ in range(2)] == [{why: 2}] * 2
    assert again(site, settings) == {why: 2}
    assert again(site, settings) == {}
    work_until_done(site, settings, uids)
    assert [points(site, uid) for uid in uids] == [[0.001, 0.4]] * 2
    assert {study_record(site, uid).urgency.reason[:12] for uid in uids} == {"AI: Effusion"}
    assert again(site, settings) == {}
    set_point(site, manifest, "effusion", None, actor="tester", comment="for a test")
    assert again(site, settings) == {"operating point of Effusion 0.001, now 0.400": 2}
    work_until_done(site, settings, uids)
    assert {score.operating_point for score in study_record(site, uids[0]).screening.findings} == {0.4}
    assert len(past_screenings(site, uids[0])) == 2, "the first result is the newest again"
    assert len(explanations(site, uids[0])) == 2
    assert again(site, settings) == {}


def test_a_new_version_of_the_same_weights_has_a_result_of_its_own(
    site: Store, settings: Settings, tmp_path: Path
) -> None:
    uids = send(site, settings, tmp_path / "in", 1) + send(site, settings, tmp_path / "side", 1, ViewPosition="LL")
    work_until_done(site, settings, uids)
    path = settings.bundles / "reader" / "triage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "9"}))
    assert again(site, settings) == {"reader 0.0.1, now 9": 2}
    work_until_done(site, settings, uids)
    for uid in uids:
        versions = [past.result.images[0].bundle.version for past in past_screenings(site, uid)]
        assert versions == ["9", "0.0.1"]
        assert study_record(site, uid).screening.images[0].bundle.version == "9"
    assert again(site, settings) == {}


def test_a_model_that_comes_is_given_what_no_model_read(site: Store, settings: Settings, tmp_path: Path) -> None:
    (uid,) = send(site, settings, tmp_path / "in", 1, Modality="US")
    work_until_done(site, settings, [uid])
    assert study_record(site, uid).urgency.reason == "not scored: no installed model reads US"
    assert again(site, settings) == {}
    path = settings.bundles / "reader" / "triage.json"
    stated = json.loads(path.read_text())
    stated["accepts"]["modalities"].append("US")
    path.write_text(json.dumps(stated))
    assert again(site, settings) == {"reader 0.0.1 reads US by now": 1}
    work_until_done(site, settings, [uid])
    assert study_record(site, uid).status is StudyStatus.RANKED


def test_one_study_or_all_whatever_told_them(site: Store, settings: Settings, tmp_path: Path) -> None:
    first, second = send(site, settings, tmp_path / "in", 2)
    work_until_done(site, settings, [first, second])
    assert rescreen_study(site, first, actor="tester", dry_run=True) == {"asked for": 1}
    assert rescreen_study(site, first, actor="tester") == {"asked for": 1}
    assert rescreen_study(site, first, actor="tester") == {}
    assert rescreen_every(site, actor="tester", dry_run=True) == {"asked for": 1}
    assert rescreen_every(site, actor="tester") == {"asked for": 1}
    assert rescreen_every(site, actor="tester", dry_run=True) == {}
    work_until_done(site, settings, [first, second])
    assert [len(past_screenings(site, uid)) for uid in (first, second)] == [1, 1]


class Failing(Screener):
    """A screener whose model breaks."""

    def process(self, *arguments: object) -> None:  # type: ignore[override]
        raise ZeroDivisionError


def test_a_study_that_fails_this_time_stays_where_its_earlier_score_put_it(
    site: Store, settings: Settings, tmp_path: Path
) -> None:
    set_point(site, manifest_of(settings, "reader"), "effusion", 0.001, actor="tester", comment="for a test")
    (uid,) = send(site, settings, tmp_path / "in", 1)
    work_until_done(site, settings, [uid])
    assert study_record(site, uid).urgency.level == "HIGH"
    rescreen_study(site, uid, actor="tester")
    with Failing(settings) as screener:
        for _ in range(5):
            with pytest.raises(WorkFailed):
                screen_study(site, screener, Turns(), uid)
        screen_study(site, screener, Turns(), uid)
    record = study_record(site, uid)
    assert (record.status, record.urgency.level) == (StudyStatus.NOT_SCORED, "HIGH")
    assert record.urgency.reason.endswith("see the worker's log; an earlier result lifted it to HIGH")

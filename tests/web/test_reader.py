"""What a reader does arrives only with what was on the screen."""

import json
from functools import partial

import pytest
from starlette.applications import Starlette

from tests.ui.studies import arrive, screened
from tests.web.asgi import Answer, ask
from triage.store.reading import given_verdicts, open_studies
from triage.store.studies import study_record
from triage.web import shown
from triage.web.site import Site


@pytest.fixture
def post(app: Starlette, inside: dict[str, str]):
    def send(path: str, **body: object) -> Answer:
        return partial(ask, app, headers=inside)(path, method="POST", body=[json.dumps(body).encode()])

    return send


@pytest.fixture
def uid(site: Site) -> str:
    study = arrive(site.store, site.settings.spool)
    screened(site.store, study, opacity=0.8)
    return study.study_instance_uid


def test_a_verdict_is_shown_with_the_study_until_it_is_taken_back(post, site: Site, uid: str) -> None:
    screening = shown.study(site.store, uid)["screening"]
    answer = post(
        f"/api/studies/{uid}/verdict", verdict="under-called", comment="also an effusion", screening=screening
    )
    assert answer.status == 200
    (verdict,) = shown.study(site.store, uid)["verdicts"]
    assert verdict["verdict"] == "under-called"
    assert verdict["comment"] == "also an effusion"
    assert verdict["current"] is True
    assert post(f"/api/studies/{uid}/withdraw", number=answer.json["number"]).status == 200
    assert shown.study(site.store, uid)["verdicts"] == []


def test_a_verdict_on_an_older_result_is_refused_with_a_sentence(post, site: Site, uid: str) -> None:
    answer = post(f"/api/studies/{uid}/verdict", verdict="agree", screening=10**6)
    assert answer.status == 409
    assert "look at the new result first" in answer.json["error"]
    assert given_verdicts(site.store, uid) == []


@pytest.mark.parametrize(
    "body",
    [
        {"verdict": "fine", "screening": 1},
        {"verdict": "agree"},
        {"verdict": "agree", "screening": 1, "comment": 7},
        {"verdict": "agree", "screening": 1, "comment": "x" * 2001},
        {},
    ],
)
def test_an_incomplete_verdict_gets_a_sentence(post, uid: str, body: dict[str, object]) -> None:
    assert post(f"/api/studies/{uid}/verdict", **body).status == 400


def test_read_can_be_undone(post, site: Site, uid: str) -> None:
    assert post(f"/api/studies/{uid}/read", revision=1).status == 200
    assert study_record(site.store, uid).status == "read"
    assert post(f"/api/studies/{uid}/unread").status == 200
    assert study_record(site.store, uid).status == "ranked"


def test_other_windows_know_what_is_open(post, site: Site, uid: str) -> None:
    from time import time

    assert post(f"/api/studies/{uid}/open", window="w" * 12).status == 200
    assert set(open_studies(site.store, at=time())) == {uid}
    assert post("/api/closed", window="w" * 12).status == 200
    assert open_studies(site.store, at=time()) == {}
    assert post(f"/api/studies/{uid}/open", window="w").status == 400
    assert post("/api/studies/1.2.3/open", window="w" * 12).status == 404


def test_the_history_tells_every_result(site: Site, uid: str) -> None:
    (past,) = shown.study(site.store, uid)["history"]
    assert past["level"] == "HIGH"
    assert past["findings"][0]["probability"] == 0.8
    assert past["model"] == "drawn 1"

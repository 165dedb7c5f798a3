"""A site's own operating point over HTTP: only from our own page, only of what was on the screen."""

import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from data_schemas.bundle import BundleManifest
from tests.bundles import write_reader
from tests.web.asgi import Answer, ask
from triage.settings import load_settings
from triage.store.operating_points import site_points
from triage.store.trail import entries
from triage.web.door import Door, cookie_name
from triage.web.routes import routes
from triage.web.site import Site, opened
from triage.web.trail import sentence
from triage.web.words import say_in

ADDRESS = "/api/models/reader/points/effusion"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BundleManifest]:
    folder = tmp_path_factory.mktemp("bundles")
    return folder, write_reader(folder / "reader")


@pytest.fixture
def site(tmp_path: Path, bundles: tuple[Path, BundleManifest]):
    settings = load_settings(home=tmp_path / "home", bundles=bundles[0], min_free_mib=0, decode_processes=1)
    with opened(settings) as site:
        yield site


@pytest.fixture
def app(site: Site) -> Starlette:
    return Starlette(routes=routes(site), middleware=[Middleware(Door, token=site.token)])


@pytest.fixture
def body(bundles: tuple[Path, BundleManifest]) -> dict[str, object]:
    weights = bundles[1].network.weights_sha256
    return {"weights": weights, "seen": 0.4, "point": 0.35, "comment": "too many missed"}


def post(app: Starlette, site: Site, body: dict[str, object], path: str = ADDRESS, **headers: str) -> Answer:
    inside = {"Cookie": f"{cookie_name(site.token)}={site.token}"}
    return ask(app, path, method="POST", headers=inside | headers, body=[json.dumps(body).encode()])


def test_a_point_is_set_and_taken_back_in_words_of_the_trail(app: Starlette, site: Site, body) -> None:
    assert post(app, site, body).json == {"bundle": "reader", "finding": "effusion", "point": 0.35}
    assert [one.point for one in site_points(site.store)] == [0.35]
    assert post(app, site, body | {"seen": 0.35, "point": None, "comment": "=back"}).status == 200
    assert site_points(site.store) == ()
    told = [sentence(entry, say_in("en")) for entry in reversed(entries(site.store))]
    assert told == [
        "Reader changed the operating point of Effusion from 0.400 to 0.350 (reader 0.0.1; the bundle's own is 0.400). "
        "Why: too many missed",
        "Reader took the operating point of Effusion from 0.350 back to the bundle's own 0.400 (reader 0.0.1). "
        "Why: =back",
    ]


def test_who_did_not_come_in_by_the_door_changes_nothing(app: Starlette, site: Site, body) -> None:
    content = [json.dumps(body).encode()]
    assert ask(app, ADDRESS, method="POST", body=content).status == 401
    foreign = {"Origin": "http://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert post(app, site, body, **foreign).status == 403
    assert site_points(site.store) == ()


def test_a_decision_on_what_has_changed_is_refused_with_a_sentence(app: Starlette, site: Site, body) -> None:
    assert post(app, site, body).status == 200
    late = post(app, site, body | {"point": 0.2})
    assert (late.status, "another operating point" in late.json["error"]) == (409, True)
    other = post(app, site, body | {"seen": 0.35, "weights": "f" * 64})
    assert (other.status, "other weights" in other.json["error"]) == (404, True)
    assert len(entries(site.store)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"point": "0.3"}, {"point": True}, {"point": 1.2}, {"point": 0}, {"point": 1}, {"point": float("nan")},
        {"point": 10**400}, {"seen": None}, {"seen": "0.4"}, {"comment": ""}, {"comment": 7}, {"comment": "x" * 501},
    ],
)  # fmt: skip
def test_an_incomplete_decision_gets_a_sentence(app: Starlette, site: Site, body, change: dict[str, object]) -> None:
    answer = post(app, site, body | change)
    assert answer.status == 400
    assert answer.json["error"]
    assert entries(site.store) == []


@pytest.mark.parametrize("path", ["/api/models/none/points/effusion", "/api/models/reader/points/fracture"])
def test_a_model_or_finding_that_is_not_there_is_told(app: Starlette, site: Site, body, path: str) -> None:
    answer = post(app, site, body, path)
    assert (answer.status, "reader" in answer.json["error"]) == (404, True)

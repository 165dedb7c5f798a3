"""Pixels, maps, rows and what a reader does, as the page asks for them."""

import json
from functools import partial
from time import time

import cv2
import numpy as np
import pytest
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette

from data_schemas.urgency import Level
from tests.dicom import values_like_a_film
from tests.ui.studies import arrive, screened
from tests.web.asgi import Answer, ask
from triage.store.reading import show_open
from triage.store.studies import numbered_explanations
from triage.store.trail import entries
from triage.web import shown
from triage.web.site import Site


@pytest.fixture
def get(app: Starlette, inside: dict[str, str]):
    return partial(ask, app, headers=inside)


@pytest.fixture
def post(app: Starlette, inside: dict[str, str]):
    def send(path: str, body: object, query: str = "") -> Answer:
        return ask(app, path, query=query, headers=inside, method="POST", body=[json.dumps(body).encode()])

    return send


def pixels(answer: Answer) -> np.ndarray:
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/png"
    return cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_UNCHANGED)


def test_a_map_lies_edge_to_edge_over_its_image_and_is_clear_where_it_is_low(get, site: Site) -> None:
    study = arrive(site.store, site.settings.spool, values=values_like_a_film(210, 140))
    screened(site.store, study, opacity=0.8)
    number = numbered_explanations(site.store, study.study_instance_uid)[0][0]
    drawn = pixels(get(f"/api/maps/{number}"))
    assert drawn.shape == (210, 140, 4)
    y, x = np.unravel_index(int(np.argmax(drawn[..., 3])), drawn.shape[:2])
    assert abs(y - 4.5 / 14 * 210) < 10
    assert abs(x - 4.5 / 14 * 140) < 10
    assert drawn[-1, -1, 3] == 0


@pytest.mark.parametrize(
    "path", ["/api/frames/1.2.3", "/api/maps/999", "/api/maps/x", "/api/maps/%F0", "/api/studies/1.2"]
)
def test_what_is_not_there_is_said(get, path: str) -> None:
    answer = get(path)
    assert answer.status == 404
    assert answer.json["error"]


def test_the_worklist_gives_rows_in_reading_order_and_nothing_twice(get, site: Site) -> None:
    routine = arrive(site.store, site.settings.spool, PatientName="ROE^JOHN^Q")
    stat = arrive(site.store, site.settings.spool, ordered=Level.STAT, PatientName="DOE^JANE")
    answer = get("/api/worklist").json
    assert [row["uid"] for row in answer["rows"]] == [stat.study_instance_uid, routine.study_instance_uid]
    assert [row["name"] for row in answer["rows"]] == ["DOE, JANE", "ROE, JOHN Q"]
    assert (answer["total"], answer["counts"]["stat"], answer["counts"]["waiting"]) == (2, 1, 2)
    again = get("/api/worklist", query=f"since={answer['version']}").json
    assert again["changed"] is False
    assert "rows" not in again
    after = get("/api/worklist", query=f"after={answer['rows'][0]['cursor']}&limit=1").json
    assert [row["position"] for row in after["rows"]] == [2]
    assert (after["before"], after["found"]) == (1, 2)


def test_the_worklist_is_filtered_in_the_database_and_text_stays_out_of_the_address(get, post, site: Site) -> None:
    for name, level in (("ROE^JOHN", None), ("MÜLLER^EVA", Level.STAT), ("DOE^JANE", Level.STAT)):
        arrive(site.store, site.settings.spool, ordered=level, PatientName=name, SpecificCharacterSet="ISO_IR 100")

    def names(answer) -> list[str]:
        return [row["name"] for row in answer.json["rows"]]

    assert names(get("/api/worklist", query="level=STAT")) == ["MÜLLER, EVA", "DOE, JANE"]
    assert names(get("/api/worklist", query="modality=CT")) == []
    assert names(get("/api/worklist", query="status=waiting&level=ROUTINE")) == ["ROE, JOHN"]
    for text in ("mueller", "Muller", "eva mül"):
        assert names(post("/api/worklist", {"text": text})) == ["MÜLLER, EVA"]
    assert names(post("/api/worklist", {"text": "jane"}, query="level=ROUTINE")) == []


def test_a_study_that_comes_to_stand_at_stat_is_told_once(get, site: Site) -> None:
    arrive(site.store, site.settings.spool, ordered=Level.STAT, PatientName="OLD^NEWS")
    version = get("/api/worklist").json["version"]
    arrive(site.store, site.settings.spool, ordered=Level.STAT, PatientName="DOE^JANE")
    told = get("/api/worklist", query=f"since={version}&heard={version}").json
    assert [one["name"] for one in told["stat"]] == ["DOE, JANE"]
    again = get("/api/worklist", query=f"since={told['version']}&heard={told['version']}").json
    assert "stat" not in again


def test_who_has_a_study_open_is_told_when_it_changes(get, site: Site) -> None:
    study = arrive(site.store, site.settings.spool)
    before = get("/api/worklist").json
    assert before["open"] == {}
    show_open(site.store, study.study_instance_uid, "window-1", actor="reader", at=time())
    after = get("/api/worklist", query=f"since={before['version']}&opened={before['opened']}").json
    assert after["open"] == {study.study_instance_uid: "reader"}


def test_a_database_that_does_not_answer_is_told_in_a_sentence(get, site: Site, monkeypatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr("triage.web.sharing.pulse", silent)
    answer = get("/api/worklist")
    assert answer.status == 503
    assert answer.json["error"] == "the database does not answer; nothing is lost, and it is tried again"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "after=x", "before=1.x", "since=1e3", "level=RED", "status=gone"]
)
def test_impossible_pages_of_the_worklist_get_a_sentence(get, query: str) -> None:
    assert get("/api/worklist", query=query).status == 400


def test_a_study_is_shown_with_all_that_explains_its_place(get, site: Site) -> None:
    study = arrive(site.store, site.settings.spool, AccessionNumber="A77", PatientBirthDate="19601231")
    screened(site.store, study, opacity=0.83)
    answer = get(f"/api/studies/{study.study_instance_uid}").json
    assert answer["reason"] == "AI: lung opacity 0.83 (acts from 0.41)"
    assert (answer["accession"], answer["birth_date"], answer["position"]) == ("A77", "1960-12-31", 1)
    assert [finding["finding"] for finding in answer["findings"]] == ["opacity", "effusion", "mass"]
    assert answer["findings"][2]["lifts"] is None
    assert {found["outcome"] for gates in answer["gates"].values() for found in gates} == {"passed", "marked"}
    assert [found["finding"] for found in answer["maps"]] == ["opacity", "effusion", "mass"]
    assert dict(answer["provenance"])["Model"] == "drawn 1"


def test_marking_read_takes_the_study_off_the_list_and_into_the_trail(
    app: Starlette, inside: dict[str, str], site: Site
) -> None:
    study = arrive(site.store, site.settings.spool)
    path = f"/api/studies/{study.study_instance_uid}/read"
    answer = ask(app, path, method="POST", headers=inside, body=[b'{"revision": 1}'])
    assert answer.json == {"uid": study.study_instance_uid, "status": "read"}
    assert ask(app, "/api/worklist", headers=inside).json["rows"] == []
    assert entries(site.store)[0].kind == "marked read"


def test_a_study_that_has_grown_since_it_was_opened_is_not_marked_read(
    app: Starlette, inside: dict[str, str], site: Site
) -> None:
    study = arrive(site.store, site.settings.spool)
    arrive(site.store, site.settings.spool, StudyInstanceUID=study.study_instance_uid)
    path = f"/api/studies/{study.study_instance_uid}/read"
    answer = ask(app, path, method="POST", headers=inside, body=[b'{"revision": 1}'])
    assert answer.status == 409
    assert "new images" in answer.json["error"]
    assert len(ask(app, "/api/worklist", headers=inside).json["rows"]) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"x" * 5000])
def test_a_request_without_what_was_seen_changes_nothing(
    app: Starlette, inside: dict[str, str], site: Site, body: bytes
) -> None:
    study = arrive(site.store, site.settings.spool)
    path = f"/api/studies/{study.study_instance_uid}/read"
    assert ask(app, path, method="POST", headers=inside, body=[body]).status in (400, 409)
    assert len(ask(app, "/api/worklist", headers=inside).json["rows"]) == 1


def test_the_trail_knows_which_map_was_shown(app: Starlette, inside: dict[str, str], site: Site) -> None:
    study, other = (arrive(site.store, site.settings.spool) for _ in range(2))
    screened(site.store, study)
    number = numbered_explanations(site.store, study.study_instance_uid)[0][0]
    body = [f'{{"map": {number}}}'.encode()]
    for uid, status in ((other.study_instance_uid, 404), (study.study_instance_uid, 200)):
        assert ask(app, f"/api/studies/{uid}/shown", method="POST", headers=inside, body=body).status == status
    newest = entries(site.store)[0]
    assert (newest.kind, newest.fields["method"], newest.fields["finding"]) == ("map shown", "gradcam", "opacity")


def test_the_trail_is_exported_whole_and_without_names(get, site: Site) -> None:
    arrive(site.store, site.settings.spool, PatientName="SECRET^NAME", PatientID="=SECRET")
    answer = get("/api/trail.csv")
    lines = answer.body.decode().splitlines()
    assert lines[0].startswith("sequence,at,kind,actor")
    assert len(lines) == 2
    assert "SECRET" not in answer.body.decode()
    assert "attachment" in answer.headers["content-disposition"]


def test_health_says_whether_the_database_answers(get) -> None:
    assert get("/healthz").json == {"database": True}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("DOE^JANE", "DOE, JANE"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou"),
        ("ONLY", "ONLY"),
        ("^GIVEN", "GIVEN"),
        ("", ""),
    ],
)
def test_names_are_read_as_people_write_them(written: str, read: str) -> None:
    assert shown.person_name(written) == read


@pytest.mark.parametrize(("years", "words"), [(None, ""), (0.5, "6 mo"), (1.99, "24 mo"), (61.9, "61")])
def test_ages_have_the_unit_that_fits(years: float | None, words: str) -> None:
    assert shown.age(years) == words

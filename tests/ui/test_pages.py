"""What the pages say, run by Streamlit's own test harness; what needs a browser is in tests/browser."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from data_schemas.audit import TrailEntry
from data_schemas.bundle import Accepts
from data_schemas.reading import Verdict
from data_schemas.urgency import Level
from tests.bundles import write_reader
from tests.models import tiny
from tests.store.studies import result, send
from tests.ui.studies import arrive, screened
from triage.models.bundle import read_manifest
from triage.settings import SHIPPED_BUNDLES, Settings, load_settings
from triage.store import Store
from triage.store.reading import judge, mark_read, mark_unread, withdraw
from triage.store.screenings import record_screening
from triage.store.studies import note_view, study_record
from triage.store.tables import trail
from triage.store.trail import entries
from triage.store.worklist import still_pending, worklist_page
from triage.ui import datasheet, evidence
from triage.ui.evaluated import Evaluated, read_figures
from triage.ui.views.models import parts_of
from triage.web.framework import PARTS
from triage.web.trail import KINDS, sentence
from triage.web.words import say_in

SAY = say_in("en")
MAIN = Path(__file__).parents[2] / "triage" / "ui" / "main.py"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return load_settings(home=tmp_path / "home", database_url=database_url)


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's harness leaves the page's script in its place, where other tests' children would run it."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


def ran(settings: Settings, view: str, **query: str) -> AppTest:
    """The page, run once."""
    script = f"from triage.ui.views.{view} import page\npage()"
    app = AppTest.from_string(script, default_timeout=60)
    app.secrets["triage"] = settings.model_dump(mode="json")
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return " ".join(str(element.proto.body) for element in app.get("html"))


def test_the_frame_runs_and_says_what_it_is(settings: Settings) -> None:
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.secrets["triage"] = settings.model_dump(mode="json")
    app.run()
    assert not app.exception
    assert "Research use, not for diagnosis" in words(app)


def test_a_database_that_does_not_answer_is_told_and_tried_again(settings: Settings, monkeypatch) -> None:
    def silent() -> None:
        raise OperationalError("", {}, Exception("locked"))

    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.secrets["triage"] = settings.model_dump(mode="json")
    monkeypatch.setattr("triage.ui.views.worklist.page", silent)
    app.run()
    assert not app.exception
    assert "The database does not answer" in words(app)


def test_a_fault_of_ours_is_told_without_its_trace(settings: Settings, monkeypatch) -> None:
    def faulty() -> None:
        raise ZeroDivisionError("DOE^JANE")

    app = AppTest.from_file(str(MAIN), default_timeout=60)
    app.secrets["triage"] = settings.model_dump(mode="json")
    monkeypatch.setattr("triage.ui.views.worklist.page", faulty)
    app.run()
    assert "This page has a fault" in words(app)
    assert "DOE" not in words(app)


def test_the_pages_do_without_the_heavy_libraries() -> None:
    heavy = "torch", "monai", "captum", "onnxruntime", "onnx", "dbos"
    program = (
        "import sys; import triage.web.serve; from triage.ui.views import audit, models, study, upload, worklist; "
        f"found = [name for name in {heavy!r} if name in sys.modules]; sys.exit(' '.join(found) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_study_leads_back_to_the_worklist(settings: Settings, store: Store) -> None:
    app = ran(settings, "study", uid="1.2.3")
    assert "There is no study with this UID" in words(app)
    assert entries(store) == []


def test_opening_a_study_is_in_the_trail_once(settings: Settings, store: Store) -> None:
    study = arrive(store, settings.spool)
    app = ran(settings, "study", uid=study.study_instance_uid)
    app.run()
    assert [entry.kind for entry in entries(store, kind="opened")] == ["opened"]


def test_without_bundles_the_models_page_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    app = ran(settings.model_copy(update={"bundles": tmp_path / "none"}), "models")
    assert "TRIAGE_BUNDLES" in words(app)


def test_a_datasheet_says_what_it_is_for_and_what_may_not_lift() -> None:
    bundle = Evaluated(tiny.manifest().model_copy(update={"purpose": "<b>Tests</b>"}), {}, SAY)
    told = datasheet.summary(bundle) + evidence.evidence(bundle).figures
    for words_told in (
        "&lt;b&gt;Tests",
        "Not for",
        "Effusion to HIGH",
        "Nodule (lower bound 0.600)",
        "0.75 to 0.90",
        "experimental, does not affect order",
        "its evaluation.json is missing",
    ):
        assert words_told in told


def test_every_bundle_is_told_in_a_line_that_leads_to_its_sheet(settings: Settings) -> None:
    shipped = settings.model_copy(update={"bundles": SHIPPED_BUNDLES})
    told = words(ran(shipped, "models"))
    for folder in SHIPPED_BUNDLES.iterdir():
        assert f'<a href="#model-{folder.name}">' in told
        assert f'id="model-{folder.name}"' in told
    assert "intracranial haemorrhage to STAT" in told


def test_every_page_names_its_scripts_at_once() -> None:
    views = {path.stem for path in (MAIN.parent / "views").glob("[!_]*.py")}
    assert set(PARTS) == {"/", *(f"/{view}" for view in views - {"worklist"})}


def test_the_trail_names_a_finding_as_a_person_does() -> None:
    fields = {"finding": "drusen_or_cnv", "method": "gradcam"}
    entry = TrailEntry(
        kind="map shown", actor="reader", fields=fields, sequence=1, at=datetime.now(UTC), previous_hash="", hash="00"
    )
    assert sentence(entry, SAY) == "Reader was shown the map of drusen or cnv (Grad-CAM)"


def test_a_finding_that_is_experimental_by_choice_says_so() -> None:
    nodule = tiny.manifest().findings[0].model_copy(update={"label": "Nodule", "proposes": None})
    bundle = Evaluated(tiny.manifest().model_copy(update={"findings": (nodule,)}), {}, SAY)
    low = f"{nodule.evidence.low:.3f}"
    assert f"Nodule (to lift nothing is its author's choice; lower bound {low})" in unescape(datasheet.summary(bundle))


def test_gates_are_told_with_the_bundles_own_limits() -> None:
    accepts = Accepts(modalities=("DX",), views=("PA",), min_age_years=18, min_side_px=256, max_aspect=1.8)
    manifest = tiny.manifest().model_copy(update={"accepts": accepts})
    told = datasheet.gates(Evaluated(manifest, {}, SAY))
    for limit in ("PA; one that is not stated is marked", "18 to 150 years", "at least 256 px", "distance above 3.00"):
        assert limit in told


def test_a_file_that_is_not_the_manifests_is_told(settings: Settings, store: Store, tmp_path: Path) -> None:
    installed = settings.model_copy(update={"bundles": copied(tmp_path)})
    assert "the SHA-256 of weights" in words(ran(installed, "models"))
    weights = installed.bundles / "cxr" / "models" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    told = words(ran(installed, "models"))
    assert "Fault: Bundle cxr: models/weights.safetensors is not the file of the manifest" in told
    assert "No study has been scored with these very weights here yet" in told


def test_the_shipped_bundle_is_shown_with_every_plot_its_file_allows() -> None:
    folder = SHIPPED_BUNDLES / "cxr"
    manifest = read_manifest(folder)
    bundle = Evaluated(manifest, read_figures(folder, manifest), SAY)
    shown = parts_of(bundle, "")
    drawn = {part.title: len(part.plots) for part in shown if part.plots}
    assert drawn["Evidence: AUROC on patients the network did not see"] == 1
    assert drawn["AUROC by group"] == 6, "collection, collection as another hospital, view, label, sex, age"
    for part in shown:
        for _, svg in part.plots:
            picture = ElementTree.fromstring(svg)
            assert picture.get("role") == "img"
            assert picture.find("{http://www.w3.org/2000/svg}desc") is not None
    evaluated = [part for part in shown if part.title.startswith(("AUROC by group", "Sensitivity"))]
    assert all("lung opacity" in part.figures for part in evaluated)


def test_figures_of_other_weights_are_not_shown(tmp_path: Path) -> None:
    folder = copied(tmp_path) / "cxr"
    manifest = read_manifest(folder)
    other = manifest.model_copy(update={"network": manifest.network.model_copy(update={"weights_sha256": "0" * 64})})
    assert read_figures(folder, manifest)
    assert read_figures(folder, other) == {}
    (folder / "evaluation.json").write_text("{")
    assert read_figures(folder, manifest) == {}


def copied(tmp_path: Path) -> Path:
    """The shipped bundles where a test may change them."""
    shutil.copytree(SHIPPED_BUNDLES, tmp_path / "bundles")
    return tmp_path / "bundles"


def test_studies_by_another_model_are_counted_and_queued_again_by_a_button(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    installed = settings.model_copy(update={"bundles": tmp_path / "bundles"})
    write_reader(installed.bundles / "test")
    write_reader(installed.bundles / "other")
    for uid in ("1.1", "1.2"):
        send(store, uid)
        record_screening(store, result(uid, Level.HIGH), (), revision=1)
    app = ran(installed, "models")
    assert words(app).count("2 studies on the list have results by what is no longer in force: test 1, now 0.0.1.") == 1
    button(app, "Screen these 2 again").click().run()
    assert not app.exception
    assert "2 studies are queued to be screened again. Each keeps its place" in words(app)
    assert "no longer in force" not in words(app)
    assert still_pending(store, ["1.1", "1.2"]) == ["1.1", "1.2"]
    assert {row.urgency.level for row in worklist_page(store, offset=0, limit=9)} == {Level.HIGH}
    (told, _) = entries(store, kind="queued again")
    assert sentence(told, SAY) == "Reader queued the study to be screened again: test 1, now 0.0.1"
    assert "queued" not in words(ran(installed, "models"))


def told_studies(settings: Settings, store: Store) -> list[str]:
    """Two studies with everything that people do, and their UIDs."""
    uids = []
    for number, opacity in enumerate((0.83, 0.1)):
        study = arrive(
            store, settings.spool, PatientName="SECRET^NAME", PatientID=f"47{number}", StudyDescription="Chest"
        )
        screened(store, study, opacity=opacity)
        uids.append(study.study_instance_uid)
    fields = {"method": "gradcam", "finding": "opacity", "sop_instance_uid": "1.2"}
    note_view(store, "map shown", uids[0], actor="reader", **fields)
    screening = study_record(store, uids[0]).screening_number
    assert screening is not None
    number = judge(store, uids[0], Verdict.OVER_CALLED, actor="reader", screening=screening, comment="SECRET")
    assert number is not None
    withdraw(store, uids[0], number, actor="reader")
    judge(store, uids[0], Verdict.AGREE, actor="reader", screening=screening)
    mark_read(store, uids[0], actor="reader")
    mark_unread(store, uids[0], actor="reader")
    return uids


def test_the_audit_page_tells_the_trail_in_words_and_verifies_it(settings: Settings, store: Store) -> None:
    told_studies(settings, store)
    app = ran(settings, "audit")
    told = words(app)
    for sentence_told in (
        "Reader marked the study read",
        "Reader put the study back on the list",
        "Reader was shown the map of opacity (Grad-CAM)",
        "Reader judged the result: over-called, with a comment",
        "Reader took the verdict back: over-called",
        "Reader judged the result: agree",
        "Screened: HIGH, AI: lung opacity 0.83 (acts from 0.41)",
        "An image arrived (test)",
        "470 Chest",
        "10 entries",
    ):
        assert sentence_told in told
    assert "SECRET" not in told
    button(app, "Verify the trail").click().run()
    assert "Intact: 10 entries" in words(app)


def test_a_trail_that_was_changed_is_told_as_broken(settings: Settings, store: Store) -> None:
    told_studies(settings, store)
    with store.engine.begin() as connection:
        connection.execute(update(trail).where(trail.c.sequence == 3).values(actor="nobody"))
    app = ran(settings, "audit")
    button(app, "Verify the trail").click().run()
    assert "Broken: entry 3 of 10" in words(app)


def test_filters_are_in_the_address_and_never_a_patients_id(settings: Settings, store: Store) -> None:
    first, second = told_studies(settings, store)
    app = ran(settings, "audit")
    app.text_input[0].set_value("471").run()
    assert app.query_params["study"] in (second, [second])
    assert "2 entries" in words(app)
    app.text_input[0].set_value("nobody").run()
    assert "No study here has that UID" in words(app)
    button(app, "Clear filters").click().run()
    assert "10 entries" in words(app)
    app.selectbox[1].select("marked read").run()
    app.selectbox[0].select("reader").run()
    assert "471" not in app.query_params.values()
    assert "1 entry" in words(app)
    assert 'href="/api/trail.csv?actor=reader&amp;kind=marked+read"' in words(app)
    shared = ran(settings, "audit", kind="screened", study=first)
    assert "1 entry" in words(shared)
    assert shared.text_input[0].value == first


def test_times_of_the_address_are_those_of_the_sites_clocks(settings: Settings, store: Store) -> None:
    told_studies(settings, store)
    tokyo = settings.model_copy(update={"time_zone": "Asia/Tokyo"})
    now = datetime.now(ZoneInfo("Asia/Tokyo"))
    past, ahead = ((now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M") for hours in (-1, 1))
    assert "10 entries" in words(ran(tokyo, "audit", **{"from": past, "to": ahead}))
    assert "No entry fits" in words(ran(tokyo, "audit", **{"from": ahead}))
    assert "No entry fits" in words(ran(tokyo, "audit", to=past))
    assert f"{now:%Y-%m-%d}" in words(ran(tokyo, "audit"))
    assert "cannot be read" in words(ran(tokyo, "audit", **{"from": "yesterday"}))


def test_a_long_trail_is_turned_page_by_page(settings: Settings, store: Store) -> None:
    for _ in range(250):
        note_view(store, "opened", "1.2", actor="reader")
    app = ran(settings, "audit")
    assert (numbers(app)[0], numbers(app)[-1], len(numbers(app))) == (250, 151, 100)
    button(app, "Older").click().run()
    button(app, "Older").click().run()
    assert (numbers(app)[0], numbers(app)[-1]) == (50, 1)
    assert button(app, "Older").disabled
    button(app, "Newer").click().run()
    assert (numbers(app)[0], numbers(app)[-1]) == (150, 51)
    button(app, "Newest").click().run()
    assert numbers(app)[0] == 250


def test_the_maps_are_listed_with_what_readers_said(settings: Settings, store: Store) -> None:
    first, _ = told_studies(settings, store)
    told = words(ran(settings, "audit", show="maps"))
    assert "6 maps" in told
    assert told.count("Reader: agree") == 3
    assert "not yet measured" in told
    assert "drawn 1" in told
    assert f"/study?uid={first}&amp;map=" in told
    assert "2 maps" in words(ran(settings, "audit", show="maps", finding="mass"))
    assert "3 maps" in words(ran(settings, "audit", show="maps", actor="reader"))
    assert "No map fits" in words(ran(settings, "audit", show="maps", actor="somebody"))


def test_every_kind_of_entry_has_a_sentence(store: Store) -> None:
    for kind in KINDS:
        note_view(store, kind, "1.2", actor="reader")
    told = [sentence(entry, SAY) for entry in entries(store)]
    assert len(told) == len(KINDS)
    assert not any(line.endswith(f": {kind}") for line in told for kind in KINDS)
    note_view(store, "something new", "1.2", actor="reader")
    assert sentence(entries(store)[0], SAY) == "Reader: something new"


def numbers(app: AppTest) -> list[int]:
    """The entries on the page, as they stand."""
    return [int(found) for found in re.findall(r'<tr><td class="num">(\d+)</td>', words(app))]


def button(app: AppTest, label: str) -> Button:
    return next(one for one in app.button if one.label == label)

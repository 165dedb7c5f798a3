"""What the pages say, run by Streamlit's own test harness; what needs a browser is in tests/browser."""

import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.models import tiny
from tests.ui.studies import arrive, screened
from triage.settings import Settings, load_settings
from triage.store import Store
from triage.store.reading import mark_read
from triage.store.studies import note_view
from triage.store.trail import entries
from triage.ui.views.audit import KINDS, sentence
from triage.ui.views.models import datasheet

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
    assert "Research use, not a medical device" in words(app)


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


def test_a_datasheet_shows_evidence_and_what_may_not_lift() -> None:
    sheet = datasheet(tiny.manifest().model_copy(update={"title": "<b>Title</b>"}))
    assert "&lt;b&gt;Title" in sheet
    assert "0.75 to 0.90" in sheet
    assert "experimental, does not affect order" in sheet
    assert "Not for" in sheet


def test_the_audit_page_tells_the_trail_in_words_and_verifies_it(settings: Settings, store: Store) -> None:
    study = arrive(store, settings.spool, PatientName="SECRET^NAME")
    screened(store, study, opacity=0.83)
    fields = {"method": "gradcam", "finding": "opacity", "sop_instance_uid": "1.2"}
    note_view(store, "map shown", study.study_instance_uid, actor="reader", **fields)
    mark_read(store, study.study_instance_uid, actor="reader")
    app = ran(settings, "audit")
    told = words(app)
    for sentence_told in (
        "Reader marked the study read",
        "Reader was shown the map of opacity (Grad-CAM)",
        "Screened: ranked, HIGH, AI: lung opacity 0.83 (acts from 0.41)",
        "An image arrived (test)",
    ):
        assert sentence_told in told
    assert "SECRET" not in told
    app.button[0].click().run()
    assert "the trail is intact: 4 entries" in words(app)
    app.selectbox[0].select("marked read").run()
    assert "An image arrived" not in words(app)
    app.text_input[0].set_value("1.2.3").run()
    assert "No entry fits" in words(app)


def test_every_kind_of_entry_has_a_sentence(store: Store) -> None:
    for kind in KINDS:
        note_view(store, kind, "1.2", actor="reader")
    told = [sentence(entry) for entry in entries(store)]
    assert len(told) == len(KINDS)
    assert not any(line.endswith(f": {kind}") for line in told for kind in KINDS)

"""A reader asks the evidence beside the image: another method's map, where a score came from, what it was before."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from data_schemas.explanation import Explanation
from data_schemas.study import StudyHeader
from tests.dicom import values_like_a_film
from tests.ui.studies import FINDINGS, arrive, drawn_map, screened
from tests.web.served import Served, served
from triage.assembly import open_site
from triage.settings import load_settings
from triage.store import Store
from triage.store.screenings import record_explanations
from triage.store.studies import study_record

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_site(load_settings(home=tmp_path_factory.mktemp("evidence") / "home"))


@pytest.fixture(scope="module")
def film(store: Store) -> StudyHeader:
    """Screened, then screened again when a second image had come; its opacity has a map by another method too."""
    spool = store.files.parent / "spool"
    shared = {"PatientName": "TWICE^SEEN", "PatientID": "T1", "values": values_like_a_film(200, 160)}
    study = arrive(store, spool, **shared)
    screened(store, study, opacity=0.2)
    arrive(store, spool, **shared, StudyInstanceUID=study.study_instance_uid)
    screened(store, study, opacity=0.83, images_sha256="2" * 64)
    image = study_record(store, study.study_instance_uid).instances[0].header
    map_of = drawn_map(image, "opacity")
    other = Explanation(map_of.header.model_copy(update={"method": "saliency"}), map_of.values[::-1].copy())
    record_explanations(store, study.study_instance_uid, [other])
    return study


@pytest.fixture(scope="module")
def page(store: Store, film: StudyHeader) -> Iterator[Served]:
    with served(store.files.parent) as running:
        yield running


@pytest.fixture
def at_study(tab: Page, page: Served, film: StudyHeader) -> Page:
    tab.goto(page.entry)
    tab.goto(f"{page.url}/study?uid={film.study_instance_uid}")
    expect(tab.get_by_text(f"Grad-CAM of {FINDINGS[0][1]}")).to_be_visible()
    return tab


def test_another_method_is_chosen_and_its_map_drawn(at_study: Page) -> None:
    canvas = at_study.get_by_role("img", name="Image 1 of")
    before = canvas.screenshot()
    at_study.get_by_label("Method", exact=True).select_option("saliency")
    expect(at_study.get_by_text(f"Saliency of {FINDINGS[0][1]}")).to_be_visible()
    at_study.wait_for_timeout(300)
    assert canvas.screenshot() != before


def test_where_a_score_came_from_is_unfolded(at_study: Page, film: StudyHeader) -> None:
    at_study.get_by_text("Provenance").click()
    told = at_study.locator("details[data-name=provenance]")
    expect(told).to_contain_text("drawn 1")
    expect(told).to_contain_text("0" * 12)
    expect(told.locator("dt").first).to_be_visible()


def test_what_it_was_before_is_unfolded(at_study: Page) -> None:
    at_study.get_by_text("Earlier results (2)").click()
    told = at_study.locator("details[data-name=history]")
    expect(told).to_contain_text("Lung opacity 0.83")
    expect(told).to_contain_text("Lung opacity 0.20")

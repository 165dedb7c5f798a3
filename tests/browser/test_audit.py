"""An auditor at the page: filters that travel in the address, the chain verified, the trail taken away as CSV."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.ui.studies import arrive, screened
from tests.web.served import Served, served
from triage.assembly import open_site
from triage.settings import load_settings
from triage.store import Store
from triage.store.reading import mark_read

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_site(load_settings(home=tmp_path_factory.mktemp("audit") / "home"))


@pytest.fixture(scope="module")
def uids(store: Store) -> list[str]:
    found = []
    for number in range(3):
        study = arrive(store, store.files.parent / "spool", PatientName=f"AUDIT^{number}", PatientID=f"AUDIT{number}")
        screened(store, study, opacity=0.8)
        found.append(study.study_instance_uid)
    mark_read(store, found[1], actor="reader")
    return found


@pytest.fixture(scope="module")
def page(store: Store, uids: list[str]) -> Iterator[Served]:
    with served(store.files.parent) as running:
        yield running


def test_a_filtered_trail_is_verified_and_taken_away_as_it_is_shown(
    tab: Page, page: Served, uids: list[str], tmp_path: Path
) -> None:
    tab.goto(page.entry)
    tab.goto(f"{page.url}/audit")
    field = tab.get_by_label("Study", exact=True)
    field.fill("AUDIT1")
    field.press("Enter")
    expect(tab.get_by_text("3 entries")).to_be_visible()
    assert uids[1] in tab.url
    assert "AUDIT1" not in tab.url
    tab.get_by_role("button", name="Verify the trail").click()
    expect(tab.locator('.t-verdict[data-intact="true"]')).to_contain_text("Intact")
    with tab.expect_download() as given:
        tab.get_by_role("link", name="Export as CSV").click()
    taken = tmp_path / "trail.csv"
    given.value.save_as(taken)
    rows = list(csv.DictReader(taken.open(encoding="utf-8", newline="")))
    assert [row["kind"] for row in rows] == ["marked read", "screened", "received"]
    assert {row["study_instance_uid"] for row in rows} == {uids[1]}
    assert rows[0]["what"] == "Reader marked the study read"


def test_an_address_shows_another_person_the_same_entries(tab: Page, page: Served, uids: list[str]) -> None:
    tab.goto(page.entry)
    tab.goto(f"{page.url}/audit?kind=screened&study={uids[0]}")
    expect(tab.get_by_text("1 entry")).to_be_visible()
    expect(tab.locator("table.t-wide tbody tr")).to_contain_text("Screened: HIGH")

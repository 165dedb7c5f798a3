"""What holds on every page: readable in both themes and at twice the size, and honest about what is wrong."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Faults
from tests.browser.uploading import until
from tests.conftest import new_database
from tests.ui.studies import arrive, screened
from tests.web.served import Served, served
from triage.assembly import open_site
from triage.settings import load_settings
from triage.store import Store
from triage.store.workers import beat

pytestmark = pytest.mark.browser

NAMES = ("worklist", "study", "upload", "models", "audit")
SHOWN = {
    "worklist": "tbody tr[data-uid]",
    "study": ".root[data-image]",
    "upload": 'text="Research use, not for diagnosis"',
    "models": 'text="Verification"',
    "audit": "table.t-wide tbody tr",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("everywhere") / "home"


@pytest.fixture(scope="module")
def store(home: Path) -> Store:
    return open_site(load_settings(home=home))


@pytest.fixture(scope="module")
def page(home: Path, store: Store) -> Iterator[Served]:
    for number in range(4):
        study = arrive(store, home.parent / "spool", PatientName=f"EVERY^{number}", PatientID=f"EVERY{number}")
        if number:
            screened(store, study, opacity=number / 4)
    with served(home) as running:
        yield running


def address(page: Served, store: Store, name: str) -> str:
    if name != "study":
        return f"{page.url}/{name}"
    with store.engine.connect() as connection:
        uid = connection.exec_driver_sql("select study_uid from studies where screening_id is not null").scalar()
    return f"{page.url}/study?uid={uid}"


def show(tab: Page, page: Served, store: Store, name: str) -> None:
    tab.goto(page.entry)
    tab.goto(address(page, store, name))
    expect(tab.locator(SHOWN[name]).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_no_page_breaks_a_rule_of_accessibility(
    browser: Browser, page: Served, store: Store, faults: Faults, name: str, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme, bypass_csp=True)
    tab = context.new_page()
    show(tab, page, store, name)
    found = faults(tab)
    context.close()
    assert found == []


@pytest.mark.parametrize("name", NAMES)
def test_at_twice_the_size_nothing_is_cut_off(browser: Browser, page: Served, store: Store, name: str) -> None:
    context = browser.new_context(viewport={"width": 720, "height": 450}, device_scale_factor=2)
    tab = context.new_page()
    show(tab, page, store, name)
    wider = tab.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth")
    notice = tab.get_by_text("Research use, not for diagnosis", exact=True).first
    expect(notice).to_be_visible()
    context.close()
    assert wider <= 0


@pytest.mark.parametrize("name", NAMES)
def test_every_page_has_a_title_and_says_what_it_is_not_for(tab: Page, page: Served, store: Store, name: str) -> None:
    show(tab, page, store, name)
    expect(tab).to_have_title(f"{name.capitalize()} · Triage")
    expect(tab.get_by_text("Research use, not for diagnosis", exact=True).first).to_be_visible()
    assert tab.evaluate("document.documentElement.lang") == "en"


@pytest.mark.parametrize("name", NAMES)
def test_without_the_token_a_page_shows_nothing(tab: Page, page: Served, store: Store, name: str) -> None:
    answer = tab.goto(address(page, store, name))
    assert answer is not None
    assert answer.status == 401
    assert "EVERY" not in tab.content()
    expect(tab.get_by_text("opens with the address that Triage wrote")).to_be_visible()


def test_a_worker_that_does_not_work_is_told_until_it_does(tab: Page, page: Served, store: Store) -> None:
    show(tab, page, store, "models")
    told = tab.locator('[data-fault="worker"] .text')
    expect(told).to_contain_text("worker")
    beat(store, "tests", "screen", time.time())
    expect(told).to_have_count(0)


@pytest.mark.postgres
def test_a_locked_database_is_told_and_the_page_goes_on_by_itself(
    tab: Page, postgres_server: str, tmp_path: Path
) -> None:
    database = new_database(postgres_server)
    store = open_site(load_settings(home=tmp_path / "home", database_url=database))
    beat(store, "tests", "screen", time.time())
    with served(tmp_path / "home", database_url=database) as page:
        show(tab, page, store, "models")
        with psycopg.connect(database) as other:
            other.execute("lock table workers, head, studies, trail in access exclusive mode")
            expect(tab.locator('[data-fault="database"] .text')).to_be_visible()
        expect(tab.locator('[data-fault="database"]')).to_have_count(0)
        tab.get_by_role("link", name="Audit").click()
        expect(tab.get_by_text("Nothing is in the trail yet").first).to_be_visible()
    store.engine.dispose()


def test_a_part_of_the_page_that_does_not_come_is_asked_for_again(tab: Page, page: Served) -> None:
    lost: list[str] = []
    tab.route("**/parts/*/worklist/order.js", lambda route: (lost.append("module"), route.abort()))
    tab.route("**/parts/*/worklist/component.js", lambda route: (lost.append("component"), route.abort()))
    tab.goto(page.entry)
    expect(tab.get_by_text("Research use, not for diagnosis", exact=True).first).to_be_visible()
    until(tab, lambda: len(lost) >= 3)
    tab.unroute("**/parts/*/worklist/component.js")
    until(tab, lambda: "module" in lost)
    tab.unroute("**/parts/*/worklist/order.js")
    expect(tab.locator(SHOWN["worklist"]).first).to_be_visible()


def test_a_server_that_is_gone_is_told_and_the_page_returns_with_it(tab: Page, tmp_path: Path) -> None:
    with served(tmp_path / "home") as page:
        tab.goto(page.entry)
        with tab.expect_response("**/api/state"):
            tab.goto(f"{page.url}/upload")
        page.process.terminate()
        page.process.wait(30)
        expect(tab.locator('[data-fault="gone"] .text')).to_be_visible()
    with served(tmp_path / "home", port=page.port):
        expect(tab.locator('[data-fault="gone"]')).to_have_count(0)
        tab.get_by_role("link", name="Models").click()
        expect(tab.locator(SHOWN["models"]).first).to_be_visible()

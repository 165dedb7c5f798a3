"""A reader at the list: it is always fresh, holds still under the hand, finds and counts, and says what is wrong."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from data_schemas.study import StudyHeader
from data_schemas.urgency import Level, Urgency
from tests.browser.test_reading import FOCUSED, line, open_worklist, order
from tests.conftest import new_database
from tests.dicom import values_like_a_film
from tests.store.studies import result
from tests.ui.studies import arrive, screened
from tests.web.served import Served, served
from triage.assembly import open_site
from triage.settings import load_settings
from triage.store import Store
from triage.store.screenings import record_screening

pytestmark = pytest.mark.browser


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_site(load_settings(home=tmp_path / "home"))
    yield opened
    opened.engine.dispose()


@pytest.fixture
def page(store: Store) -> Iterator[Served]:
    for number, level in enumerate((None, None, Level.HIGH, None)):
        study = come(store, f"LIST^{number}", level, StudyDescription="Chest PA" if number % 2 else "Bedside")
        if number:
            screened(store, study, opacity=0.1)
    with served(store.files.parent) as running:
        yield running


def come(store: Store, name: str, ordered: Level | None = None, **attributes: object) -> StudyHeader:
    return arrive(
        store, store.files.parent / "spool", ordered=ordered, **({"PatientName": name, "PatientID": name} | attributes)
    )


def names(tab: Page) -> list[str]:
    return tab.locator("tbody tr td.who").all_text_contents()


def test_a_new_study_stands_in_its_place_by_itself(tab: Page, page: Served, store: Store) -> None:
    open_worklist(tab, page)
    urgent = come(store, "URGENT^NEW", Level.STAT)
    expect(tab.locator("tbody tr").first).to_have_attribute("data-uid", urgent.study_instance_uid)
    expect(tab.locator("button.news[data-some]")).to_have_count(0)


def test_rows_hold_still_under_the_pointer_until_it_leaves(tab: Page, page: Served, store: Store) -> None:
    open_worklist(tab, page)
    before = order(tab)
    tab.locator(f'tbody tr[data-uid="{before[1]}"]').hover()
    come(store, "CALM^NEW", Level.HIGH)
    expect(tab.locator("button.news[data-some]")).to_have_text("1 new study: show (u)")
    assert order(tab) == before
    tab.locator(".summary").hover()
    expect(tab.locator("tbody tr")).to_have_count(len(before) + 1)


def test_what_is_typed_and_where_it_is_typed_stay_through_every_change(tab: Page, page: Served, store: Store) -> None:
    open_worklist(tab, page)
    tab.keyboard.press("/")
    tab.keyboard.type("bedside")
    expect(tab.locator("tbody tr")).to_have_count(2)
    come(store, "ANOTHER^ONE", Level.STAT, StudyDescription="Bedside late")
    expect(tab.locator("tbody tr")).to_have_count(3)
    tab.keyboard.type(" late")
    expect(tab.locator("tbody tr")).to_have_count(1)
    assert "bedside" not in tab.url.lower()
    expect(tab.locator(".pages")).to_have_text("1 of 5")


def test_filters_stand_in_the_address_and_survive_a_reload(tab: Page, page: Served) -> None:
    open_worklist(tab, page)
    tab.get_by_role("button", name="HIGH").click()
    expect(tab.locator("tbody tr")).to_have_count(1)
    assert "level=HIGH" in tab.url
    tab.reload()
    expect(tab.locator("tbody tr")).to_have_count(1)
    expect(tab.get_by_role("button", name="HIGH")).to_have_attribute("aria-pressed", "true")
    tab.get_by_label("Status").select_option("waiting")
    expect(tab.get_by_text("No study fits these filters.")).to_be_visible()
    tab.get_by_role("button", name="Clear filters").first.click()
    expect(tab.locator("tbody tr")).to_have_count(4)
    assert "level" not in tab.url


def test_findings_at_their_operating_point_stand_in_the_row(tab: Page, page: Served, store: Store) -> None:
    study = come(store, "FOUND^SOMETHING")
    screened(store, study, opacity=0.83)
    open_worklist(tab, page)
    expect(line(tab, study).locator(".why")).to_have_text("AI: lung opacity 0.83 (acts from 0.41)")
    also = line(tab, study).locator(".findings")
    expect(also).to_contain_text("Pleural effusion 0.4")
    expect(also).not_to_contain_text("Lung opacity")
    expect(also).to_have_attribute("title", re.compile("Lung opacity 0.83, acts from 0.41\nPleural effusion 0.4"))


def test_a_reason_is_whole_where_no_finding_needs_the_place_beside_it(tab: Page, page: Served, store: Store) -> None:
    lateral, found = come(store, "LATERAL^VIEW"), come(store, "FOUND^SOMETHING")
    uid, why = (
        lateral.study_instance_uid,
        "not scored: not a frontal view of an adult, which is what the model reads",
    )
    urgency = Urgency(level=Level.ROUTINE, ordered_priority=Level.ROUTINE, reason=why)
    record_screening(store, result(uid, scored=False).model_copy(update={"urgency": urgency}), (), revision=1)
    screened(store, found, opacity=0.83)
    open_worklist(tab, page)
    for study, findings in ((lateral, False), (found, True)):
        reason = line(tab, study).locator(".why")
        assert reason.evaluate("cell => cell.scrollWidth <= cell.clientWidth"), "cut off"
        expect(line(tab, study).locator(".findings")).to_be_visible(visible=findings)
    expect(line(tab, lateral).locator(".why")).to_have_text(why)


def test_what_no_model_spoke_about_is_counted_and_found_by_one_click(tab: Page, page: Served, store: Store) -> None:
    study = come(store, "LATERAL^VIEW")
    record_screening(store, result(study.study_instance_uid, scored=False), (), revision=1)
    open_worklist(tab, page)
    count = tab.get_by_role("button", name="not scored")
    expect(count).to_have_text("not scored1")
    count.click()
    expect(tab.locator("tbody tr")).to_have_count(1)
    expect(line(tab, study).locator(".state")).to_have_text("not scored")
    expect(count).to_have_attribute("aria-pressed", "true")
    count.click()
    expect(tab.locator("tbody tr")).to_have_count(5)


def test_two_windows_see_each_others_actions(browser: Browser, page: Served, store: Store) -> None:
    first, second = (browser.new_context().new_page() for _ in range(2))
    open_worklist(first, page)
    open_worklist(second, page)
    study = order(first)[0]
    first.locator(f'tbody tr[data-uid="{study}"]').click()
    expect(first.locator(".root[data-image]")).to_be_visible()
    state = second.locator(f'tbody tr[data-uid="{study}"] .state')
    expect(state).to_have_text("open: reader")
    second.get_by_label("Status").select_option("open")
    expect(second.locator("tbody tr")).to_have_count(1)
    second.get_by_label("Status").select_option("")
    first.get_by_role("button", name="Agree").click()
    expect(first.get_by_text("Noted: Agree.")).to_be_visible()
    expect(state).to_have_attribute("title", "open: reader, ranked, agree")
    first.keyboard.press("r")
    expect(first.get_by_text("Marked read.")).to_be_visible()
    expect(second.locator(f'tbody tr[data-uid="{study}"]')).to_have_count(0)
    second.get_by_label("Status").select_option("read")
    expect(second.locator(f'tbody tr[data-uid="{study}"]')).to_be_visible()
    second.goto(f"{page.url}/study?uid={study}")
    expect(second.locator(".root[data-image]")).to_be_visible()
    expect(second.locator(".verdict")).to_contain_text("Agree")
    for tab in (first, second):
        tab.context.close()


def test_a_long_list_is_turned_page_by_page_and_holds_its_place(tab: Page, page: Served, store: Store) -> None:
    for number in range(230):
        come(store, f"MANY^{number}", values=SMALL)
    open_worklist(tab, page)
    expect(tab.locator(".pages")).to_have_text("1 to 200 of 234")
    tab.keyboard.press("]")
    expect(tab.locator(".pages")).to_have_text("201 to 234 of 234")
    expect(tab.locator("tbody tr .place").first).to_have_text("201")
    tab.reload()
    expect(tab.locator(".pages")).to_have_text("201 to 234 of 234")
    tab.keyboard.press("[")
    expect(tab.locator(".pages")).to_have_text("1 to 200 of 234")
    scrolled = tab.locator(".scroll").evaluate("(node) => { node.scrollTop = 800; return node.scrollTop; }")
    assert scrolled > 0
    seen = tab.evaluate(ROW_AT_TOP)
    come(store, "URGENT^ABOVE", Level.STAT)
    expect(tab.locator("tbody tr").first).to_contain_text("URGENT, ABOVE")
    assert tab.evaluate(ROW_AT_TOP) == seen


def test_keys_are_told_and_lead_from_the_list_to_a_study(tab: Page, page: Served) -> None:
    open_worklist(tab, page)
    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog", name="Keys of the list")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog", name="Keys of the list")).to_have_count(0)
    tab.keyboard.press("j")
    tab.keyboard.press("ArrowDown")
    chosen = tab.evaluate(FOCUSED)
    assert chosen == order(tab)[1]
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**uid={chosen}")


@pytest.mark.postgres
def test_a_locked_database_is_told_and_the_list_comes_back(tab: Page, postgres_server: str, tmp_path: Path) -> None:
    database = new_database(postgres_server)
    store = open_site(load_settings(home=tmp_path / "locked", database_url=database))
    arrive(store, tmp_path / "spool", PatientName="LOCKED^STUDY")
    with served(tmp_path / "locked", database_url=database) as page:
        open_worklist(tab, page)
        with psycopg.connect(database) as other:
            other.execute("lock table head, studies, workers in access exclusive mode")
            told = tab.get_by_text("Not up to date: the database does not answer")
            expect(told).to_be_visible()
            expect(tab.locator("tbody tr")).to_have_count(1)
        urgent = arrive(store, tmp_path / "spool", ordered=Level.STAT, PatientName="AFTER^LOCK")
        expect(tab.locator(f'tbody tr[data-uid="{urgent.study_instance_uid}"]')).to_be_visible()
        expect(told).to_have_count(0)
    store.engine.dispose()


def test_under_the_keys_rows_hold_still_until_the_reader_says_show(tab: Page, page: Served, store: Store) -> None:
    open_worklist(tab, page)
    before = order(tab)
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    place = line_top(tab, before[1])
    come(store, "URGENT^KEYS", Level.STAT)
    expect(tab.get_by_role("button", name="1 new STAT: show (u)")).to_be_visible()
    assert order(tab) == before
    assert line_top(tab, before[1]) == place, "what the page says comes without moving a row"
    tab.keyboard.press("u")
    expect(tab.locator("tbody tr").first).to_contain_text("URGENT, KEYS")
    assert tab.evaluate(FOCUSED) == before[1]


def test_a_reader_comes_back_to_the_list_as_it_was_left(tab: Page, page: Served, store: Store) -> None:
    open_worklist(tab, page)
    tab.get_by_role("button", name="ROUTINE").click()
    expect(tab.locator("tbody tr")).to_have_count(3)
    first, second, _ = order(tab)
    tab.locator(f'tbody tr[data-uid="{first}"]').click()
    expect(tab.locator(".head .name")).to_be_visible()
    tab.keyboard.press("r")
    expect(tab.get_by_text("Marked read.")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator("tbody tr")).to_have_count(2)
    expect(tab.get_by_role("button", name="ROUTINE")).to_have_attribute("aria-pressed", "true")
    tab.wait_for_url("**level=ROUTINE")
    expect(tab.locator(f'tbody tr[data-uid="{second}"] a')).to_be_focused()


def test_a_new_stat_study_is_named_and_leads_to_itself_and_is_told_only_once(
    tab: Page, page: Served, store: Store
) -> None:
    open_worklist(tab, page)
    tab.get_by_role("button", name="LOW").click()
    expect(tab.get_by_text("No study fits these filters.")).to_be_visible()
    urgent = come(store, "URGENT^UNSEEN", Level.STAT, StudyDescription="Chest AP")
    note = tab.get_by_role("button", name="New STAT study: URGENT, UNSEEN, Chest AP: open")
    expect(note).to_be_visible()
    tab.reload()
    expect(tab.get_by_text("No study fits these filters.")).to_be_visible()
    expect(tab.locator(".spoken")).to_have_text("")
    expect(note).to_have_count(0)
    another = come(store, "URGENT^SECOND", Level.STAT, StudyDescription="Chest AP")
    tab.get_by_role("button", name="New STAT study: URGENT, SECOND").click()
    tab.wait_for_url(f"**uid={another.study_instance_uid}")
    assert urgent.study_instance_uid not in tab.url


def test_a_space_that_is_typed_stays(tab: Page, page: Served) -> None:
    open_worklist(tab, page)
    tab.keyboard.press("/")
    tab.keyboard.type("bedside ")
    expect(tab.locator("tbody tr")).to_have_count(2)
    expect(tab.locator("input.find")).to_have_value("bedside ")


def test_an_empty_list_says_what_to_do(tab: Page, tmp_path: Path) -> None:
    with served(tmp_path / "empty") as page:
        tab.goto(page.entry)
        expect(tab.get_by_text("Nothing is waiting to be read.")).to_be_visible()
        tab.get_by_role("button", name="Upload studies").click()
        tab.wait_for_url("**/upload")


def test_a_server_that_is_gone_is_told_and_the_list_returns_with_it(tab: Page, store: Store) -> None:
    study = come(store, "BEFORE^STOP")
    home = store.files.parent
    with served(home) as page:
        open_worklist(tab, page)
        page.process.terminate()
        page.process.wait(30)
        expect(tab.get_by_text("Not up to date: Triage does not answer. Trying again.")).to_be_visible()
        expect(line(tab, study)).to_be_visible()
    later = come(store, "WHILE^STOPPED")
    with served(home, port=page.port):
        expect(line(tab, later)).to_be_visible()
        expect(tab.get_by_text("Not up to date")).to_have_count(0)


def line_top(tab: Page, uid: str) -> float:
    box = tab.locator(f'tbody tr[data-uid="{uid}"]').bounding_box()
    assert box is not None
    return box["y"]


SMALL = values_like_a_film(32, 32)
ROW_AT_TOP = """() => {
    const hosts = [...document.querySelectorAll("*")].filter((node) => node.shadowRoot);
    const inside = hosts.find((node) => node.shadowRoot.querySelector("tbody")).shadowRoot;
    const edge = inside.querySelector(".scroll").getBoundingClientRect().top + 24;
    return [...inside.querySelectorAll("tbody tr")].find((row) => row.getBoundingClientRect().top >= edge).dataset.uid;
}"""

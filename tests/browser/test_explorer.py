"""Moving a finding's operating point: figures follow the hand, a decision needs a reason, and screening follows it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from time import sleep, time

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Faults
from tests.bundles import write_reader
from tests.curves import write_curves
from tests.dicom import dx_file, values_like_a_film
from tests.web.served import Served, served
from triage.assembly import intake_limits, open_site
from triage.intake.take_in import Sender, take_in
from triage.settings import Settings, load_settings
from triage.store import Store
from triage.store.operating_points import site_points
from triage.store.studies import study_record
from triage.store.trail import entries
from triage.store.worklist import pending

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Running:
    """A page with its worker, and the store behind it."""

    page: Served
    store: Store
    settings: Settings

    def screened(self, name: str) -> str:
        """UID of a film that came in now, when it is screened."""
        path = dx_file(self.settings.home.parent / name, values_like_a_film(120, 100, seed=1))
        sender = Sender(ordered_priority=None, source="test", actor="tester")
        limits = intake_limits(self.settings)
        (report,) = take_in([path], store=self.store, spool=self.settings.spool, limits=limits, sender=sender)
        self.rest()
        return report.study_instance_uid

    def rest(self) -> None:
        """Returns when nothing waits any more."""
        end = time() + 90
        while pending(self.store, limit=1):
            assert time() < end, "waited too long"
            sleep(0.1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("explorer")
    manifest = write_reader(folder / "bundles" / "reader")
    write_curves(folder / "bundles" / "reader", manifest)
    write_reader(folder / "bundles" / "without")  # the first of two that read radiographs scores them
    settings = load_settings(home=folder / "home", bundles=folder / "bundles")
    store = open_site(settings)
    with served(settings.home, worker=True, bundles=settings.bundles) as page:
        yield Running(page, store, settings)
    store.engine.dispose()


def models(tab: Page, running: Running) -> Locator:
    """The explorer of the page."""
    tab.goto(running.page.entry)
    tab.goto(f"{running.page.url}/models")
    region = tab.get_by_role("region", name="Operating point of a finding, Tiny random network")
    expect(region).to_be_visible()
    return region


def test_the_line_of_a_model_leads_to_its_sheet(tab: Page, running: Running) -> None:
    models(tab, running)
    sheet = tab.locator("#model-without")
    expect(sheet).not_to_be_in_viewport()
    tab.locator('a[href="#model-without"]').click()
    expect(sheet).to_be_in_viewport()


GROWS = """() => {
  const more = document.createElement("div");
  more.style.height = "3000px";
  document.querySelector('[data-testid="stMainBlockContainer"]').prepend(more);
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())));
}"""


def test_an_address_that_points_to_a_sheet_leads_there_and_then_the_reader_scrolls(tab: Page, running: Running) -> None:
    models(tab, running)
    tab.goto("about:blank")
    tab.goto(f"{running.page.url}/models#model-without")
    sheet = tab.locator("#model-without")
    expect(sheet).to_be_in_viewport()
    expect(sheet).to_be_focused()
    tab.evaluate(GROWS)
    expect(sheet).to_be_in_viewport()
    tab.mouse.move(700, 500)
    tab.mouse.wheel(0, -200)
    tab.evaluate(GROWS)
    tab.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollTo(0, 0)")
    tab.evaluate(GROWS)
    expect(sheet).not_to_be_in_viewport()
    link = tab.locator('a[href="#model-without"]')
    link.click()
    expect(sheet).to_be_in_viewport()
    tab.evaluate(GROWS)
    expect(sheet).to_be_in_viewport()
    tab.evaluate("location.hash = '#50%'")
    tab.evaluate(GROWS)
    expect(tab.get_by_role("heading", name="Curves of a finding")).to_have_count(1)


def figure(region: Locator, name: str, column: int = 0) -> str:
    return region.locator(f'[data-figure="{name}"] td').nth(column).inner_text()


def test_the_figures_follow_the_slider_and_are_said_when_it_rests(tab: Page, running: Running) -> None:
    region = models(tab, running)
    slider = region.get_by_label("Calibrated probability from which the finding is positive")
    number = region.get_by_label("Operating point", exact=True)
    expect(number).to_have_value("0.400")
    before = {name: float(figure(region, name)) for name in ("flags", "sensitivity", "specificity", "misses")}
    top = region.bounding_box()
    slider.focus()
    for _ in range(15):
        tab.keyboard.press("ArrowRight")
    expect(number).not_to_have_value("0.400")
    after = {name: float(figure(region, name)) for name in before}
    assert after["flags"] < before["flags"]
    assert after["sensitivity"] < before["sensitivity"]
    assert after["specificity"] > before["specificity"]
    assert after["misses"] > before["misses"]
    assert {name: float(figure(region, name, 2)) for name in before} == before
    low, _, high = figure(region, "flags", 1).partition(" to ")
    assert float(low) <= after["flags"] <= float(high)
    assert region.bounding_box() == top
    expect(slider).to_have_attribute(
        "aria-valuetext", f"{number.input_value()}: {figure(region, 'flags')} of 100 flagged"
    )
    spoken = region.locator('[data-part="spoken"]')
    expect(spoken).to_contain_text(f"Effusion at the operating point {number.input_value()}")
    assert site_points(running.store) == ()


def test_at_another_prevalence_sensitivity_stays_and_what_follows_changes(tab: Page, running: Running) -> None:
    region = models(tab, running)
    found, left = float(figure(region, "sensitivity")), float(figure(region, "specificity"))
    region.get_by_label("Prevalence", exact=True).fill("2")
    assert (float(figure(region, "sensitivity")), float(figure(region, "specificity"))) == (found, left)
    assert float(figure(region, "flags")) == pytest.approx(100 * (found * 0.02 + (1 - left) * 0.98), abs=0.6)
    assert float(figure(region, "misses")) == pytest.approx(1000 * (1 - found) * 0.02, abs=0.2)
    region.get_by_label("Finding", exact=True).select_option("nodule")
    expect(region.get_by_text("it does not affect the order")).to_be_visible()


def test_the_curves_of_a_finding_are_drawn_when_it_is_chosen(tab: Page, running: Running) -> None:
    models(tab, running)
    expect(tab.get_by_role("heading", name="Curves of a finding")).to_have_count(1)
    expect(tab.locator("svg desc", has_text="recall of Effusion")).to_have_count(1)
    expect(tab.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()
    chosen = tab.get_by_test_id("stSelectbox").get_by_role("combobox")
    chosen.scroll_into_view_if_needed()
    chosen.click()
    tab.get_by_role("option", name="Nodule").and_(tab.locator("[data-key]")).click()
    expect(tab.locator("svg desc", has_text="recall of Nodule")).to_have_count(1)
    expect(tab.locator("svg desc", has_text="recall of Effusion")).to_have_count(0)


def test_a_model_without_curves_says_so_in_a_sentence(tab: Page, running: Running) -> None:
    models(tab, running)
    expect(tab.get_by_text("This model's evaluation holds no curve")).to_have_count(1)


def test_a_decision_needs_a_reason_is_in_the_trail_and_screening_follows_it_until_it_is_taken_back(
    tab: Page, running: Running
) -> None:
    before = running.screened("before.dcm")
    region = models(tab, running)
    outcome = region.locator('[data-part="outcome"]')
    region.get_by_label("Operating point", exact=True).fill("0.25")
    save = region.get_by_role("button", name="Set 0.250 here")
    save.click()
    expect(outcome).to_contain_text("say why in the comment")
    assert site_points(running.store) == ()
    region.get_by_label("Why, for the trail").fill("chest clinic: misses cost more")
    save.press("Enter")
    expect(outcome).to_contain_text("Effusion: operating point 0.250 from now on")
    expect(tab.get_by_text("This site's own: Effusion 0.250 since")).to_be_visible()
    expect(region.locator('[data-part="in-force"]')).to_contain_text("chest clinic: misses cost more")

    at_point = running.screened("at_point.dcm")
    acted = [one for one in study_record(running.store, at_point).screening.findings if one.finding == "effusion"]
    assert [(one.operating_point, one.positive) for one in acted] == [(0.25, acted[0].probability >= 0.25)]
    tab.goto(f"{running.page.url}/study?uid={at_point}")
    expect(tab.locator('[data-part="site-point"]')).to_contain_text(
        "Effusion: operating point 0.25 set by this site on"
    )
    expect(tab.locator('[data-part="site-point"]')).to_contain_text("the bundle's own 0.40")
    tab.goto(f"{running.page.url}/study?uid={before}")
    expect(tab.locator(".finding").first).to_be_visible()
    expect(tab.locator('[data-part="site-point"]')).to_have_count(0)

    region = models(tab, running)
    region.get_by_label("Why, for the trail").fill("the trial is over")
    region.get_by_role("button", name="The bundle's own again (0.400)").click()
    expect(region.locator('[data-part="outcome"]')).to_contain_text("Effusion: operating point 0.400 from now on")
    expect(tab.get_by_text("Every finding has the bundle's own operating point.").first).to_be_visible()
    after = study_record(running.store, running.screened("after.dcm")).screening.findings
    assert {one.operating_point for one in after} == {0.4}

    tab.goto(f"{running.page.url}/audit")
    told = tab.locator("table.t-wide")
    expect(told).to_contain_text("Reader changed the operating point of Effusion from 0.400 to 0.250")
    expect(told).to_contain_text("Why: chest clinic: misses cost more")
    expect(told).to_contain_text("from 0.250 back to the bundle's own 0.400")
    assert len(entries(running.store, kind="operating point set")) == 1


def test_after_a_decision_the_page_counts_studies_by_the_older_point_and_has_them_screened_again(
    tab: Page, running: Running
) -> None:
    uid = running.screened("earlier.dcm")
    region = models(tab, running)
    region.get_by_label("Operating point", exact=True).fill("0.001")
    region.get_by_label("Why, for the trail").fill("for a test")
    region.get_by_role("button", name="Set 0.001 here").click()
    expect(region.locator('[data-part="outcome"]')).to_contain_text("operating point 0.001 from now on")
    told = tab.get_by_role("status").filter(has_text="no longer in force")
    expect(told).to_contain_text(re.compile(r"operating point of Effusion 0\.\d+, now 0\.001"))
    assert study_record(running.store, uid).screening.findings[0].operating_point != 0.001
    tab.get_by_role("button", name="again", exact=False).filter(has_text="Screen").click()
    expect(tab.get_by_role("status").filter(has_text="queued to be screened again")).to_be_visible()
    expect(told).to_have_count(0)
    running.rest()
    tab.goto(f"{running.page.url}/study?uid={uid}")
    expect(tab.locator('[data-part="site-point"]')).to_contain_text("operating point 0.00 set by this site")
    expect(tab.get_by_text("Earlier results")).to_be_visible()
    expect(tab.locator(".reason")).to_contain_text("AI: Effusion")
    models(tab, running)
    expect(tab.get_by_text("no longer in force")).to_have_count(0)


def test_who_saw_an_older_point_is_told_and_changes_nothing(browser: Browser, tab: Page, running: Running) -> None:
    region = models(tab, running)
    other = browser.new_context()
    first = models(other.new_page(), running)
    first.get_by_label("Operating point", exact=True).fill("0.3")
    first.get_by_label("Why, for the trail").fill("first")
    first.get_by_role("button", name="Set 0.300 here").click()
    expect(first.locator('[data-part="outcome"]')).to_contain_text("from now on")
    other.close()
    region.get_by_label("Operating point", exact=True).fill("0.2")
    region.get_by_label("Why, for the trail").fill("late")
    region.get_by_role("button", name="Set 0.200 here").click()
    expect(region.locator('[data-part="outcome"]')).to_contain_text("another operating point has come into force")
    assert [one.point for one in site_points(running.store)] == [0.3]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_explorer_breaks_no_rule_of_accessibility(
    browser: Browser, running: Running, faults: Faults, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": 1024, "height": 900}, color_scheme=scheme, bypass_csp=True)
    tab = context.new_page()
    models(tab, running)
    found = faults(tab)
    context.close()
    assert found == []

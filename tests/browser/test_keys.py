"""A reader's keys at a study: each is done, once, for the study on the screen, or the page says why not."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from data_schemas.study import StudyHeader
from tests.browser.test_reading import image_is_drawn, line, open_worklist
from tests.browser.test_worklist import come
from tests.ui.studies import screened
from tests.web.served import Served, served
from triage.assembly import open_site
from triage.settings import load_settings
from triage.store import Store
from triage.store.studies import study_record
from triage.store.trail import entries

pytestmark = pytest.mark.browser

TOO_EARLY = "the key came before the study was on the screen"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_site(load_settings(home=tmp_path_factory.mktemp("keys") / "home"))


@pytest.fixture(scope="module")
def page(store: Store) -> Iterator[Served]:
    with served(store.files.parent) as running:
        yield running


@pytest.fixture
def studies(store: Store) -> list[StudyHeader]:
    """Two more, ranked."""
    both = [come(store, f"KEYS^{name}") for name in ("ONE", "TWO")]
    for study in both:
        screened(store, study, opacity=0.83)
    return both


@pytest.fixture
def shown(tab: Page, page: Served, studies: list[StudyHeader]) -> Page:
    """The first of the two."""
    open_worklist(tab, page)
    line(tab, studies[0]).click()
    image_is_drawn(tab)
    return tab


def done(store: Store, study: StudyHeader) -> list[str]:
    """What readers did with it, the first first; without openings and maps."""
    kinds = [entry.kind for entry in entries(store, study_uid=study.study_instance_uid)]
    return [kind for kind in reversed(kinds) if kind in ("verdict", "verdict withdrawn", "marked read", "read undone")]


def told(tab: Page, words: str) -> None:
    expect(tab.locator(".outcome")).to_contain_text(words)


def test_the_key_right_after_the_sheet_is_closed_is_not_lost(shown: Page) -> None:
    """In one breath: the browser has had no time to take the focus from the sheet that it hides."""
    shown.keyboard.press("?")
    expect(shown.get_by_role("dialog", name="Keys of the study")).to_be_visible()
    shown.evaluate(PRESS_AT_ONCE, ["Escape", "o"])
    expect(shown.get_by_role("dialog", name="Keys of the study")).to_have_count(0)
    told(shown, "Noted: Over-called.")


def test_letters_are_heard_wherever_the_focus_is_but_in_a_field(shown: Page) -> None:
    shown.get_by_role("button", name="Invert").click()
    shown.keyboard.press("o")
    told(shown, "Noted: Over-called.")
    shown.get_by_role("link", name="Audit").focus()
    shown.keyboard.press("a")
    told(shown, "Noted: Agree.")
    presets = shown.get_by_label("Window preset")
    presets.dispatch_event("pointerdown")
    presets.focus()
    presets.select_option("full range")
    shown.keyboard.press("b")
    told(shown, "Noted: Under-called.")
    shown.get_by_label("Comment, saved with your next verdict").fill("")
    shown.keyboard.type("aorz")
    shown.keyboard.press("Escape")
    told(shown, "Noted: Under-called.")
    shown.keyboard.press("O")  # Caps Lock
    told(shown, "Noted: Over-called.")
    expect(shown.locator(".verdict")).to_contain_text("aorz")


def test_keys_in_quick_succession_are_all_done(shown: Page, store: Store, studies: list[StudyHeader]) -> None:
    shown.evaluate(PRESS_AT_ONCE, ["a", "r"])
    told(shown, "Marked read.")
    assert done(store, studies[0]) == ["verdict", "marked read"]
    shown.evaluate(PRESS_AT_ONCE, ["z", "z"])
    told(shown, "Taken back: Agree.")
    assert done(store, studies[0]) == ["verdict", "marked read", "read undone", "verdict withdrawn"]
    shown.keyboard.press("z")
    told(shown, "There is nothing of yours here to take back.")


def test_the_next_study_waits_until_the_verdict_is_written(
    shown: Page, store: Store, studies: list[StudyHeader]
) -> None:
    shown.evaluate(PRESS_AT_ONCE, ["a", "n"])
    expect(shown.locator(".head .name")).to_have_text("KEYS, TWO")
    assert done(store, studies[0]) == ["verdict"]
    assert done(store, studies[1]) == []


def test_what_could_not_be_written_is_said_before_the_study_goes(shown: Page, studies: list[StudyHeader]) -> None:
    shown.route("**/verdict", lambda route: route.abort())
    shown.evaluate(PRESS_AT_ONCE, ["a", "n"])
    told(shown, "Not done: Triage does not answer.")
    expect(shown.locator(".head .name")).to_have_text("KEYS, ONE")
    shown.keyboard.press("n")
    expect(shown.locator(".head .name")).to_have_text("KEYS, TWO")
    told(shown, "")


def test_a_key_on_the_way_to_the_next_study_is_for_neither(
    shown: Page, store: Store, studies: list[StudyHeader]
) -> None:
    shown.evaluate(PRESS_AT_ONCE, ["n", "o"])
    expect(shown.locator(".head .name")).to_have_text("KEYS, TWO")
    told(shown, TOO_EARLY)
    assert done(store, studies[0]) == done(store, studies[1]) == []


def test_a_key_before_the_study_is_here_says_so(
    tab: Page, page: Served, store: Store, studies: list[StudyHeader]
) -> None:
    held: list[Route] = []
    tab.goto(page.entry)
    tab.route(re.compile(r"/api/studies/[0-9.]+\?"), lambda route: held.append(route))
    with tab.expect_request(re.compile(r"/api/studies/[0-9.]+\?")):
        tab.goto(f"{page.url}/study?uid={studies[1].study_instance_uid}")
    tab.keyboard.press("a")
    told(tab, TOO_EARLY)
    for route in held:
        route.continue_()
    tab.unroute(re.compile(r"/api/studies/[0-9.]+\?"))
    image_is_drawn(tab)
    told(tab, TOO_EARLY)
    tab.keyboard.press("a")
    told(tab, "Noted: Agree.")
    assert done(store, studies[1]) == ["verdict"]


def test_what_is_typed_and_what_can_be_taken_back_stay_with_their_study(shown: Page) -> None:
    shown.keyboard.press("a")
    told(shown, "Noted: Agree.")
    shown.get_by_label("Comment, saved with your next verdict").fill("look at the apex")
    shown.keyboard.press("Escape")
    shown.keyboard.press("n")
    expect(shown.locator(".head .name")).to_have_text("KEYS, TWO")
    image_is_drawn(shown)
    expect(shown.get_by_label("Comment, saved with your next verdict")).to_have_value("")
    shown.keyboard.press("z")
    told(shown, "There is nothing of yours here to take back.")
    shown.keyboard.press("Escape")
    expect(shown.locator("tbody tr").first).to_be_visible()
    shown.locator("tbody tr").filter(has_text="KEYS, ONE").last.click()
    expect(shown.get_by_label("Comment, saved with your next verdict")).to_have_value("look at the apex")
    shown.keyboard.press("z")
    told(shown, "Taken back: Agree.")


def test_a_study_that_was_left_is_not_open_any_more(shown: Page, page: Served, studies: list[StudyHeader]) -> None:
    other = shown.context.new_page()
    open_worklist(other, page)
    state = line(other, studies[0]).locator(".state")
    expect(state).to_have_text("open: reader")
    shown.keyboard.press("Escape")
    expect(state).to_have_text("ranked")


def test_a_key_held_down_is_one_key(shown: Page, store: Store, studies: list[StudyHeader]) -> None:
    shown.keyboard.down("a")
    shown.keyboard.down("a")  # which the browser takes for the repeat of a held key
    shown.keyboard.up("a")
    told(shown, "Noted: Agree.")
    shown.keyboard.press("?")
    shown.keyboard.down("Escape")
    shown.keyboard.down("Escape")
    shown.keyboard.up("Escape")
    expect(shown.get_by_role("dialog", name="Keys of the study")).to_have_count(0)
    shown.keyboard.press("r")
    told(shown, "Marked read.")
    assert done(store, studies[0]) == ["verdict", "marked read"]
    assert study_record(store, studies[0].study_instance_uid).status == "read"


PRESS_AT_ONCE = """(keys) => {
    const focused = () => {
        let node = document.activeElement;
        while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
        return node;
    };
    for (const key of keys) {
        focused().dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true, cancelable: true }));
    }
}"""

"""A reader at the page, in Chromium: the right study opens, nothing moves unasked, nothing leaves for another host."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from data_schemas.study import StudyHeader
from data_schemas.urgency import Level
from tests.dicom import values_like_a_film
from tests.ui.studies import arrive, screened
from tests.web.served import Served, served
from triage.assembly import open_site
from triage.settings import load_settings
from triage.store import Store
from triage.store.studies import study_record
from triage.store.trail import entries

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reading") / "home"


@pytest.fixture(scope="module")
def store(home: Path) -> Store:
    return open_site(load_settings(home=home))


@pytest.fixture(scope="module")
def page(home: Path, store: Store) -> Iterator[Served]:
    for number in range(6):
        screened(store, come(store, f"READER^{number}"), opacity=0.1)
    with served(home) as running:
        yield running


def come(store: Store, name: str, ordered: Level | None = None, **attributes: object) -> StudyHeader:
    """One more radiograph."""
    attributes = {"PatientName": name, "PatientID": name, "values": values_like_a_film(220, 180)} | attributes
    return arrive(store, store.files.parent / "spool", ordered=ordered, **attributes)


def open_worklist(tab: Page, page: Served) -> None:
    tab.goto(page.entry)
    expect(tab.locator("tbody tr[data-uid]").first).to_be_visible()


def line(tab: Page, study: StudyHeader):
    return tab.locator(f'tbody tr[data-uid="{study.study_instance_uid}"]')


def order(tab: Page) -> list[str]:
    return tab.locator("tbody tr[data-uid]").evaluate_all("rows => rows.map((row) => row.dataset.uid)")


def image_is_drawn(tab: Page) -> None:
    expect(tab.locator(".root[data-image]")).to_be_visible()


def test_no_request_leaves_for_another_host_and_no_rule_is_broken(tab: Page, page: Served, store: Store) -> None:
    hosts, faults = set(), []
    tab.on("request", lambda request: hosts.add(request.url.split("/")[2] if "://" in request.url else "inline"))
    tab.on("websocket", lambda socket: hosts.add(socket.url.split("/")[2]))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    open_worklist(tab, page)
    tab.locator("tbody tr a").first.click()
    image_is_drawn(tab)
    for name, words in (("upload", "Drop DICOM files"), ("models", "Weights SHA-256"), ("audit", "entries")):
        tab.goto(f"{page.url}/{name}")
        expect(tab.get_by_text(words).first).to_be_visible()
        expect(tab.get_by_text("Research use, not for diagnosis", exact=True)).to_be_visible()
    assert {host for host in hosts if host != "inline"} == {f"127.0.0.1:{page.port}"}
    assert faults == []


def test_the_token_leaves_the_address_at_once(tab: Page, page: Served) -> None:
    tab.goto(page.entry)
    assert "token" not in tab.url
    assert tab.evaluate("document.cookie").find(page.token) == -1


def test_without_the_token_the_page_says_how_to_get_in(tab: Page, page: Served) -> None:
    answer = tab.goto(f"{page.url}/worklist")
    assert answer is not None
    assert answer.status == 401
    expect(tab.get_by_text("?token=")).to_be_visible()


def test_a_click_opens_the_study_on_the_line_although_the_order_has_changed(
    tab: Page, page: Served, store: Store
) -> None:
    open_worklist(tab, page)
    before = order(tab)
    wanted = study_record(store, before[2]).study
    line(tab, wanted).hover()
    urgent = come(store, "URGENT^RACE", Level.STAT)
    news = tab.locator("button.news[data-some]")
    expect(news).to_have_text("1 new STAT: show (u)")
    assert order(tab) == before
    line(tab, wanted).click()
    expect(tab.locator(".head .name")).to_have_text(wanted.patient_name.replace("^", ", "))
    assert f"uid={wanted.study_instance_uid}" in tab.url
    assert [entry.study_instance_uid for entry in entries(store, kind="opened", limit=1)] == [wanted.study_instance_uid]
    assert urgent.study_instance_uid not in tab.url


def test_a_click_between_two_orders_opens_what_was_aimed_at(tab: Page, page: Served, store: Store) -> None:
    """The newest order is taken over in the very moment of the click."""
    open_worklist(tab, page)
    wanted = study_record(store, order(tab)[-1]).study
    line(tab, wanted).hover()
    come(store, "URGENT^CLICK", Level.STAT)
    expect(tab.locator("button.news[data-some]")).to_be_visible()
    tab.evaluate(
        """(uid) => {
            const hosts = [...document.querySelectorAll("*")].filter((node) => node.shadowRoot);
            const inside = hosts.find((node) => node.shadowRoot.querySelector("tbody")).shadowRoot;
            const line = inside.querySelector(`tr[data-uid="${uid}"]`);
            inside.querySelector("button.news").click();
            line.querySelector("a").click();
        }""",
        wanted.study_instance_uid,
    )
    expect(tab.locator(".head .name")).to_have_text(wanted.patient_name.replace("^", ", "))


def test_the_focus_stays_on_its_study_when_the_new_order_is_taken_over(tab: Page, page: Served, store: Store) -> None:
    open_worklist(tab, page)
    for _ in range(3):
        tab.keyboard.press("j")
    chosen = tab.evaluate(FOCUSED)
    assert chosen == order(tab)[2]
    come(store, "URGENT^FOCUS", Level.STAT)
    expect(tab.locator("button.news[data-some]")).to_be_visible()
    tab.keyboard.press("u")
    expect(tab.locator("tbody tr").filter(has_text="URGENT, FOCUS")).to_be_visible()
    assert tab.evaluate(FOCUSED) == chosen
    tab.keyboard.press("k")
    assert tab.evaluate(FOCUSED) == order(tab)[order(tab).index(chosen) - 1]
    tab.keyboard.press("Enter")
    expect(tab.locator(".head .name")).to_be_visible()
    assert order_before_was_opened(tab, store)


def test_a_stat_study_is_announced_once_in_words(tab: Page, page: Served, store: Store) -> None:
    open_worklist(tab, page)
    spoken = tab.locator(".spoken[role=status]")
    expect(spoken).to_have_text("")
    come(store, "URGENT^HEARD", Level.STAT, StudyDescription="Chest AP")
    expect(spoken).to_have_text("New STAT study: URGENT, HEARD, Chest AP")
    calm = come(store, "CALM^ONE")
    expect(line(tab, calm)).to_be_visible()
    expect(spoken).to_have_text("New STAT study: URGENT, HEARD, Chest AP")


def test_a_row_says_in_place_what_became_of_it(tab: Page, page: Served, store: Store) -> None:
    study = come(store, "WAITING^STUDY")
    open_worklist(tab, page)
    expect(line(tab, study).locator(".state")).to_have_text("waiting")
    screened(store, study, opacity=0.05)
    expect(line(tab, study).locator(".state")).to_have_text("ranked")


def test_image_and_map_are_drawn_where_they_belong(tab: Page, page: Served, store: Store) -> None:
    study = come(store, "MAP^DRAWN", Level.STAT)
    screened(store, study, opacity=0.83)
    open_worklist(tab, page)
    line(tab, study).click()
    image_is_drawn(tab)
    expect(tab.locator(".root[data-map]")).not_to_have_attribute("data-map", "")
    with_map = tab.evaluate(COLOUR_AT, [4.5 / 14, 4.5 / 14])
    assert max(with_map) - min(with_map) > 20
    corner = tab.evaluate(COLOUR_AT, [0.95, 0.95])
    assert max(corner) - min(corner) <= 2
    expect(tab.locator(".reason")).to_have_text("AI: lung opacity 0.83 (acts from 0.41)")
    tab.keyboard.press("m")
    expect(tab.locator(".root[data-map]")).to_have_attribute("data-map", "")
    without = tab.evaluate(COLOUR_AT, [4.5 / 14, 4.5 / 14])
    assert max(without) - min(without) <= 2
    expect(tab.get_by_text("Grad-CAM of Lung opacity")).to_be_visible()
    tab.keyboard.press("2")
    expect(tab.get_by_text("Grad-CAM of Pleural effusion")).to_be_visible()


def test_marking_read_is_shown_only_when_it_is_written(tab: Page, page: Served, store: Store) -> None:
    study = come(store, "READ^ME", Level.STAT)
    screened(store, study)
    tab.route("**/read", lambda route: route.abort())
    open_worklist(tab, page)
    line(tab, study).click()
    image_is_drawn(tab)
    tab.keyboard.press("r")
    expect(tab.get_by_text("Not done: Triage does not answer.")).to_be_visible()
    assert study_record(store, study.study_instance_uid).status == "ranked"
    tab.unroute("**/read")
    tab.get_by_role("button", name="Mark read").click()
    expect(tab.get_by_text("Marked read.")).to_be_visible()
    assert study_record(store, study.study_instance_uid).status == "read"
    kinds = [entry.kind for entry in entries(store, study_uid=study.study_instance_uid)]
    assert kinds[0] == "marked read"
    assert {"opened", "map shown"} <= set(kinds)


def test_images_that_came_after_the_opening_must_be_seen_before_a_study_is_read(
    tab: Page, page: Served, store: Store
) -> None:
    study = come(store, "GROWING^STUDY", Level.STAT)
    screened(store, study)
    open_worklist(tab, page)
    line(tab, study).click()
    image_is_drawn(tab)
    come(store, "GROWING^STUDY", StudyInstanceUID=study.study_instance_uid)
    tab.keyboard.press("r")
    expect(tab.get_by_text("Not done: new images have arrived")).to_be_visible()
    tab.get_by_role("button", name="show the newest").click()
    newest = max(study_record(store, study.study_instance_uid).instances, key=lambda instance: instance.received_at)
    expect(tab.locator(f'.root[data-image="{newest.header.sop_instance_uid}"]')).to_be_visible()
    tab.keyboard.press("r")
    expect(tab.get_by_text("Marked read.")).to_be_visible()


def test_next_and_previous_follow_the_list_and_the_address_follows_them(tab: Page, page: Served, store: Store) -> None:
    open_worklist(tab, page)
    uids = order(tab)
    line(tab, study_record(store, uids[0]).study).click()
    expect(tab.locator(".head .name")).to_be_visible()
    tab.keyboard.press("n")
    tab.wait_for_url(f"**/study?uid={uids[1]}")
    name = study_record(store, uids[1]).study.patient_name.replace("^", ", ")
    expect(tab.locator(".head .name")).to_have_text(name)
    tab.keyboard.press("Escape")
    expect(tab.locator("tbody tr[data-uid]").first).to_be_visible()


def test_a_study_opens_by_its_address_alone(tab: Page, page: Served, store: Store) -> None:
    study = come(store, "DEEP^LINK")
    tab.goto(page.entry)
    tab.goto(f"{page.url}/study?uid={study.study_instance_uid}")
    expect(tab.locator(".head .name")).to_have_text("DEEP, LINK")
    expect(tab.locator(".head")).to_contain_text("accession")
    expect(tab.locator(".head")).to_contain_text("1960-01-01")


def test_who_a_study_is_of_is_never_cut_off(browser: Browser, page: Served, store: Store) -> None:
    name, number = "Wolfeschlegelsteinhausenbergerdorff^Hubert Blaine Adolph Charles", "0123456789" * 6 + "ABCD"
    study = come(store, name, PatientID=number, AccessionNumber="ACC-0123456789AB", StudyDescription="Thorax " * 9)
    tab = browser.new_context(viewport={"width": 1024, "height": 768}).new_page()
    tab.goto(page.entry)
    tab.goto(f"{page.url}/study?uid={study.study_instance_uid}")
    image_is_drawn(tab)
    for words in (name.replace("^", ", "), number, "1960-01-01", "ACC-0123456789AB"):
        part = tab.locator(".head .name, .head .fact").filter(has_text=words)
        cut, box = (
            part.evaluate("node => node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0"),
            part.bounding_box(),
        )
        assert not cut
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1024
    tab.context.close()


def test_what_a_file_says_is_text_and_never_markup(tab: Page, page: Served, store: Store) -> None:
    come(
        store,
        "<script>alert(1)</script>",
        Level.STAT,
        StudyDescription="<img src=x onerror=alert(2)>",
        PatientID="<b>x",
    )
    tab.on("dialog", lambda dialog: pytest.fail("a script of the file ran"))
    open_worklist(tab, page)
    row = tab.locator("tbody tr").filter(has_text="onerror")
    expect(row).to_contain_text("<script>alert(1)</script>")
    row.first.click()
    expect(tab.locator(".head .name")).to_contain_text("<script>")


def test_a_page_without_an_answer_says_so_and_comes_back(tab: Page, page: Served) -> None:
    open_worklist(tab, page)
    tab.route("**/api/worklist**", lambda route: route.abort())
    expect(tab.get_by_text("Not up to date: Triage does not answer. Trying again.")).to_be_visible()
    tab.unroute("**/api/worklist**")
    expect(tab.get_by_text("Not up to date")).to_have_count(0)


def order_before_was_opened(tab: Page, store: Store) -> bool:
    """Whether the study in the header is the one whose UID stands in the address."""
    uid = tab.url.partition("uid=")[2]
    name = study_record(store, uid).study.patient_name.replace("^", ", ")
    return tab.locator(".head .name").text_content() == name


FOCUSED = """() => {
    let active = document.activeElement;
    while (active?.shadowRoot) active = active.shadowRoot.activeElement;
    return active?.closest("tr")?.dataset.uid ?? null;
}"""
COLOUR_AT = """async ([across, down]) => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));  // the next picture
    const hosts = [...document.querySelectorAll("*")].filter((node) => node.shadowRoot);
    const inside = hosts.find((node) => node.shadowRoot.querySelector("canvas")).shadowRoot;
    const canvas = inside.querySelector("canvas");
    const scale = Math.min(canvas.width / 180, canvas.height / 220);
    const x = (canvas.width - 180 * scale) / 2 + across * 180 * scale;
    const y = (canvas.height - 220 * scale) / 2 + down * 220 * scale;
    return [...canvas.getContext("2d").getImageData(Math.round(x), Math.round(y), 1, 1).data.slice(0, 3)];
}"""

"""A reader at an image: window, zoom, turn, measure, and the map that lies where it belongs."""

from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from data_schemas.study import StudyHeader
from data_schemas.urgency import Level
from tests.browser.test_reading import open_worklist
from tests.dicom import values_like_a_film
from tests.ui.studies import arrive, screened
from tests.web.served import Served, served
from triage.assembly import open_site
from triage.explain.drawing import on_image
from triage.settings import load_settings
from triage.store import Store
from triage.store.studies import explanations, study_record

pytestmark = pytest.mark.browser

ROWS, COLUMNS = 220, 180
ORIENTED = {"PatientOrientation": ["L", "F"], "ImagerPixelSpacing": [0.5, 0.5]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_site(load_settings(home=tmp_path_factory.mktemp("viewer") / "home"))


def come(store: Store, name: str, *, opacity: float = 0.83, **attributes: object) -> StudyHeader:
    values = {
        "PatientName": name,
        "PatientID": name,
        "values": values_like_a_film(ROWS, COLUMNS),
        **ORIENTED,
    } | attributes
    study = arrive(store, store.files.parent / "spool", **values)
    screened(store, study, opacity=opacity)
    return study


@pytest.fixture(scope="module")
def film(store: Store) -> StudyHeader:
    windows = {
        "WindowCenter": [2000, 1000],
        "WindowWidth": [4000, 600],
        "WindowCenterWidthExplanation": ["WIDE", "NARROW"],
    }
    return come(store, "FILM^ONE", ordered=Level.STAT, **windows)


@pytest.fixture(scope="module")
def page(store: Store, film: StudyHeader) -> Iterator[Served]:
    come(store, "FILM^TWO", ordered=Level.HIGH)
    with served(store.files.parent) as running:
        yield running


@pytest.fixture
def shown(tab: Page, page: Served, film: StudyHeader) -> Page:
    """The film on the screen, without its map."""
    tab.goto(page.entry)
    tab.goto(f"{page.url}/study?uid={film.study_instance_uid}")
    image_is_drawn(tab)
    expect(tab.locator('.root[data-map]:not([data-map=""])')).to_be_visible()
    tab.keyboard.press("m")
    expect(tab.locator('.root[data-map=""]')).to_be_visible()
    return tab


def image_is_drawn(tab: Page) -> None:
    expect(tab.locator(".root[data-image]")).to_be_visible()


def pixels(tab: Page) -> np.ndarray:
    """The canvas, without what stands over it: float (rows, columns, 3)."""
    tab.evaluate(PAINTED)
    data = str(tab.locator(".stage canvas").evaluate("(canvas) => canvas.toDataURL()")).partition(",")[2]
    return np.asarray(Image.open(BytesIO(b64decode(data))).convert("RGB"), dtype=np.float64)


def screen(tab: Page) -> np.ndarray:
    """What a person sees there."""
    tab.mouse.move(0, 0)
    tab.evaluate(PAINTED)
    picture = tab.locator(".stage canvas").screenshot()
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB"), dtype=np.float64)


def middle(tab: Page) -> tuple[float, float]:
    box = tab.locator(".stage canvas").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(tab: Page, right: float, down: float, *, button: str = "left") -> None:
    x, y = middle(tab)
    tab.mouse.move(x, y)
    tab.mouse.down(button=button)  # type: ignore[arg-type]
    tab.mouse.move(x + right / 2, y + down / 2)
    tab.mouse.move(x + right, y + down)
    tab.mouse.up(button=button)  # type: ignore[arg-type]


def window(tab: Page) -> list[float]:
    tab.evaluate(PAINTED)
    words = tab.locator(".stage").get_attribute("data-window") or ""
    return [float(part) for part in words.split(" / ")]


def test_dragging_changes_the_window_and_the_very_pixels(shown: Page) -> None:
    before, wide = pixels(shown), window(shown)
    drag(shown, -120, 0)
    assert window(shown)[1] < wide[1]
    narrow = pixels(shown)
    assert narrow.std() > before.std()
    drag(shown, 0, -100)
    assert window(shown)[0] > wide[0]
    assert pixels(shown).mean() < narrow.mean()
    shown.keyboard.press("x")
    assert window(shown) == wide
    assert np.array_equal(pixels(shown), before)


def test_presets_are_those_of_the_file_and_the_whole_range(shown: Page) -> None:
    presets = shown.get_by_label("Window preset")
    assert presets.locator("option").all_text_contents() == ["WIDE", "NARROW", "full range"]
    presets.select_option("1")
    assert window(shown) == [1000, 600]
    shown.locator(".stage canvas").focus()
    shown.keyboard.press("c")
    expect(presets).to_have_value("2")


def test_inverting_turns_every_grey_around_and_says_so(shown: Page) -> None:
    before = pixels(shown)
    shown.keyboard.press("v")
    expect(shown.locator(".turned")).to_have_text("inverted")
    inside = (slice(200, 500), slice(400, 500))
    assert np.abs(pixels(shown)[inside] + before[inside] - 255).max() <= 2
    shown.keyboard.press("v")
    expect(shown.locator(".turned")).to_have_text("")


def test_zoom_and_pan_move_the_image_and_fit_brings_it_back(shown: Page) -> None:
    before = pixels(shown)
    x, y = middle(shown)
    shown.mouse.move(x, y)
    shown.mouse.wheel(0, -400)
    zoomed = pixels(shown)
    assert np.abs(zoomed - before).mean() > 3
    drag(shown, 60, 0, button="right")
    assert np.abs(pixels(shown)[:, 100:-100] - zoomed[:, 100:-100]).mean() > 1
    shown.keyboard.press("f")
    shown.mouse.move(0, 0)
    assert np.array_equal(pixels(shown), before)


def test_turned_and_mirrored_images_say_so_and_keep_their_letters_right(shown: Page) -> None:
    def letters() -> list[str]:
        return [shown.locator(f".side.{side}").text_content() or "" for side in ("left", "top", "right", "bottom")]

    assert letters() == ["R", "H", "L", "F"]
    shown.get_by_role("button", name="Rotate").click()
    expect(shown.locator(".turned")).to_have_text("rotated 90°")
    assert letters() == ["F", "R", "H", "L"]
    shown.get_by_role("button", name="Mirror", exact=True).click()
    expect(shown.locator(".turned")).to_contain_text("mirrored")
    assert letters() == ["H", "R", "F", "L"]
    shown.get_by_role("button", name="Reset").click()
    expect(shown.locator(".turned")).to_have_text("")
    assert letters() == ["R", "H", "L", "F"]


def test_a_distance_is_measured_in_mm_and_says_of_what(shown: Page) -> None:
    shown.keyboard.press("d")
    before = pixels(shown)
    drag(shown, 150, 0)
    after = pixels(shown)
    yellow = (after[..., 0] > 200) & (after[..., 2] < 140) & (np.abs(after - before).max(axis=2) > 30)
    assert yellow.sum() > 100
    box = shown.locator(".stage canvas").bounding_box()
    assert box is not None
    scale = min(box["width"] / COLUMNS, box["height"] / ROWS)
    length = shown.evaluate(MEASURED)
    assert length == f"{150 / scale * 0.5:.1f} mm at the detector"
    shown.keyboard.press("Backspace")
    assert np.array_equal(pixels(shown), before)


def test_the_map_lies_on_the_image_where_its_values_are(shown: Page, store: Store, film: StudyHeader) -> None:
    before = screen(shown)
    shown.keyboard.press("m")
    shown.keyboard.press("]")
    expect(shown.locator('.root[data-map]:not([data-map=""])')).to_be_visible()
    colour = np.abs(screen(shown) - before).max(axis=2)
    height, width = colour.shape
    scale = min(width / COLUMNS, height / ROWS)
    left, top = (width - COLUMNS * scale) / 2, (height - ROWS * scale) / 2
    [drawn] = [one for one in explanations(store, film.study_instance_uid) if one.header.finding == "opacity"]
    values = on_image(drawn)
    strong = np.zeros_like(colour, dtype=bool)
    ys = ((np.arange(height) - top) / scale).astype(int)
    xs = ((np.arange(width) - left) / scale).astype(int)
    inside = np.ix_((ys >= 0) & (ys < ROWS), (xs >= 0) & (xs < COLUMNS))
    strong[inside] = values[np.ix_(ys[(ys >= 0) & (ys < ROWS)], xs[(xs >= 0) & (xs < COLUMNS)])] > 0.5 * values.max()
    coloured = colour > 0.5 * np.percentile(colour[strong], 90)
    overlap = (coloured & strong).sum() / (coloured | strong).sum()
    assert overlap > 0.6


def test_colours_finding_and_strength_of_the_map_are_chosen(shown: Page) -> None:
    shown.keyboard.press("m")
    expect(shown.locator('.root[data-map]:not([data-map=""])')).to_be_visible()
    inferno = pixels(shown)
    with shown.expect_response("**/api/maps/*?scale=viridis"):
        shown.get_by_label("Colours of the map").select_option("viridis")
    assert np.abs(pixels(shown) - inferno).max() > 30
    number = shown.locator(".root[data-map]").get_attribute("data-map")
    shown.keyboard.press("2")
    expect(shown.locator(f'.root[data-map]:not([data-map="{number}"])')).to_be_visible()
    expect(shown.get_by_text("Grad-CAM of Pleural effusion")).to_be_visible()


def test_a_map_of_a_finding_below_its_point_says_so(shown: Page) -> None:
    below = shown.get_by_text("This finding stays below its operating point, so the map is drawn at half strength.")
    shown.keyboard.press("m")
    expect(below).to_have_count(0)
    shown.keyboard.press("3")
    expect(shown.get_by_text("Grad-CAM of Mass")).to_be_visible()
    expect(below).to_be_visible()
    mass = shown.locator(".finding", has_text="Mass")
    expect(mass).to_contain_text("experimental")
    expect(mass).to_contain_text("positive from 0.41")


def test_an_image_comes_once_and_the_next_study_is_fetched_ahead(tab: Page, page: Served, store: Store) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url) if "/api/frames/" in request.url else None)
    open_worklist(tab, page)
    first, second = tab.locator("tbody tr[data-uid]").evaluate_all("rows => rows.map((row) => row.dataset.uid)")[:2]
    tab.locator(f'tbody tr[data-uid="{first}"]').click()
    image_is_drawn(tab)
    ahead = study_record(store, second).instances[0].header.sop_instance_uid
    tab.wait_for_function(
        "() => performance.getEntriesByType('resource').filter((one) => one.name.includes('/api/frames/')).length === 2"
    )
    assert ahead in asked[-1]
    tab.keyboard.press("n")
    expect(tab.locator(f'.root[data-image="{ahead}"]')).to_be_visible()
    tab.keyboard.press("p")
    expect(tab.locator(".head .name")).to_have_text("FILM, ONE")
    image_is_drawn(tab)
    assert len(asked) == len(set(asked)) == 2


def test_several_images_are_chosen_by_button_and_key(tab: Page, page: Served, store: Store) -> None:
    study = come(store, "TWO^IMAGES")
    come_again = arrive(
        store,
        store.files.parent / "spool",
        StudyInstanceUID=study.study_instance_uid,
        SeriesInstanceUID="1.2.3.4",
        ViewPosition="LL",
        values=values_like_a_film(90, 120, seed=5),
    )
    assert come_again.study_instance_uid == study.study_instance_uid
    tab.goto(page.entry)
    tab.goto(f"{page.url}/study?uid={study.study_instance_uid}")
    image_is_drawn(tab)
    expect(tab.get_by_text("180 x 220 px")).to_be_visible()
    tab.keyboard.press("i")
    expect(tab.get_by_text("120 x 90 px")).to_be_visible()
    tab.get_by_role("button", name="2 PA").click()
    expect(tab.get_by_text("180 x 220 px")).to_be_visible()


def test_colour_and_eight_bit_images_are_shown(tab: Page, page: Served, store: Store) -> None:
    grey = come(store, "EIGHT^BITS", values=(values_like_a_film(80, 60) >> 4).astype(np.uint8), bits=8)
    tab.goto(page.entry)
    tab.goto(f"{page.url}/study?uid={grey.study_instance_uid}")
    image_is_drawn(tab)
    assert pixels(tab).std() > 10


def test_an_image_that_cannot_be_read_says_why(tab: Page, page: Served, store: Store) -> None:
    study = come(store, "DAMAGED^IMAGE")
    [instance] = study_record(store, study.study_instance_uid).instances
    instance.path.write_bytes(instance.path.read_bytes()[:-3000])
    tab.goto(page.entry)
    tab.goto(f"{page.url}/study?uid={study.study_instance_uid}")
    expect(tab.locator(".state")).to_contain_text("The image cannot be shown: the pixel data is shorter")


def test_from_a_map_in_the_list_to_the_map_on_its_image(tab: Page, page: Served, store: Store) -> None:
    study = come(store, "FROM^AUDIT")
    tab.goto(page.entry)
    tab.goto(f"{page.url}/audit?show=maps&finding=mass&study={study.study_instance_uid}")
    tab.get_by_role("link", name="mass").click()
    image_is_drawn(tab)
    expect(tab.get_by_text("Grad-CAM of Mass")).to_be_visible()


def test_from_the_list_to_a_verdict_by_keys_alone(tab: Page, page: Served, store: Store, film: StudyHeader) -> None:
    tab.goto(page.entry)
    expect(tab.locator("tbody tr[data-uid]").first).to_be_visible()
    tab.keyboard.press("/")
    tab.keyboard.type("film one")
    expect(tab.locator("tbody tr[data-uid]")).to_have_count(1)
    tab.keyboard.press("Escape")
    tab.keyboard.press("Escape")
    expect(tab.locator("tbody tr[data-uid]").nth(1)).to_be_visible()
    tab.keyboard.press("j")
    tab.keyboard.press("Enter")
    image_is_drawn(tab)
    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog", name="Keys of the study")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog", name="Keys of the study")).to_have_count(0)
    tab.keyboard.press("o")
    expect(tab.get_by_text("Noted: Over-called.")).to_be_visible()
    tab.keyboard.press("z")
    expect(tab.get_by_text("Taken back: Over-called.")).to_be_visible()


PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
MEASURED = """() => {
    const hosts = [...document.querySelectorAll("*")].filter((node) => node.shadowRoot);
    const root = hosts.find((node) => node.shadowRoot.querySelector("canvas")).shadowRoot.querySelector(".root");
    const { stage } = root.instance;
    return stage.length(stage.lines.at(-1));
}"""

"""A reader at a series: uploaded as a zip, ranked, scrolled through, its map following slice by slice."""

import re
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_viewer import PAINTED, middle, pixels, screen, window
from tests.browser.uploading import upload
from tests.bundles import write_slice_reader
from tests.volumes import ct_series, head
from tests.web.served import Served, served

pytestmark = pytest.mark.browser

SLICES = 12


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("series")
    write_slice_reader(folder / "bundles" / "slices")
    with served(folder / "home", worker=True, bundles=folder / "bundles") as running:
        yield running


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ct")
    with zipfile.ZipFile(folder / "head.zip", "w") as archive:
        for path in ct_series(folder / "slices", head(SLICES, bleed=True), PatientName="HEAD^ONE"):
            archive.write(path, path.name)
    return folder / "head.zip"


@pytest.fixture
def series(tab: Page, page: Served, zipped: Path) -> Page:
    """The series on the screen, with its map."""
    upload(tab, page, zipped)
    tab.goto(f"{page.url}/")
    line = tab.locator("tbody tr", has_text="HEAD, ONE")
    # a reader of the test before may count as being there for a while after the window is gone
    expect(line.locator(".state")).to_have_text(re.compile("^(ranked|open: reader)$"), timeout=30_000)
    line.locator("a").click()
    expect(tab.locator('.root[data-slice][data-map]:not([data-map=""])')).to_be_visible()
    return tab


def place(tab: Page) -> int:
    return int(tab.locator(".root[data-slice]").get_attribute("data-slice") or "")


def at(tab: Page, number: int) -> None:
    expect(tab.locator(f'.root[data-slice="{number}"]')).to_be_visible()


def test_it_opens_on_the_slice_that_drove_the_score(series: Page) -> None:
    strip = series.get_by_role("slider", name="Slices of the series")
    first = place(series)
    said = strip.get_attribute("aria-valuetext") or ""
    best = float(said.rpartition(" ")[2])
    for number in range(SLICES):
        strip.press("Home")
        for _ in range(number):
            strip.press("ArrowRight")
        at(series, number)
        score = float((strip.get_attribute("aria-valuetext") or "").rpartition(" ")[2])
        assert score <= best
    series.locator(".stage canvas").press("l")
    at(series, first)


def test_wheel_and_keys_go_through_the_slices_and_the_place_is_told(series: Page) -> None:
    canvas = series.locator(".stage canvas")
    canvas.press("Home")
    at(series, 0)
    expect(series.locator(".where")).to_have_text(f"slice 1 of {SLICES}, F 60.0 mm")
    before = pixels(series)
    x, y = middle(series)
    series.mouse.move(x, y)
    series.mouse.wheel(0, 120)
    at(series, 1)
    expect(series.locator(".where")).to_have_text(f"slice 2 of {SLICES}, F 55.0 mm")
    assert np.abs(pixels(series) - before).mean() > 0.1
    canvas.press("PageUp")
    at(series, 11)
    series.mouse.wheel(0, 120)
    at(series, 11)
    canvas.press("ArrowDown")
    at(series, 10)
    canvas.press("End")
    expect(series.locator(".where")).to_contain_text("F 5.0 mm")


def test_window_and_zoom_stay_from_slice_to_slice(series: Page) -> None:
    canvas = series.locator(".stage canvas")
    series.get_by_label("Window preset").select_option(label="bone 600/2800")
    canvas.press("+")
    canvas.press("Home")
    at(series, 0)
    assert window(series) == [600, 2800]
    shown = series.locator(".info").text_content()
    canvas.press("ArrowUp")
    at(series, 1)
    assert window(series) == [600, 2800]
    assert series.locator(".info").text_content() == shown
    canvas.press("x")
    assert window(series) == [40, 80]


def test_the_map_follows_the_slices(series: Page) -> None:
    canvas = series.locator(".stage canvas")
    colours = []
    for number in (0, 5, 11):
        canvas.press("Home")
        for _ in range(number):
            canvas.press("ArrowUp")
        at(series, number)
        expect(series.locator('.root[data-map]:not([data-map=""])')).to_be_visible()
        with_map = screen(series)
        canvas.press("m")
        expect(series.locator('.root[data-map=""]')).to_be_visible()
        colours.append(with_map - screen(series))
        canvas.press("m")
    assert all(np.abs(one).max() > 5 for one in colours)
    assert np.abs(colours[0] - colours[1]).mean() > 0.05


def test_a_press_on_the_strip_goes_there(series: Page) -> None:
    box = series.locator(".bars").bounding_box()
    assert box is not None
    series.mouse.click(box["x"] + box["width"] * 3.5 / SLICES, box["y"] + box["height"] / 2)
    at(series, 3)


def test_the_sides_of_the_patient_stand_at_the_edges(series: Page) -> None:
    found = [series.locator(f".side.{side}").text_content() for side in ("left", "top", "right", "bottom")]
    assert found == ["R", "A", "L", "P"]


def test_facts_of_the_series_are_told(series: Page) -> None:
    words = series.locator(".side-panel")
    expect(words).to_contain_text(f"{SLICES} axial slices of 5 mm, 5 mm apart, pixels of 2 x 2 mm")


@pytest.fixture
def fine(tab: Page, page: Served, tmp_path: Path) -> Page:
    """A finer series with a drawn bleed, on its middle slice."""
    with zipfile.ZipFile(tmp_path / "fine.zip", "w") as archive:
        for path in ct_series(tmp_path / "slices", head(24, bleed=True), gap_mm=3.0, PatientName="FINE^ONE"):
            archive.write(path, path.name)
    upload(tab, page, tmp_path / "fine.zip")
    tab.goto(f"{page.url}/")
    tab.locator("tbody tr", has_text="FINE, ONE").first.locator("a").click()
    expect(tab.locator(".root[data-slice]")).to_be_visible()
    return tab


def test_three_planes_cross_in_one_point(fine: Page) -> None:
    fine.get_by_role("button", name="Planes").click()
    coronal, sagittal = (fine.get_by_role("img", name=f"{name} plane") for name in ("Coronal", "Sagittal"))
    expect(coronal).to_be_visible()
    expect(sagittal).to_be_visible()
    canvas = fine.locator(".stage canvas").first
    canvas.press("m")
    for _ in range(24):
        canvas.press("ArrowDown")
    for _ in range(12):
        canvas.press("ArrowUp")
    at(fine, 12)
    box = canvas.bounding_box()
    assert box is not None
    scale = min(box["width"], box["height"]) / 96
    # the bleed is drawn at x = -0.3, y = 0.2 of the half sides
    x = box["x"] + box["width"] / 2 - 0.3 * 48 * scale
    y = box["y"] + box["height"] / 2 + 0.2 * 48 * scale
    fine.mouse.click(x, y)
    assert all(brightest(one) for one in (coronal, sagittal))
    fine.mouse.click(x + 0.6 * 48 * scale, y)
    assert not brightest(sagittal)
    place_before = place(fine)
    other = coronal.bounding_box()
    assert other is not None
    fine.mouse.click(other["x"] + other["width"] / 2, other["y"] + 0.3 * other["height"])
    expect(fine.locator(f'.root[data-slice="{place_before}"]')).not_to_be_visible()
    assert place(fine) > place_before
    fine.get_by_role("button", name="Planes").click()
    expect(coronal).not_to_be_visible()


def brightest(plane: Locator) -> bool:
    """Whether the plane shows much of what is as bright as blood."""
    plane.page.evaluate(PAINTED)
    data = str(plane.evaluate("(canvas) => canvas.toDataURL()")).partition(",")[2]
    grey = np.asarray(Image.open(BytesIO(b64decode(data))).convert("RGB"), dtype=np.int16)
    blood = (grey.min(axis=2) > 205) & (grey.max(axis=2) < 250)
    return bool(blood.mean() > 0.003)


def test_thick_slices_offer_no_planes(series: Page) -> None:
    expect(series.get_by_role("button", name="Reset")).to_be_visible()
    expect(series.get_by_role("button", name="Planes")).to_have_count(0)

"""A shipped model's map on the pixels of a phantom: an OCT comes in as a zip, is ranked, scrolled and explained."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_series import at, place
from tests.browser.test_viewer import screen
from tests.browser.uploading import upload
from tests.web.served import Served, served
from triage.phantoms import retina
from triage.phantoms.files import RETINAS, retinas, write

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("lesion") / "home", worker=True) as running:
        yield running


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("oct")
    with zipfile.ZipFile(folder / "eyes.zip", "w") as archive:
        for path in write(folder / "eyes", retinas()):
            archive.write(path, path.name)
    return folder / "eyes.zip"


def test_drawn_fluid_lifts_its_study_and_the_map_lies_on_it(tab: Page, page: Served, zipped: Path) -> None:
    upload(tab, page, zipped)
    tab.goto(f"{page.url}/")
    lines = tab.locator("tbody tr")
    expect(lines.nth(0).locator(".state")).to_have_text("ranked", timeout=60_000)
    expect(lines.nth(1).locator(".state")).to_have_text("ranked", timeout=60_000)
    expect(lines.nth(0)).to_contain_text("PHANTOM, FLUID")
    expect(lines.nth(0)).to_have_attribute("data-level", "HIGH")
    expect(lines.nth(1)).to_have_attribute("data-level", "ROUTINE")
    lines.nth(0).locator("a").click()
    expect(tab.locator('.root[data-slice][data-map]:not([data-map=""])')).to_be_visible()
    expect(tab.locator(".over.info")).to_contain_text("right eye (OD)")
    driving = place(tab)
    assert 1 <= driving <= 5
    share, area = on_fluid(tab, driving)
    assert share > 0.6
    assert share > 3 * area
    tab.locator(".stage canvas").press("Home")
    at(tab, 0)
    assert strength(tab) < 0.5 * strength_at(tab, driving)


CELL_PX = (256 // 8, 512 // 8)
"""Rows and columns of the scan that one cell of the network's last layer sees; no map is finer."""


def on_fluid(tab: Page, number: int) -> tuple[float, float]:
    """Of the pixels that the map colours strongly on the screen, the share on the drawn fluid and one cell around it;
    and that area's share of the image."""
    colour, (left, top, scale, aspect) = coloured(tab)
    ys, xs = np.nonzero(retina.fluid(RETINAS["FLUID"][1], number))
    rows = (np.arange(colour.shape[0]) - top) / (scale * aspect)
    columns = (np.arange(colour.shape[1]) - left) / scale
    high = (rows > ys.min() - CELL_PX[0]) & (rows < ys.max() + CELL_PX[0])
    wide = (columns > xs.min() - CELL_PX[1]) & (columns < xs.max() + CELL_PX[1])
    box = np.outer(high, wide)
    image = np.outer((rows >= 0) & (rows < 256), (columns >= 0) & (columns < 512))
    strong = colour > 0.5 * np.quantile(colour, 0.999)
    return float(box[strong].mean()), float(box.sum() / image.sum())


def coloured(tab: Page) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """How much the map changes each pixel of the screen, and where the image lies there."""
    canvas = tab.locator(".stage canvas")
    canvas.press("Shift")  # it has the focus, and shows so, in both pictures
    with_map = screen(tab)
    canvas.press("m")
    expect(tab.locator('.root[data-map=""]')).to_be_visible()
    without = screen(tab)
    canvas.press("m")
    expect(tab.locator('.root[data-map]:not([data-map=""])')).to_be_visible()
    colour = np.abs(with_map - without).max(axis=2)
    _, drawn = RETINAS["FLUID"]
    height, width = colour.shape
    aspect = retina.PIXEL_MM[0] / retina.PIXEL_MM[1]
    scale = min(width / drawn.columns, height / (drawn.rows * aspect))
    left, top = (width - drawn.columns * scale) / 2, (height - drawn.rows * aspect * scale) / 2
    return colour, (left, top, scale, aspect)


def strength(tab: Page) -> float:
    """The strongest colour of the map on the slice that is shown."""
    return float(np.quantile(coloured(tab)[0], 0.999))


def strength_at(tab: Page, number: int) -> float:
    canvas = tab.locator(".stage canvas")
    canvas.press("Home")
    for _ in range(number):
        canvas.press("ArrowUp")
    at(tab, number)
    return strength(tab)

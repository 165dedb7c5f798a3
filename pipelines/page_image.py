"""What a reader waits for: the first image after a click in the list, and each frame while the window is dragged."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from pydicom import dcmread, dcmwrite
from pydicom.uid import generate_uid

from pipelines.page_list import serving
from triage.assembly import intake_limits, open_site
from triage.intake.take_in import Sender, take_in
from triage.phantoms.files import chests, write
from triage.settings import load_settings

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

ROUNDS = 12
DRAGS = 120
LONGEST_MS = 60_000
FRAMES = """(steps) => new Promise((done) => {
    const hosts = [...document.querySelectorAll("*")].filter((node) => node.shadowRoot);
    const root = hosts.find((node) => node.shadowRoot.querySelector("canvas")).shadowRoot.querySelector(".root");
    const { stage } = root.instance;
    const times = [];
    const paints = [];
    const step = (now) => {
        times.push(now);
        if (times.length > steps) return done([times.slice(1).map((time, i) => time - times[i]), paints]);
        stage.drag(times.length % 2 ? 3 : -2, 1);
        const begun = performance.now();
        stage.paint();
        paints.push(performance.now() - begun);
        requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
})"""


@dataclass(frozen=True)
class ImageCost:
    """Milliseconds, each list in the order in which it was measured."""

    first_image: tuple[float, ...]
    """From the click on a row to the image on the canvas, of a study that was not fetched ahead."""
    frame: tuple[float, ...]
    """Between two frames while the window changes with each."""
    paint: tuple[float, ...]
    """Of these, what drawing takes."""


def lines() -> Iterator[str]:
    """A table in Markdown."""
    cost = measure()
    yield "### What a reader waits for (Chromium, 1440 x 900)"
    yield ""
    yield "| | median ms | slowest of 20 ms |"
    yield "|---|---|---|"
    for name, times in (
        ("click to first image", cost.first_image),
        ("frame while the window is dragged", cost.frame),
        ("drawing of such a frame", cost.paint),
    ):
        yield f"| {name} | {median(times):.0f} | {float(np.quantile(times, 0.95)):.0f} |"


def measure(rounds: int = ROUNDS) -> ImageCost:
    """In a home of its own, which is removed afterwards. Raises RuntimeError without Chromium."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        raise RuntimeError("Chromium is not installed")
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        fill(home, Path(folder) / "phantoms", rounds)
        with serving(home) as page, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            tab.set_default_timeout(LONGEST_MS)
            waits = [first_image(tab, page.entry, place) for place in range(rounds)]
            frames, paints = tab.evaluate(FRAMES, DRAGS)
            browser.close()
    return ImageCost(tuple(waits), tuple(frames), tuple(paints))


def fill(home: Path, folder: Path, count: int) -> None:
    """Phantoms, each a study of its own, not screened."""
    settings = load_settings(home=home)
    store = open_site(settings)
    folder.mkdir()
    drawn = write(folder, chests())
    for number in range(len(drawn), count):
        dataset = dcmread(drawn[number % len(drawn)])
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(dataset, keyword, generate_uid())
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dcmwrite(folder / f"{number}.dcm", dataset, enforce_file_format=True)
    sender = Sender(ordered_priority=None, source="benchmark", actor="benchmark")
    for _ in take_in([folder], store=store, spool=settings.spool, limits=intake_limits(settings), sender=sender):
        pass
    store.engine.dispose()


def first_image(tab: "Tab", entry: str, place: int) -> float:
    """Milliseconds from the click on that row until its image is drawn; the page is loaded anew before."""
    tab.goto(entry)
    row = tab.locator("tbody tr[data-uid]").nth(place)
    row.wait_for()
    begun = float(tab.evaluate("performance.timeOrigin + performance.now()"))
    row.click()
    tab.locator(".root[data-image]").wait_for()
    return float(tab.evaluate("performance.timeOrigin + performance.now()")) - begun

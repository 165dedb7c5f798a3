"""What a person does on the upload page, and the films that are sent."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect
from pydicom.uid import generate_uid

from tests.dicom import as_bytes, dx, values_like_a_film
from tests.web.served import Served


def show(tab: Page, page: Served) -> None:
    tab.goto(page.entry)
    tab.goto(f"{page.url}/upload")
    expect(tab.locator(".drop .title")).to_be_visible()


def choose(tab: Page, path: Path) -> None:
    part = "folder" if path.is_dir() else "files"
    tab.locator(f"input[data-part={part}]").set_input_files(path)


def all_done(tab: Page, timeout: float = 60_000) -> None:
    expect(tab.locator(".root[data-queue=done]")).to_be_visible(timeout=timeout)
    expect(tab.locator(".summary .count")).to_contain_text("done")


def upload(tab: Page, page: Served, path: Path) -> None:
    """Chooses the folder or file and waits until the page says that all is done."""
    show(tab, page)
    choose(tab, path)
    all_done(tab, 240_000)


def count(tab: Page, name: str) -> Locator:
    return tab.locator(f".counts [data-count={name}]")


def drop(tab: Page, *paths: Path) -> None:
    """As a person drops files from the desktop."""
    box = tab.locator(".drop").bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = tab.context.new_cdp_session(tab)
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 20}
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


def films(folder: Path, number: int, studies: int = 1) -> Path:
    """That many small films of that many studies."""
    folder.mkdir(parents=True)
    template = dx(values_like_a_film(32, 32))
    uids = [generate_uid() for _ in range(studies)]
    for at in range(number):
        template.StudyInstanceUID = uids[at * studies // number]
        template.PatientName = f"BATCH^{at * studies // number}"
        template.SOPInstanceUID = generate_uid()
        template.file_meta.MediaStorageSOPInstanceUID = template.SOPInstanceUID
        (folder / f"{at:04}.dcm").write_bytes(as_bytes(template))
    return folder


def large_film(path: Path, mib: int) -> Path:
    """A film with that much of padding behind it (PS3.10 7.2)."""
    dataset = dx()
    dataset.DataSetTrailingPadding = b"\0" * (mib * 1024 * 1024)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_bytes(dataset))
    return path


def spooled(page: Served) -> list[Path]:
    return list((page.home / "spool").iterdir())


def stored(page: Served) -> list[Path]:
    return [path for path in (page.home / "files" / "instances").rglob("*") if path.is_file()]


def until(tab: Page, so: Callable[[], bool], tries: int = 600) -> None:
    """Lets the page work until something outside of it is so."""
    for _ in range(tries):
        if so():
            return
        tab.wait_for_timeout(50)
    raise AssertionError("it did not come to that")

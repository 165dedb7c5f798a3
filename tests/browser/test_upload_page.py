"""Upload in Chromium: what the command line would say of the same files, and the same order in the end."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.bundles import write_reader
from tests.dicom import as_bytes, dx
from tests.web.served import ROOT, Served, served
from triage.assembly import open_site
from triage.settings import SHIPPED_BUNDLES, load_settings
from triage.store.worklist import worklist_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    write_reader(folder / "reader")
    return folder


@pytest.fixture
def page(tmp_path: Path, bundles: Path) -> Iterator[Served]:
    with served(tmp_path / "home", worker=True, bundles=bundles) as running:
        yield running


@pytest.fixture
def shipped(bundles: Path) -> Path:
    """The bundles that come with Triage; in a checkout without any, the small one."""
    return SHIPPED_BUNDLES if any(SHIPPED_BUNDLES.glob("*/triage.json")) else bundles


@pytest.fixture
def shipped_page(tmp_path: Path, shipped: Path) -> Iterator[Served]:
    with served(tmp_path / "home", worker=True, bundles=shipped) as running:
        yield running


def upload(tab: Page, page: Served, path: Path) -> None:
    """Chooses the folder or file and waits until the page says that all is done."""
    tab.goto(page.entry)
    tab.goto(f"{page.url}/upload")
    part = "folder" if path.is_dir() else "files"
    tab.locator(f"input[data-part={part}]").set_input_files(path)
    expect(tab.locator(".summary [role=status]")).to_contain_text("All ", timeout=240_000)


def test_a_folder_with_good_and_bad_files_is_told_file_by_file(tab: Page, page: Served, tmp_path: Path) -> None:
    folder = tmp_path / "sent"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "film").write_bytes(as_bytes(dx(PatientName="UPLOADED^ONE")))
    (folder / "letter.dcm").write_bytes(b"%PDF-1.7 nothing that can be read here")
    upload(tab, page, folder)
    good = tab.locator(".file", has_text="sent/inner/film")
    expect(good.locator(".outcome")).to_have_text("taken in")
    bad = tab.locator(".file", has_text="sent/letter.dcm")
    expect(bad).to_have_attribute("data-state", "refused")
    assert bad.locator(".outcome").text_content()
    expect(tab.locator(".summary .refused")).to_have_text("1 refused")
    study = tab.locator(".study")
    expect(study).to_contain_text("UPLOADED, ONE")
    expect(study.get_by_text("ranked")).to_be_visible(timeout=60_000)
    study.get_by_role("button", name="Open").click()
    expect(tab.locator(".head .name")).to_have_text("UPLOADED, ONE")
    expect(tab.locator(".root[data-image]")).to_be_visible()
    expect(tab.get_by_text("Grad-CAM of Effusion")).to_be_visible(timeout=60_000)


def test_the_same_files_end_in_the_same_order_as_from_the_command_line(
    tab: Page, shipped_page: Served, tmp_path: Path, shipped: Path, shared_data: Path
) -> None:
    folder = shared_data / "dicom"
    said = screened_by_command(folder, tmp_path / "other", shipped)
    upload(tab, shipped_page, folder)
    refused = {
        line.locator(".file-name").get_attribute("title") for line in tab.locator(".file[data-state=refused]").all()
    }
    expected = {os.path.relpath(line["file"], folder.parent) for line in said if "refused" in line}
    assert {name for name in refused if name and ": " not in name} == expected
    in_order = [line["study_instance_uid"] for line in said if "position" in line]
    assert in_order
    store = open_site(load_settings(home=shipped_page.home))
    until_screened(tab, shipped_page)
    rows = tab.locator("tbody tr[data-uid]").evaluate_all("rows => rows.map((row) => row.dataset.uid)")
    assert rows == in_order
    levels = {row.study.study_instance_uid: row.urgency.level for row in worklist_page(store, offset=0, limit=500)}
    assert {line["study_instance_uid"]: line["level"] for line in said if "position" in line} == levels


def until_screened(tab: Page, page: Served) -> None:
    """The list, once nothing on it waits any more."""
    tab.goto(f"{page.url}/worklist")
    expect(tab.locator("tbody tr[data-uid]").first).to_be_visible()
    expect(tab.locator("tbody .state", has_text="waiting")).to_have_count(0, timeout=240_000)
    expect(tab.locator("tbody .state", has_text="screening")).to_have_count(0, timeout=240_000)
    tab.reload()
    expect(tab.locator("tbody tr[data-uid]").first).to_be_visible()


def screened_by_command(folder: Path, home: Path, bundles: Path) -> list[dict[str, object]]:
    """What `triage screen --json` says, one object a line."""
    environment = {**os.environ, "TRIAGE_BUNDLES": str(bundles), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "triage", "screen", str(folder), "--json", "--home", str(home)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=280)
    return [json.loads(line) for line in done.stdout.splitlines()]

"""Upload in Chromium: what the command line would say of the same files, and the same order in the end."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.uploading import all_done, choose, count, drop, films, large_film, show, spooled, stored, upload
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


def drawn_lines(tab: Page) -> int:
    return tab.locator(".list .line").count()


def test_a_folder_with_good_and_bad_files_is_told_file_by_file(tab: Page, page: Served, tmp_path: Path) -> None:
    folder = tmp_path / "sent"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "film").write_bytes(as_bytes(dx(PatientName="UPLOADED^ONE")))
    (folder / "letter.dcm").write_bytes(b"%PDF-1.7 nothing that can be read here")
    (folder / "nothing.dcm").write_bytes(b"")
    upload(tab, page, folder)
    expect(count(tab, "taken")).to_have_text("1 taken in")
    expect(count(tab, "refused")).to_have_text("2 refused")
    letter = tab.locator(".refusal", has_text="sent/letter.dcm")
    expect(letter.locator(".why")).to_have_text("a PDF document, not an image; ask for the DICOM file")
    expect(tab.locator(".refusal", has_text="sent/nothing.dcm").locator(".why")).to_have_text("is empty")
    study = tab.locator(".line.study")
    expect(study).to_contain_text("UPLOADED, ONE")
    study.locator("button.fold").click()
    good = tab.locator(".line.file", has_text="sent/inner/film")
    expect(good.locator(".outcome")).to_have_text("taken in")
    expect(study.get_by_text("ranked", exact=True)).to_be_visible(timeout=60_000)
    study.get_by_role("link", name="Open UPLOADED, ONE").click()
    expect(tab.locator(".head .name")).to_have_text("UPLOADED, ONE")
    expect(tab.locator(".root[data-image]")).to_be_visible()
    expect(tab.get_by_text("Grad-CAM of Effusion")).to_be_visible(timeout=60_000)


def test_five_hundred_files_arrive_and_only_some_lines_are_drawn(tab: Page, quiet: Served, tmp_path: Path) -> None:
    show(tab, quiet)
    choose(tab, films(tmp_path / "many", 500, studies=5))
    expect(tab.locator(".line.head[data-group=waiting]")).to_contain_text("Waiting their turn")
    tab.locator(".line.head[data-group=waiting] button").click()
    all_done(tab, timeout=240_000)
    expect(tab.locator(".summary .count")).to_have_text("All 500 files done")
    expect(count(tab, "taken")).to_have_text("500 taken in")
    expect(tab.locator(".line.study")).to_have_count(5)
    tab.locator(".line.study button.fold").first.click()
    expect(tab.locator(".line.file").first).to_be_visible()
    assert drawn_lines(tab) < 80
    tab.locator(".list").evaluate("list => { list.scrollTop = list.scrollHeight; }")
    expect(tab.locator(".line.study").last).to_contain_text("BATCH, 4")
    assert drawn_lines(tab) < 80
    assert len(stored(quiet)) == 500
    assert spooled(quiet) == []


def test_the_same_files_again_are_already_here(tab: Page, quiet: Served, tmp_path: Path) -> None:
    folder = films(tmp_path / "twice", 3)
    show(tab, quiet)
    choose(tab, folder)
    all_done(tab)
    tab.get_by_role("button", name="Clear the list").click()
    expect(tab.locator(".root[data-queue=empty]")).to_be_visible()
    choose(tab, folder)
    all_done(tab)
    expect(count(tab, "here")).to_have_text("3 already here")
    expect(count(tab, "taken")).to_have_count(0)


def test_a_dropped_folder_and_a_dropped_archive(tab: Page, quiet: Served, tmp_path: Path) -> None:
    folder = films(tmp_path / "dropped" / "deep", 3).parent
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("inner/one.dcm", as_bytes(dx()))
        packed.writestr("readme.txt", "no image")
    show(tab, quiet)
    drop(tab, folder, archive)
    all_done(tab)
    expect(count(tab, "taken")).to_have_text("4 taken in")
    expect(tab.locator(".refusal")).to_contain_text("packed.zip: readme.txt")
    expect(tab.locator(".line.file", has_text="packed.zip").last.locator(".outcome")).to_contain_text("1 of 2")


def test_by_keyboard_alone_with_a_priority(tab: Page, quiet: Served, tmp_path: Path) -> None:
    folder = films(tmp_path / "sent", 2)
    show(tab, quiet)
    focus(tab, "[value=ROUTINE]")
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("ArrowUp")
    expect(tab.get_by_role("radio", name="STAT")).to_be_checked()
    with tab.expect_file_chooser() as chooser:
        # the browser is told to hand the chooser over while the way there is gone: on a busy machine Enter came first
        focus(tab, "button:text-is('Choose files')")
        tab.keyboard.press("Enter")
    chooser.value.set_files(sorted(folder.iterdir()))
    all_done(tab)
    expect(tab.locator(".line.study .level")).to_have_text("STAT")
    focus(tab, ".line.study button.fold")
    tab.keyboard.press("Enter")
    expect(tab.locator(".line.file")).to_have_count(2)
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    expect(tab.locator(".head .name")).to_have_text("BATCH, 0")


def test_what_made_a_nifti_volume_is_said_with_it(tab: Page, quiet: Served, tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((16, 16, 4), np.int16), np.eye(4)), tmp_path / "head.nii.gz")
    show(tab, quiet)
    choice = tab.get_by_label("Modality of NIfTI volumes")
    expect(choice).to_have_value("")
    choice.select_option("MR")
    tab.locator("[data-part=files]").set_input_files(tmp_path / "head.nii.gz")
    all_done(tab)
    tab.get_by_role("link", name="Open").click()
    expect(tab.locator(".series")).to_contain_text("MR")


def focus(tab: Page, selector: str, key: str = "Tab") -> None:
    """Reaches an element as those do who have no mouse."""
    wanted = tab.locator(selector)
    for _ in range(40):
        if wanted.evaluate("node => node.getRootNode().activeElement === node"):
            return
        tab.keyboard.press(key)
    raise AssertionError(f"{selector} is not reached by keyboard")


def test_a_file_beyond_the_limit_is_refused_and_the_others_go_on(
    tab: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAGE_MAX_FILE_MIB", "1")
    large_film(tmp_path / "sent" / "a.dcm", 20)
    (tmp_path / "sent" / "b.dcm").write_bytes(as_bytes(dx()))
    with served(tmp_path / "home") as small:
        upload(tab, small, tmp_path / "sent")
        expect(tab.locator(".refusal")).to_contain_text("larger than the limit of 1 MiB")
        expect(count(tab, "taken")).to_have_text("1 taken in")
        assert spooled(small) == []


def test_the_same_files_end_in_the_same_order_as_from_the_command_line(
    tab: Page, shipped_page: Served, tmp_path: Path, shipped: Path, shared_data: Path
) -> None:
    folder = shared_data / "dicom"
    said = screened_by_command(folder, tmp_path / "other", shipped)
    upload(tab, shipped_page, folder)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.get_by_role("button", name="Copy the refusals").click()
    expect(tab.get_by_role("button", name="Copied")).to_be_visible()
    copied = tab.evaluate("navigator.clipboard.readText()").splitlines()
    refused = {line.partition(": ")[0] for line in copied if ".zip: " not in line}
    expected = {os.path.relpath(line["file"], folder.parent) for line in said if "refused" in line}
    assert refused == expected
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

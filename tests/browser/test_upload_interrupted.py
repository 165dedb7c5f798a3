"""Uploads that are paused, cancelled, cut off or left: nothing is lost, sent twice or half written."""

import signal
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page, Route, expect

from tests.browser.uploading import all_done, choose, count, films, large_film, show, spooled, stored, until
from tests.dicom import as_bytes, dx
from tests.web.served import Served, free_port, served

pytestmark = pytest.mark.browser


def test_pause_and_go_on(tab: Page, quiet: Served, tmp_path: Path) -> None:
    show(tab, quiet)
    choose(tab, films(tmp_path / "paused", 150))
    expect(count(tab, "taken")).to_be_visible()
    tab.get_by_role("button", name="Pause", exact=True).click()
    expect(tab.locator(".root[data-queue=paused]")).to_be_visible()
    held = tab.locator(".summary .count").text_content()
    assert held is not None and "of 150" in held
    tab.wait_for_load_state("networkidle")
    expect(tab.locator(".summary .count")).to_have_text(held)
    tab.get_by_role("button", name="Go on", exact=True).click()
    all_done(tab)
    expect(count(tab, "taken")).to_have_text("150 taken in")


def test_cancel_leaves_nothing_half_written(tab: Page, quiet: Served, tmp_path: Path) -> None:
    large_film(tmp_path / "sent" / "a.dcm", 60)
    (tmp_path / "sent" / "b.dcm").write_bytes(as_bytes(dx()))
    show(tab, quiet)
    held: list[Route] = []

    def second(route: Route) -> None:
        if route.request.headers.get("upload-offset") == "0":
            route.continue_()
        else:
            held.append(route)

    tab.route("**/api/uploads/**", second)
    choose(tab, tmp_path / "sent")
    expect(tab.locator(".line.file .outcome").first).to_contain_text("sending")
    until(tab, lambda: bool(held))
    assert len(spooled(quiet)) == 1
    tab.unroute("**/api/uploads/**")
    tab.get_by_role("button", name="Cancel all").click()
    all_done(tab)
    expect(count(tab, "cancelled")).to_have_text("2 not sent")
    until(tab, lambda: spooled(quiet) == [])
    assert stored(quiet) == []


def test_a_broken_connection_is_waited_out(tab: Page, quiet: Served, tmp_path: Path) -> None:
    large_film(tmp_path / "sent" / "a.dcm", 30)
    show(tab, quiet)
    offsets: list[str] = []
    down = [True]

    def breaks(route: Route) -> None:
        offset = route.request.headers.get("upload-offset")
        if offset != "0" and down[0]:
            route.abort("connectionreset")
            return
        if offset is not None:
            offsets.append(offset)
        route.continue_()

    tab.route("**/api/uploads/**", breaks)
    choose(tab, tmp_path / "sent")
    expect(tab.locator(".fault")).to_contain_text("goes on by itself")
    down[0] = False
    tab.get_by_role("button", name="Try now").click()
    all_done(tab)
    expect(count(tab, "taken")).to_have_text("1 taken in")
    assert offsets.count("0") == 1, "what had arrived was not sent again"
    assert (tmp_path / "sent" / "a.dcm").read_bytes() == stored(quiet)[0].read_bytes()


def sizes_of_parts(home: Path) -> list[int]:
    """Bytes of each part in the spool; one that was taken in meanwhile has none."""
    sizes = []
    for path in home.glob("spool/*.upload.part"):
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sizes


def test_a_killed_server_and_a_new_one_in_the_middle_of_the_batch(tab: Page, tmp_path: Path) -> None:
    folder = films(tmp_path / "sent", 200, studies=2)
    large_film(folder / "0100_large.dcm", 40)
    home, port = tmp_path / "home", free_port()
    with served(home, port=port) as first:
        show(tab, first)
        choose(tab, folder)
        until(tab, lambda: any(size > 2**23 for size in sizes_of_parts(home)))
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    expect(tab.locator(".fault")).to_contain_text("Nothing is lost")
    with served(home, port=port) as second:
        all_done(tab, 90_000)
        expect(count(tab, "taken")).to_have_text("201 taken in")
        expect(count(tab, "refused")).to_have_count(0)
        assert len(stored(second)) == 201
        assert spooled(second) == []


def test_it_goes_on_while_other_pages_are_read_and_leaving_asks_first(tab: Page, quiet: Served, tmp_path: Path) -> None:
    show(tab, quiet)
    choose(tab, films(tmp_path / "sent", 200))
    tab.get_by_role("link", name="Models").click()
    expect(tab.get_by_text("Verification").first).to_be_visible()
    assert tab.evaluate("'uploading' in document.documentElement.dataset"), "still under way"
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    tab.once("dialog", stay)
    tab.evaluate("() => { location.href = '/audit'; }")
    until(tab, lambda: asked == ["beforeunload"])
    tab.get_by_role("link", name="Upload").click()
    expect(tab.locator(".summary .count")).to_contain_text("200 files done")
    all_done(tab)
    expect(count(tab, "taken")).to_have_text("200 taken in")

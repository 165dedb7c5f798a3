"""What a large upload costs: memory of the process that serves and of the browser, elements on the page, and time."""

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from pydicom import Dataset, dcmwrite
from pydicom.uid import generate_uid

from pipelines.page_list import Page, serving
from triage.phantoms.chest import PHANTOMS, as_dicom

if TYPE_CHECKING:
    from playwright.sync_api import Page as Tab

SAMPLE_S = 0.25
PER_STUDY = 50
SIDE = 64
FILE_BYTES = 1_700_000_000
"""Of one large file; below the limit of a file."""
PADDING = b"\xfc\xff\xfc\xffOB\0\0"
"""Data Set Trailing Padding (PS3.10 7.2), explicit, little endian; its length follows."""
LONGEST_MS = 3_600_000
MIB = 1024 * 1024


@dataclass(frozen=True)
class UploadCost:
    """One upload through the page."""

    files: int
    size_bytes: int
    seconds: float
    server_before_mib: float
    server_peak_mib: float
    """Resident memory of the process that serves."""
    browser_before_mib: float
    browser_peak_mib: float
    """Of all its processes, shared memory counted once."""
    heap_before_mib: float
    heap_after_mib: float
    """What the page's scripts hold once garbage is collected; the tool that drives the browser keeps its own record of
    every request, which is in the browser's memory too."""
    elements_peak: int
    """Of the upload page's own part."""


def lines(counts: tuple[int, ...] = (500, 5000), large_bytes: int = 5_000_000_000) -> Iterator[str]:
    """A table in Markdown: many small files, and few large ones."""
    yield "### What an upload costs (Chromium, one tab, no worker; memory before and at its peak)"
    yield ""
    yield "| files | size | time | serving process | browser | scripts' heap, before and after | elements, peak |"
    yield "|---|---|---|---|---|---|---|"
    for files in counts:
        yield line_of(measure(files=files))
    if large_bytes:
        yield line_of(measure(files=0, large_bytes=large_bytes))


def line_of(cost: UploadCost) -> str:
    """One row."""
    server = f"{cost.server_before_mib:.0f} and {cost.server_peak_mib:.0f} MiB"
    browser = f"{cost.browser_before_mib:.0f} and {cost.browser_peak_mib:.0f} MiB"
    heap = f"{cost.heap_before_mib:.1f} and {cost.heap_after_mib:.1f} MiB"
    size = f"{cost.size_bytes / 1e6:,.0f} MB"
    return f"| {cost.files:,} | {size} | {cost.seconds:.0f} s | {server} | {browser} | {heap} | {cost.elements_peak} |"


def measure(*, files: int = 5000, large_bytes: int = 0) -> UploadCost:
    """Uploads that many small films, and large ones of that size together; all of it is removed in the end."""
    with TemporaryDirectory() as folder:
        sent = Path(folder) / "sent"
        sent.mkdir()
        write_films(sent, files)
        write_large(sent, large_bytes)
        with serving(Path(folder) / "home") as page:
            return upload(page, sent)


def upload(page: Page, folder: Path) -> UploadCost:
    """The folder through the page, as a person would choose it."""
    from playwright.sync_api import sync_playwright

    paths = list(folder.iterdir())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(page.entry)
        tab.goto(page.entry.partition("?")[0] + "upload")
        tab.locator(".drop .title").wait_for()
        heap = heap_of(tab)
        with watched(page.process) as peaks:
            server, browsers = peaks.server, peaks.browser
            start = perf_counter()
            tab.locator("input[data-part=folder]").set_input_files(folder, timeout=LONGEST_MS)
            elements = 0
            while not tab.locator(".root[data-queue=done]").count():
                elements = max(elements, int(tab.locator(".root[data-queue] *").count()))
                tab.wait_for_timeout(500)
            seconds = perf_counter() - start
        heaps = heap, heap_of(tab)
        taken = re.sub(r"\D", "", tab.locator("[data-count=taken]").inner_text())
        browser.close()
    if int(taken) != len(paths):
        raise RuntimeError(f"{taken} of {len(paths)} files were taken in")
    size = sum(path.stat().st_size for path in paths)
    return UploadCost(
        files=len(paths),
        size_bytes=size,
        seconds=seconds,
        server_before_mib=server / MIB,
        server_peak_mib=peaks.server / MIB,
        browser_before_mib=browsers / MIB,
        browser_peak_mib=peaks.browser / MIB,
        heap_before_mib=heaps[0] / MIB,
        heap_after_mib=heaps[1] / MIB,
        elements_peak=elements,
    )


def heap_of(tab: "Tab") -> int:
    """Bytes that the page's scripts hold, without garbage."""
    session = tab.context.new_cdp_session(tab)
    session.send("HeapProfiler.collectGarbage")
    used = int(session.send("Runtime.getHeapUsage")["usedSize"])
    session.detach()
    return used


@dataclass
class Peaks:
    """The largest memory seen so far, in bytes."""

    server: int = 0
    browser: int = 0

    def look(self, process: int) -> None:
        """Looks again."""
        self.server = max(self.server, resident(process))
        self.browser = max(self.browser, sum(proportional(one) for one in browsers_of(os.getpid())))


@contextmanager
def watched(process: int) -> Iterator[Peaks]:
    """Peaks of the serving process and of the browser that this process has started."""
    peaks, stop = Peaks(), threading.Event()
    peaks.look(process)

    def keep_looking() -> None:
        while not stop.wait(SAMPLE_S):
            peaks.look(process)

    thread = threading.Thread(target=keep_looking)
    thread.start()
    try:
        yield peaks
    finally:
        stop.set()
        thread.join()


def resident(process: int) -> int:
    """Resident memory in bytes."""
    return kib_of(Path(f"/proc/{process}/status"), "VmRSS") * 1024


def proportional(process: int) -> int:
    """Memory in bytes, what is shared counted in part; 0 for one that has ended."""
    return kib_of(Path(f"/proc/{process}/smaps_rollup"), "Pss") * 1024


def kib_of(path: Path, name: str) -> int:
    """One value of a file of the kernel's."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def browsers_of(process: int) -> list[int]:
    """Every process of Chromium below this one."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            before, _, after = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
        except OSError:
            continue
        parents[int(folder.name)] = int(after.split()[1])
        names[int(folder.name)] = before.partition("(")[2]
    return [one for one, name in names.items() if "chrom" in name and below(one, process, parents)]


def below(one: int, process: int, parents: dict[int, int]) -> bool:
    """Whether it descends from the process."""
    while one in parents:
        one = parents[one]
        if one == process:
            return True
    return False


def write_films(folder: Path, number: int) -> None:
    """Small films, some to a study; one is written by the library, the others differ from it in their UIDs only."""
    if not number:
        return
    first = film()
    uids = [str(first[name].value) for name in ("StudyInstanceUID", "SOPInstanceUID")]
    path = folder / "film.dcm"
    dcmwrite(path, first, enforce_file_format=True)
    content = path.read_bytes()
    path.unlink()
    for at in range(number):
        changed = content
        for uid, place in zip(uids, (at // PER_STUDY, at), strict=True):
            changed = changed.replace(uid.encode(), f"{uid[:-6]}{place:06d}".encode())
        (folder / f"{at:05}.dcm").write_bytes(changed)


def write_large(folder: Path, size: int) -> None:
    """Films with padding behind them that together have that size; on the disk the padding takes no room."""
    number = -(-size // FILE_BYTES)
    for at in range(number):
        path = folder / f"large{at:03}.dcm"
        dcmwrite(path, film(), enforce_file_format=True)
        length = size // number // 2 * 2
        with path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            file.write(PADDING + (length - end - len(PADDING) - 4).to_bytes(4, "little"))
            file.truncate(length)


def film() -> Dataset:
    """A small film with UIDs of its own, which end in six digits that may be changed."""
    values = np.random.default_rng(0).integers(0, 4096, (SIDE, SIDE), dtype=np.uint16)
    dataset = as_dicom(PHANTOMS[0], values)
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, name, f"{generate_uid()[:50].rstrip('.')}.1000000"[:64])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def main(
    files: Annotated[
        list[int] | None, typer.Option(help="Small files of one upload; may be given several times.")
    ] = None,
    large_gb: Annotated[float, typer.Option(help="Size of the upload of few large files; 0 leaves it out.")] = 5.0,
) -> None:
    """Prints the table."""
    for line in lines(tuple(files or (500, 5000)), int(large_gb * 1e9)):
        typer.echo(line)


if __name__ == "__main__":
    typer.run(main)

"""How fast the list is: from the database at many waiting studies, and what open pages cost the process that serves."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any
from urllib.parse import urlencode

import numpy as np
import typer
from sqlalchemy import insert, text

from data_schemas.score import FindingScore
from data_schemas.study import StudyHeader
from data_schemas.urgency import Level
from data_schemas.worklist import StudyStatus, WorklistFilter
from triage.assembly import open_site
from triage.settings import load_settings
from triage.store import Store
from triage.store.database import bump, writing
from triage.store.search import search_text
from triage.store.tables import studies
from triage.store.worklist import counts, page_of, pulse

PAGE_ROWS = 200
ROUNDS = 15
SESSIONS = (20, 100)
POLL_S = 2.0
MEASURED_S = 20.0
VISITS = 7
FAMILIES = "Meyer Müller Schmidt Okafor Yamada Haddad Nowak Rossi García Larsen Novák Kaya Dubois Silva Kim".split()
GIVEN = "Anna Bo Chidi Dana Emre Freya Giulia Hana Ivan Jana Karim Lena Mario Nora Olga Paul".split()
EXAMINATIONS = ("Chest PA", "Chest AP bedside", "Thorax a.p.", "Hand links", "Chest PA and lateral")
FINDINGS = "Atelectasis Cardiomegaly Consolidation Effusion Infiltration Mass Nodule Pneumothorax".split()


PAGE = """
import sys
from pathlib import Path
from triage.settings import load_settings
from triage.web.serve import OPTIONS, make_app, theme_options
app = make_app(load_settings(home=Path(sys.argv[1])), worker=False)
app.run(config=OPTIONS | theme_options() | {"server.address": "127.0.0.1", "server.port": int(sys.argv[2])})
"""


INSIDE = """
    const inside = () => [...document.querySelectorAll("*")].map((node) => node.shadowRoot)
        .find((root) => root?.querySelector("tbody"));
    const painted = (there) => new Promise((done) => {
        const look = () => (there(inside()) ? done(performance.now()) : requestAnimationFrame(look));
        look();
    });
"""
ROWS_THERE = f"() => {{ {INSIDE} return painted((root) => root?.querySelector('tbody tr')); }}"
"""Milliseconds since the visit began."""
FILTERED = f"""async (level) => {{ {INSIDE}
    const button = inside().querySelector(`.count:has([data-level=${{level}}])`);
    const start = performance.now();
    button.click();
    return await painted((root) => root.querySelector("tbody tr")?.dataset.level === level) - start;
}}"""


@dataclass(frozen=True)
class Page:
    """A page that is being served, without a worker."""

    process: int
    port: int
    entry: str
    """The address with the token."""
    cookie: str


def lines(counts: Sequence[int] = (1000, 10_000, 100_000)) -> Iterator[str]:
    """Tables in Markdown: the list from the database by number of waiting studies, and the cost of open pages."""
    yield f"### The list from the database (SQLite, medians of {ROUNDS})"
    yield ""
    yield f"| waiting | first {PAGE_ROWS} ms | last page ms | HIGH, DX ms | two words ms | counts ms | nothing new ms |"
    yield "|---|---|---|---|---|---|---|"
    for number in counts:
        with filled(number) as (_, store):
            figures = " | ".join(f"{value:.1f}" for value in measured(store))
            yield f"| {number:,} | {figures} |"
    yield ""
    yield f"### The list in the browser (Chromium, medians of {VISITS}; from nothing to {PAGE_ROWS} rows)"
    yield ""
    yield "| waiting | first visit ms | again ms | another filter ms |"
    yield "|---|---|---|---|"
    for number in counts:
        with filled(number) as (home, _), serving(home) as page:
            figures = " | ".join(f"{value:.0f}" for value in seen(page))
            yield f"| {number:,} | {figures} |"
    yield ""
    yield f"### What open pages cost (a question every {POLL_S:g} s each, {max(counts):,} waiting)"
    yield ""
    yield "| sessions | list | processor of the serving process | median answer ms | slowest of 20 ms |"
    yield "|---|---|---|---|---|"
    with filled(max(counts)) as (home, store):
        for sessions in SESSIONS:
            for changes in (False, True):
                share, answers = open_pages(home, store, sessions, changes=changes)
                how = "a change every second" if changes else "unchanged"
                slow = answers[int(len(answers) * 0.95)]
                yield f"| {sessions} | {how} | {100 * share:.0f} % | {median(answers):.1f} | {slow:.0f} |"


def seen(page: Page) -> list[float]:
    """Median milliseconds until rows are there: on a first visit, on one with the browser's cache, and in an open page
    after another filter."""
    from playwright.sync_api import sync_playwright

    visits, returns, filters = list[float](), list[float](), list[float]()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(VISITS + 1):
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            tab.goto(page.entry, wait_until="commit")
            visits.append(float(tab.evaluate(ROWS_THERE)))
            tab.reload(wait_until="commit")
            returns.append(float(tab.evaluate(ROWS_THERE)))
            filters.append(float(tab.evaluate(FILTERED, "LOW")))
            tab.close()
        browser.close()
    return [median(times[1:]) for times in (visits, returns, filters)]


def open_pages(home: Path, store: Store, sessions: int, *, changes: bool) -> tuple[float, list[float]]:
    """Processor share of the serving process under that many pages, and their answers' milliseconds in order."""
    with serving(home) as page, changing(store, changes):
        stop, times = threading.Event(), list[float]()
        lags = [place / sessions for place in range(sessions)]
        pages = [threading.Thread(target=ask_on, args=(page, stop, times, lag)) for lag in lags]
        for one in pages:
            one.start()
        sleep(2 * POLL_S)
        times.clear()
        before, start = cpu_seconds(page.process), perf_counter()
        sleep(MEASURED_S)
        share = (cpu_seconds(page.process) - before) / (perf_counter() - start)
        stop.set()
        for one in pages:
            one.join()
    return share, sorted(times)


def ask_on(page: Page, stop: threading.Event, times: list[float], lag: float) -> None:
    """One page: asks, waits, asks with what it has."""
    connection = HTTPConnection("127.0.0.1", page.port, timeout=60)
    known = {"since": "-1", "opened": "", "heard": "-1"}
    stop.wait(lag * POLL_S)
    while not stop.is_set():
        start = perf_counter()
        query = urlencode({"limit": PAGE_ROWS, **known})
        connection.request("GET", f"/api/worklist?{query}", headers={"Cookie": page.cookie})
        answer = json.loads(connection.getresponse().read())
        times.append(1000 * (perf_counter() - start))
        known = {"since": answer["version"], "opened": answer["opened"], "heard": answer["version"]}
        stop.wait(POLL_S)
    connection.close()


@contextmanager
def serving(home: Path) -> Iterator[Page]:
    """The page of that home in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-c", PAGE, str(home), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            entry = process.stdout.readline().rpartition(" ")[2].strip()
            connection = HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/?" + entry.partition("?")[2])
            cookie = str(connection.getresponse().headers["Set-Cookie"]).partition(";")[0]
            yield Page(process.pid, port, entry, cookie)
        finally:
            process.terminate()


@contextmanager
def changing(store: Store, changes: bool) -> Iterator[None]:
    """A change of the list every second, where wanted."""
    stop = threading.Event()

    def change() -> None:
        while not stop.wait(1.0):
            with writing(store) as connection:
                bump(connection)

    thread = threading.Thread(target=change)
    if changes:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if changes:
            thread.join()


def cpu_seconds(process: int) -> float:
    """Processor time that the process has taken (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(store: Store) -> list[float]:
    """Milliseconds of each kind of question."""
    last = page_of(store, limit=1, before=page_of(store, limit=1).rows[0].cursor).rows[0].cursor
    end = last.model_copy(update={"rank": len(Level), "sequence": 2**60})
    some = WorklistFilter(levels=(Level.HIGH,), modalities=("DX",))
    words = WorklistFilter(text="mull chest")
    ways: tuple[Callable[[], object], ...] = (
        lambda: page_of(store, limit=PAGE_ROWS),
        lambda: page_of(store, limit=PAGE_ROWS, before=end),
        lambda: page_of(store, some, limit=PAGE_ROWS),
        lambda: page_of(store, words, limit=PAGE_ROWS),
        lambda: counts(store),
        lambda: pulse(store, at=0.0),
    )
    return [timed(way) for way in ways]


def timed(way: Callable[[], object]) -> float:
    """Median milliseconds; the first round only warms."""
    times = []
    for _ in range(ROUNDS + 1):
        start = perf_counter()
        way()
        times.append(1000 * (perf_counter() - start))
    return median(times[1:])


@contextmanager
def filled(number: int) -> Iterator[tuple[Path, Store]]:
    """A home with that many unread studies."""
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        store = open_site(load_settings(home=home))
        fill(store, number)
        try:
            yield home, store
        finally:
            store.engine.dispose()


def fill(store: Store, number: int, seed: int = 0) -> None:
    """Studies as a busy hospital has them, straight into the tables: a third waits, most are ranked, few are urgent."""
    draw = np.random.default_rng(seed)
    with writing(store) as connection:
        for start in range(0, number, 5000):
            rows = [study(draw, place) for place in range(start, min(start + 5000, number))]
            connection.execute(insert(studies), rows)
        bump(connection)
    if not store.embedded:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE studies"))


def study(draw: np.random.Generator, place: int) -> dict[str, Any]:
    """One row."""
    family, given, examination = (str(draw.choice(words)) for words in (FAMILIES, GIVEN, EXAMINATIONS))
    header = StudyHeader(
        study_instance_uid=f"1.2.826.0.1.3680043.10.1.{place}",
        patient_name=f"{family}^{given}^{chr(65 + place % 26)}",
        patient_id=f"{4_000_000 + place}",
        patient_birth_date=f"{1930 + place % 80}0{1 + place % 9}15",
        patient_sex="FM"[place % 2],
        age_years=float(20 + place % 70),
        accession_number=f"A{900_000 + place}",
        study_description=examination,
        study_date="20260105",
    )
    rank = int(draw.choice(4, p=(0.01, 0.09, 0.8, 0.1)))
    status = str(draw.choice((StudyStatus.WAITING, StudyStatus.RANKED, StudyStatus.NOT_SCORED), p=(0.3, 0.6, 0.1)))
    found = [score(name, float(draw.beta(1, 6))) for name in FINDINGS] if status == StudyStatus.RANKED else []
    return {
        "study_uid": header.study_instance_uid,
        "header": header.model_dump(mode="json"),
        "modality": str(draw.choice(("DX", "CR", "OT"), p=(0.7, 0.25, 0.05))),
        "source": "drawn",
        "ordered_rank": 2,
        "level_rank": rank,
        "reason": f"AI: {FINDINGS[place % 8].lower()} 0.62 (acts from 0.41)" if rank < 2 else "ordered ROUTINE",
        "status": status,
        "findings": found,
        "unread": True,
        "revision": 1,
        "screened_revision": 0 if status == StudyStatus.WAITING else 1,
        "attempts": 0,
        "received_at": datetime.now(UTC) - timedelta(seconds=40 * (place % 5000)),
        "search": search_text(header),
        "stat_version": 0 if rank == 0 else None,
    }


def score(name: str, probability: float) -> dict[str, Any]:
    """A finding as a screening writes it."""
    value = FindingScore(
        finding=name.lower(),
        label=name,
        probability=probability,
        operating_point=0.41,
        positive=probability >= 0.41,
        level=Level.HIGH,
    )
    return value.model_dump(mode="json")


if __name__ == "__main__":
    for line in lines():
        typer.echo(line)

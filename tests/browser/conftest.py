"""Chromium, one for each file of tests; each test gets a context of its own."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.web.served import ROOT, Served, served

expect.set_options(timeout=20_000)

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = """() => axe.run(document, {
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
}).then((found) => found.violations
  .filter((one) => ["serious", "critical"].includes(one.impact))
  .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(" | ")}`))"""
Faults = Callable[[Page], list[str]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with its file: while Playwright runs, its event loop does, and other tests cannot start theirs."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no Chromium; .ci/run installs it")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A reader's browser, 1440 x 900."""
    opened = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    opened.set_default_timeout(30_000)
    yield opened
    opened.close()


@pytest.fixture
def tab(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Served]:
    """A page without a worker: what arrives stays waiting."""
    with served(tmp_path / "home") as running:
        yield running


@pytest.fixture(scope="session")
def faults() -> Faults:
    """What axe finds wrong with a page. Its context bypasses the page's policy, which lets nobody add a script."""
    if not AXE.exists():
        if os.environ.get("CI"):
            pytest.fail("axe-core is missing; `make test` installs it")
        pytest.skip("axe-core is not installed: npm ci")

    def found(tab: Page) -> list[str]:
        tab.add_script_tag(path=AXE)
        rules: list[str] = tab.evaluate(RULES)
        return rules

    return found

"""The whole program that a browser talks to: pages, routes and door in one ASGI application, and how it is started."""

import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config

from triage.settings import Settings
from triage.web.door import TOKEN_PARAMETER, Door
from triage.web.framework import Framework, inline_scripts
from triage.web.routes import routes
from triage.web.site import Site, close, new_site
from triage.web.sockets import answer_at_once
from triage.web.worker_process import worker_kept

MAIN_SCRIPT = Path(__file__).parents[1] / "ui" / "main.py"
OPTIONS: dict[str, Any] = {
    "server.headless": True,
    "server.fileWatcherType": "none",
    "server.allowedHosts": ["localhost", "127.0.0.1", "[::1]", "::1"],
    "server.maxUploadSize": 1,
    "runner.fastReruns": True,
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "logger.hideWelcomeMessage": True,
}
"""The same as .streamlit/config.toml, which `streamlit run` reads; a test compares."""


def make_app(settings: Settings, *, worker: bool = True) -> st.App:
    """The application of one home."""
    return st.App(MAIN_SCRIPT, **parts(settings, worker=worker))


def parts(settings: Settings, *, worker: bool = True) -> dict[str, Any]:
    """What makes st.App ours. Pages get the settings as `st.secrets["triage"]`, in memory only."""
    site = new_site(settings)
    return {
        "routes": routes(site),
        "middleware": [
            Middleware(Door, token=site.token, inline_scripts=inline_scripts()),
            Middleware(Framework),
        ],
        "lifespan": lifespan_of(site, worker=worker),
        "secrets": {"triage": settings.model_dump(mode="json")},
    }


def lifespan_of(site: Site, *, worker: bool) -> Callable[[st.App], AbstractAsyncContextManager[None]]:
    """From the start of the server to its end, whether or not anybody visits."""

    @asynccontextmanager
    async def lifespan(app: st.App) -> AsyncIterator[None]:
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        async with AsyncExitStack() as stack:
            stack.callback(close, site)
            if worker:
                await stack.enter_async_context(worker_kept(site.settings))
            # Streamlit collects garbage after every run; what is loaded by now need not be looked through each time.
            gc.collect()
            gc.freeze()
            answer_at_once()
            say(f"Triage is at {address(site, int(config.get_option('server.port')))}")
            yield

    return lifespan


def address(site: Site, port: int) -> str:
    """Where the page is, with the token that opens it."""
    host = f"[{site.settings.host}]" if ":" in site.settings.host else site.settings.host
    return f"http://{host}:{port}/?{TOKEN_PARAMETER}={site.token}"


def say(line: str) -> None:
    """To the person who started the program, at once even through a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def serve(settings: Settings, port: int) -> None:
    """Runs page and worker until the process is asked to stop."""
    options = OPTIONS | theme_options() | {"server.address": settings.host, "server.port": port}
    make_app(settings).run(config=options)


def theme_options() -> dict[str, Any]:
    """Colours of the framework's own parts, light and dark."""
    from triage.web.theme import DARK, LIGHT, SHARED

    named: dict[str, dict[str, Any]] = {"theme": SHARED, "theme.light": LIGHT, "theme.dark": DARK}
    return {f"{section}.{name}": value for section, values in named.items() for name, value in values.items()}

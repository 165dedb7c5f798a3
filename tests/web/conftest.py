"""A site in a folder of its own, and the application that answers for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from triage.settings import load_settings
from triage.web.door import Door, cookie_name
from triage.web.routes import routes
from triage.web.site import Site, opened


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty home with a file limit of 1 MiB."""
    settings = load_settings(home=tmp_path / "home", max_file_mib=1, min_free_mib=0, decode_processes=1)
    with opened(settings) as site:
        yield site


@pytest.fixture
def app(site: Site) -> Starlette:
    """Our routes behind the door, without the pages."""
    return Starlette(routes=routes(site), middleware=[Middleware(Door, token=site.token)])


@pytest.fixture
def inside(site: Site) -> dict[str, str]:
    """What the browser of somebody sends who came in with the token."""
    return {"Cookie": f"{cookie_name(site.token)}={site.token}"}

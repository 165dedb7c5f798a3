"""The page that a browser gets first: ours by name, with everything it will need named at once."""

import re
from collections.abc import Iterator

import pytest

from tests.web.served import Served, served
from tests.web.test_door import inside, request
from triage.web.framework import PARTS


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("framework") / "home") as running:
        yield running


def text(page: Served, path: str) -> str:
    status, body = request(page, "GET", path, inside(page))
    assert status == 200, path
    return body.decode()


def preloaded(html: str) -> list[str]:
    return re.findall(r'<link rel="modulepreload"[^>]*href="\.?(/[^"]+)"', html)


@pytest.mark.parametrize("path", PARTS)
def test_the_page_has_our_name_and_everything_it_names_is_there(page: Served, path: str) -> None:
    html = text(page, path)
    assert "<title>Triage</title>" in html
    assert "Streamlit</title>" not in html
    assert all(text(page, one) for one in preloaded(html))


def test_a_page_names_the_scripts_that_fill_it(page: Served) -> None:
    found = " ".join(preloaded(text(page, "/study")))
    assert "/viewer/component.js" in found
    assert "/frame/component.js" in found
    assert "/BidiComponent." in found
    assert "/worklist/" not in found


def test_a_file_of_the_framework_is_whole_and_of_its_kind(page: Served) -> None:
    address = next(one for one in preloaded(text(page, "/")) if "/static/js/protobuf" in one)
    status, body = request(page, "GET", address, inside(page))
    assert (status, len(body) > 100_000) == (200, True)
    assert request(page, "GET", address)[0] == 401
    assert request(page, "GET", "/static/js/../../../config.py", inside(page))[0] in (400, 404)

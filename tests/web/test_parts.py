"""The page's own JavaScript comes through the same door as everything else."""

from functools import partial

import pytest
from starlette.applications import Starlette

from tests.web.asgi import ask
from triage.web.parts import modules, version


@pytest.fixture
def get(app: Starlette, inside: dict[str, str]):
    return partial(ask, app, headers=inside)


def test_every_module_may_be_kept_for_its_address_changes_with_its_content(get) -> None:
    for name, path in modules().items():
        answer = get(f"/parts/{version()}/{name}")
        assert answer.status == 200
        assert answer.body == path.read_bytes()
        assert "immutable" in answer.headers["cache-control"]
    assert get(f"/parts/{version()}/worklist/component.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["worklist/style.css", "../__init__.py", "..%2F__init__.py", "", "worklist/"])
def test_nothing_else_is_given_out(get, path: str) -> None:
    assert get(f"/parts/{version()}/{path}").status == 404


def test_an_older_page_is_asked_to_load_again(get) -> None:
    answer = get("/parts/000000000000/shared.js")
    assert answer.status == 404
    assert "load the page again" in answer.json["error"]


def test_without_the_cookie_there_is_nothing(app: Starlette) -> None:
    assert ask(app, f"/parts/{version()}/shared.js").status == 401

"""Nobody comes in without the token, and nobody is brought in by a foreign page."""

import asyncio
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from starlette.applications import Starlette
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.ui.studies import arrive
from tests.web.asgi import ask
from tests.web.served import Served, served
from triage.assembly import open_site
from triage.settings import load_settings
from triage.web.door import Door, cookie_name, is_loopback, read_token
from triage.web.site import Site

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("door") / "home"
    settings = load_settings(home=home)
    arrive(open_site(settings), settings.spool, PatientName="SECRET^NAME")
    with served(home) as running:
        yield running


def test_every_route_and_method_without_the_token_gives_nothing(page: Served) -> None:
    paths = {"/", "/worklist", "/study", "/upload", "/models", "/audit", "/favicon.png", "/nowhere"}
    paths |= {route.replace("{path:path}", "x").replace("{", "").replace("}", "") or "/" for route in page.routes}
    assert any("_stcore" in path for path in paths)
    assert any("/api/frames" in path for path in paths)
    for path in sorted(paths):
        for method in METHODS:
            status, body = request(page, method, path)
            assert status == 401, (method, path)
            assert b"SECRET" not in body
            assert b"<script" not in body


def test_the_refusal_says_how_to_get_in(page: Served) -> None:
    _, body = request(page, "GET", "/")
    assert b"?token=" in body
    assert page.token.encode() not in body


def test_a_wrong_token_and_a_wrong_cookie_are_refused(page: Served) -> None:
    assert request(page, "GET", "/?token=wrong")[0] == 401
    assert request(page, "GET", "/api/worklist", {"Cookie": f"{cookie_name(page.token)}=wrong"})[0] == 401
    assert request(page, "GET", "/api/worklist", {"Cookie": '"broken; \x7f=;;'})[0] == 401


def test_with_the_cookie_every_room_opens(page: Served) -> None:
    for path in ("/", "/_stcore/health", "/api/worklist", "/healthz"):
        assert request(page, "GET", path, inside(page))[0] == 200, path


def test_the_websocket_without_the_token_is_refused(page: Served) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(stream(page), origin=page.url):  # type: ignore[arg-type]
        pass
    assert refused.value.response.status_code == 403


def test_the_websocket_with_the_token_opens(page: Served) -> None:
    with connect(stream(page), origin=page.url, additional_headers=inside(page)) as socket:  # type: ignore[arg-type]
        assert socket.protocol.state.name == "OPEN"


def test_the_websocket_of_a_foreign_page_is_refused_in_spite_of_the_cookie(page: Served) -> None:
    for origin in ("http://evil.example", f"http://127.0.0.1:{page.port + 1}", "null"):
        with (
            pytest.raises(InvalidStatus),
            connect(stream(page), origin=origin, additional_headers=inside(page)),  # type: ignore[arg-type]
        ):
            pass


def test_the_right_token_is_swapped_for_a_cookie_that_scripts_cannot_read(app: Starlette, site: Site) -> None:
    answer = ask(app, "/study", query=f"uid=1.2&token={site.token}&x=%C3%A4")
    assert answer.status == 303
    assert answer.headers["location"] == "/study?uid=1.2&x=%C3%A4"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "/a\r\nX-Bad: 1"])
def test_the_redirect_never_leaves_this_server(app: Starlette, site: Site, path: str) -> None:
    location = ask(app, path, query=f"token={site.token}").headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "\n" not in location


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example", "10.0.0.5", "", "[::2]:1"]
)
def test_a_foreign_name_for_this_machine_is_refused_in_spite_of_the_cookie(
    app: Starlette, inside: dict[str, str], host: str
) -> None:
    assert ask(app, "/api/worklist", headers=inside | {"Host": host}).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8501", "127.1.2.3", "[::1]:8501", "[::1]"])
def test_the_names_of_this_machine_are_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "foreign",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:8502"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_foreign_page_can_neither_write_nor_read(
    app: Starlette, inside: dict[str, str], foreign: dict[str, str]
) -> None:
    assert ask(app, "/api/upload", method="POST", headers=inside | foreign | {"X-File-Name": "a"}).status == 403
    assert ask(app, "/api/worklist", headers=inside | foreign).status == 403


def test_our_own_page_may(app: Starlette, inside: dict[str, str]) -> None:
    own = {"Origin": "http://127.0.0.1:8501", "Sec-Fetch-Site": "same-origin"}
    assert ask(app, "/api/worklist", headers=inside | own).status == 200


def test_every_answer_forbids_other_hosts(app: Starlette, inside: dict[str, str]) -> None:
    for headers in (inside, {}):
        answer = ask(app, "/api/worklist", headers=headers)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "connect-src 'self'" in policy
        assert "http" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_token_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    token = read_token(tmp_path)
    assert read_token(tmp_path) == token
    assert len(token) >= 43
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_a_token_that_others_could_read_is_closed_again(tmp_path: Path) -> None:
    read_token(tmp_path)
    (tmp_path / "token").chmod(0o644)
    read_token(tmp_path)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_two_homes_do_not_share_a_cookie(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert cookie_name(read_token(tmp_path / "a")) != cookie_name(read_token(tmp_path / "b"))


def test_start_and_end_of_the_server_pass_the_door() -> None:
    seen = []

    async def inner(scope: dict[str, str], receive: object, send: object) -> None:
        seen.append(scope["type"])

    asyncio.run(Door(inner, "t")({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def inside(page: Served) -> dict[str, str]:
    return {"Cookie": f"{cookie_name(page.token)}={page.token}"}


def stream(page: Served) -> str:
    return f"ws://127.0.0.1:{page.port}/_stcore/stream"


def request(page: Served, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", page.port, timeout=30)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()

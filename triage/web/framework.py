"""The framework's page and files as a first visit wants them: ours by name, from memory, all it needs said at once."""

import re
from functools import cache
from mimetypes import guess_type
from pathlib import Path

import streamlit
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from triage.web.parts import FOLDER as COMPONENTS
from triage.web.parts import KEPT, modules, version

FOLDER = Path(streamlit.__file__).parent / "static"
SCRIPTS = FOLDER / "static" / "js"
LATE = ("BidiComponent.*.js", "Html.*.js")
"""Scripts that every page of ours needs and the framework asks for only when its own have run."""
IMPORTED = re.compile(r"""(?:from|import)"\./([\w.-]+\.js)""")
PARTS = {"/": "worklist", "/study": "viewer", "/upload": "upload", "/models": "explorer", "/audit": "frame"}
"""By the address of a page, the folder of the scripts that fill it; every page has the frame."""


@cache
def index() -> str:
    """The framework's own page."""
    return (FOLDER / "index.html").read_text(encoding="utf-8")


def inline_scripts() -> list[str]:
    """The scripts inside it; no other inline script may run."""
    return re.findall(r"<script>(.*?)</script>", index(), re.DOTALL)


@cache
def files() -> dict[str, Path]:
    """By their address; each name holds a hash of the content."""
    found = (path for path in (FOLDER / "static").rglob("*") if path.is_file())
    return {f"/{path.relative_to(FOLDER).as_posix()}": path for path in found}


@cache
def file(address: str) -> Response:
    """A whole file, read at the first question."""
    kind = guess_type(address)[0] or "application/octet-stream"
    return Response(files()[address].read_bytes(), media_type=kind, headers=KEPT)


@cache
def page(address: str) -> Response:
    """The framework's page with our name, and with what it will ask for later said at once."""
    links = "".join(f'<link rel="modulepreload" href="{one}">' for one in (*late_scripts(), *own(address)))
    html = index().replace("<title>Streamlit</title>", "<title>Triage</title>").replace("</head>", f"{links}</head>")
    return HTMLResponse(html, headers={"Cache-Control": "no-cache"})


def late_scripts() -> list[str]:
    """Addresses of LATE and all that they import, less what the page names itself."""
    found, wanted = list[str](), [path.name for pattern in LATE for path in SCRIPTS.glob(pattern)]
    while wanted:
        name = wanted.pop()
        if name not in index() and name not in found:
            found.append(name)
            wanted += IMPORTED.findall((SCRIPTS / name).read_text(encoding="utf-8"))
    return [f"/static/js/{name}" for name in found]


def own(address: str) -> list[str]:
    """Our modules of that page."""
    folders = (COMPONENTS, COMPONENTS / "frame", COMPONENTS / PARTS[address])
    scripts = (name for name, path in modules().items() if path.suffix == ".js" and path.parent in folders)
    return [f"/parts/{version()}/{name}" for name in scripts]


class Framework:
    """ASGI middleware. A first visit asks for sixty files, which Streamlit opens, reads and sends in many steps each;
    what its scripts ask for later would come one after the other.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or passes the request on."""
        app = self.app
        if scope["type"] == "http" and scope["method"] == "GET":
            if scope["path"] in files():
                app = file(scope["path"])
            elif scope["path"] in PARTS:
                app = page(scope["path"])
        await app(scope, receive, send)

"""The pages' own JavaScript: ES modules below an address that changes with their content, for browsers to keep."""

import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from data_schemas.errors import NotFound
from triage.web.site import Site

FOLDER = Path(__file__).parents[1] / "ui" / "components"
WORDS = FOLDER / "words"
TYPES = {".js": "text/javascript", ".json": "application/json"}
KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}


@cache
def modules() -> dict[str, Path]:
    """Every file that the browser may ask for, by its path below the folder."""
    found = sorted(path for path in FOLDER.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(FOLDER).as_posix(): path for path in found}


@cache
def version() -> str:
    """Changes with every byte of them."""
    digest = hashlib.sha256()
    for name, path in modules().items():
        digest.update(f"{name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


async def part(site: Site, request: Request) -> Response:
    """One module; the texts are those of the site's language, whichever language the module names."""
    name = request.path_params["path"]
    path = modules().get(name)
    if path is None or request.path_params["version"] != version():
        raise NotFound("there is no such part of the page; load the page again")
    if path.parent == WORDS:
        path = WORDS / f"{site.settings.language}.json"
    return FileResponse(path, media_type=TYPES[path.suffix], headers=KEPT)

"""What a reader does: each request names what was on the screen, and is refused when there is something newer."""

from functools import partial
from time import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from data_schemas.errors import NotFound
from data_schemas.reading import Verdict
from triage.store.reading import judge, mark_read, mark_unread, show_closed, show_open, withdraw
from triage.store.studies import explanation_by_number, note_view
from triage.web.answers import body_of, refusal
from triage.web.site import ACTOR, Site

MAX_COMMENT = 2000


async def opened(site: Site, request: Request) -> Response:
    """The study is on the screen of that window, and not for a moment only: said again while it is."""
    uid, window = request.path_params["uid"], window_of(await body_of(request))
    await run_in_threadpool(partial(show_open, site.store, uid, window, actor=ACTOR, at=time()))
    return JSONResponse({"uid": uid})


async def closed(site: Site, request: Request) -> Response:
    """The window shows no study any more."""
    await run_in_threadpool(show_closed, site.store, window_of(await body_of(request)))
    return JSONResponse({})


async def verdict(site: Site, request: Request) -> Response:
    """Agree, over-called or under-called, with a comment; of the result that the body names."""
    uid, body = request.path_params["uid"], await body_of(request)
    word, comment, screening = body.get("verdict"), body.get("comment", ""), body.get("screening")
    if word not in list(Verdict):
        raise ValueError("the request names no verdict")
    if not isinstance(comment, str) or len(comment) > MAX_COMMENT:
        raise ValueError(f"a comment is text of at most {MAX_COMMENT} characters")
    if not isinstance(screening, int):
        raise ValueError("the request does not say which result was seen")
    given = partial(judge, site.store, uid, Verdict(word), actor=ACTOR, screening=screening, comment=comment)
    number = await run_in_threadpool(given)
    if number is None:
        return refusal(409, "the study has been screened again since it was opened; look at the new result first")
    return JSONResponse({"uid": uid, "number": number})


async def withdrawn(site: Site, request: Request) -> Response:
    """Takes the verdict of that number back."""
    uid, number = request.path_params["uid"], (await body_of(request)).get("number")
    if not isinstance(number, int):
        raise ValueError("the request names no verdict")
    await run_in_threadpool(partial(withdraw, site.store, uid, number, actor=ACTOR))
    return JSONResponse({"uid": uid})


async def read(site: Site, request: Request) -> Response:
    """Takes the study off the list, if the reader saw what is there: the body says which revision was displayed."""
    uid, body = request.path_params["uid"], await body_of(request)
    revision = body.get("revision")
    if not isinstance(revision, int):
        raise ValueError("the request does not say which images were seen")
    if not await run_in_threadpool(partial(mark_read, site.store, uid, actor=ACTOR, revision=revision)):
        return refusal(409, "new images have arrived since this study was opened; look at them first")
    return JSONResponse({"uid": uid, "status": "read"})


async def unread(site: Site, request: Request) -> Response:
    """Puts the study back on the list."""
    uid = request.path_params["uid"]
    await run_in_threadpool(partial(mark_unread, site.store, uid, actor=ACTOR))
    return JSONResponse({"uid": uid})


async def map_shown(site: Site, request: Request) -> Response:
    """Notes in the trail that a map of the study was shown."""
    uid, body = request.path_params["uid"], await body_of(request)
    number = body.get("map")
    if not isinstance(number, int):
        raise ValueError("the request names no map")
    owner, explanation = await run_in_threadpool(explanation_by_number, site.store, number)
    if owner != uid:
        raise NotFound("the study has no such map")
    header = explanation.header
    fields = {"method": header.method, "finding": header.finding, "sop_instance_uid": header.sop_instance_uid}
    await run_in_threadpool(partial(note_view, site.store, "map shown", uid, actor=ACTOR, **fields))
    return JSONResponse({"uid": uid, "map": number})


def window_of(body: dict[str, Any]) -> str:
    """The random name that a browser window gave itself. Raises ValueError."""
    window = body.get("window")
    if not isinstance(window, str) or not 8 <= len(window) <= 64:
        raise ValueError("the request names no window")
    return window

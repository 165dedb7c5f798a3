"""Our own addresses beside the pages: uploads, pixels, maps, rows, what a reader does, health.

Each handler is a plain function of the site and the request; the door stands before all of them. Addresses hold UIDs
and numbers, never a patient's name or ID.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from data_schemas.errors import NotFound, TriageError
from triage.explain.drawing import SCALES, Scale, clear_png
from triage.web import models, reader, shown, uploads
from triage.web.answers import refusal, whole
from triage.web.parts import part
from triage.web.pixels import frame
from triage.web.site import Site
from triage.web.stacks import series
from triage.web.state import health, state
from triage.web.trail import trail_csv
from triage.web.upload import upload
from triage.web.words import say_in
from triage.web.worklist import worklist

Handler = Callable[[Site, Request], Awaitable[Response]]
MAP_SIDE_PX = 1024
SLICE_SIDE_PX = 256
"""Of a slice's map; scrolling asks for many, and the network's grid is coarser still."""
# The built-in compression would spend half a second on a PNG, which is compressed already.
PIXEL_HEADERS = {"Cache-Control": "private, max-age=600", "Content-Encoding": "identity"}


def routes(site: Site) -> list[Route]:
    """Every address of ours."""
    table: tuple[tuple[str, str, Handler], ...] = (
        ("GET", "/worklist", to_list),
        ("GET", "/healthz", health),
        ("GET", "/api/state", state),
        ("GET", "/api/worklist", worklist),
        ("POST", "/api/worklist", worklist),
        ("GET", "/api/studies/{uid}", study),
        ("GET", "/api/studies/{uid}/series/{series_uid}", series),
        ("POST", "/api/studies/{uid}/open", reader.opened),
        ("POST", "/api/closed", reader.closed),
        ("POST", "/api/studies/{uid}/verdict", reader.verdict),
        ("POST", "/api/studies/{uid}/withdraw", reader.withdrawn),
        ("POST", "/api/studies/{uid}/read", reader.read),
        ("POST", "/api/studies/{uid}/unread", reader.unread),
        ("POST", "/api/studies/{uid}/shown", reader.map_shown),
        ("GET", "/api/frames/{sop_uid}", frame),
        ("GET", "/api/maps/{number}", overlay),
        ("POST", "/api/models/{bundle}/points/{finding}", models.point),
        ("GET", "/api/trail.csv", trail_csv),
        ("POST", "/api/upload", upload),
        ("POST", "/api/upload/completed", uploads.completed),
        ("GET", "/api/uploads/{upload}", uploads.told),
        ("PUT", "/api/uploads/{upload}", uploads.sent),
        ("DELETE", "/api/uploads/{upload}", uploads.given_up),
        ("GET", "/parts/{version}/{path:path}", part),
    )
    return [Route(path, partial(answered, handler, site), methods=[method]) for method, path, handler in table]


async def answered(handler: Handler, site: Site, request: Request) -> Response:
    """The handler's answer, or what was wrong with the question in one sentence."""
    try:
        response = await handler(site, request)
    except NotFound as error:
        return refusal(404, error.sentence)
    except TriageError as error:
        return refusal(422, error.sentence)
    except ValueError as error:
        return refusal(400, str(error))
    except (SQLAlchemyError, TimeoutError):
        return refusal(503, say_in(site.settings.language)("frame.database_silent"))
    response.headers.setdefault("Cache-Control", "no-store")
    return response


async def to_list(site: Site, request: Request) -> Response:
    """The list is the first page and has the address /; by its name it is found as well."""
    query = request.url.query
    return RedirectResponse(f"/?{query}" if query else "/")


async def study(site: Site, request: Request) -> Response:
    """Everything the page shows of one study, unless it has it: `since` is the version it knows."""
    known = whole(request, "since", -1, -1, 2**62)
    return JSONResponse(await run_in_threadpool(shown.study, site.store, request.path_params["uid"], known))


async def overlay(site: Site, request: Request) -> Response:
    """A map's colours with transparency, edge to edge over the image; `scale` names the colours, `slice` the plane of a
    series' map, whose strongest colour stands for the same value on every slice.
    """
    number = request.path_params["number"]
    if not number.isdecimal() or len(number) > 18:
        raise NotFound("there is no such map")
    explanation = await run_in_threadpool(site.last_map.read, site.store, int(number))
    ceiling = float(explanation.values.max(initial=0.0))
    try:
        plane = explanation.plane(plane_of(request))
    except IndexError as error:
        raise NotFound("the map has no such slice") from error
    side = MAP_SIDE_PX if explanation.values.ndim == 2 else SLICE_SIDE_PX
    content = await site.in_turn(partial(clear_png, plane, side, ceiling, scale_of(request)))
    return Response(content, media_type="image/png", headers=PIXEL_HEADERS)


def plane_of(request: Request) -> int | None:
    """`slice` of the query. Raises ValueError."""
    return whole(request, "slice", 0, 0, 100_000) if "slice" in request.query_params else None


def scale_of(request: Request) -> Scale:
    """The colours that are asked for. Raises ValueError."""
    name = request.query_params.get("scale", "inferno")
    if name not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}")
    return name

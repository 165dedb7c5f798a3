"""What a person decides about a model: a site's own operating point, set and taken back."""

from functools import partial
from typing import TypeGuard

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from data_schemas.errors import NotFound
from triage.assembly import manifest_of
from triage.store.operating_points import set_point
from triage.web.answers import body_of, refusal
from triage.web.site import ACTOR, Site
from triage.web.words import say_in


async def point(site: Site, request: Request) -> Response:
    """Lets the finding act from the body's `point`, null for the bundle's own again; `weights` and `seen` are the model
    and the point in force that were on the screen, `comment` says why.
    """
    bundle, finding, body = request.path_params["bundle"], request.path_params["finding"], await body_of(request)
    wanted, seen, comment = body.get("point"), body.get("seen"), body.get("comment", "")
    if "point" not in body or not (wanted is None or is_probability(wanted)):
        raise ValueError("the request names no operating point")
    if not is_probability(seen):
        raise ValueError("the request does not say which operating point was seen")
    if not isinstance(comment, str):
        raise ValueError("a comment is text")
    manifest = await run_in_threadpool(manifest_of, site.settings, bundle)
    if body.get("weights") != manifest.network.weights_sha256:
        raise NotFound("the model has other weights than the page knows; load the page again")
    new = None if wanted is None else float(wanted)
    decided = partial(set_point, actor=ACTOR, comment=comment, seen=float(seen))
    if not await run_in_threadpool(decided, site.store, manifest, finding, new):
        return refusal(409, say_in(site.settings.language)("explorer.changed"))
    return JSONResponse({"bundle": bundle, "finding": finding, "point": new})


def is_probability(value: object) -> TypeGuard[float]:
    """A JSON number from 0 to 1; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1

"""How the site is: does the database answer, is a worker at work? What the frame of every page asks now and then."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from triage.web.site import Site


async def state(site: Site, request: Request) -> Response:
    """`database` and `worker`; 200 in any case, for it is the page that tells the person."""
    return JSONResponse(await site.pulse.told(site.store))


async def health(site: Site, request: Request) -> Response:
    """200 while the database answers, else 503."""
    well = (await site.pulse.told(site.store))["database"]
    return JSONResponse({"database": well}, 200 if well else 503)

"""Files of an upload that survive a broken connection and a server that is killed: sent in chunks, each at its offset.

The browser names each upload with 32 random hexadecimal digits. A request at /api/uploads/{upload} says how far the
file has got (GET), brings the bytes that follow (PUT) or gives it up (DELETE). All three answer alike:

    offset    how many bytes have arrived
    state     "arriving", "reading" while an archive is taken in, "done"
    reports   what became of the file, or of the members of an archive, from the one that `from` asks for
"""

import errno
import re
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from data_schemas.errors import RefusedFile
from triage.assembly import intake_limits
from triage.intake.limits import MIB
from triage.intake.take_in import Sender, refused, require_room, take_in_file
from triage.store.receive import complete
from triage.web.answers import body_of, refusal, whole
from triage.web.arrivals import Arrival, Reports, TakenOver, WrongOffset
from triage.web.site import Site
from triage.web.upload import blocks, name_of, sender_of

NAME = re.compile(r"[0-9a-f]{32}")
PATIENCE_S = 2.0
"""An answer that takes longer says "reading", and the browser asks again."""
MAX_STUDIES = 200
LARGEST = 2**53


async def told(site: Site, request: Request) -> Response:
    """GET: how far the upload has got."""
    arrival = site.arrivals.of(upload_of(request))
    return await answer(site, request, arrival)


async def sent(site: Site, request: Request) -> Response:
    """PUT: bytes of a file from Upload-Offset on. Once Upload-Length bytes are there, the file is taken in.

    409 with the offset where the file really goes on, 507 when the disk is too full, 503 when the database does not
    answer; after these the browser asks how far the file has got and goes on from there.
    """
    arrival = site.arrivals.of(upload_of(request))
    name, sender = name_of(request), sender_of(site, request)
    offset, length = header(request, "upload-offset"), header(request, "upload-length")
    await site.arrivals.tidy()
    try:
        async with arrival.turn():
            if arrival.reading is None and not refuse_large(site, arrival, name, length, sender):
                await receive(site, request, arrival, offset, length)
                if arrival.offset == length:
                    begin(site, arrival, name, sender)
    except ClientDisconnect:
        return Response(status_code=499)
    except (WrongOffset, TakenOver):
        return JSONResponse({"error": "the file does not go on there", "offset": arrival.offset}, 409)
    except NoRoom as full:
        return refusal(507, full.sentence)
    return await answer(site, request, arrival)


async def given_up(site: Site, request: Request) -> Response:
    """DELETE: what has arrived is removed; of an archive that is being read, the members that are in stay in."""
    upload = upload_of(request)
    arrival = site.arrivals.of(upload)
    arrival.stop.set()
    async with arrival.turn():
        if arrival.reading is None:
            arrival.part.unlink(missing_ok=True)
            site.arrivals.forget(upload)
    return await answer(site, request, arrival)


async def completed(site: Site, request: Request) -> Response:
    """POST: all files of these `studies` have been sent, so they need not wait for more images."""
    named = (await body_of(request)).get("studies")
    if not isinstance(named, list) or len(named) > MAX_STUDIES or not all(isinstance(uid, str) for uid in named):
        raise ValueError(f"studies must be a list of at most {MAX_STUDIES} UIDs")
    await run_in_threadpool(complete, site.store, named)
    return JSONResponse({})


class NoRoom(RefusedFile):
    """The disk is too full for now."""


async def receive(site: Site, request: Request, arrival: Arrival, offset: int, length: int) -> None:
    """Writes the body to the part. Raises NoRoom, WrongOffset, ClientDisconnect and ValueError."""
    limits = intake_limits(site.settings)

    def require(more: int) -> None:
        try:
            require_room(site.settings.spool, more, limits)
        except RefusedFile as full:
            raise NoRoom(full.sentence) from full

    async def body() -> AsyncIterator[bytes]:
        async for block in blocks(request.stream()):
            yield block
            require(0)

    require(max(length - offset, 0))
    try:
        await arrival.append(offset, body(), length)
    except OSError as error:
        raise no_room(error) from error


def no_room(error: OSError) -> Exception:
    """NoRoom where the disk is full, else the fault itself."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return NoRoom("the disk is full; make room and send it again") if full else error


def refuse_large(site: Site, arrival: Arrival, name: str, length: int, sender: Sender) -> bool:
    """Whether the file is larger than the limit, which ends its upload."""
    limit = intake_limits(site.settings).max_file_bytes

    def reports() -> Reports:
        arrival.part.unlink(missing_ok=True)
        yield refused(site.store, name, f"larger than the limit of {limit // MIB:,} MiB", sender)

    if length > limit:
        arrival.begin(reports())
    return length > limit


def begin(site: Site, arrival: Arrival, name: str, sender: Sender) -> None:
    """The whole file is there: it goes the way of every other file."""
    limits, spool = intake_limits(site.settings), site.settings.spool

    def reports() -> Reports:
        yield from take_in_file(arrival.part, name, store=site.store, spool=spool, limits=limits, sender=sender)

    arrival.begin(reports())


async def answer(site: Site, request: Request, arrival: Arrival) -> Response:
    """Where the upload stands, after some patience with one that is being read."""
    first = whole(request, "from", 0, 0, LARGEST)
    fault = await arrival.settled(PATIENCE_S)
    if fault is not None:
        # Its part is gone; the browser sends the file again.
        site.arrivals.forget(upload_of(request))
        fault = no_room(fault) if isinstance(fault, OSError) else fault
        if isinstance(fault, NoRoom):
            return refusal(507, fault.sentence)
        raise fault
    state = "arriving" if arrival.reading is None else "done" if arrival.done else "reading"
    reports = [report.model_dump(mode="json") for report in arrival.since(first)]
    return JSONResponse({"offset": arrival.offset, "state": state, "reports": reports})


def upload_of(request: Request) -> str:
    """The name that the browser gave the upload. Raises ValueError."""
    name: str = request.path_params["upload"]
    if not NAME.fullmatch(name):
        raise ValueError("an upload is named by 32 hexadecimal digits")
    return name


def header(request: Request, name: str) -> int:
    """A whole number. Raises ValueError."""
    text = request.headers.get(name, "")
    if not (text.isdecimal() and text.isascii()) or int(text[:20]) > LARGEST:
        raise ValueError(f"{name.title()} is not a number of bytes")
    return int(text)

"""One file in one request, for programs: streamed to the spool within the limit, then taken in like any other file.

The page sends its files through `triage.web.uploads`, which goes on after a broken connection.
"""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import unquote

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from data_schemas.errors import RefusedFile
from data_schemas.urgency import Level
from data_schemas.worklist import FileReport
from triage.assembly import intake_limits
from triage.intake.limits import MIB
from triage.intake.take_in import Sender, refused, require_room, take_in_file
from triage.web.site import ACTOR, Site

NAME_HEADER = "x-file-name"
MAX_NAME = 1024
MODALITY = re.compile("[A-Z]{2,16}")


async def upload(site: Site, request: Request) -> Response:
    """POST: the body is one file, its percent-encoded relative name stands in X-File-Name.

    Answers with a list of reports, one a file (a zip archive has several). 413 when the file is larger than the limit
    or the disk too full, 400 for a request that our own page does not make.
    """
    name, sender = name_of(request), sender_of(site, request)
    try:
        spooled = await spool(site, request)
    except ClientDisconnect:
        return Response(status_code=499)
    except RefusedFile as refusal:
        report = await run_in_threadpool(refused, site.store, name, refusal.sentence, sender)
        # The rest of the body is not read; the connection ends with this answer.
        return JSONResponse([as_json(report)], 413, {"Connection": "close"})
    reports = await run_in_threadpool(take_in, site, spooled, name, sender)
    return JSONResponse([as_json(report) for report in reports])


def name_of(request: Request) -> str:
    """The name by which the person knows the file. Raises ValueError."""
    name = unquote(request.headers.get(NAME_HEADER, ""))[:MAX_NAME].strip()
    if not name:
        raise ValueError("the request names no file")
    return name


def sender_of(site: Site, request: Request) -> Sender:
    """Who sends, with what was chosen for files that do not state it: their `priority`, and of volumes in `nifti` the
    modality. Raises ValueError."""
    priority = request.query_params.get("priority", "")
    if priority and priority not in list(Level):
        raise ValueError(f"there is no priority {priority[:20]!r}")
    modality = request.query_params.get("nifti", "") or site.settings.nifti_modality.upper()
    if modality and not MODALITY.fullmatch(modality):
        raise ValueError(f"there is no modality {modality[:20]!r}")
    return Sender(
        ordered_priority=Level(priority) if priority else None,
        source="browser",
        actor=ACTOR,
        quiet_s=site.settings.quiet_seconds,
        nifti_modality=modality,
    )


def take_in(site: Site, spooled: Path, name: str, sender: Sender) -> list[FileReport]:
    """What became of the spooled file, which is gone from the spool afterwards."""
    limits = intake_limits(site.settings)
    return list(take_in_file(spooled, name, store=site.store, spool=site.settings.spool, limits=limits, sender=sender))


async def spool(site: Site, request: Request) -> Path:
    """The body as a file in the spool, about one MiB of it in memory.

    Raises RefusedFile for what a person can mend, ClientDisconnect, and ValueError for a length that is no number.
    """
    limits = intake_limits(site.settings)
    length = request.headers.get("content-length", "0")
    if not (length.isdecimal() and length.isascii()):
        raise ValueError("Content-Length is not a number")
    stated = int(length)
    too_large = RefusedFile(f"larger than the limit of {limits.max_file_bytes // MIB:,} MiB")
    if stated > limits.max_file_bytes:
        raise too_large
    require_room(site.settings.spool, stated, limits)
    with NamedTemporaryFile(dir=site.settings.spool, suffix=".part", delete=False) as part:
        size = 0
        try:
            async for block in blocks(request.stream()):
                size += len(block)
                if size > limits.max_file_bytes:
                    raise too_large
                await run_in_threadpool(part.write, block)
                require_room(site.settings.spool, 0, limits)
        except BaseException:
            with anyio.CancelScope(shield=True):
                Path(part.name).unlink(missing_ok=True)
            raise
    return Path(part.name)


async def blocks(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream in pieces of about one MiB, so that the disk is asked seldom."""
    gathered = bytearray()
    async for chunk in stream:
        gathered += chunk
        if len(gathered) >= MIB:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def as_json(report: FileReport) -> dict[str, object]:
    """A report as the page reads it."""
    return report.model_dump(mode="json", exclude={"outcome"})

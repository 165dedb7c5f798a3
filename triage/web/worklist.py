"""The reading list as the page asks for it: one page of rows, what is new, and nothing twice.

A page asks every other second. While nothing has changed, that is one small question to the database, shared by pages
that ask in the same moment. When something has, pages that show the same rows share one answer, made once and kept.
"""

import hashlib
import json
from functools import partial
from time import time
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from data_schemas.score import FindingScore
from data_schemas.urgency import Level
from data_schemas.worklist import Cursor, Pulse, StudyStatus, WorklistFilter, WorklistPage, WorklistRow
from triage.store import Store
from triage.store.worklist import new_stats, page_of
from triage.urgency.levels import proposing
from triage.web.answers import body_of, whole
from triage.web.pulse import SILENT_S
from triage.web.shown import patient, person_name
from triage.web.site import Site

MAX_ROWS = 500
MAX_TEXT = 200
MAX_NAMED = 3
"""New STAT studies that are named; of more, the page tells the number."""
OPEN = "open"
ANY = 2**62
# Loopback is faster than the built-in compression.
HEADERS = {"Content-Encoding": "identity", "Cache-Control": "no-store"}


class Asked(NamedTuple):
    """What a page asks for. `since`, `opened` and `heard` say what it has already: the version of its rows, the
    signature of what is open, and the version up to which it has told of new STAT studies."""

    wanted: WorklistFilter
    only_open: bool
    limit: int
    after: Cursor | None
    before: Cursor | None
    since: int
    opened: str
    heard: int


async def worklist(site: Site, request: Request) -> Response:
    """GET with all of it in the address; POST where there is text to find: it may be a name, and so is in the body."""
    body = await body_of(request) if request.method == "POST" else {}
    text = body.get("text", "")
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise ValueError(f"what is looked for is text of at most {MAX_TEXT} characters")
    content = await answer(site, asked(request, text))
    return Response(content, media_type="application/json", headers=HEADERS)


def asked(request: Request, text: str) -> Asked:
    """The request as a value. Raises ValueError."""
    query = request.query_params
    state = query.get("status", "")
    status = None if state in ("", OPEN) else chosen("status", StudyStatus, state)
    levels = tuple(chosen("level", Level, word) for word in parted(query.get("level", "")))
    wanted = WorklistFilter(
        levels=levels, modalities=parted(query.get("modality", "")), status=status, text=" ".join(text.split())
    )
    return Asked(
        wanted=wanted,
        only_open=state == OPEN,
        limit=whole(request, "limit", 200, 1, MAX_ROWS),
        after=cursor(query.get("after")),
        before=cursor(query.get("before")),
        since=whole(request, "since", -1, -1, ANY),
        opened=query.get("opened", ""),
        heard=whole(request, "heard", -1, -1, ANY),
    )


def parted(text: str) -> tuple[str, ...]:
    """The words of a list with commas."""
    return tuple(sorted({word for word in text.split(",") if word}))


def chosen(name: str, kind: Any, word: str) -> Any:  # noqa: ANN401  # one of that StrEnum
    """One of the words there are. Raises ValueError."""
    if word not in list(kind):
        raise ValueError(f"{name} must be one of {', '.join(kind)}")
    return kind(word)


def cursor(text: str | None) -> Cursor | None:
    """RANK.SEQUENCE. Raises ValueError."""
    if text is None:
        return None
    rank, _, sequence = text.partition(".")
    if not (rank.isdecimal() and sequence.isdecimal() and len(rank) < 3 and len(sequence) < 19):
        raise ValueError("a place is the level's rank, a point and the order of arrival")
    return Cursor(rank=int(rank), sequence=int(sequence))


async def answer(site: Site, question: Asked) -> bytes:
    """What the page does not have yet, as JSON. Raises TimeoutError."""
    beat = await site.sharing.pulse(site.store)
    told = news_of(question, beat, time())
    if -1 < question.heard < beat.version:
        stat = partial(stat_news, site.store, question.heard)
        told["stat"] = await site.sharing.lasting(("stat", beat.version, question.heard), stat)
    if not told["changed"]:
        return as_json(told)
    wanted = question.wanted
    if question.only_open:
        wanted = wanted.model_copy(update={"opened": tuple(sorted(beat.opened))})
    shown = (wanted, question.limit, question.after, question.before)
    listed: bytes = await site.sharing.lasting((beat.version, *shown), partial(rows, site.store, *shown))
    return as_json(told)[:-1] + b"," + listed[1:]


def news_of(question: Asked, beat: Pulse, now: float) -> dict[str, Any]:
    """Whether the list has changed, and who has what open."""
    signature = signature_of(beat.opened)
    told: dict[str, Any] = {
        "version": beat.version,
        "changed": beat.version != question.since or (question.only_open and signature != question.opened),
        "worker": beat.beat_at is not None and now - beat.beat_at < SILENT_S,
        "opened": signature,
    }
    if signature != question.opened or question.since < 0:
        told["open"] = beat.opened
    return told


def rows(store: Store, wanted: WorklistFilter, limit: int, after: Cursor | None, before: Cursor | None) -> bytes:
    """Rows and counts as they are now: of the version that was asked for or a newer one, in which case the page only
    asks once more."""
    return as_json(page_values(page_of(store, wanted, limit=limit, after=after, before=before)))


def page_values(page: WorklistPage) -> dict[str, Any]:
    """Rows, and what stands around them."""
    return {
        "counts": page.counts.model_dump(),
        "total": page.counts.total,
        "found": page.found,
        "before": page.before,
        "rows": [row_values(row) for row in page.rows],
    }


def row_values(row: WorklistRow) -> dict[str, Any]:
    """One line."""
    named = proposing(row.findings)[:1]
    return {
        "uid": row.study.study_instance_uid,
        "cursor": f"{row.cursor.rank}.{row.cursor.sequence}",
        "position": row.position,
        "level": row.urgency.level,
        "reason": row.urgency.reason,
        "status": row.status,
        "verdict": row.verdict or "",
        "modality": row.modality,
        "received_at": row.received_at.isoformat(),
        "findings": [found_values(score, named=score in named) for score in row.findings if score.positive],
        "written_name": written_name(row.study.patient_name),
        **patient(row.study),
    }


def found_values(score: FindingScore, *, named: bool) -> dict[str, Any]:
    """A finding at or above its operating point; `named`: the row's reason says it already."""
    return {
        "label": score.label,
        "probability": score.probability,
        "operating_point": score.operating_point,
        "experimental": score.level is None,
        "named": named,
    }


def written_name(name: str) -> str:
    """The name in its own script (PS3.5 6.2.1.1: the ideographic group), empty where there is none."""
    groups = name.split("=")
    return person_name(groups[1]) if len(groups) > 1 and groups[0] else ""


def stat_news(store: Store, heard: int) -> list[dict[str, str]]:
    """The newest studies that came to stand at STAT since that version; at most one more than are named."""
    return [
        {
            "uid": news.study.study_instance_uid,
            "name": person_name(news.study.patient_name),
            "description": news.study.study_description,
        }
        for news in new_stats(store, since=heard, limit=MAX_NAMED + 1)
    ]


def signature_of(opened: dict[str, str]) -> str:
    """Changes with what is open, and by whom."""
    if not opened:
        return "-"
    return hashlib.sha256(json.dumps(sorted(opened.items())).encode()).hexdigest()[:16]


def as_json(value: dict[str, Any]) -> bytes:
    """Compact; never empty, so that two can be joined."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

"""The trail as people ask for it: filters in an address, entries as sentences, and the export as CSV.

An address holds Study Instance UIDs, words and times, never a patient's ID: the page looks UIDs up first.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from data_schemas.audit import TrailEntry, TrailQuery
from triage.store import Store
from triage.store.trail import found, moment
from triage.web.site import Site
from triage.web.words import Say, say_in

KINDS = (
    "received", "refused", "conflict", "restored", "screened", "explained", "opened", "map shown",
    "verdict", "verdict withdrawn", "marked read", "read undone", "operating point set", "operating point reset",
    "queued again",
)  # fmt: skip
METHODS = ("gradcam", "saliency")
VERDICTS = ("agree", "over-called", "under-called")
POINTS = ("before", "after", "own")
MODEL = ("label", "bundle", "bundle_version", "comment")
ACTORS = ("system", "command line", "reader")
COLUMNS = (
    "sequence", "at", "kind", "actor", "study_instance_uid", "fields", "previous_hash", "hash", "time", "what",
)  # fmt: skip
"""`time` and `what` are for people, in the site's zone and language; the others are what was hashed, and its hash."""
MOMENT = "%Y-%m-%dT%H:%M"
MAX_STUDIES = 50
"""Most studies in one address."""
BATCH = 1000


def query_of(address: Mapping[str, Sequence[str]], zone: ZoneInfo) -> TrailQuery:
    """What an address asks for: actor, kind, study (any number), from and to in the site's zone. Raises ValueError."""

    def first(name: str) -> str:
        return next(iter(address.get(name, ())), "")

    return TrailQuery(
        actor=first("actor"),
        kind=first("kind"),
        studies=tuple(address.get("study", ()))[:MAX_STUDIES],
        since=moment_of(first("from"), zone),
        until=moment_of(first("to"), zone),
    )


def moment_of(text: str, zone: ZoneInfo) -> datetime | None:
    """The time of an address, as the site's clocks show it; None for an empty text. Raises ValueError."""
    if not text:
        return None
    try:
        return datetime.strptime(text, MOMENT).replace(tzinfo=zone)
    except ValueError as error:
        raise ValueError("a time must look like 2026-01-31T08:00") from error


def address_of(wanted: TrailQuery, zone: ZoneInfo) -> str:
    """The query as an address has it, without the question mark."""
    pairs = [("actor", wanted.actor), ("kind", wanted.kind), *(("study", uid) for uid in wanted.studies)]
    for name, at in (("from", wanted.since), ("to", wanted.until)):
        if at is not None:
            pairs.append((name, at.astimezone(zone).strftime(MOMENT)))
    return urlencode([pair for pair in pairs if pair[1]])


def sentence(entry: TrailEntry, say: Say) -> str:
    """What happened, in words. What the core wrote into the entry, such as a reason, stays as it wrote it."""
    values: dict[str, object] = {"who": actor_words(entry.actor, say), **entry.fields}
    if entry.kind not in (*KINDS, "marked unread"):
        return say("audit.other", who=values["who"], kind=entry.kind)
    for name, known in (("method", METHODS), ("verdict", VERDICTS)):
        if values.get(name) in known:
            values[name] = say(f"audit.{name}_{key_of(str(values[name]))}")
    key = key_of(entry.kind)
    if entry.kind == "verdict" and entry.fields.get("comment"):
        key = "verdict_with_comment"
    if isinstance(finding := values.get("finding"), str):
        values["finding"] = finding_words(finding)
    for name in POINTS:
        if isinstance(values.get(name), float):
            values[name] = f"{values[name]:.3f}"
    for name in ("source", "why", "level", "reason", "finding", "method", "verdict", *POINTS, *MODEL):
        values.setdefault(name, say("audit.unknown"))
    return say(f"audit.{key}", **values)


def actor_words(actor: str, say: Say) -> str:
    """Who, in words: programs by what they are, people by their name."""
    return say(f"audit.actor_{key_of(actor)}") if actor in ACTORS else actor


def finding_words(name: str) -> str:
    """A finding's name as a person writes it."""
    return name.replace("_", " ")


def key_of(word: str) -> str:
    """A word of the trail as the texts' names have it."""
    return word.replace(" ", "_").replace("-", "_")


async def trail_csv(site: Site, request: Request) -> Response:
    """The entries that the address asks for as CSV, the newest first, written while they are read."""
    query = request.query_params
    zone = site.settings.zone
    wanted = query_of({name: query.getlist(name) for name in query}, zone)
    headers = {"Content-Disposition": 'attachment; filename="triage-trail.csv"'}
    lines = trail_lines(site.store, wanted, zone, say_in(site.settings.language))
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def trail_lines(store: Store, wanted: TrailQuery, zone: ZoneInfo, say: Say) -> Iterator[str]:
    """Lines of CSV, a thousand entries at a time."""
    yield csv_line(COLUMNS)
    before = None
    while page := found(store, wanted, limit=BATCH, before=before):
        yield "".join(entry_line(entry, zone, say) for entry in page)
        before = page[-1].sequence


def entry_line(entry: TrailEntry, zone: ZoneInfo, say: Say) -> str:
    """One entry."""
    values = entry.model_dump(mode="json")
    values["time"] = entry.at.astimezone(zone).isoformat(sep=" ", timespec="seconds")
    values["at"] = moment(entry.at)
    values["fields"] = json.dumps(values["fields"], sort_keys=True, ensure_ascii=False)
    values["what"] = sentence(entry, say)
    return csv_line([safe_cell(str(values[name])) for name in COLUMNS])


def csv_line(cells: Sequence[str]) -> str:
    """One line as RFC 4180 has it."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def safe_cell(text: str) -> str:
    """A spreadsheet would run a cell that begins like a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text

"""What was done and shown: the trail in words and the maps that were made; filtered, verified, exported."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from time import monotonic
from urllib.parse import urlencode

import streamlit as st

from data_schemas.audit import MapQuery, MapRecord, TrailEntry, TrailQuery
from data_schemas.study import StudyHeader
from triage.store.lookup import headers_of
from triage.store.maps import maps_counted, maps_found
from triage.store.trail import counted, found, verify
from triage.ui.asking import NOBODY, Desk, filters, first, section
from triage.ui.listing import PAGE, clock, empty, pager, study_link, table, told, turned, when
from triage.ui.site import settings, store
from triage.web.trail import METHODS, actor_words, address_of, finding_words, key_of, sentence
from triage.web.words import say_in

VERIFIED = "audit-verified"


def page() -> None:
    """The section that the address names, with its filters; the address is the only memory of them."""
    here = settings()
    desk = Desk(store(), here.zone, say_in(here.language))
    chosen = section(desk)
    wanted = filters(desk, chosen)
    if st.session_state.get(NOBODY):
        empty(desk, "audit.nobody")
    elif chosen == "maps":
        show_maps(desk, wanted)
    else:
        show_trail(desk, wanted)


def show_trail(desk: Desk, wanted: TrailQuery) -> None:
    """The verdict on the chain, how many entries fit, and one page of them."""
    count = counted(desk.store, wanted)
    leaf = turned(
        lambda before, after: found(desk.store, wanted, limit=PAGE + 1, before=before, after=after),
    )
    head, check = st.columns([8, 2], vertical_alignment="center")
    address = address_of(wanted, desk.zone)
    link = f'<a href="/api/trail.csv?{escape(address)}" download>{escape(desk.say("audit.export"))}</a>'
    with head:
        st.html(f'<p class="t-count">{told(desk, "audit.entries", count)} {link if count else ""}</p>')
    verification(desk, check.button(desk.say("audit.verify"), width="stretch"))
    if not leaf.items:
        empty(desk, "audit.empty" if wanted == TrailQuery() else "audit.empty_filtered")
        return
    headers = headers_of(desk.store, {entry.study_instance_uid for entry in leaf.items})
    st.html(trail_table(desk, leaf.items, headers))
    pager(desk, leaf, lambda entry: entry.sequence)


def verification(desk: Desk, begin: bool) -> None:
    """Follows the whole chain when asked to, telling how far it is; the last verdict of this window stays."""
    if begin:
        place, started = st.empty(), monotonic()

        def told_so_far(done: int, count: int) -> None:
            place.progress(done / max(count, 1), text=desk.say("audit.verifying", done=done, count=count))

        told_so_far(0, 1)
        verdict = verify(desk.store, told_so_far)
        place.empty()
        values = {
            "count": verdict.entries, "first": verdict.first_broken or 0, "seconds": f"{monotonic() - started:.1f}",
            "when": clock(desk, datetime.now(desk.zone)),
        }  # fmt: skip
        st.session_state[VERIFIED] = (verdict.intact, values)
    if VERIFIED in st.session_state:
        intact, values = st.session_state[VERIFIED]
        words = desk.say("audit.intact" if intact else "audit.broken", **values)
        st.html(f'<p class="t-verdict" role="status" data-intact="{str(intact).lower()}">{escape(words)}</p>')


def trail_table(desk: Desk, entries: Sequence[TrailEntry], headers: dict[str, StudyHeader]) -> str:
    """Entries as a table; every text is escaped."""
    columns = (("number", "num"), ("when", ""), ("what", ""), ("study", ""), ("hash", ""))
    rows = "".join(
        f'<tr><td class="num">{entry.sequence}</td><td>{when(desk, entry.at)}</td>'
        f"<td>{escape(sentence(entry, desk.say))}</td><td>{study_link(desk, entry.study_instance_uid, headers)}</td>"
        f'<td class="t-hash" title="{entry.hash}">{entry.hash[:10]}</td></tr>'
        for entry in entries
    )
    return table(desk, "audit.trail_caption", columns, rows)


def show_maps(desk: Desk, trail_query: TrailQuery) -> None:
    """How many maps fit, and one page of them."""
    wanted = MapQuery(
        finding=first("finding"),
        studies=trail_query.studies,
        judged_by=trail_query.actor,
        since=trail_query.since,
        until=trail_query.until,
    )
    leaf = turned(
        lambda before, after: maps_found(desk.store, wanted, limit=PAGE + 1, before=before, after=after),
    )
    count = maps_counted(desk.store, wanted)
    st.html(f'<p class="t-count t-alone">{told(desk, "audit.maps", count)}</p>')
    if not leaf.items:
        empty(desk, "audit.maps_empty" if wanted == MapQuery() else "audit.maps_empty_filtered")
        return
    headers = headers_of(desk.store, {one.study_instance_uid for one in leaf.items})
    st.html(maps_table(desk, leaf.items, headers))
    pager(desk, leaf, lambda one: one.number)


def maps_table(desk: Desk, maps: Sequence[MapRecord], headers: dict[str, StudyHeader]) -> str:
    """Maps as a table; every text is escaped."""
    columns = (
        ("number", "num"), ("study", ""), ("image", ""), ("finding", ""), ("method", ""), ("largest", "num"),
        ("made", ""), ("bundle", ""), ("verdicts", ""), ("measure", ""),
    )  # fmt: skip
    return table(desk, "audit.maps_caption", columns, "".join(map_row(desk, one, headers) for one in maps))


def map_row(desk: Desk, one: MapRecord, headers: dict[str, StudyHeader]) -> str:
    """One map, with a link to the study that shows it."""
    header, say = one.header, desk.say
    sop = header.sop_instance_uid
    method = say(f"audit.method_{header.method}") if header.method in METHODS else header.method
    largest = f"{one.largest:.3g}" if one.largest is not None else say("audit.file_gone")
    words = "<br>".join(escape(verdict_words(desk, who, verdict)) for who, verdict in one.verdicts)
    older = "" if one.newest else f'<br><span class="t-dim">{escape(say("audit.older_result"))}</span>'
    address = escape(urlencode({"uid": one.study_instance_uid, "map": one.number}))
    return (
        f'<tr><td class="num">{one.number}</td><td>{study_link(desk, one.study_instance_uid, headers)}{older}</td>'
        f'<td class="t-dim t-line" title="{escape(sop)}">…{escape(sop[-8:])}</td>'
        f'<td class="t-line"><a href="/study?{address}">{escape(finding_words(header.finding))}</a></td>'
        f'<td class="t-line">{escape(method)}</td>'
        f'<td class="num">{escape(largest)}</td><td>{when(desk, one.made_at)}</td>'
        f"<td>{escape(header.bundle.name)} {escape(header.bundle.version)}</td>"
        f'<td class="t-line">{words or escape(say("audit.no_verdict"))}</td>'
        f'<td class="t-dim t-line">{escape(say("audit.not_measured"))}</td></tr>'
    )


def verdict_words(desk: Desk, who: str, verdict: str) -> str:
    """Who said what."""
    said = desk.say(f"audit.verdict_{key_of(verdict)}")
    return desk.say("audit.verdict_of", who=actor_words(who, desk.say), verdict=said)

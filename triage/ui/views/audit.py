"""The trail in words: filtered, verified, exported."""

from html import escape

import streamlit as st

from data_schemas.audit import TrailEntry
from triage.store.trail import entries, verify
from triage.ui.site import store
from triage.web.shown import METHODS

KINDS = ("received", "refused", "conflict", "restored", "screened", "explained", "opened", "map shown", "marked read")
PAGE = 200


def page() -> None:
    """Filters, the verdict on the chain, and the newest entries."""
    kind_column, uid_column, verify_column = st.columns([2, 5, 2], vertical_alignment="bottom")
    kind = kind_column.selectbox("Kind", ["all", *KINDS])
    uid = uid_column.text_input("Study Instance UID", placeholder="all studies").strip()
    if verify_column.button("Verify the chain", width="stretch"):
        verdict = verify(store())
        st.html(f'<p class="t-verdict" data-intact="{str(verdict.intact).lower()}">{escape(verdict.sentence)}</p>')
    found = entries(store(), kind=None if kind == "all" else kind, study_uid=uid or None, limit=PAGE)
    if not found:
        st.html('<div class="t-empty"><p>No entry fits. Choose another kind, or empty the field.</p></div>')
        return
    st.html(table(found))


def table(found: list[TrailEntry]) -> str:
    """Entries as a table; every text is escaped."""
    rows = "".join(row(entry) for entry in found)
    more = f"the newest {PAGE}" if len(found) == PAGE else f"{len(found)}"
    return (
        f'<section class="t-sheet"><p class="t-dim">{more} entries · '
        '<a href="/api/trail.csv" target="_blank">export all as CSV</a></p>'
        '<table class="t-wide"><thead><tr><th class="num">No.</th><th>When</th><th>What</th><th>Study</th>'
        f"<th>Hash</th></tr></thead><tbody>{rows}</tbody></table></section>"
    )


def row(entry: TrailEntry) -> str:
    """One entry; the exact time and the whole hash are on hover."""
    return (
        f'<tr><td class="num">{entry.sequence}</td>'
        f'<td title="{entry.at.isoformat()}">{entry.at.astimezone():%d %b %H:%M:%S}</td>'
        f"<td>{escape(sentence(entry))}</td><td class=t-uid>{escape(entry.study_instance_uid)}</td>"
        f'<td class="t-hash" title="{entry.hash}">{entry.hash[:10]}</td></tr>'
    )


def sentence(entry: TrailEntry) -> str:
    """What happened, in words."""
    who, value = entry.actor[:1].upper() + entry.actor[1:], entry.fields.get
    method = METHODS.get(str(value("method")), value("method"))
    sentences = {
        "received": f"An image arrived ({value('source')})",
        "refused": f"A file was refused ({value('source')}): {value('why')}",
        "conflict": f"Another file under a known SOP Instance UID was refused ({value('source')})",
        "restored": f"A file lost from the disk arrived again and was put back ({value('source')})",
        "screened": f"Screened: {value('status')}, {value('level')}, {value('reason')}",
        "explained": f"{who} made a map of {value('finding')} ({method})",
        "opened": f"{who} opened the study",
        "map shown": f"{who} was shown the map of {value('finding')} ({method})",
        "marked read": f"{who} marked the study read",
    }
    return sentences.get(entry.kind, f"{who}: {entry.kind}")

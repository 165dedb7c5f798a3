"""One study: header, image with map, evidence, what the reader does."""

from html import escape

import streamlit as st

from data_schemas.errors import NotFound
from triage.store.studies import note_view, study_record
from triage.store.worklist import position, worklist_page
from triage.ui.components import part
from triage.ui.navigation import go_to, pages
from triage.ui.site import ACTOR, place, settings, store
from triage.web.words import say_in

NOTED = "opened_study"


def page() -> None:
    """The study that the address names; opening it is in the trail before anything is shown."""
    uid = st.query_params.get("uid", "")
    try:
        study_record(store(), uid)
    except NotFound:
        missing(uid)
        return
    if st.session_state.get(NOTED) != uid:
        note_view(store(), "opened", uid, actor=ACTOR)
        st.session_state[NOTED] = uid
        st.session_state["neighbours"] = neighbours(uid)
    before, after = st.session_state["neighbours"]
    result = part("viewer")(
        key="viewer",
        data={"uid": uid, "map": number("map"), "previous": before, "next": after, **place()},
        on_go_change=lambda: None,
    )
    if result.go == "worklist":
        go_to("worklist")
    elif result.go:
        st.query_params.from_dict({"uid": result.go})
        st.rerun()


def number(name: str) -> int | None:
    """A number of the address; None where there is none."""
    text = str(st.query_params.get(name, ""))
    return int(text) if text.isdecimal() and len(text) <= 18 else None


def neighbours(uid: str) -> tuple[str | None, str | None]:
    """The unread studies before and after this one, as the list stands when it is opened."""
    place = position(store(), uid)
    if place is None:
        first = worklist_page(store(), offset=0, limit=1)
        return None, first[0].study.study_instance_uid if first else None
    around = worklist_page(store(), offset=max(place - 2, 0), limit=3)
    uids = [row.study.study_instance_uid for row in around]
    if uid not in uids:  # the order changed between the two questions
        return None, None
    here = uids.index(uid)
    return (uids[here - 1] if here else None), (uids[here + 1] if here + 1 < len(uids) else None)


def missing(uid: str) -> None:
    """What to do without a study."""
    say = say_in(settings().language)
    words = say("frame.study_unknown") if uid else say("frame.study_none")
    st.html(f'<div class="t-empty"><p>{escape(words)}</p></div>')
    st.page_link(pages()["worklist"], label=say("frame.to_worklist"))

"""What a person asks of the audit page: filters that live in the address, so that a link shows what its sender saw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

import streamlit as st

from data_schemas.audit import TrailQuery
from triage.store import Store
from triage.store.lookup import studies_called
from triage.store.maps import findings_with_maps
from triage.store.trail import actors, found
from triage.web.trail import KINDS, MAX_STUDIES, MOMENT, actor_words, finding_words, key_of, query_of
from triage.web.words import Say

SECTIONS = ("trail", "maps")
FILTERS = ("actor", "kind", "finding", "study", "from", "to")
PLACES = ("before", "after")
TYPED, NOBODY = "audit-typed", "audit-nobody"


@dataclass(frozen=True)
class Desk:
    """What every part of the page needs."""

    store: Store
    zone: ZoneInfo
    say: Say


def asked() -> dict[str, list[str]]:
    """The address's parameters, each as often as it is there."""
    return {name: st.query_params.get_all(name) for name in st.query_params}


def first(name: str) -> str:
    """A parameter that stands there once."""
    return str(st.query_params.get(name, ""))


def put(name: str, values: Sequence[str]) -> None:
    """Writes a parameter; the list begins at its newest page again."""
    for gone in (name, *PLACES):
        if gone in st.query_params:
            del st.query_params[gone]
    if values:
        st.query_params[name] = list(values)


def number_of(name: str) -> int | None:
    """A place in the list, as the address has it; None where there is none or no number."""
    text = first(name)
    return int(text) if text.isdecimal() and len(text) <= 18 else None


def section(desk: Desk) -> str:
    """Trail or maps."""
    current = first("show") if first("show") in SECTIONS else SECTIONS[0]
    st.session_state["audit-show"] = current
    st.segmented_control(
        desk.say("audit.show"),
        SECTIONS,
        key="audit-show",
        format_func=lambda name: desk.say(f"audit.show_{name}"),
        label_visibility="collapsed",
        required=True,
        on_change=lambda: put("show", [str(st.session_state["audit-show"])]),
    )
    return current


def filters(desk: Desk, chosen: str) -> TrailQuery:
    """The fields, filled from the address; what is changed goes into the address."""
    try:
        wanted = query_of(asked(), desk.zone)
    except ValueError:
        st.html(f'<p class="t-fault" role="alert">{escape(desk.say("audit.time_fault"))}</p>')
        wanted = query_of({name: values for name, values in asked().items() if name not in ("from", "to")}, desk.zone)
    person, kind, study, since, until, clear = st.columns([3, 3, 5, 4, 4, 2], vertical_alignment="bottom")
    with person:
        label = "audit.judged_by" if chosen == "maps" else "audit.person"
        choice(desk, "actor", label, actors(desk.store), lambda name: actor_words(name, desk.say))
    with kind:
        if chosen == "maps":
            choice(desk, "finding", "audit.finding", findings_with_maps(desk.store), finding_words)
        else:
            choice(desk, "kind", "audit.kind", KINDS, lambda name: desk.say(f"audit.kind_{key_of(name)}"))
    with study:
        study_field(desk, wanted)
    with since:
        time_field(desk, "from", wanted.since)
    with until:
        time_field(desk, "to", wanted.until)
    clear.button(desk.say("audit.clear"), on_click=cleared, width="stretch")
    return wanted


def choice(desk: Desk, name: str, label: str, options: Sequence[str], words: Callable[[str], str]) -> None:
    """A field of known words, the first of which takes all."""
    current, key = first(name), f"audit-{name}"
    known = ["", *options] if current in ("", *options) else ["", current, *options]
    st.session_state[key] = current
    st.selectbox(
        desk.say(label),
        known,
        key=key,
        format_func=lambda one: safe_words(words, one) if one else desk.say("audit.all"),
        on_change=lambda: put(name, [st.session_state[key]] if st.session_state[key] else []),
    )


def safe_words(words: Callable[[str], str], name: str) -> str:
    """The word's text; a word that only an address knows stays as it is."""
    try:
        return words(name)
    except KeyError:
        return name


def study_field(desk: Desk, wanted: TrailQuery) -> None:
    """What people call a study; the address gets the UIDs that it stands for, never a patient's ID."""
    typed, uids = st.session_state.get(TYPED, ("", ()))
    shown = typed if uids == wanted.studies or st.session_state.get(NOBODY) else " ".join(wanted.studies)
    st.session_state["audit-study"] = shown

    def changed() -> None:
        text = str(st.session_state["audit-study"]).strip()
        called = resolved(desk.store, text)
        st.session_state[TYPED] = (text, called)
        st.session_state[NOBODY] = bool(text) and not called
        put("study", called)

    st.text_input(
        desk.say("audit.study"), key="audit-study", placeholder=desk.say("audit.study_hint"), on_change=changed
    )


def resolved(known: Store, text: str) -> tuple[str, ...]:
    """The UIDs that the text stands for; a UID that only the trail knows stands for itself."""
    if not text:
        return ()
    called = studies_called(known, text, limit=MAX_STUDIES)
    if not called and found(known, TrailQuery(studies=(text,)), limit=1):
        return (text,)
    return tuple(called)


def time_field(desk: Desk, name: str, at: datetime | None) -> None:
    """A time as the site's clocks show it."""
    key = f"audit-{name}"
    st.session_state[key] = at.astimezone(desk.zone).replace(tzinfo=None) if at else None

    def changed() -> None:
        given = st.session_state[key]
        put(name, [given.strftime(MOMENT)] if given else [])

    st.datetime_input(desk.say(f"audit.{name}"), value=None, key=key, format="YYYY-MM-DD", step=300, on_change=changed)


def cleared() -> None:
    """Takes every filter out of the address."""
    for name in FILTERS:
        put(name, ())
    st.session_state.pop(TYPED, None)
    st.session_state.pop(NOBODY, None)

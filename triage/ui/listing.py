"""Long lists on the audit page: one page of them at a time, as a table, with the way to the pages around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Generic, TypeVar
from urllib.parse import urlencode

import streamlit as st

from data_schemas.study import StudyHeader
from triage.ui.asking import Desk, number_of, put

PAGE = 100
T = TypeVar("T")


@dataclass(frozen=True)
class Leaf(Generic[T]):
    """One page of a long list, the newest first, and where the pages around it begin."""

    items: Sequence[T]
    newer: bool
    older: bool


def turned(fetch: Callable[[int | None, int | None], list[T]]) -> Leaf[T]:
    """The page that the address names; `fetch` gives one item more than a page holds, where there is one."""
    before, after = number_of("before"), number_of("after")
    if after is not None:
        items = fetch(None, after)
        if len(items) > PAGE:
            return Leaf(items[1:], newer=True, older=True)
        before = None
    items = fetch(before, None)
    return Leaf(items[:PAGE], newer=before is not None, older=len(items) > PAGE)


def pager(desk: Desk, leaf: Leaf[T], place: Callable[[T], int]) -> None:
    """To the pages around this one."""
    if not leaf.newer and not leaf.older:
        return
    newest, newer, older, _ = st.columns([2, 2, 2, 14])

    def to(name: str, items: Sequence[T]) -> None:
        put(name, [str(place(items[0] if name == "after" else items[-1]))])

    newest.button(desk.say("audit.newest"), disabled=not leaf.newer, on_click=put, args=("before", ()), width="stretch")
    newer.button(
        desk.say("audit.newer"), disabled=not leaf.newer, on_click=to, args=("after", leaf.items), width="stretch"
    )
    older.button(
        desk.say("audit.older"), disabled=not leaf.older, on_click=to, args=("before", leaf.items), width="stretch"
    )


def table(desk: Desk, caption: str, columns: Sequence[tuple[str, str]], rows: str) -> str:
    """A table that scrolls by itself where the window is narrow."""
    head = "".join(
        f'<th scope="col"{f" class={kind}" if kind else ""}>{escape(desk.say(f"audit.{name}"))}</th>'
        for name, kind in columns
    )
    return (
        f'<section class="t-sheet t-scroll" tabindex="0" role="region" aria-label="{escape(desk.say(caption))}">'
        f'<table class="t-wide"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>'
    )


def told(desk: Desk, name: str, count: int) -> str:
    """How many, and in which zone times are."""
    zone = desk.say("audit.zone", zone=desk.zone.key)
    return f'<b>{escape(desk.say(name, count=count))}</b> <span class="t-dim">{escape(zone)}</span>'


def study_link(desk: Desk, uid: str, headers: dict[str, StudyHeader]) -> str:
    """The patient ID and what was examined, leading to the study; its UID is on hover."""
    if not uid:
        return ""
    header = headers.get(uid)
    if header is None:
        return f'<span class="t-uid">{escape(desk.say("audit.not_here", uid=uid))}</span>'
    words = f"{header.patient_id or desk.say('audit.no_id')} {header.study_description}".strip()
    return f'<a href="/study?{escape(urlencode({"uid": uid}))}" title="{escape(uid)}">{escape(words)}</a>'


def when(desk: Desk, at: datetime) -> str:
    """A time in the site's zone, to the second; the whole of it on hover."""
    here = at.astimezone(desk.zone)
    return f'<time datetime="{here.isoformat()}" title="{here.isoformat()}">{clock(desk, here)}</time>'


def clock(desk: Desk, at: datetime) -> str:
    """Date and time in the site's zone, the same in every language."""
    return f"{at.astimezone(desk.zone):%Y-%m-%d %H:%M:%S}"


def empty(desk: Desk, name: str) -> None:
    """Nothing to show, and why."""
    st.html(f'<div class="t-empty"><p>{escape(desk.say(name))}</p></div>')

"""Studies on the list whose results are by what is no longer in force, and the button that has them screened again."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from triage.rescreening import Outdated, rescreen_outdated
from triage.ui.site import ACTOR, store
from triage.web.words import Say


def offer(bundle: str, groups: Sequence[Outdated], say: Say) -> None:
    """How many there are of that model and why, with the button; what became of it once it is pressed."""
    queued = st.session_state.pop(noted(bundle), None)
    mine = [group for group in groups if group.concerns(bundle)]
    if queued is not None:
        tell(say("rescreen.queued", count=queued), "t-count t-alone")
    if not mine:
        return
    count = sum(group.studies for group in mine)
    why = dict.fromkeys(one.sentence for group in mine for one in group.differences if one.bundle == bundle)
    words, act, _ = st.columns([7, 2, 3], vertical_alignment="center")
    with words:
        tell(say("rescreen.outdated", count=count, why="; ".join(why)), "t-count")
    label = say("rescreen.queue", count=count)
    act.button(label, key=f"rescreen-{bundle}", on_click=queue, args=(bundle, mine), width="stretch")


def queue(bundle: str, groups: Sequence[Outdated]) -> None:
    """Queues them; the page, which runs anew then, tells how many."""
    st.session_state[noted(bundle)] = sum(rescreen_outdated(store(), groups, actor=ACTOR).values())


def noted(bundle: str) -> str:
    """Where the number waits to be told."""
    return f"rescreened-{bundle}"


def tell(words: str, kind: str) -> None:
    """A sentence that is heard, too."""
    st.html(f'<p class="{kind}" role="status">{escape(words)}</p>')

"""The script that Streamlit runs at every visit: theme, navigation, and the page that was asked for."""

import logging
from html import escape
from pathlib import Path

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError
from streamlit.navigation.page import StreamlitPage

from triage.store.database import answers
from triage.ui.components import part
from triage.ui.navigation import pages
from triage.ui.site import place, settings, store
from triage.web.words import Say, say_in

HERE = Path(__file__).parent
RETRY_S = 3
LOG = logging.getLogger(__name__)


def main() -> None:
    """Draws the frame and runs the page."""
    say = say_in(settings().language)
    known = pages()
    chosen = st.navigation(list(known.values()), position="top")
    # A picture of our own: an icon by name would be fetched from another host.
    title = say("frame.title", page=chosen.title)
    st.set_page_config(page_title=title, page_icon=str(HERE / "favicon.png"), layout="wide")
    st.html(HERE / "theme.css")
    st.html(f'<p class="t-notice">{escape(say("frame.notice"))}</p>')
    name = next((name for name, page in known.items() if page.url_path == chosen.url_path), "worklist")
    part("frame")(key="frame", data={"page": name, **place()})
    run(chosen, say)


def run(page: StreamlitPage, say: Say) -> None:
    """The page, or what keeps it from being shown."""
    try:
        page.run()
    except SQLAlchemyError:
        st.html(f'<div class="t-empty" role="alert"><p>{escape(say("frame.database_page"))}</p></div>')
        try_again()
    except Exception:  # the framework would show a box in its own words
        LOG.exception("a page has a fault")
        st.html(f'<div class="t-empty" role="alert"><p>{escape(say("frame.fault"))}</p></div>')


@st.fragment(run_every=RETRY_S)
def try_again() -> None:
    """Runs the page again as soon as the database answers; the first run, within the page's own, only waits."""
    rounds = st.session_state.get("tried", 0)
    st.session_state["tried"] = rounds + 1
    if rounds and reached():
        del st.session_state["tried"]
        st.rerun()


def reached() -> bool:
    """Whether the store can be opened and answers."""
    try:
        return answers(store())
    except SQLAlchemyError:
        return False


main()

"""The script that Streamlit runs at every visit: theme, navigation, and the page that was asked for."""

from pathlib import Path

import streamlit as st

from triage.ui.navigation import pages

HERE = Path(__file__).parent
NOTICE = '<p class="t-notice">Research use, not a medical device</p>'


def main() -> None:
    """Draws the frame and runs the page."""
    # A picture of our own: an icon by name would be fetched from another host.
    st.set_page_config(page_title="Triage", page_icon=str(HERE / "favicon.png"), layout="wide")
    st.html(HERE / "theme.css")
    st.html(NOTICE)
    st.navigation(list(pages().values()), position="top").run()


main()

"""The pages by name, for the frame that offers them and for pages that lead to each other."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from triage.ui.site import settings
from triage.web.words import say_in


def pages() -> dict[str, StreamlitPage]:
    """In the order of the bar; the study page is reached from a row, not from the bar."""
    from triage.ui.views import audit, models, study, upload, worklist

    say = say_in(settings().language)
    return {
        "worklist": st.Page(worklist.page, title=say("frame.page_worklist"), url_path="worklist", default=True),
        "study": st.Page(study.page, title=say("frame.page_study"), url_path="study", visibility="hidden"),
        "upload": st.Page(upload.page, title=say("frame.page_upload"), url_path="upload"),
        "models": st.Page(models.page, title=say("frame.page_models"), url_path="models"),
        "audit": st.Page(audit.page, title=say("frame.page_audit"), url_path="audit"),
    }


def open_study(uid: str) -> None:
    """Leaves for the page of that study; its UID stands in the address."""
    st.switch_page(pages()["study"], query_params={"uid": uid})


def go_to(name: str) -> None:
    """Leaves for another page."""
    st.switch_page(pages()[name])

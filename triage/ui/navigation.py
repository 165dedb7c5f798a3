"""The pages by name, for the frame that offers them and for pages that lead to each other."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage


def pages() -> dict[str, StreamlitPage]:
    """In the order of the bar; the study page is reached from a row, not from the bar."""
    from triage.ui.views import audit, models, study, upload, worklist

    return {
        "worklist": st.Page(worklist.page, title="Worklist", url_path="worklist", default=True),
        "study": st.Page(study.page, title="Study", url_path="study", visibility="hidden"),
        "upload": st.Page(upload.page, title="Upload", url_path="upload"),
        "models": st.Page(models.page, title="Models", url_path="models"),
        "audit": st.Page(audit.page, title="Audit", url_path="audit"),
    }


def open_study(uid: str) -> None:
    """Leaves for the page of that study; its UID stands in the address."""
    st.switch_page(pages()["study"], query_params={"uid": uid})


def go_to(name: str) -> None:
    """Leaves for another page."""
    st.switch_page(pages()[name])

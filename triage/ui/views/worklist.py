"""The reading list."""

from triage.ui.components import part
from triage.ui.navigation import go_to, open_study
from triage.ui.site import place

PAGE_ROWS = 200


def page() -> None:
    """The table reads its rows itself; Python hears only what is to be opened: a study, by its UID, or the upload."""
    result = part("worklist")(key="worklist", data={"page_rows": PAGE_ROWS, **place()}, on_open_change=lambda: None)
    if result.open == "upload":
        go_to("upload")
    elif result.open:
        open_study(result.open)

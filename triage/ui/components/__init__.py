"""Our own parts of pages: each a folder with one ES module and one style sheet, no build step, no foreign code."""

from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

HERE = Path(__file__).parent


def part(name: str) -> ComponentRenderer:
    """The component of that folder; `shared.css` and `shared.js` come before its own."""
    css = (HERE / "shared.css").read_text(encoding="utf-8") + (HERE / name / "style.css").read_text(encoding="utf-8")
    js = (HERE / "shared.js").read_text(encoding="utf-8") + (HERE / name / "component.js").read_text(encoding="utf-8")
    return st.components.v2.component(f"triage_{name}", html='<div class="root"></div>', css=css, js=js)

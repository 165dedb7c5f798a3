"""Our own parts of pages: each a folder with an ES module and a style sheet, no build step, no foreign code."""

from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

HERE = Path(__file__).parent


def part(name: str) -> ComponentRenderer:
    """The component of that folder; what is shared comes before its own, and component.js, which exports, last."""
    css = (HERE / "shared.css").read_text(encoding="utf-8") + (HERE / name / "style.css").read_text(encoding="utf-8")
    scripts = sorted((HERE / name).glob("*.js"), key=lambda path: (path.name == "component.js", path.name))
    js = "".join(path.read_text(encoding="utf-8") for path in (HERE / "shared.js", *scripts))
    return st.components.v2.component(f"triage_{name}", html='<div class="root"></div>', css=css, js=js)

"""Our own parts of pages: each a folder with ES modules and a style sheet, no build step, no foreign code."""

from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from triage.web.parts import version

HERE = Path(__file__).parent
# Streamlit imports a component's text from a blob, where a relative import leads nowhere; this leads to our own route.
# A server that has just gone is asked until it is back, and a page of an older program loads anew.
MODULE = """
const address = `${{location.origin}}/parts/{version}/{name}/component.js`;
let left = 5;
let mount;
while (!mount) {{
  try {{
    ({{ default: mount }} = await import(address));
  }} catch (fault) {{
    const answer = await fetch(address, {{ cache: "no-store" }}).catch(() => null);
    if (answer?.status === 404) location.reload();
    else if (answer && (!answer.ok || (left -= 1) === 0)) throw fault;
    await new Promise((done) => setTimeout(done, 1000));
  }}
}}
export default (streamlit) => mount(streamlit);
"""


def part(name: str) -> ComponentRenderer:
    """The component of that folder."""
    sheets = (HERE / "shared.css", *sorted((HERE / name).glob("*.css")))
    css = "".join(path.read_text(encoding="utf-8") for path in sheets)
    js = MODULE.format(version=version(), name=name)
    return st.components.v2.component(f"triage_{name}", html='<div class="root"></div>', css=css, js=js)

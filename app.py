"""`streamlit run app.py`: the same page and worker as `python -m triage up`."""

import streamlit as st

from data_schemas.errors import TriageError
from triage.settings import load_settings
from triage.web.serve import MAIN_SCRIPT, parts

try:
    # Streamlit reads this line before it runs the file: only a plain call of st.App makes it serve routes and door.
    app = st.App(MAIN_SCRIPT, **parts(load_settings()))
except TriageError as error:
    raise SystemExit(error.sentence) from error

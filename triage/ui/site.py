"""What every page needs: the settings of this home, and its store."""

import streamlit as st

from triage.assembly import open_site
from triage.settings import Settings
from triage.store import Store

ACTOR = "reader"


def settings() -> Settings:
    """The settings with which the application was made; it puts them where pages find them."""
    return Settings(**st.secrets["triage"])


def place() -> dict[str, str]:
    """The site's language and zone, which every component takes with its data."""
    here = settings()
    return {"language": here.language, "zone": here.zone.key}


def store() -> Store:
    """The store, opened once for all sessions of this process."""
    return opened(settings().model_dump_json())


@st.cache_resource(show_spinner=False)
def opened(settings_json: str) -> Store:
    """The store of these settings."""
    return open_site(Settings.model_validate_json(settings_json))

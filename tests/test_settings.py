"""Every setting is documented, and a setting that cannot work says so in one sentence."""

import re
from pathlib import Path

import pytest

from data_schemas.errors import SettingsError
from triage.settings import Settings, load_settings

DOCS = Path(__file__).parents[1] / "docs" / "settings.md"


def documented() -> dict[str, tuple[str, str]]:
    rows = re.findall(r"^\| `(TRIAGE_\w+)` \| `([^`]*)` \| (.+) \|$", DOCS.read_text(), flags=re.MULTILINE)
    return {name: (default, words) for name, default, words in rows}


def test_the_table_names_every_setting_with_its_default_and_meaning() -> None:
    expected = {}
    for name, field in Settings.model_fields.items():
        default = str(field.default).replace(str(Path.home()), "~")
        default = "triage/bundles" if name == "bundles" else default
        expected[f"TRIAGE_{name.upper()}"] = (default, field.description)
    assert documented() == expected


def test_an_address_beyond_loopback_is_refused() -> None:
    with pytest.raises(SettingsError, match="not loopback"):
        load_settings(host="0.0.0.0")


def test_a_wrong_value_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_MAX_FILES", "many")
    with pytest.raises(SettingsError, match="TRIAGE_MAX_FILES"):
        load_settings()


def test_everything_lives_below_home(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    assert settings.url == f"sqlite:///{tmp_path / 'triage.sqlite3'}"
    assert {settings.files.parent, settings.spool.parent, settings.cache.parent} == {tmp_path}
    assert load_settings(database_url="postgresql+psycopg://db/triage").url == "postgresql+psycopg://db/triage"


def test_a_language_without_a_file_is_refused() -> None:
    with pytest.raises(SettingsError, match="there is no language 'xx', only"):
        load_settings(language="xx")
    with pytest.raises(SettingsError, match="there is no language"):
        load_settings(language="../../en")


def test_times_are_shown_in_the_zone_of_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(time_zone="Asia/Tokyo").zone.key == "Asia/Tokyo"
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert load_settings().zone.key == "Europe/Berlin"
    with pytest.raises(SettingsError, match="there is no time zone 'Mars'"):
        load_settings(time_zone="Mars")

"""Every text that a person reads is in one file a language, and whoever asks for one finds it."""

import json
import re
from pathlib import Path

import pytest

from triage.settings import WORDS
from triage.web.words import ONE, say_in

ROOT = Path(__file__).parents[2] / "triage"
ENGLISH = json.loads((WORDS / "en.json").read_text(encoding="utf-8"))
FORMS = ("one", "other")
ASKED = re.compile(r"""\bsay\(\s*(?P<quote>["'`])(?P<name>[a-z]+\.[^"'`\s]*)(?P=quote)""")
FORMATTED = re.compile(r"""\bsay\(\s*f(?P<quote>["'])(?P<name>[a-z]+\.[^"'\s]*)""")


def asked() -> list[tuple[str, str]]:
    """Where a text is asked for, and by which name; a part in braces is known only when it is said."""
    found = []
    for path in sorted([*ROOT.rglob("*.py"), *(ROOT / "ui" / "components").rglob("*.js")]):
        content = path.read_text(encoding="utf-8")
        for pattern in (ASKED, FORMATTED):
            found += [(path.name, match["name"]) for match in pattern.finditer(content)]
    return found


def names(language: str = "en") -> set[str]:
    """Every text's name, without the plural form."""
    texts = json.loads((WORDS / f"{language}.json").read_text(encoding="utf-8"))
    return {f"{section}.{re.sub('_(one|other)$', '', key)}" for section, keys in texts.items() for key in keys}


def test_every_text_that_is_asked_for_is_there() -> None:
    known, places = names(), asked()
    assert len(places) > 60
    for file, name in places:
        pattern = re.compile("".join(".+" if part[:1] in "{$" else re.escape(part) for part in parts(name)))
        assert any(pattern.fullmatch(one) for one in known), f"{file} asks for {name}"


def parts(name: str) -> list[str]:
    return [part for part in re.split(r"(\$?\{[^}]*\}?)", name) if part]


@pytest.mark.parametrize("language", sorted(path.stem for path in WORDS.glob("*.json")))
def test_every_language_has_the_same_texts_with_the_same_values(language: str) -> None:
    texts = json.loads((WORDS / f"{language}.json").read_text(encoding="utf-8"))
    assert names(language) == names()
    assert language in ONE
    for section, keys in texts.items():
        for key, text in keys.items():
            stem = re.sub("_(one|other)$", "", key)
            english = ENGLISH[section].get(key) or ENGLISH[section].get(stem) or ENGLISH[section][f"{stem}_other"]
            assert set(re.findall(r"\{(\w+)\}", text)) <= set(re.findall(r"\{(\w+)\}", english)), (section, key)


def test_a_count_chooses_its_form_and_has_separators() -> None:
    say = say_in("en")
    assert say("audit.entries", count=1) == "1 entry"
    assert say("audit.entries", count=12345) == "12,345 entries"
    assert say("models.interval_words", low="0.10", high="0.20") == "0.10 to 0.20"


def test_a_text_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(KeyError, match=r"there is no text audit\.nothing"):
        say_in("en")("audit.nothing")


def test_both_readers_say_the_same() -> None:
    """The texts have no form that only one of the two readers knows."""
    for keys in ENGLISH.values():
        for key in keys:
            if re.search("_(zero|two|few|many)$", key):
                pytest.fail(f"triage/web/words.py does not choose the form of {key}")

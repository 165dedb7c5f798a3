"""The texts of the pages in the site's language: Python's reader of the files that shared.js reads."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache

from triage.settings import WORDS

PLACE = re.compile(r"\{(\w+)\}")
ONE: dict[str, Callable[[int], bool]] = {
    "en": lambda count: count == 1,
    "de": lambda count: count == 1,
    "fr": lambda count: count < 2,
    "ja": lambda count: False,
}
"""Which counts take the form `_one`; all others take `_other`. A language with more forms needs more than this."""


Say = Callable[..., str]
"""say("audit.opened", who="Reader"): the text of that name with {values} put in."""


@cache
def say_in(language: str) -> Say:
    """The texts of that language; the same rules as say() of shared.js."""

    def say(name: str, /, **values: object) -> str:
        section, _, key = name.partition(".")
        texts = of_language(language).get(section, {})
        form = form_of(language, values.get("count"))
        text = next((texts[k] for k in (key, f"{key}_{form}", f"{key}_other") if k in texts), None)
        if text is None:
            raise KeyError(f"there is no text {name}")
        return PLACE.sub(lambda place: written(values[place[1]], of_language(language)), text)

    return say


@cache
def of_language(language: str) -> Mapping[str, Mapping[str, str]]:
    """The whole file: texts by section and key."""
    content: dict[str, dict[str, str]] = json.loads((WORDS / f"{language}.json").read_text(encoding="utf-8"))
    return content


def form_of(language: str, count: object) -> str:
    """The plural form that the count takes."""
    whole = isinstance(count, int) and not isinstance(count, bool)
    return "one" if whole and ONE.get(language, ONE["en"])(int(str(count))) else "other"


def written(value: object, texts: Mapping[str, Mapping[str, str]]) -> str:
    """A value as text: whole numbers with the language's separator of thousands."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}".replace(",", texts["frame"]["thousands"])
    return str(value)

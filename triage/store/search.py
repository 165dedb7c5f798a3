"""The text by which a study is found: folded once at intake, so that any database compares plain substrings."""

import unicodedata
from collections.abc import Iterable

from sqlalchemy import ColumnElement, or_

from data_schemas.study import StudyHeader
from triage.store.tables import studies

MAX_BYTES = 2000
"""A third of a page is what PostgreSQL takes in an index."""
ESCAPE = "\\"
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
"""Letters that people type otherwise and that Unicode does not take apart."""
PARTS = str.maketrans("^=,;", "    ")
"""What stands between the parts of a name (PS3.5 6.2.1), and what people write there."""


def search_text(study: StudyHeader) -> str:
    """Name, ID, accession number and description, folded, one a line; a name with umlauts in both spellings."""
    fields = (study.patient_name, study.patient_id, study.accession_number, study.study_description)
    lines = (" ".join(dict.fromkeys(spellings(field))) for field in fields)
    return "\n".join(lines).encode("utf-8", "ignore")[:MAX_BYTES].decode("utf-8", "ignore")


def matches(text: str) -> Iterable[ColumnElement[bool]]:
    """One condition a word: each must be in the study's text somewhere."""
    for word in text.translate(PARTS).split():
        ways = dict.fromkeys(spellings(word))
        yield or_(*(studies.c.search.like(f"%{escaped(way)}%", escape=ESCAPE) for way in ways))


def spellings(text: str) -> tuple[str, ...]:
    """The text folded, and with its umlauts written as two letters."""
    lowered = unicodedata.normalize("NFC", text.translate(PARTS)).casefold()
    return folded(lowered), folded(lowered.translate(UMLAUTS))


def folded(text: str) -> str:
    """Without case, accents and compatibility forms; single spaces."""
    apart = unicodedata.normalize("NFKD", text.casefold().translate(LETTERS))
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()
    return " ".join("".join(letter if letter.isprintable() else " " for letter in plain).split())


def escaped(word: str) -> str:
    """For LIKE."""
    for sign in (ESCAPE, "%", "_"):
        word = word.replace(sign, ESCAPE + sign)
    return word

"""Attributes of a dataset as plain text and numbers, whatever they hold."""

import re

from pydicom import Dataset
from pydicom.multival import MultiValue

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def text(dataset: Dataset, keyword: str) -> str:
    """The attribute as text without padding; the first of several values; empty where absent."""
    return next(iter(texts(dataset, keyword)), "")


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Every value of the attribute as text."""
    value = dataset.get(keyword)
    if value is None:
        return ()
    values = value if isinstance(value, (MultiValue, list, tuple)) else (value,)
    return tuple(CONTROLS.sub(" ", str(item).replace("\x00", "")).strip() for item in values)


def number(dataset: Dataset, keyword: str) -> int | None:
    """The attribute as a whole number; None where absent or unreadable."""
    found = re.fullmatch(r"[+-]?\d+", text(dataset, keyword))
    return int(found[0]) if found and abs(int(found[0])) < 2**31 else None

"""What a reader says of a result, and the results a study had."""

from datetime import datetime
from enum import StrEnum

from data_schemas.base import Value
from data_schemas.score import StudyScreening


class Verdict(StrEnum):
    """A reader's word on a result."""

    AGREE = "agree"
    OVER_CALLED = "over-called"
    UNDER_CALLED = "under-called"


class GivenVerdict(Value):
    """A verdict that stands: of whom, when, on which result."""

    number: int
    verdict: Verdict
    comment: str
    actor: str
    made_at: datetime
    screening: int
    """Number of the result it speaks of."""


class PastScreening(Value):
    """One of the results a study had."""

    number: int
    made_at: datetime
    result: StudyScreening

"""Rows that the store gives to the page and the command line."""

from datetime import datetime
from enum import StrEnum

from data_schemas.base import Value
from data_schemas.reading import Verdict
from data_schemas.score import FindingScore, StudyScreening
from data_schemas.study import StoredInstance, StudyHeader
from data_schemas.urgency import Level, Urgency


class StudyStatus(StrEnum):
    """The few words for where a study is; the same everywhere."""

    WAITING = "waiting"
    SCREENING = "screening"
    RANKED = "ranked"
    NOT_SCORED = "not scored"
    READ = "read"


class WorklistRow(Value):
    """One line of a list. `position` counts from 1 over the unread studies of the whole list, None when it is read."""

    position: int | None
    sequence: int
    """Order of arrival; with the level's rank the row's place in the order."""
    study: StudyHeader
    modality: str
    ordered_priority: Level
    urgency: Urgency
    status: StudyStatus
    findings: tuple[FindingScore, ...]
    received_at: datetime
    verdict: Verdict | None = None
    """The newest reader's word on the newest result, where the list was asked to tell it."""

    @property
    def cursor(self) -> "Cursor":
        """Where another page goes on."""
        return Cursor(rank=self.urgency.level.rank, sequence=self.sequence)


class Cursor(Value):
    """A place in the order, whether or not a study still stands there."""

    rank: int
    sequence: int


class WorklistFilter(Value):
    """Which studies a list shows; an empty tuple leaves its attribute free."""

    levels: tuple[Level, ...] = ()
    modalities: tuple[str, ...] = ()
    status: StudyStatus | None = None
    """READ lists finished studies, every other one and None unread ones."""
    opened: tuple[str, ...] | None = None
    """Study Instance UIDs: only these, for those that readers have open."""
    text: str = ""
    """Each word is somewhere in the name, ID, accession number or description."""


class WorklistCounts(Value):
    """How many unread studies stand at each level and in each state, and how many of each modality."""

    stat: int = 0
    high: int = 0
    routine: int = 0
    low: int = 0
    waiting: int = 0
    screening: int = 0
    ranked: int = 0
    not_scored: int = 0
    modalities: dict[str, int] = {}

    @property
    def total(self) -> int:
        """All unread studies."""
        return self.stat + self.high + self.routine + self.low


class WorklistPage(Value):
    """Some rows of a list, with what stands around them."""

    rows: tuple[WorklistRow, ...]
    counts: WorklistCounts
    """Of the whole list, whatever the filter."""
    found: int
    """How many studies the filter finds."""
    before: int
    """How many of these come before the first row."""


class NewStat(Value):
    """A study that has come to stand at STAT."""

    study: StudyHeader
    version: int


class Pulse(Value):
    """What a page asks every other second."""

    version: int
    beat_at: float | None
    """When a worker beat last, epoch seconds."""
    opened: dict[str, str]
    """Who has which study open: Study Instance UID and actor."""


class StudyRecord(Value):
    """A study as the store knows it, with its newest screening."""

    study: StudyHeader
    ordered_priority: Level
    urgency: Urgency
    status: StudyStatus
    received_at: datetime
    revision: int
    """Counts the times instances were added."""
    instances: tuple[StoredInstance, ...]
    screening: StudyScreening | None
    screening_number: int | None = None
    """By which a verdict names the result it speaks of."""


class IntakeOutcome(StrEnum):
    """What became of one received instance."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class FileReport(Value):
    """What became of one file of an upload, in one sentence. A zip archive gives one report per member."""

    file: str
    """The name as the person gave it; for a member of an archive "archive.zip: member"."""
    accepted: bool
    sentence: str
    study_instance_uid: str = ""
    outcome: IntakeOutcome | None = None

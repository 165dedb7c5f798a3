"""Rows that the store gives to the page and the command line."""

from datetime import datetime
from enum import StrEnum

from data_schemas.base import Value
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
    """One line of the reading list. `position` counts from 1 over the unread studies of the whole list."""

    position: int
    study: StudyHeader
    modality: str
    ordered_priority: Level
    urgency: Urgency
    status: StudyStatus
    findings: tuple[FindingScore, ...]
    received_at: datetime


class WorklistCounts(Value):
    """How many unread studies stand at each level, and how many could not be scored."""

    stat: int = 0
    high: int = 0
    routine: int = 0
    low: int = 0
    not_scored: int = 0
    waiting: int = 0


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

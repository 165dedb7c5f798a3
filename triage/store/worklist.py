"""The reading list: filtered, counted and ordered in the database."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, Select, exists, func, literal, select, tuple_

from data_schemas.score import FindingScore
from data_schemas.study import StudyHeader
from data_schemas.urgency import Level
from data_schemas.worklist import StudyStatus, WorklistCounts, WorklistRow
from triage.store.database import Store, reading, version
from triage.store.studies import LEVELS, as_utc, urgency_of
from triage.store.tables import UNREAD, WAITING, explanations, studies

__all__ = ["counts", "pending", "position", "still_pending", "version", "without_map", "worklist_page"]

ORDER = (studies.c.level_rank, studies.c.sequence)
"""Level, then arrival, counted and not timed: a clock that is set back must not let a later study overtake."""


def unread() -> Select[Any]:
    """Every study that a person has not read yet."""
    return select(studies).where(UNREAD)


def worklist_page(store: Store, *, offset: int, limit: int) -> list[WorklistRow]:
    """Rows offset to offset + limit of the reading list."""
    with reading(store) as connection:
        rows = connection.execute(unread().order_by(*ORDER).offset(offset).limit(limit)).all()
    return [as_row(row, position) for position, row in enumerate(rows, start=offset + 1)]


def position(store: Store, study_uid: str) -> int | None:
    """The study's place on the reading list, None when it is read or unknown."""
    mine = studies.alias()
    with reading(store) as connection:
        row = connection.execute(select(mine).where(mine.c.study_uid == study_uid, mine.c.unread)).one_or_none()
        if row is None:
            return None
        before = tuple_(*ORDER) < tuple_(literal(row.level_rank), literal(row.sequence))
        query = select(func.count()).select_from(studies).where(UNREAD, before)
        return int(connection.execute(query).scalar_one()) + 1


def counts(store: Store) -> WorklistCounts:
    """How many unread studies stand at each level and in each state."""
    query = (
        select(studies.c.level_rank, studies.c.status, func.count().label("studies"))
        .where(UNREAD)
        .group_by(studies.c.level_rank, studies.c.status)
    )
    with reading(store) as connection:
        rows = connection.execute(query).all()
    levels = {level: sum(row.studies for row in rows if row.level_rank == level.rank) for level in Level}
    in_state = {status: sum(row.studies for row in rows if row.status == status) for status in StudyStatus}
    return WorklistCounts(
        stat=levels[Level.STAT],
        high=levels[Level.HIGH],
        routine=levels[Level.ROUTINE],
        low=levels[Level.LOW],
        not_scored=in_state[StudyStatus.NOT_SCORED],
        waiting=in_state[StudyStatus.WAITING] + in_state[StudyStatus.SCREENING],
    )


def waiting(limit: int) -> Select[str, int, int]:
    """Study UID, revision and ordered rank of what waits to be screened, the most urgent and then the oldest first."""
    return (
        select(studies.c.study_uid, studies.c.revision, studies.c.ordered_rank)
        .where(WAITING)
        .order_by(studies.c.ordered_rank, studies.c.sequence)
        .limit(limit)
    )


def pending(store: Store, *, limit: int) -> list[tuple[str, int, int]]:
    """What `waiting` selects."""
    with reading(store) as connection:
        return [(row.study_uid, row.revision, row.ordered_rank) for row in connection.execute(waiting(limit))]


def still_pending(store: Store, study_uids: Collection[str]) -> list[str]:
    """Those of the studies that wait to be screened, in the same order."""
    wanted = set(study_uids)
    query = select(studies.c.study_uid).where(WAITING).order_by(studies.c.ordered_rank, studies.c.sequence)
    with reading(store) as connection:
        return [uid for uid in connection.execute(query).scalars() if uid in wanted]


def without_map(store: Store, method: str, *, limit: int) -> list[tuple[str, int]]:
    """Study UID and screening number of unread ranked studies that have no map by the method yet, in reading order."""
    has_map = exists().where(explanations.c.screening_id == studies.c.screening_id, explanations.c.method == method)
    query = (
        select(studies.c.study_uid, studies.c.screening_id)
        .where(UNREAD, studies.c.status == StudyStatus.RANKED, ~has_map)
        .order_by(*ORDER)
        .limit(limit)
    )
    with reading(store) as connection:
        return [(row.study_uid, row.screening_id) for row in connection.execute(query)]


def as_row(row: Row[Any], place: int) -> WorklistRow:
    """A row as a value."""
    return WorklistRow(
        position=place,
        study=StudyHeader.model_validate(row.header),
        modality=row.modality,
        ordered_priority=LEVELS[row.ordered_rank],
        urgency=urgency_of(row),
        status=StudyStatus(row.status),
        findings=tuple(FindingScore.model_validate(finding) for finding in row.findings),
        received_at=as_utc(row.received_at),
    )

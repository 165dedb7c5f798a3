"""The reading list: filtered, counted and ordered in the database."""

from collections.abc import Collection, Sequence
from time import time
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, func, literal, select, tuple_

from data_schemas.reading import Verdict
from data_schemas.score import FindingScore
from data_schemas.study import StudyHeader
from data_schemas.urgency import Level
from data_schemas.worklist import (
    Cursor,
    NewStat,
    Pulse,
    StudyStatus,
    WorklistCounts,
    WorklistFilter,
    WorklistPage,
    WorklistRow,
)
from triage.store.database import Store, reading, version
from triage.store.reading import OPEN_S
from triage.store.search import matches
from triage.store.studies import LEVELS, as_utc, urgency_of
from triage.store.tables import READ, STAT, UNREAD, WAITING, explanations, head, openings, studies, verdicts, workers

__all__ = [
    "counts", "new_stats", "page_of", "pending", "position", "pulse", "still_pending", "version", "without_map",
    "worklist_page",
]  # fmt: skip

ORDER = (studies.c.level_rank, studies.c.sequence)
"""Level, then arrival, counted and not timed: a clock that is set back must not let a later study overtake."""
TURNS = (studies.c.turn, studies.c.ordered_rank, studies.c.sequence)
"""What is screened first."""
MANY = 2**60
EVERYTHING = WorklistFilter()
Counted = Sequence[Row[Any]]
"""Unread studies by level, status and modality."""


def unread() -> Select[Any]:
    """Every study that a person has not read yet."""
    return select(studies).where(UNREAD)


def worklist_page(store: Store, *, offset: int, limit: int) -> list[WorklistRow]:
    """Rows offset to offset + limit of the reading list."""
    with reading(store) as connection:
        rows = connection.execute(unread().order_by(*ORDER).offset(offset).limit(limit)).all()
    return [as_row(row, position) for position, row in enumerate(rows, start=offset + 1)]


def page_of(
    store: Store,
    wanted: WorklistFilter = EVERYTHING,
    *,
    limit: int,
    after: Cursor | None = None,
    before: Cursor | None = None,
) -> WorklistPage:
    """The first `limit` studies that are wanted, those after a place, or the last ones before it; in reading order.

    Finished studies come the newest first: nobody waits for them.
    """
    with reading(store) as connection:
        rows = rows_of(connection, wanted, limit, after, before)
        if before is not None and len(rows) < limit:
            rows = rows_of(connection, wanted, limit, None, None)
        groups = connection.execute(grouped()).all()
        found = count_found(connection, wanted, groups)
        ahead = count(connection, wanted, beyond(wanted, cursor_of(rows[0]), backwards=True)) if rows else found
        places = places_of(connection, wanted, rows, ahead)
        words = words_on(connection, rows)
    return WorklistPage(
        rows=tuple(as_row(row, place, words.get(row.screening_id)) for row, place in zip(rows, places, strict=True)),
        counts=as_counts(groups),
        found=found,
        before=ahead,
    )


def rows_of(
    connection: Connection, wanted: WorklistFilter, limit: int, after: Cursor | None, before: Cursor | None
) -> list[Row[Any]]:
    """The rows of a page. Which ones is found in an index alone; only these are then read whole."""
    backwards = before is not None
    place = before or after
    some = select(studies.c.sequence).where(*conditions(wanted))
    if place is not None:
        some = some.where(beyond(wanted, place, backwards=backwards))
    keys = some.order_by(*order_of(wanted, backwards=backwards)).limit(limit)
    query = select(studies).where(studies.c.sequence.in_(keys.subquery().select()))
    rows = list(connection.execute(query).all())
    rows.sort(key=lambda row: -row.sequence if wanted.status is StudyStatus.READ else (row.level_rank, row.sequence))
    return rows


def conditions(wanted: WorklistFilter) -> list[ColumnElement[bool]]:
    """The filter as conditions."""
    finished = wanted.status is StudyStatus.READ
    found: list[ColumnElement[bool]] = [READ if finished else UNREAD]
    if wanted.levels:
        found.append(studies.c.level_rank.in_([level.rank for level in wanted.levels]))
    if wanted.modalities:
        found.append(studies.c.modality.in_(wanted.modalities))
    if wanted.status is not None and not finished:
        found.append(studies.c.status == wanted.status)
    if wanted.opened is not None:
        found.append(studies.c.study_uid.in_(wanted.opened))
    return [*found, *matches(wanted.text)]


def order_of(wanted: WorklistFilter, *, backwards: bool) -> list[ColumnElement[Any]]:
    """What the list is ordered by."""
    if wanted.status is StudyStatus.READ:
        return [studies.c.sequence.asc() if backwards else studies.c.sequence.desc()]
    return [column.desc() if backwards else column.asc() for column in ORDER]


def beyond(wanted: WorklistFilter, place: Cursor, *, backwards: bool) -> ColumnElement[bool]:
    """What comes after that place, or before it."""
    if wanted.status is StudyStatus.READ:
        return studies.c.sequence > place.sequence if backwards else studies.c.sequence < place.sequence
    mine, there = tuple_(*ORDER), tuple_(literal(place.rank), literal(place.sequence))
    return mine < there if backwards else mine > there


def cursor_of(row: Row[Any]) -> Cursor:
    """The row's place in the order."""
    return Cursor(rank=row.level_rank, sequence=row.sequence)


def count(connection: Connection, wanted: WorklistFilter, *more: ColumnElement[bool]) -> int:
    """How many studies are wanted, and fulfil more conditions."""
    some = select(studies.c.sequence).where(*conditions(wanted), *more)
    if wanted.text:
        # in their order: SQLite would else take the shorter index, which lacks the text, and look at every row
        some = some.order_by(*order_of(wanted, backwards=False)).limit(MANY)
    query = select(func.count()).select_from(some.subquery())
    return int(connection.execute(query).scalar_one())


def count_found(connection: Connection, wanted: WorklistFilter, groups: Counted) -> int:
    """How many studies are wanted; from the groups that are counted already where they tell it."""
    if wanted.text or wanted.opened is not None or wanted.status is StudyStatus.READ:
        return count(connection, wanted)
    ranks = {level.rank for level in wanted.levels or LEVELS}
    return sum(
        group.studies
        for group in groups
        if group.level_rank in ranks
        and (not wanted.modalities or group.modality in wanted.modalities)
        and wanted.status in (None, group.status)
    )


def places_of(
    connection: Connection, wanted: WorklistFilter, rows: Sequence[Row[Any]], ahead: int
) -> list[int] | list[None]:
    """Each row's place on the whole reading list, however few of it are shown."""
    if wanted.status is StudyStatus.READ:
        return [None] * len(rows)
    if not rows or wanted == EVERYTHING:
        return list(range(ahead + 1, ahead + len(rows) + 1))
    first, last = cursor_of(rows[0]), cursor_of(rows[-1])
    base = count(connection, EVERYTHING, beyond(EVERYTHING, first, backwards=True))
    between = ~beyond(EVERYTHING, first, backwards=True) & ~beyond(EVERYTHING, last, backwards=False)
    numbered = select(studies.c.sequence, func.row_number().over(order_by=ORDER).label("number"))
    listed = numbered.where(UNREAD, between).subquery()
    query = select(listed).where(listed.c.sequence.in_([row.sequence for row in rows]))
    number = {row.sequence: row.number for row in connection.execute(query)}
    return [base + number[row.sequence] for row in rows]


def words_on(connection: Connection, rows: Sequence[Row[Any]]) -> dict[int, Verdict]:
    """What readers said last of the rows' newest results, by number of the result."""
    query = (
        select(verdicts.c.screening_id, verdicts.c.verdict)
        .where(verdicts.c.study_uid.in_([row.study_uid for row in rows]), verdicts.c.withdrawn_at.is_(None))
        .order_by(verdicts.c.verdict_id)
    )
    return {row.screening_id: Verdict(row.verdict) for row in connection.execute(query)}


def position(store: Store, study_uid: str) -> int | None:
    """The study's place on the reading list, None when it is read or unknown."""
    mine = studies.alias()
    with reading(store) as connection:
        row = connection.execute(select(mine).where(mine.c.study_uid == study_uid, mine.c.unread)).one_or_none()
        if row is None:
            return None
        return count(connection, EVERYTHING, beyond(EVERYTHING, cursor_of(row), backwards=True)) + 1


def counts(store: Store) -> WorklistCounts:
    """How many unread studies stand at each level, in each state, and of each modality."""
    with reading(store) as connection:
        return as_counts(connection.execute(grouped()).all())


def grouped() -> Select[Any]:
    """Unread studies counted by all that the page counts them by."""
    by = studies.c["level_rank", "status", "modality"]
    return select(*by, func.count().label("studies")).where(UNREAD).group_by(*by)


def as_counts(groups: Counted) -> WorklistCounts:
    """The groups by one attribute at a time."""
    levels = {level: sum(group.studies for group in groups if group.level_rank == level.rank) for level in Level}
    in_state = {status: sum(group.studies for group in groups if group.status == status) for status in StudyStatus}
    modalities = sorted({group.modality for group in groups})
    return WorklistCounts(
        stat=levels[Level.STAT],
        high=levels[Level.HIGH],
        routine=levels[Level.ROUTINE],
        low=levels[Level.LOW],
        not_scored=in_state[StudyStatus.NOT_SCORED],
        waiting=in_state[StudyStatus.WAITING],
        screening=in_state[StudyStatus.SCREENING],
        ranked=in_state[StudyStatus.RANKED],
        modalities={name: sum(group.studies for group in groups if group.modality == name) for name in modalities},
    )


def pulse(store: Store, *, at: float) -> Pulse:
    """The version, the newest beat of a worker, and what is open at this time (epoch seconds)."""
    newest = select(func.max(workers.c.beat_at)).scalar_subquery()
    with reading(store) as connection:
        row = connection.execute(select(head.c.version, newest.label("beat_at"))).one()
        shown = select(openings.c.study_uid, openings.c.actor).where(openings.c.beat_at >= at - OPEN_S)
        opened = {row.study_uid: row.actor for row in connection.execute(shown)}
    return Pulse(version=row.version, beat_at=row.beat_at, opened=opened)


def new_stats(store: Store, *, since: int, limit: int) -> list[NewStat]:
    """The newest unread studies that came to stand at STAT after that version, the newest first."""
    query = (
        select(studies.c.header, studies.c.stat_version)
        .where(STAT, studies.c.stat_version > since)
        .order_by(studies.c.stat_version.desc())
        .limit(limit)
    )
    with reading(store) as connection:
        return [
            NewStat(study=StudyHeader.model_validate(row.header), version=row.stat_version)
            for row in connection.execute(query)
        ]


def waiting(limit: int, now: float) -> Select[str, int, int]:
    """Study UID, revision and place of what waits to be screened, the most urgent and then the oldest first; what only
    waits to be screened again comes after all others.

    The place is the ordered rank, with the turn before it. A study whose slices are still coming is left out.
    """
    place = studies.c.turn * len(LEVELS) + studies.c.ordered_rank
    return (
        select(studies.c.study_uid, studies.c.revision, place.label("place"))
        .where(WAITING, studies.c.screen_from <= now)
        .order_by(*TURNS)
        .limit(limit)
    )


def pending(store: Store, *, limit: int) -> list[tuple[str, int, int]]:
    """What `waiting` selects."""
    with reading(store) as connection:
        return [(row.study_uid, row.revision, row.place) for row in connection.execute(waiting(limit, time()))]


def still_pending(store: Store, study_uids: Collection[str]) -> list[str]:
    """Those of the studies that wait to be screened, in the same order."""
    wanted = set(study_uids)
    query = select(studies.c.study_uid).where(WAITING).order_by(*TURNS)
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


def as_row(row: Row[Any], place: int | None, verdict: Verdict | None = None) -> WorklistRow:
    """A row as a value."""
    return WorklistRow(
        position=place,
        sequence=row.sequence,
        study=StudyHeader.model_validate(row.header),
        modality=row.modality,
        ordered_priority=LEVELS[row.ordered_rank],
        urgency=urgency_of(row),
        status=StudyStatus(row.status),
        findings=tuple(FindingScore.model_validate(finding) for finding in row.findings),
        received_at=as_utc(row.received_at),
        verdict=verdict,
    )

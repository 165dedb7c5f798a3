"""What readers do with a study: open it, judge its result, mark it read, take either back."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from data_schemas.audit import TrailEvent
from data_schemas.errors import NotFound
from data_schemas.reading import GivenVerdict, PastScreening, Verdict
from data_schemas.score import ScreeningStatus, StudyScreening
from data_schemas.worklist import StudyStatus
from triage.store import trail
from triage.store.database import Store, bump, reading, writing
from triage.store.studies import arrivals, as_utc, newest_screening, study_row
from triage.store.tables import openings, screenings, studies, verdicts

OPEN_S = 45.0
"""A window that has not said for this long that it shows a study is taken for closed."""


def judge(
    store: Store, study_uid: str, verdict: Verdict, *, actor: str, screening: int, comment: str = ""
) -> int | None:
    """The number of the verdict; it takes the place of an earlier one of the same reader on the same result.

    `screening` is the result that was on the screen: None, and nothing is changed, when the study has a newer one. The
    trail tells that there is a comment, not what it says: it may name the patient. Raises NotFound.
    """
    now = datetime.now(UTC)
    with writing(store) as connection:
        if study_row(connection, study_uid, lock=True).screening_id != screening:
            return None
        mine = (verdicts.c.screening_id == screening, verdicts.c.actor == actor, verdicts.c.withdrawn_at.is_(None))
        standing = connection.execute(select(verdicts).where(*mine)).one_or_none()
        if standing is not None and (standing.verdict, standing.comment) == (verdict, comment):
            return int(standing.verdict_id)
        connection.execute(update(verdicts).where(*mine).values(withdrawn_at=now))
        given = {"study_uid": study_uid, "screening_id": screening, "actor": actor, "verdict": verdict}
        query = insert(verdicts).values(**given, comment=comment, made_at=now).returning(verdicts.c.verdict_id)
        number = int(connection.execute(query).scalar_one())
        fields: dict[str, str | int | float | bool] = {
            "verdict": verdict, "number": number, "screening": screening, "comment": bool(comment)
        }  # fmt: skip
        append(connection, "verdict", study_uid, actor, fields)
        return number


def withdraw(store: Store, study_uid: str, number: int, *, actor: str) -> None:
    """Takes the reader's own verdict back; one that is taken back already stays so. Raises NotFound."""
    with writing(store) as connection:
        own = (verdicts.c.verdict_id == number, verdicts.c.study_uid == study_uid, verdicts.c.actor == actor)
        row = connection.execute(select(verdicts).where(*own)).one_or_none()
        if row is None:
            raise NotFound("there is no such verdict of yours on this study")
        if row.withdrawn_at is None:
            connection.execute(update(verdicts).where(*own).values(withdrawn_at=datetime.now(UTC)))
            append(connection, "verdict withdrawn", study_uid, actor, {"verdict": row.verdict, "number": number})


def mark_read(store: Store, study_uid: str, *, actor: str, revision: int | None = None) -> bool:
    """Takes the study off the reading list; one that is off it already stays so. Raises NotFound.

    False, and nothing is changed, when more images came after the `revision` that the reader saw.
    """
    with writing(store) as connection:
        row = study_row(connection, study_uid, lock=True)
        if revision not in (None, arrivals(connection, study_uid)):
            return False
        if row.unread:
            place(connection, study_uid, unread=False, status=StudyStatus.READ)
            append(connection, "marked read", study_uid, actor)
        return True


def mark_unread(store: Store, study_uid: str, *, actor: str) -> None:
    """Puts the study back on the reading list, at its place. Raises NotFound."""
    with writing(store) as connection:
        row = study_row(connection, study_uid, lock=True)
        if not row.unread:
            place(connection, study_uid, unread=True, status=status_of(connection, row))
            append(connection, "read undone", study_uid, actor)


def status_of(connection: Connection, row: Row[Any]) -> StudyStatus:
    """Where an unread study is."""
    result = newest_screening(connection, row.screening_id)
    if result is None or (row.revision > row.screened_revision and row.turn == 0):
        return StudyStatus.WAITING
    return StudyStatus.RANKED if result.status is ScreeningStatus.RANKED else StudyStatus.NOT_SCORED


def place(connection: Connection, study_uid: str, **values: object) -> None:
    """Changes the study's row."""
    connection.execute(update(studies).where(studies.c.study_uid == study_uid).values(**values))


def append(
    connection: Connection,
    kind: str,
    study_uid: str,
    actor: str,
    fields: dict[str, str | int | float | bool] | None = None,
) -> None:
    """Into the trail, and every page hears of it."""
    trail.append(connection, TrailEvent(kind=kind, actor=actor, study_instance_uid=study_uid, fields=fields or {}))
    bump(connection)


def given_verdicts(store: Store, study_uid: str) -> list[GivenVerdict]:
    """The verdicts that stand, the oldest first."""
    query = (
        select(verdicts)
        .where(verdicts.c.study_uid == study_uid, verdicts.c.withdrawn_at.is_(None))
        .order_by(verdicts.c.verdict_id)
    )
    with reading(store) as connection:
        return [
            GivenVerdict(
                number=row.verdict_id,
                verdict=Verdict(row.verdict),
                comment=row.comment,
                actor=row.actor,
                made_at=as_utc(row.made_at),
                screening=row.screening_id,
            )
            for row in connection.execute(query)
        ]


def past_screenings(store: Store, study_uid: str) -> list[PastScreening]:
    """Every result the study had, the newest first."""
    query = select(screenings).where(screenings.c.study_uid == study_uid).order_by(screenings.c.screening_id.desc())
    with reading(store) as connection:
        return [
            PastScreening(
                number=row.screening_id,
                made_at=as_utc(row.made_at),
                result=StudyScreening.model_validate(row.result),
            )
            for row in connection.execute(query)
        ]


def show_open(store: Store, study_uid: str, window: str, *, actor: str, at: float) -> None:
    """The window shows the study at this time (epoch seconds); said again and again. Raises NotFound."""
    with writing(store) as connection:
        study_row(connection, study_uid)
        connection.execute(delete(openings).where((openings.c.window == window) | (openings.c.beat_at < at - OPEN_S)))
        connection.execute(insert(openings).values(study_uid=study_uid, window=window, actor=actor, beat_at=at))


def show_closed(store: Store, window: str) -> None:
    """The window shows no study any more."""
    with writing(store) as connection:
        connection.execute(delete(openings).where(openings.c.window == window))


def open_studies(store: Store, *, at: float) -> dict[str, str]:
    """Who has which study open: Study Instance UID and actor."""
    query = select(openings).where(openings.c.beat_at >= at - OPEN_S)
    with reading(store) as connection:
        return {row.study_uid: row.actor for row in connection.execute(query)}

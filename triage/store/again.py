"""Studies that are to be screened again: found by what told their newest results, and queued behind all others.

A study that is queued again keeps its result, level and place until the new result is there. Asking twice queues once:
one that waits already is left as it is.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, select, update

from data_schemas.audit import TrailEvent
from data_schemas.score import StudyScreening
from triage.store import trail
from triage.store.database import Store, bump, reading, writing
from triage.store.studies import study_row
from triage.store.tables import UNREAD, WAITING, screenings, studies

BATCH = 100
"""Studies queued in one transaction, behind which other writers wait."""
QUEUED = "queued again"
"""Kind of the trail."""


@dataclass(frozen=True)
class SameBasis:
    """Unread studies whose newest results were told by the same models at the same operating points."""

    basis_sha256: str
    studies: int
    example: StudyScreening
    """One of the results."""


def unread_by_basis(store: Store) -> list[SameBasis]:
    """The unread studies that have a result and do not wait for another, by what told it; the most first."""
    newest = studies.c.screening_id == screenings.c.screening_id
    number = func.count().label("studies")
    query = (
        select(screenings.c.basis_sha256, number, func.min(screenings.c.screening_id).label("example"))
        .join(studies, newest)
        .where(UNREAD, ~WAITING)
        .group_by(screenings.c.basis_sha256)
        .order_by(number.desc(), screenings.c.basis_sha256)
    )
    with reading(store) as connection:
        groups = connection.execute(query).all()
        results = select(screenings.c.screening_id, screenings.c.result)
        some = results.where(screenings.c.screening_id.in_([group.example for group in groups]))
        example = {row.screening_id: StudyScreening.model_validate(row.result) for row in connection.execute(some)}
    return [SameBasis(group.basis_sha256, group.studies, example[group.example]) for group in groups]


def being_screened(store: Store) -> int:
    """How many unread studies a worker has begun with: they are told by what was in force when it began."""
    query = select(func.count()).select_from(studies).where(UNREAD, WAITING, studies.c.attempts > 0)
    with reading(store) as connection:
        return int(connection.execute(query).scalar_one())


def queue_told_by(store: Store, why: Mapping[str, str], *, actor: str) -> Counter[str]:
    """Queues the unread studies whose newest result has one of the bases, with the reason of each for the trail; gives
    how many were queued just now for each reason."""
    wanted = screenings.c.basis_sha256.in_(list(why))
    return queue_all(store, UNREAD, wanted, why=lambda row: why[row.basis_sha256], actor=actor)


def queue_every(store: Store, *, actor: str, why: str) -> Counter[str]:
    """The same with every study that was ever screened, read ones too."""
    return queue_all(store, why=lambda row: why, actor=actor)


def queue_study(store: Store, study_uid: str, *, actor: str, why: str) -> Counter[str]:
    """The same with this study. Raises NotFound."""
    count_to_queue(store, study_uid)
    return queue_all(store, studies.c.study_uid == study_uid, why=lambda row: why, actor=actor)


def count_to_queue(store: Store, study_uid: str | None = None) -> int:
    """How many studies have a result and do not wait for another: of all, or 1 or 0 of this one. Raises NotFound."""
    query = select(func.count()).select_from(studies).where(~WAITING)
    with reading(store) as connection:
        if study_uid is not None:
            query = query.where(studies.c.study_uid == study_row(connection, study_uid).study_uid)
        return int(connection.execute(query).scalar_one())


def queue_all(store: Store, *wanted: ColumnElement[bool], why: Callable[[Row[Any]], str], actor: str) -> Counter[str]:
    """A batch at a time; who is ended in between has queued whole batches, and asks again for the rest."""
    queued: Counter[str] = Counter()
    last = 0
    while batch := queue_batch(store, last, wanted, why, actor):
        queued.update(why(row) for row in batch)
        last = batch[-1].sequence
    return queued


def queue_batch(
    store: Store,
    last: int,
    wanted: tuple[ColumnElement[bool], ...],
    why: Callable[[Row[Any]], str],
    actor: str,
) -> list[Row[Any]]:
    """The next of the studies in order of arrival, after the sequence `last`; rows and trail together."""
    with writing(store) as connection:
        rows = list(connection.execute(some(last, wanted)).all())
        numbers = [row.sequence for row in rows]
        changes = {"revision": studies.c.revision + 1, "attempts": 0, "turn": case((UNREAD, 1), else_=2)}
        connection.execute(update(studies).where(studies.c.sequence.in_(numbers)).values(changes))
        for row in rows:
            note(connection, row, why(row), actor)
        if rows:
            bump(connection)
    return rows


def some(last: int, wanted: tuple[ColumnElement[bool], ...]) -> Any:  # noqa: ANN401  # SQLAlchemy's own long type
    """The rows of a batch, held until the transaction ends."""
    return (
        select(studies.c.sequence, studies.c.study_uid, studies.c.screening_id, screenings.c.basis_sha256)
        .join(screenings, studies.c.screening_id == screenings.c.screening_id)
        .where(~WAITING, studies.c.sequence > last, *wanted)
        .order_by(studies.c.sequence)
        .limit(BATCH)
        .with_for_update(of=studies, key_share=True)
    )


def note(connection: Connection, row: Row[Any], why: str, actor: str) -> None:
    """Who queued the study again, and why, in the trail."""
    fields: dict[str, str | int | float | bool] = {"why": why, "screening": row.screening_id}
    trail.append(connection, TrailEvent(kind=QUEUED, actor=actor, study_instance_uid=row.study_uid, fields=fields))
